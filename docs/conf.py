"""Settings of the site, which `make docs` builds into docs/_build.

The source folder is the root of the repository, so that the site has its shape: a relative link
from one page to another, to a notebook or to a file of the code is the same here and on GitHub.
"""

from __future__ import annotations

from sphinx.application import Sphinx

from workbench.version import __version__

project = "Meta-learning workbench"
author = "The authors of the workbench"
version = release = __version__
root_doc = "docs/index"

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
]
include_patterns = ["docs/**.md", "notebooks/*.ipynb", "CHANGELOG.md", "README.md"]
# Folders that are not looked into. Without them, the whole of .venv is.
exclude_patterns = [
    ".*",
    "**/.ipynb_checkpoints",
    "**/__pycache__",
    "benchmarks",
    "build",
    "dist",
    "docs/_build",
    "plugins",
    "runs",
    "tests",
    "workbench",
]

# --- Markdown and notebooks

myst_heading_anchors = 4  # links such as design.md#tasks
# What a notebook shows is stored: `make notebooks` runs it, and a test runs it with small settings.
nb_execution_mode = "off"

# --- docstrings, in which `x` is code

default_role = "code"
autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
maximum_signature_line_length = 78
napoleon_numpy_docstring = False
napoleon_use_rtype = False

# --- pages

templates_path = ["_templates"]
html_theme = "pydata_sphinx_theme"
html_title = project
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_additional_pages = {"index": "to_home.html"}  # the root of the site
html_copy_source = False
html_show_sourcelink = False
html_theme_options = {
    "logo": {"text": "mlw"},
    "show_prev_next": False,
    "footer_start": [],
    "footer_end": [],
    "secondary_sidebar_items": ["page-toc"],
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "a11y-high-contrast-dark",
}
html_sidebars = {"docs/index": []}
copybutton_prompt_text = "$ "
highlight_language = "text"


def as_literal(
    _app: Sphinx, what: str, _name: str, _of: object, _o: object, lines: list[str]
) -> None:
    """Show the indented parts of a module's docstring as they are: code, and the tree of errors."""
    if what != "module":
        return
    for number in range(len(lines) - 1, 0, -1):
        begins = lines[number].startswith("    ") and not lines[number - 1]
        above = next((line for line in reversed(lines[:number]) if line), "")
        if begins and not above.startswith(" "):
            lines[number:number] = ["::", ""]


def setup(app: Sphinx) -> None:
    """Called by Sphinx."""
    app.connect("autodoc-process-docstring", as_literal)
