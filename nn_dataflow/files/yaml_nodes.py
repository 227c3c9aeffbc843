# SPDX-License-Identifier: BSD-3-Clause
"""Syntax of a YAML file, with lines, as PyYAML reads it.

Decides how the nodes of PyYAML become those that `table` checks; nothing is looked at before it is
asked for, so that what is ignored cannot be refused.
"""

from __future__ import annotations

from typing import Any

from nn_dataflow.errors import require

from .table import LIST, MAPPING, SCALAR


class YamlNode:
    """A value of a YAML file; see `table.Node`."""

    def __init__(self, yaml: Any, node: Any) -> None:
        self._yaml, self._node = yaml, node
        kinds = ((yaml.MappingNode, MAPPING), (yaml.SequenceNode, LIST), (yaml.ScalarNode, SCALAR))
        self.kind = next((kind for type_, kind in kinds if isinstance(node, type_)), "")

    @property
    def line(self) -> int:
        """Line at which the value begins; 1 in an empty file."""
        return 1 if self._node is None else int(self._node.start_mark.line) + 1

    @property
    def text(self) -> str:
        """A scalar as it is written."""
        return str(self._node.value)

    def value(self) -> Any:
        """A scalar as a value of Python."""
        return self._yaml.SafeLoader("").construct_object(self._node)

    def items(self) -> list[YamlNode]:
        """Return the items of a list."""
        return [YamlNode(self._yaml, item) for item in self._node.value]

    def entries(self) -> list[tuple[str, int, YamlNode]]:
        """Return keys, their lines, and values of a mapping."""
        return [
            (str(key.value), key.start_mark.line + 1, YamlNode(self._yaml, value))
            for key, value in self._node.value
        ]


def yaml_of(extra: str) -> Any:
    """Return PyYAML.

    Raises
    ------
    MissingExtraError
        If it is not installed; the message names the extra that brings it.
    """
    return require("yaml", "PyYAML", "reading and writing of YAML files", extra)


def compose(text: str, extra: str) -> YamlNode:
    """Return the syntax of a file; `extra` brings PyYAML.

    Raises
    ------
    MissingExtraError
        Without PyYAML.
    yaml.YAMLError, ValueError
        If it is no YAML.
    """
    yaml = yaml_of(extra)
    return YamlNode(yaml, yaml.compose(text, Loader=yaml.SafeLoader))
