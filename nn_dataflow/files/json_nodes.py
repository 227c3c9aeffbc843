# SPDX-License-Identifier: BSD-3-Clause
"""Syntax of a JSON file, with lines.

Decides at which line each value of a JSON file stands, which the standard library does not tell.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NoReturn

from .table import LIST, MAPPING, SCALAR

if TYPE_CHECKING:
    from collections.abc import Iterator

_WHITE = " \t\r\n"
_DECODER = json.JSONDecoder()


class JsonNode:
    """A value of a JSON file; see `table.Node`."""

    def __init__(self, text: str, begin: int, end: int) -> None:
        self._text, self._begin, self._end = text, begin, end
        self.kind = {"{": MAPPING, "[": LIST}.get(text[begin], SCALAR)

    @property
    def line(self) -> int:
        """Line at which the value begins."""
        return _line(self._text, self._begin)

    @property
    def text(self) -> str:
        """A scalar as text: of a string, what is between the quotes."""
        value = self.value()
        return value if isinstance(value, str) else self._text[self._begin : self._end]

    def value(self) -> Any:
        """A scalar as a value of Python."""
        return json.loads(self._text[self._begin : self._end])

    def items(self) -> list[JsonNode]:
        """Return the items of a list."""
        return [*self._inside()]

    def entries(self) -> list[tuple[str, int, JsonNode]]:
        """Return keys, their lines, and values of a mapping."""
        parts = self._inside()
        return [(key.value(), key.line, next(parts)) for key in parts]

    def _inside(self) -> Iterator[JsonNode]:
        """Values between the brackets; of a mapping, keys and values in turn."""
        position = self._begin + 1
        while True:
            while self._text[position] in _WHITE + ",:":
                position += 1
            if self._text[position] in "]}":
                return
            _, end = _DECODER.raw_decode(self._text, position)
            yield JsonNode(self._text, position, end)
            position = end


def compose(text: str) -> JsonNode:
    r"""Return the syntax of a file.

    Raises
    ------
    json.JSONDecodeError
        If it is no JSON.

    Examples
    --------
    >>> node = compose('{"word": "16 bit",\n "sizes": [1, 2.5]}')
    >>> [(key, line, value.kind) for key, line, value in node.entries()]
    [('word', 1, 'scalar'), ('sizes', 2, 'list')]
    >>> [item.value() for item in node.entries()[1][2].items()]
    [1, 2.5]
    """

    def refuse(constant: str) -> NoReturn:
        raise json.JSONDecodeError(f"{constant} is no JSON number", text, text.find(constant))

    json.loads(text, parse_constant=refuse)
    end = len(text.rstrip(_WHITE))
    return JsonNode(text, end - len(text[:end].lstrip(_WHITE)), end)


def _line(text: str, position: int) -> int:
    return text.count("\n", 0, position) + 1
