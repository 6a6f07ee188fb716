# Every target makes the environment it needs: a fresh clone wants python3 (3.11
# or later) and make, nothing else.

PYTHON ?= python3
# For pytest: make test ARGS="-k handoff"; and for make bench: ARGS=--quick
ARGS ?=
# The torch of .venv, and the other one: the oldest that is supported, unless told.
NEWEST := 2.14.1
TORCH ?= 2.13.0
CUPY := 14.2.0

bin := .venv/bin
other := .venv-torch-$(TORCH)
install := -m pip install --quiet --disable-pip-version-check --constraint constraints.txt
comma := ,

.DEFAULT_GOAL := help
.PHONY: help demo test test-pure test-asan test-torch test-gpu test-peers lint bench docs clean

help: ## what there is to make
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' Makefile | expand -t 12

demo: .venv/compiled ## convert a tensor and an image, and say what happened
	$(bin)/python docs/demo.py

test: .venv/compiled ## the whole suite, on a simulated GPU: compiled, in pure Python, and with the oldest torch
	INTEROP_SIMCUDA=1 $(bin)/pytest $(ARGS)
	$(MAKE) test-pure test-torch

test-pure: .venv/made ## the suite without the compiled path
	$(if $(INTEROP_REQUIRE),INTEROP_REQUIRE=$(subst $(comma)compiled,,$(INTEROP_REQUIRE))) \
	    INTEROP_COMPILED=0 INTEROP_SIMCUDA=1 $(bin)/pytest $(ARGS)

# AddressSanitizer takes malloc's place, and must be there before Python is. From that folder the tests' child
# processes import what was built in it, too.
test-asan: .venv/asan ## the tests of the compiled path, its memory watched by AddressSanitizer
	cd .venv/asan && PYTHONPATH=$(CURDIR)/.venv/asan PYTHONMALLOC=malloc ASAN_OPTIONS=detect_leaks=0 \
	    LD_PRELOAD="$$(gcc -print-file-name=libasan.so) $$(gcc -print-file-name=libstdc++.so)" \
	    INTEROP_REQUIRE=compiled ../bin/pytest -c ../../pyproject.toml --rootdir ../.. -k "not million" $(ARGS) \
	    ../../tests/test_compiled.py ../../tests/test_references.py ../../tests/test_exit.py ../../tests/traps

# That environment has no CuPy and no linters, so it may skip what needs them.
test-torch: $(other)/compiled ## the suite with another torch: make test-torch TORCH=2.15.0
	$(if $(INTEROP_REQUIRE),INTEROP_REQUIRE=numpy$(comma)torch$(comma)compiled) $(other)/bin/pytest $(ARGS)

# What asks for races, schedules or counts requires simcuda, and is skipped by that name.
test-gpu: .venv/compiled ## the same suite on this machine's GPU, which it must have
	env -u INTEROP_SIMCUDA INTEROP_REQUIRE=numpy,torch,cupy,gpu,kernels $(bin)/pytest $(ARGS)

# A suite in its own process each: make test-peers ARGS=numpy_export runs one of them.
test-peers: .venv/compiled .venv/peers/made ## test suites of other projects, with interop in the place of their code
	$(bin)/python tests/peers/run.py $(ARGS)

lint: .venv/made ## style, types, and which module may import which
	$(bin)/ruff check
	$(bin)/ruff format --check
	$(bin)/mypy
	$(bin)/pyright
	rm -rf .venv/layout && mkdir .venv/layout # the packages as they are installed
	cp -R interop .venv/layout/ && cp -R adapters .venv/layout/interop/
	cd .venv/layout && ../bin/lint-imports --no-cache --config ../../pyproject.toml

bench: .venv/compiled ## the ratios that are promised, compiled and in pure Python; it is no test
	$(bin)/python bench $(ARGS)
	INTEROP_COMPILED=0 $(bin)/python bench $(ARGS)

docs: .venv/compiled ## the pages, below docs/_build/html
	INTEROP_PLUGINS=0 $(bin)/sphinx-build -W --keep-going docs docs/_build/html

clean: ## back to what git knows, environments included
	rm -rf .venv .venv-torch-* build dist *.egg-info docs/_build docs/generated
	rm -f interop/*.so adapters/*.so
	rm -rf .hypothesis .mypy_cache .pytest_cache .ruff_cache .import_linter_cache
	find . -name __pycache__ -prune -exec rm -rf {} +

# pip 25.1 is the first that knows dependency groups.
.venv/made: pyproject.toml tests/plugin/pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(bin)/python $(install) --upgrade 'pip>=25.1'
	$(bin)/python $(install) torch==$(NEWEST) --editable '.[all]' --editable tests/plugin \
	    --group test --group simcuda --group lint --group docs --group demo --group bench --group sources \
	    --group cluster
	$(bin)/python $(install) --no-deps --target .venv/numba numba llvmlite # apart: Dask would use it for CuPy
	# CuPy's source, of which tests/simcuda compiles one module; STUB: no CUDA is looked for.
	CUPY_INSTALL_USE_STUB=1 $(bin)/python -m pip download --quiet --disable-pip-version-check --no-deps \
	    --no-binary cupy --no-build-isolation cupy==$(CUPY) --dest .venv/src
	touch $@

# Apart from .venv, which shall have what users have: only tests/peers puts this folder on the path.
.venv/peers/made: pyproject.toml constraints.txt | .venv/made
	rm -rf .venv/peers
	$(bin)/python $(install) --no-deps --target .venv/peers --group peers
	mkdir .venv/peers/src
	tar -xzf .venv/src/cupy-$(CUPY).tar.gz -C .venv/peers/src --strip-components 1 cupy-$(CUPY)/tests
	touch $@

$(other)/made: pyproject.toml tests/plugin/pyproject.toml constraints.txt
	$(PYTHON) -m venv $(other)
	$(other)/bin/python $(install) --upgrade 'pip>=25.1'
	$(other)/bin/python $(install) torch==$(TORCH) --editable '.[torch,ml-dtypes,progress,doctor]' \
	    --editable tests/plugin --group test
	touch $@

# The extensions, built beside their sources: all environments of one Python share them.
sources := setup.py $(wildcard interop/*.c adapters/*.c adapters/*.h)

%/compiled: $(sources) | %/made
	$*/bin/python setup.py --quiet build_ext --inplace
	touch $@

.venv/asan: $(sources) $(wildcard interop/*.py adapters/*.py) | .venv/made
	rm -rf $@
	CFLAGS="-O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined" \
	    $(bin)/python setup.py --quiet build --build-base $@/build --build-lib $@
