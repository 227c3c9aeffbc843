# SPDX-License-Identifier: BSD-3-Clause
"""YAML files in and out; every complaint names the file and the line.

Decides how values of files are checked (docs/cosa.md sections 2 and 6): a key given twice is
refused, and so is an unknown key that is nearly a known one, since it would be lost in silence.
"""

from __future__ import annotations

from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from .errors import InputError, require

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence


def _yaml() -> Any:
    return require("yaml", "PyYAML", "reading and writing of YAML files")


class Table:
    """A mapping of a file, of which each value is taken with a check.

    Parameters
    ----------
    path : str
        The file, for messages.
    node : yaml.MappingNode
        Its syntax.
    what : str
        What it describes, for messages.
    """

    def __init__(self, path: str, node: Any, what: str) -> None:
        self.path, self.what, self.line = path, what, node.start_mark.line + 1
        self._values: dict[str, Any] = {}
        self._lines: dict[str, int] = {}
        for key_node, value_node in node.value:
            key, line = str(key_node.value), key_node.start_mark.line + 1
            if key in self._values:
                raise InputError(f"{path}:{line}: {key} is given twice")
            self._values[key] = value_node
            self._lines[key] = line

    def __contains__(self, key: str) -> bool:
        return key in self._values

    def keys(self) -> Iterator[str]:
        """Names of the values, in the order of the file."""
        return iter(self._values)

    def refuse(self, key: str | None, wrong: str) -> NoReturn:
        """Raise an error about a value, or about the whole table."""
        line, name = self.line, ""
        if key is not None and key in self._lines:
            line, name = self._lines[key], f"{key}: "
        raise InputError(f"{self.path}:{line}: {name}{wrong}")

    def check_keys(self, known: Collection[str]) -> None:
        """Refuse an unknown key that is nearly a known one; others are ignored."""
        for key in self._values:
            if key not in known:
                near = get_close_matches(key.lower().replace("_", "-"), known, 1, 0.8)
                if near:
                    self.refuse(key, f"unknown key, {near[0]!r} was meant")

    def table(self, key: str) -> Table:
        """Return a mapping."""
        node = self._node(key, "a mapping")
        if not _is(node, "MappingNode"):
            self.refuse(key, "must be a mapping")
        return Table(self.path, node, key)

    def tables(self, key: str) -> list[Table]:
        """Return a list of mappings."""
        node = self._node(key, "a list of mappings")
        if not _is(node, "SequenceNode") or not all(_is(x, "MappingNode") for x in node.value):
            self.refuse(key, "must be a list of mappings")
        return [Table(self.path, item, key) for item in node.value]

    def text(self, key: str, default: str | None = None) -> str:
        """Return a text; a missing one is refused unless there is a default."""
        if default is not None and key not in self._values:
            return default
        node = self._node(key, "a text")
        if not _is(node, "ScalarNode") or node.value == "":
            self.refuse(key, "must be a text")
        return str(node.value)

    def choice(self, key: str, choices: Sequence[str]) -> str:
        """Return one of some texts."""
        text = self.text(key)
        if text not in choices:
            self.refuse(key, f"must be {' or '.join(choices)}, got {text!r}")
        return text

    def names(self, key: str, allowed: Sequence[str]) -> tuple[str, ...]:
        """Return a list of names; none where the value is missing or empty."""
        node = self._values.get(key)
        if node is None or (_is(node, "ScalarNode") and node.value in ("", "null", "~")):
            return ()
        if not _is(node, "SequenceNode") or not all(_is(x, "ScalarNode") for x in node.value):
            self.refuse(key, "must be a list of names")
        found = tuple(str(item.value) for item in node.value)
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
            self.refuse(key, f"must be a positive integer, got {self._values[key].value!r}")
        return value

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
            self.refuse(key, f"must be a positive number, got {self._values[key].value!r}")
        return float(value)

    def _scalar(self, key: str, wanted: str) -> Any:
        node = self._node(key, wanted)
        if not _is(node, "ScalarNode"):
            self.refuse(key, f"must be {wanted}")
        return _yaml().SafeLoader("").construct_object(node)

    def _node(self, key: str, wanted: str) -> Any:
        if key not in self._values:
            self.refuse(None, f"{self.what}: {key} is missing, must be {wanted}")
        return self._values[key]


class Document(Table):
    """The top of a file.

    Attributes
    ----------
    stem : str
        Name of the file without its ending.
    """

    stem: str


def read(path: str | Path) -> Document:
    """Read a file whose top is a mapping.

    Raises
    ------
    InputError
        With file and line, if it cannot be read, is no YAML, or is no mapping.
    MissingExtraError
        Without PyYAML.
    """
    yaml = _yaml()
    name = str(path)
    try:
        text = Path(path).read_text(encoding="utf-8")
    except OSError as error:
        raise InputError(f"{name}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise InputError(f"{name}: cannot be read: is no UTF-8 text") from None
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f":{mark.line + 1}" if mark else ""
        raise InputError(f"{name}{where}: is no YAML: {error.problem}") from None
    except (yaml.YAMLError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise InputError(f"{name}: is no YAML: {reason}") from None
    if not _is(node, "MappingNode"):
        raise InputError(f"{name}:1: must be a mapping of names to values")
    document = Document(name, node, "file")
    document.stem = Path(path).stem
    return document


def write(path: str | Path, values: Mapping[str, Any]) -> None:
    """Write a file, each innermost table on one line."""
    text = _yaml().safe_dump(dict(values), sort_keys=False, default_flow_style=None, width=100)
    Path(path).write_text(text, encoding="utf-8")


def _is(node: Any, kind: str) -> bool:
    return isinstance(node, getattr(_yaml(), kind))
