# SPDX-License-Identifier: BSD-3-Clause
"""A report, taken apart into its elements as a browser would."""

from functools import cached_property
from html.parser import HTMLParser

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
