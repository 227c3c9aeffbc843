# SPDX-License-Identifier: BSD-3-Clause
"""A report, taken apart into its elements as a browser would."""

import re
import xml.etree.ElementTree as ET
from functools import cached_property
from html.parser import HTMLParser
from itertools import pairwise

# Elements without an end.
VOID = {"meta", "link", "br", "hr", "img", "input", "wbr"}


class Element:
    """An element: its tag, attributes, and what is in it, elements and texts."""

    def __init__(self, tag, attributes, parent):
        self.tag, self.attributes, self.parent = tag, attributes, parent
        self.inside = []

    def __getitem__(self, name):
        return self.attributes[name]

    def get(self, name):
        return self.attributes.get(name)

    @property
    def elements(self):
        """All elements below it, in order."""
        for one in self.inside:
            if isinstance(one, Element):
                yield one
                yield from one.elements

    @property
    def text(self):
        return "".join(one if isinstance(one, str) else one.text for one in self.inside)

    def all(self, tag):
        return [one for one in self.elements if one.tag == tag]

    def id(self, name):
        return self.ids[name]

    @cached_property
    def ids(self):
        """The elements that have an id."""
        return {one["id"]: one for one in self.elements if one.get("id")}

    def rows(self):
        """Cells of the rows of a table's body."""
        (body,) = self.all("tbody")
        return [
            [cell for cell in row.inside if isinstance(cell, Element)] for row in body.all("tr")
        ]


class _Parser(HTMLParser):
    def __init__(self):
        super().__init__(convert_charrefs=True)
        self.top = self.at = Element("", {}, None)

    def handle_starttag(self, tag, attrs):
        names = [name for name, _ in attrs]
        assert len(set(names)) == len(names), f"<{tag}> has an attribute twice"
        one = Element(tag, dict(attrs), self.at)
        self.at.inside.append(one)
        if tag not in VOID:
            self.at = one

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.at = self.at.parent

    def handle_endtag(self, tag):
        assert tag == self.at.tag, f"</{tag}> in <{self.at.tag}>"
        self.at = self.at.parent

    def handle_data(self, data):
        self.at.inside.append(data)


def parsed(text):
    """The top of a page, all elements of which begin and end in order."""
    parser = _Parser()
    parser.feed(text)
    parser.close()
    assert parser.at is parser.top
    return parser.top


def columns(table):
    """Cells of the columns of a table, by their heads without the units."""
    (head,) = table.all("thead")
    titles = [
        cell.text.removesuffix("".join(unit.text for unit in cell.all("small"))).strip()
        for cell in head.all("th")
    ]
    return dict(zip(titles, zip(*table.rows(), strict=True), strict=True))


def values(cells):
    return [float(cell["data-value"]) for cell in cells]


def check_soundness(text, page):
    """Ids are unique, references meet one, tables have captions and heads, SVG is XML."""
    assert text.startswith("<!DOCTYPE html>\n")
    ids = [one["id"] for one in page.elements if one.get("id")]
    assert len(set(ids)) == len(ids)
    for one in page.elements:
        for name in ("aria-labelledby", "aria-describedby"):
            assert set((one.get(name) or "").split()) <= set(ids)
        if (one.get("href") or "").startswith("#"):
            assert one["href"][1:] in ids
    for used in set(re.findall(r"url\(#(\w+)\)", text)):
        assert used in ids
    for table in page.all("table"):
        assert len(table.all("caption")) == 1
        width = len(table.all("thead")[0].all("th"))
        assert {len(row) for row in table.rows()} == {width}
        for cell in table.all("th"):
            assert cell["scope"] in ("col", "row")
    for svg in re.findall(r"<svg.*?</svg>", text, re.DOTALL):
        ET.fromstring(svg)
    for svg in page.all("svg"):
        assert svg.get("aria-hidden") == "true" or svg.get("aria-labelledby")
    assert [len(page.all(tag)) for tag in ("header", "nav", "main", "footer", "h1")] == [1] * 5
    levels = [int(one.tag[1]) for one in page.elements if re.fullmatch(r"h\d", one.tag)]
    assert all(after <= before + 1 for before, after in pairwise(levels))


def check_nothing_is_loaded(text, page):
    """Nothing comes from elsewhere."""
    assert "://" not in text
    for one in page.elements:
        assert one.get("src") is None
        if one.get("href") and one.tag != "link":
            assert one["href"].startswith("#")
    assert page.all("link")[0]["href"] == "data:,"
    assert "default-src 'none'" in page.all("meta")[3]["content"]
