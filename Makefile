# Every target first creates the environment that it needs. A fresh clone needs only
# make and python3 (3.11 or later).

PYTHON ?= python3
# Arguments for pytest (make test ARGS="-k handoff") or for the benchmark
# (make bench ARGS=--quick).
ARGS ?=
# Minutes that `make stress` takes.
MINUTES ?= 5
# Versions in .venv, and of torch in .venv-demo and in the tests of the wheels. `make test-range` tests others.
TORCH := 2.14.1
CUPY := 14.2.0
DEMO_TORCH := 2.13.0

bin := .venv/bin
# One test process per core, each with its own simulated CUDA runtime. A file stays in one process,
# so its fixtures are made once. The limit is there because a process takes about 2 GB. ARGS=-n0
# runs everything in one process, and --pdb does so too.
parallel := -n auto --maxprocesses 8 --dist loadfile
install := -m pip install --quiet --disable-pip-version-check --constraint constraints.txt
comma := ,

.DEFAULT_GOAL := help
.PHONY: help demo test test-quick test-pure test-range test-asan test-gpu test-peers
.PHONY: wheels stress lint bench docs clean

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' Makefile | expand -t 12

demo: .venv-demo/compiled ## convert a tensor and an image, and print what happened
	.venv-demo/bin/python docs/demo.py

test: .venv/compiled ## run all tests on a simulated GPU, compiled and in pure Python
	INTEROP_SIMCUDA=1 $(bin)/pytest $(parallel) $(ARGS)
	$(MAKE) test-pure

test-quick: .venv/compiled ## run most tests, compiled only, in a few minutes; see the marker `slow`
	INTEROP_SIMCUDA=1 $(bin)/pytest $(parallel) -m 'not slow' $(ARGS)

test-pure: .venv/made ## run all tests in pure Python, without the compiled path
	$(if $(INTEROP_REQUIRE),INTEROP_REQUIRE=$(subst $(comma)compiled,,$(INTEROP_REQUIRE))) \
	    INTEROP_COMPILED=0 INTEROP_SIMCUDA=1 $(bin)/pytest $(parallel) $(ARGS)

# AddressSanitizer replaces malloc, so LD_PRELOAD must load it before Python starts. The tests run
# in the folder .venv/asan, so that their child processes also import the extensions built there.
test-asan: .venv/asan ## run the tests of the compiled path under AddressSanitizer
	cd .venv/asan && PYTHONPATH=$(CURDIR)/.venv/asan PYTHONMALLOC=malloc ASAN_OPTIONS=detect_leaks=0 \
	    LD_PRELOAD="$$(gcc -print-file-name=libasan.so) $$(gcc -print-file-name=libstdc++.so)" \
	    INTEROP_REQUIRE=compiled ../bin/pytest -c ../../pyproject.toml --rootdir ../.. -k "not million" $(ARGS) \
	    ../../tests/test_compiled.py ../../tests/test_compiled_errors.py ../../tests/test_allocations.py \
	    ../../tests/test_references.py ../../tests/test_exit.py ../../tests/traps

# Some environments: make test-range ARGS="oldest newest". All of them: make test-range ALL=1
test-range: .venv-range/made ## run the tests with other versions of Python and the frameworks: docs/versions.md
	.venv-range/bin/python tests/versions $(if $(ALL),--all) $(ARGS)

# Tests that check races, schedules or counts require `simcuda`, so they are skipped here.
test-gpu: .venv/compiled ## run all tests on the GPU of this machine; fails without a GPU
	env -u INTEROP_SIMCUDA INTEROP_REQUIRE=numpy,torch,cupy,gpu,kernels $(bin)/pytest $(ARGS)

# Each suite runs in its own process. `make test-peers ARGS=numpy_export` runs one of them.
test-peers: .venv/compiled .venv/peers/made ## run test suites of other projects on top of interop
	$(bin)/python tests/peers/run.py $(ARGS)

# The wheels end up in dist/. CI builds those of all platforms with cibuildwheel.
wheels: .venv-wheels/made ## build the wheels of this machine, and test them without a compiler
	.venv-wheels/bin/python tests/wheels --torch $(DEMO_TORCH) $(ARGS)

# A kind alone, and an earlier run again: make stress ARGS="--only fuzz --seed 12345"
stress: .venv/compiled ## fuzz, threads, forks, interrupts, failed allocations: make stress MINUTES=60
	INTEROP_SIMCUDA=1 $(bin)/python tests/stress --minutes $(MINUTES) $(ARGS)

lint: .venv/made ## check style, types, workflows, and which module may import which
	$(bin)/ruff check
	$(bin)/ruff format --check
	$(bin)/mypy
	$(bin)/pyright
	$(bin)/check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/*.yml
	$(bin)/check-jsonschema --builtin-schema vendor.readthedocs .readthedocs.yaml
	rm -rf .venv/layout && mkdir .venv/layout # a copy of the packages, laid out as they are installed
	cp -R interop .venv/layout/ && cp -R adapters .venv/layout/interop/
	cd .venv/layout && ../bin/lint-imports --no-cache --config ../../pyproject.toml

bench: .venv/compiled ## measure the promised speed ratios, compiled and in pure Python (not a test)
	$(bin)/python bench $(ARGS)
	INTEROP_COMPILED=0 $(bin)/python bench $(ARGS)

docs: .venv/compiled ## build the documentation in docs/_build/html
	INTEROP_PLUGINS=0 $(bin)/sphinx-build -W --keep-going docs docs/_build/html

clean: ## delete everything that make creates, including the environments
	rm -rf .venv .venv-demo .venv-range .venv-wheels build dist *.egg-info docs/_build docs/generated
	find interop adapters -name '*.so' -exec rm -f {} +
	rm -rf .hypothesis .mypy_cache .pytest_cache .ruff_cache .import_linter_cache
	find . -name __pycache__ -prune -exec rm -rf {} +

# pip 25.1 is the first version that supports dependency groups.
.venv/made: pyproject.toml tests/plugin/pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(bin)/python $(install) --upgrade 'pip>=25.1'
	$(bin)/python $(install) torch==$(TORCH) --editable '.[all]' --editable tests/plugin \
	    --group test --group simcuda --group lint --group docs --group demo --group bench --group sources \
	    --group cluster
	# numba has a folder of its own: if Dask could import numba, Dask would use numba for CuPy arrays.
	$(bin)/python $(install) --no-deps --target .venv/numba numba llvmlite
	# tests/simcuda compiles one module from CuPy's source. With CUPY_INSTALL_USE_STUB, the setup.py
	# of CuPy does not look for CUDA.
	CUPY_INSTALL_USE_STUB=1 $(bin)/python -m pip download --quiet --disable-pip-version-check --no-deps \
	    --no-binary cupy --no-build-isolation cupy==$(CUPY) --dest .venv/src
	touch $@

# These packages are not installed in .venv itself, because .venv should contain only what users have.
# Only tests/peers adds this folder to the import path.
.venv/peers/made: pyproject.toml constraints.txt | .venv/made
	rm -rf .venv/peers
	$(bin)/python $(install) --no-deps --target .venv/peers --group peers
	mkdir .venv/peers/src
	tar -xzf .venv/src/cupy-$(CUPY).tar.gz -C .venv/peers/src --strip-components 1 cupy-$(CUPY)/tests
	touch $@

# Only uv: tests/versions makes the environments in this folder, and deletes them.
.venv-range/made: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv-range
	.venv-range/bin/python $(install) --upgrade 'pip>=25.1'
	.venv-range/bin/python $(install) --group range
	touch $@

# pip 25.3 is the first version that supports constraints for the environment of a build.
.venv-wheels/made: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv-wheels
	.venv-wheels/bin/python $(install) --upgrade 'pip>=25.3'
	.venv-wheels/bin/python $(install) --group wheels
	touch $@

# The demo gets a small environment, so that a newcomer does not wait for linters and data libraries.
# If an index offers a CPU build of this torch version (2.13.0+cpu), pip prefers that build.
.venv-demo/made: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv-demo
	.venv-demo/bin/python $(install) --upgrade 'pip>=25.1'
	.venv-demo/bin/python $(install) torch==$(DEMO_TORCH) --editable '.[torch]' --group demo
	touch $@

# The extensions are built next to their sources, so all environments of one Python version share them.
sources := setup.py $(wildcard interop/*/*.c adapters/*/*.c adapters/*/*.h)

%/compiled: $(sources) | %/made
	$*/bin/python setup.py --quiet build_ext --inplace
	touch $@

.venv/asan: $(sources) $(shell find interop adapters -name '*.py') | .venv/made
	rm -rf $@
	CFLAGS="-O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined" \
	    $(bin)/python setup.py --quiet build --build-base $@/build --build-lib $@
