# SPDX-License-Identifier: BSD-3-Clause
"""Tables of a file, whose values are taken one by one; every complaint names file and line.

Decides how values of files are checked (docs/machines.md section 3; docs/cosa.md sections 2 and
6): a key given twice is refused, and so is an unknown key, in some files only if it is nearly a
known one, since it would be lost in silence.
"""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, NoReturn, Protocol

from nn_dataflow.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

MAPPING, LIST, SCALAR = "mapping", "list", "scalar"


class Node(Protocol):
    """A value in the syntax of a file, whatever the format."""

    @property
    def kind(self) -> str:
        """`MAPPING`, `LIST` or `SCALAR`."""

    @property
    def line(self) -> int:
        """Line at which it begins, from 1; 0 if it is in no file."""

    @property
    def text(self) -> str:
        """A scalar as it is written."""

    def value(self) -> Any:
        """A scalar as a value of Python."""

    def items(self) -> Sequence[Node]:
        """Return the items of a list."""

    def entries(self) -> Sequence[tuple[str, int, Node]]:
        """Return keys, their lines, and values of a mapping."""


class Table:
    """A mapping of a file, of which each value is taken with a check.

    Parameters
    ----------
    path : str
        The file, for messages.
    node : Node
        Its syntax, a mapping.
    what : str
        What it describes, for messages.
    """

    def __init__(self, path: str, node: Node, what: str) -> None:
        self.path, self.what, self.line = path, what, node.line
        self._values: dict[str, Node] = {}
        self._lines: dict[str, int] = {}
        for key, line, value in node.entries():
            if key in self._values:
                raise InputError(f"{path}:{line}: {key} is given twice")
            self._values[key] = value
            self._lines[key] = line

    def __contains__(self, key: str) -> bool:
        return key in self._values

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def keys(self) -> Iterator[str]:
        """Names of the values, in the order of the file."""
        return iter(self._values)

    def refuse(self, key: str | None, wrong: str) -> NoReturn:
        """Raise an error about a value, or about the whole table."""
        line, name = self.line, ""
        if key is not None and key in self._lines:
            line, name = self._lines[key], f"{key}: "
        where = f"{self.path}:{line}" if line else self.path
        raise InputError(f"{where}: {name}{wrong}")

    def check_keys(self, known: Collection[str]) -> None:
        """Refuse an unknown key that is nearly a known one; others are ignored."""
        for key in self._values:
            if key not in known:
                near = get_close_matches(key.lower().replace("_", "-"), known, 1, 0.8)
                if near:
                    self.refuse(key, f"unknown key, {near[0]!r} was meant")

    def check_all_keys(self, known: Sequence[str]) -> None:
        """Refuse every unknown key."""
        for key in self._values:
            if key not in known:
                near = get_close_matches(key.lower(), known, 1, 0.6)
                meant = f"{near[0]!r} was meant, " if near else ""
                self.refuse(key, f"unknown key, {meant}must be of {', '.join(known)}")

    def is_table(self, key: str) -> bool:
        """Tell whether there is a value and it is a mapping."""
        return key in self._values and self._values[key].kind == MAPPING

    def table(self, key: str) -> Table:
        """Return a mapping."""
        node = self._node(key, "a mapping")
        if node.kind != MAPPING:
            self.refuse(key, "must be a mapping")
        return Table(self.path, node, key)

    def tables(self, key: str) -> list[Table]:
        """Return a list of mappings."""
        node = self._node(key, "a list of mappings")
        if node.kind != LIST or not all(x.kind == MAPPING for x in node.items()):
            self.refuse(key, "must be a list of mappings")
        return [Table(self.path, item, key) for item in node.items()]

    def one_or_more_tables(self, key: str) -> list[Table]:
        """Return a mapping as a list of one, or a list of mappings."""
        return [self.table(key)] if self.is_table(key) else self.tables(key)

    def text(self, key: str, default: str | None = None) -> str:
        """Return a text; a missing one is refused unless there is a default."""
        if default is not None and key not in self._values:
            return default
        node = self._node(key, "a text")
        if node.kind != SCALAR or node.text == "":
            self.refuse(key, "must be a text")
        return node.text

    def choice(self, key: str, choices: Sequence[str]) -> str:
        """Return one of some texts."""
        text = self.text(key)
        if text not in choices:
            self.refuse(key, f"must be {' or '.join(choices)}, got {text!r}")
        return text

    def names(self, key: str, allowed: Sequence[str]) -> tuple[str, ...]:
        """Return a list of names; none where the value is missing or empty."""
        node = self._values.get(key)
        if node is None or (node.kind == SCALAR and node.text in ("", "null", "~")):
            return ()
        if node.kind != LIST or not all(x.kind == SCALAR for x in node.items()):
            self.refuse(key, "must be a list of names")
        found = tuple(item.text for item in node.items())
        for name in found:
            if name not in allowed:
                self.refuse(key, f"must be of {', '.join(allowed)}, got {name!r}")
        if len(set(found)) < len(found):
            self.refuse(key, "names something twice")
        return found

    def whole(self, key: str, default: int | None = None) -> int:
        """Return a positive integer; a missing one is refused unless there is a default."""
        if default is not None and key not in self._values:
            return default
        value = self._scalar(key, "a positive integer")
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            self.refuse(key, f"must be a positive integer, got {self._values[key].text!r}")
        return value

    def one_or_more_wholes(self, key: str) -> tuple[int, ...]:
        """Return a positive integer as a tuple of one, or a list of them."""
        node = self._node(key, "a positive integer, or a list of them")
        items = node.items() if node.kind == LIST else [node]
        for item in items or [node]:
            value = item.value() if item.kind == SCALAR else None
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                got = f", got {item.text!r}" if item.kind == SCALAR else ""
                self.refuse(key, f"must be a positive integer, or a list of them{got}")
        return tuple(item.value() for item in items)

    def lists(self, key: str) -> list[Any]:
        """Return a list of texts and such lists."""

        def plain(node: Node) -> Any:
            if node.kind == MAPPING:
                self.refuse(key, "must be lists of names")
            return node.text if node.kind == SCALAR else [*map(plain, node.items())]

        node = self._node(key, "lists of names")
        if node.kind != LIST:
            self.refuse(key, "must be a list")
        return [*map(plain, node.items())]

    def values(self) -> dict[str, Any]:
        """Return all that is inside, as values of Python."""
        return {key: _plain(node) for key, node in self._values.items()}

    def count(self, key: str, most: int) -> int:
        """Return an integer from 0 to ``most``, which is the default."""
        value = self._scalar(key, "a count") if key in self._values else most
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= most:
            self.refuse(key, f"must be an integer from 0 to {most}, got {value!r}")
        return value

    def positive(self, key: str) -> float | None:
        """Return a positive number, or None where there is none."""
        if key not in self._values:
            return None
        value = self._scalar(key, "a positive number")
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not value > 0:
            self.refuse(key, f"must be a positive number, got {self._values[key].text!r}")
        return float(value)

    def flag(self, key: str, default: bool) -> bool:
        """Return true or false."""
        value = self._scalar(key, "true or false") if key in self._values else default
        if not isinstance(value, bool):
            self.refuse(key, f"must be true or false, got {self._values[key].text!r}")
        return value

    def pair(self, key: str, wanted: str, default: tuple[int, int] | None = None) -> Any:
        """Return two integers, from a list or from a text such as "4x4"; `wanted` says so."""
        if default is not None and key not in self._values:
            return default
        node = self._node(key, wanted)
        if node.kind == MAPPING:
            self.refuse(key, f"must be {wanted}")
        parts = [x.text for x in node.items()] if node.kind == LIST else node.text.split("x")
        try:
            first, second = (int(part) for part in parts)
        except ValueError:
            self.refuse(key, f"must be {wanted}, got {' '.join(parts)!r}")
        return first, second

    def _scalar(self, key: str, wanted: str) -> Any:
        node = self._node(key, wanted)
        if node.kind != SCALAR:
            self.refuse(key, f"must be {wanted}")
        return node.value()

    def _node(self, key: str, wanted: str) -> Node:
        if key not in self._values:
            self.refuse(None, f"{self.what}: {key} is missing, must be {wanted}")
        return self._values[key]


def _plain(node: Node) -> Any:
    if node.kind == MAPPING:
        return {key: _plain(value) for key, _, value in node.entries()}
    return [*map(_plain, node.items())] if node.kind == LIST else node.value()


class Document(Table):
    """The top of a file.

    Attributes
    ----------
    stem : str
        Name of the file without its ending.
    """

    stem: str
