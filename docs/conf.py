# SPDX-License-Identifier: BSD-3-Clause
"""Settings of Sphinx: how the pages of this folder become HTML.

Pages are Markdown that reads well by itself (MyST); the interface reference is made from the
docstrings of the package, which must be importable (``pip install ".[docs]"``).
"""

import re

from nn_dataflow.version import __version__

project = "nn_dataflow"
author = "the nn_dataflow developers"
version = release = __version__
language = "en"

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns: list[str] = []

# Links to sections, "page.md#heading", go to the headings of these levels.
myst_heading_anchors = 3

# Names in single backticks of docstrings are those of the interface where there is such a name.
default_role = "py:obj"
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
autodoc_typehints = "none"  # types are in the docstrings, with shapes and units
autodoc_default_options = {"members": True}
napoleon_google_docstring = False
napoleon_use_rtype = False
napoleon_use_ivar = True
maximum_signature_line_length = 88

linkcheck_ignore = [r"https?://"]  # only what is in this folder

html_theme = "furo"
html_title = f"nn_dataflow {release}"
html_static_path = ["_static"]
html_css_files = ["manual.css"]
html_copy_source = False
html_show_copyright = False
html_show_sphinx = False

_PAGE = re.compile(r"(?<![`\w/])docs/([\w/]+)\.md")
_FIELD = re.compile(r":(ivar|vartype) ([^:`]+, [^:`]+):(.*)")


def _link_pages(app, what, name, obj, options, lines):
    """Make a link of each page that a docstring cites as docs/PAGE.md."""
    lines[:] = [_PAGE.sub(r":doc:`docs/\1.md </\1>`", line) for line in lines]


def _separate_attributes(app, what, name, obj, options, lines):
    """Give each of several attributes that share a text a field of its own, as parameters have."""
    old, lines[:] = list(lines), []
    while old:
        text = [old.pop(0)]
        while _FIELD.match(text[0]) and old and old[0].startswith(" "):
            text.append(old.pop(0))
        if found := _FIELD.match(text[0]):
            for attribute in found[2].split(", "):
                lines += [f":{found[1]} {attribute}:{found[3]}", *text[1:]]
        else:
            lines += text


def _skip_bare_fields(app, what, name, obj, skip, options):
    """Leave out fields of named tuples that have no text but Python's own."""
    return True if str(obj.__doc__).startswith("Alias for field number") else None


def setup(app):
    """Connect to Sphinx."""
    app.connect("autodoc-process-docstring", _link_pages)
    app.connect("autodoc-process-docstring", _separate_attributes)
    app.connect("autodoc-skip-member", _skip_bare_fields)
