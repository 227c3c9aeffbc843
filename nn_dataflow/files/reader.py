# SPDX-License-Identifier: BSD-3-Clause
"""YAML and JSON files in, YAML files out; every complaint names the file and the line.

Decides how a file is read (docs/machines.md section 3; docs/cosa.md sections 2 and 6): one whose
name ends in .json by the standard library, all others by PyYAML, which an extra brings.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nn_dataflow.errors import InputError

from . import json_nodes
from .table import MAPPING, Document

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .table import Node


def read(path: str | Path, extra: str) -> Document:
    """Read a file whose top is a mapping.

    Parameters
    ----------
    path : str or Path
        Name of the file; one that ends in ``.json`` is JSON, any other YAML.
    extra : str
        The extra of this package that brings PyYAML.

    Raises
    ------
    InputError
        With file and line, if it cannot be read, is no YAML or JSON, or is no mapping.
    MissingExtraError
        Without PyYAML, for YAML.
    """
    name = str(path)
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except OSError as error:
        raise InputError(f"{name}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise InputError(f"{name}: cannot be read: is no UTF-8 text") from None
    is_json = Path(path).suffix.lower() == ".json"
    node = _compose_json(name, text) if is_json else _compose_yaml(name, text, extra)
    if node.kind != MAPPING:
        raise InputError(f"{name}:1: must be a mapping of names to values")
    document = Document(name, node, "file")
    document.stem = Path(path).stem
    return document


def _compose_json(name: str, text: str) -> Node:
    try:
        return json_nodes.compose(text)
    except json.JSONDecodeError as error:
        raise InputError(f"{name}:{error.lineno}: is no JSON: {error.msg}") from None
    except (RecursionError, ValueError) as error:
        reason = "is nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise InputError(f"{name}: is no JSON: {reason}") from None


def _compose_yaml(name: str, text: str, extra: str) -> Node:
    from .yaml_nodes import compose, yaml_of  # noqa: PLC0415 (needs an extra)

    yaml = yaml_of(extra)
    try:
        return compose(text, extra)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f":{mark.line + 1}" if mark else ""
        raise InputError(f"{name}{where}: is no YAML: {error.problem}") from None
    except (yaml.YAMLError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise InputError(f"{name}: is no YAML: {reason}") from None


def write_yaml(path: str | Path, values: Mapping[str, Any], extra: str) -> None:
    """Write a YAML file, each innermost table on one line; `extra` brings PyYAML.

    Raises
    ------
    MissingExtraError
        Without PyYAML.
    """
    from .yaml_nodes import yaml_of  # noqa: PLC0415 (needs an extra)

    yaml = yaml_of(extra)
    text = yaml.safe_dump(dict(values), sort_keys=False, default_flow_style=None, width=100)
    Path(path).write_text(text, encoding="utf-8")
