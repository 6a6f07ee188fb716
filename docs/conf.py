"""Configuration of Sphinx for `make docs`. The code on the pages runs while the pages are built."""

import os
import sys
from pathlib import Path

here = Path(__file__).parent
sys.path.insert(0, str(here))

import _bench  # noqa: E402 - the modules beside this file
import _handoffs  # noqa: E402
import _reliability  # noqa: E402
import _sources  # noqa: E402
import _traps  # noqa: E402
import _versions  # noqa: E402

import interop  # noqa: E402

(here / "generated").mkdir(exist_ok=True)
_traps.write(here / "generated" / "traps.md")
_handoffs.write(here / "generated" / "handoffs.md")
_reliability.write(here / "generated" / "reliability.md")
_sources.write(here / "generated" / "sources.md")
_versions.write(here / "generated")
_bench.write(here / "generated")

project = "interop"
author = "the interop developers"
copyright = author  # noqa: A001 - Sphinx' name for it
version = release = interop.__version__

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
]
exclude_patterns = ["_build", "generated"]
default_role = "py:obj"  # `convert` in a docstring is a link, and `x` is code

# Notebooks run at every build, and an error in one is an error of the build.
nb_execution_mode = "force"
nb_execution_raise_on_error = True
nb_execution_timeout = 120
nb_execution_show_tb = True
nb_merge_streams = True
os.environ["IPYKERNEL_CELL_NAME"] = "cell"  # `watch` shows this name, not a temporary file
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3

# Signatures show names only. The docstrings describe the types, and the overloads are for type checkers.
autodoc_typehints = "none"
autodoc_member_order = "bysource"
autosummary_generate = False
napoleon_google_docstring = False
napoleon_use_rtype = False
napoleon_use_ivar = True

html_theme = "pydata_sphinx_theme"
html_title = "interop"
html_static_path = ["_static"]
html_css_files = ["pages.css"]
html_show_sourcelink = False
html_copy_source = False
html_theme_options = {
    "navbar_align": "left",
    "header_links_before_dropdown": 7,
    "navbar_end": ["theme-switcher"],
    "navigation_with_keys": False,
    "show_prev_next": True,
    "show_nav_level": 2,
    # Short pages that list their sibling pages do not list their own sections.
    "secondary_sidebar_items": {"*": ["page-toc"], "decisions/*": ["page-toc"], "howto/*": []},
    "footer_start": ["copyright"],
    "footer_end": [],
}
html_context = {"default_mode": "light"}
siblings = ["sidebar-nav-bs"]
html_sidebars = {
    "*": [],
    "decisions/*": siblings,
    "howto/*": siblings,
}  # other pages have no siblings
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True
