# SPDX-License-Identifier: BSD-3-Clause
"""Templates of reports, filled in.

Decides how all reports are written (docs/report.md section 6): every value escaped, nothing left
out in silence, with the versions that made them.
"""

from __future__ import annotations

import platform
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nn_dataflow.errors import require

if TYPE_CHECKING:
    from collections.abc import Mapping

_TEMPLATES = Path(__file__).parent / "templates"


def filled(template: str, values: Mapping[str, Any], version: str, command: str) -> str:
    """Return a report.

    Parameters
    ----------
    template
        Name of the template.
    values
        What it fills in.
    version
        Version of the program.
    command
        The command line that reproduces the report, or "".

    Raises
    ------
    MissingExtraError
        If Jinja2 is not installed.
    """
    jinja2 = require("jinja2", "Jinja2", "a report", "report")
    markupsafe = require("markupsafe", "Jinja2", "a report", "report")
    environment = jinja2.Environment(
        autoescape=True,
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    # Names of layers may be broken behind a stroke.
    stroke = markupsafe.Markup("_<wbr>")
    environment.filters["breakable"] = lambda name: markupsafe.escape(name).replace("_", stroke)
    versions = {
        "nn_dataflow": version,
        "Python": platform.python_version(),
        "NumPy": np.__version__,
    }
    text: str = environment.get_template(template).render(
        **values, command=command, versions=versions
    )
    return text
