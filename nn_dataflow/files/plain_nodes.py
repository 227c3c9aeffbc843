# SPDX-License-Identifier: BSD-3-Clause
"""Values of Python in the place of a file.

Decides that a mapping which a program gives is read and checked as a file is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .table import LIST, MAPPING, SCALAR, Document

if TYPE_CHECKING:
    from collections.abc import Mapping


class PlainNode:
    """A value of Python; see `table.Node`."""

    line = 0  # in no file

    def __init__(self, value: Any) -> None:
        self._value = value
        self.kind = SCALAR
        if isinstance(value, dict):
            self.kind = MAPPING
        elif isinstance(value, (list, tuple)):
            self.kind = LIST

    @property
    def text(self) -> str:
        """A scalar as text."""
        return str(self._value)

    def value(self) -> Any:
        """A scalar as it is."""
        return self._value

    def items(self) -> list[PlainNode]:
        """Return the items of a list."""
        return [*map(PlainNode, self._value)]

    def entries(self) -> list[tuple[str, int, PlainNode]]:
        """Return keys, 0 for their lines, and values of a mapping."""
        return [(str(key), self.line, PlainNode(value)) for key, value in self._value.items()]


def document_of(values: Mapping[str, Any], name: str) -> Document:
    """Return a mapping as if it were the content of a file; `name` stands for that in messages.

    Examples
    --------
    >>> document_of({"word": "16 bit"}, "machine").whole("word")
    Traceback (most recent call last):
        ...
    nn_dataflow.errors.InputError: machine: word: must be a positive integer, got '16 bit'
    """
    document = Document(name, PlainNode(dict(values)), "mapping")
    document.stem = name
    return document
