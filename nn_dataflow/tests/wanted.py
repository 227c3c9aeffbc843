# SPDX-License-Identifier: BSD-3-Clause
"""Constraints as docs/constraints.md tells them, for one schedule at a time.

What tests compare the search with: plain values of a constraint file, read once more, and asked of
every schedule that an oracle enumerates.
"""

from fnmatch import fnmatchcase
from typing import Any

from hypothesis import strategies as st

LEVELS = ("dram", "gbuf", "regf")
LOOPS = ("I", "O", "B")
KINDS = ("OUTP", "OFMP", "BATP", "INPP")
CATEGORIES = ("filters", "ifmaps", "ofmaps")


def listed(value: Any) -> list[Any]:
    """A value or several."""
    return list(value) if isinstance(value, (list, tuple)) else [value]


def is_split(pattern: Any, part: Any) -> bool:
    """Whether a partition matches a pattern."""
    return all(list(part.pdims[KINDS.index(kind)]) == dims for kind, dims in pattern.items())


def has_trips(pattern: Any, bl_ts: Any) -> bool:
    """Whether blocking factors match a pattern."""
    return all(
        bl_ts[LEVELS.index(level)][LOOPS.index(loop)] in listed(values)
        for level, loops in pattern.items()
        for loop, values in loops.items()
    )


def nest(level: str, bl_ts: Any, bl_ords: Any, named: Any) -> list[str]:
    """Those of some loops that make several trips at a level, outermost first."""
    number = LEVELS.index(level)
    loops = [loop for loop in named if bl_ts[number][LOOPS.index(loop)] > 1]
    return sorted(loops, key=lambda loop: -bl_ords[number][LOOPS.index(loop)])


class Wanted:
    """What the values of a file say about one layer."""

    def __init__(self, values: Any, name: str) -> None:
        layers = values.get("layers", {}).items()
        self.fields = [fields for pattern, fields in layers if fnmatchcase(name, pattern)]

    def of(self, *path: str) -> list[Any]:
        """All values of a field."""
        found = []
        for fields in self.fields:
            value: Any = fields
            for key in path:
                value = value.get(key, {})
            if value != {}:
                found.append(value)
        return found

    def part(self, part: Any) -> bool:
        """Whether a partition is allowed."""
        return all(
            any(is_split(pattern, part) for pattern in listed(value))
            for value in self.of("partition")
        ) and not any(
            is_split(pattern, part)
            for value in self.of("forbid", "partition")
            for pattern in listed(value)
        )

    def scheme(self, nld: Any, bl_ts: Any, bl_ords: Any, stored: Any) -> bool:
        """Whether factors, orders, and what is in GBUF are allowed."""
        return self._factors(bl_ts) and self._orders(bl_ts, bl_ords) and self._stored(nld, stored)

    def _factors(self, bl_ts: Any) -> bool:
        return all(has_trips(value, bl_ts) for value in self.of("blocking")) and not any(
            has_trips(pattern, bl_ts)
            for value in self.of("forbid", "blocking")
            for pattern in listed(value)
        )

    def _orders(self, bl_ts: Any, bl_ords: Any) -> bool:
        for value in self.of("order"):
            for level, loops in value.items():
                there = nest(level, bl_ts, bl_ords, loops)
                if there != [loop for loop in loops if loop in there]:
                    return False
        return not any(
            all(nest(level, bl_ts, bl_ords, loops) == loops for level, loops in pattern.items())
            for value in self.of("forbid", "order")
            for pattern in listed(value)
        )

    def _stored(self, nld: Any, stored: Any) -> bool:
        return all(
            stored[CATEGORIES.index(name)] == wanted
            for value in self.of("stored")
            for name, wanted in value.items()
            if nld.data_loops[CATEGORIES.index(name)].loops()
        )


def allows_segment(values: Any, seg: Any) -> bool:
    """Whether the values of a file allow a segment."""
    inside = [name for group in seg for name in group]
    rules = values.get("segments", {})
    for names in rules.get("together", ()):
        if 0 < len(set(names) & set(inside)) < len(names):
            return False
    for groups in rules.get("exactly", ()):
        if {name for group in groups for name in group} & set(inside) and list(
            map(list, seg)
        ) != groups:
            return False
    if len(inside) > 1 and set(inside) & set(rules.get("alone", ())):
        return False
    return all(len(set(names) & set(inside)) < 2 for names in rules.get("apart", ()))


# Constraints at random.

trips = st.one_of(st.sampled_from((1, 1, 2, 2, 3, 4)), st.just([1, 2]), st.just([1, 4, 8]))
of_loops = st.dictionaries(st.sampled_from(LOOPS), trips, min_size=1, max_size=2)
nests = st.permutations(LOOPS).flatmap(lambda loops: st.sampled_from((loops, loops[:2])))
partition_patterns = st.dictionaries(
    st.sampled_from(KINDS),
    st.sampled_from(([1, 1], [1, 1], [1, 2], [2, 1], [2, 2])),
    min_size=1,
    max_size=2,
)
factor_patterns = st.dictionaries(st.sampled_from(LEVELS), of_loops, min_size=1, max_size=2)
order_patterns = st.dictionaries(st.sampled_from(LEVELS[:2]), nests, min_size=1)


def one_or_more(patterns: Any) -> Any:
    """A pattern, or a list of some."""
    return st.one_of(patterns, st.lists(patterns, min_size=1, max_size=3))


@st.composite
def layer_fields(draw: Any, *, gbuf_order: bool = True) -> Any:
    """What is said about a layer, in a field or two."""
    orders = order_patterns
    if not gbuf_order:
        orders = st.fixed_dictionaries({"dram": nests})
    fields = {
        "partition": one_or_more(partition_patterns),
        "blocking": factor_patterns,
        "order": orders,
        "stored": st.dictionaries(st.sampled_from(CATEGORIES), st.booleans(), min_size=1),
        "forbid": st.fixed_dictionaries(
            {},
            optional={
                "partition": one_or_more(partition_patterns),
                "blocking": one_or_more(factor_patterns),
                "order": one_or_more(orders),
            },
        ).filter(bool),
    }
    names = draw(st.lists(st.sampled_from(sorted(fields)), min_size=1, max_size=2, unique=True))
    return {name: draw(fields[name]) for name in names}


@st.composite
def fields_around(draw: Any, target: Any, other: Any) -> Any:
    """What allows one scheme (factors, orders, stored), and takes others away, such as another."""
    places = st.lists(
        st.tuples(st.sampled_from(range(3)), st.sampled_from(range(3))), max_size=3, unique=True
    )
    fields: dict[str, Any] = {}
    factors: dict[str, Any] = {}
    for level, loop in draw(places):
        value = target[0][level][loop]
        more = draw(st.sampled_from((None, None, 1, 2, 3)))
        trips_at = factors.setdefault(LEVELS[level], {})
        trips_at[LOOPS[loop]] = value if more is None else [value, more]
    orders = {}
    for level in draw(st.lists(st.sampled_from(range(2)), max_size=2, unique=True)):
        named = draw(nests)
        orders[LEVELS[level]] = sorted(
            named, key=lambda loop, n=level: -target[1][n][LOOPS.index(loop)]
        )
    stored = {
        name: target[2][CATEGORIES.index(name)]
        for name in draw(st.lists(st.sampled_from(CATEGORIES), max_size=1))
    }
    forbid: dict[str, Any] = {}
    against: dict[str, Any] = {}
    for level, loop in draw(places):
        against.setdefault(LEVELS[level], {})[LOOPS[loop]] = other[0][level][loop]
    if against and not has_trips(against, target[0]):
        forbid["blocking"] = [against]
    pattern = {}
    for level in draw(st.lists(st.sampled_from(range(2)), max_size=2, unique=True)):
        loops = nest(LEVELS[level], *other[:2], draw(nests))
        if len(loops) > 1:
            pattern[LEVELS[level]] = loops
    if pattern and any(nest(level, *target[:2], own) != own for level, own in pattern.items()):
        forbid["order"] = pattern
    found = {"blocking": factors, "order": orders, "stored": stored, "forbid": forbid}
    fields = {name: value for name, value in found.items() if value}
    return fields or {"blocking": {"dram": {"I": [target[0][0][0], 1]}}}


@st.composite
def layer_constraints(draw: Any, names: Any, **kwargs: Any) -> Any:
    """What is said about some layers of a network."""
    chosen = draw(st.lists(st.sampled_from((*names, "*")), min_size=1, max_size=2, unique=True))
    return {"layers": {name: draw(layer_fields(**kwargs)) for name in chosen}}
