# SPDX-License-Identifier: BSD-3-Clause
"""The report of a comparison in Chromium (docs/compare.md section 4)."""

import pytest

from nn_dataflow.report.compare_page import render
from nn_dataflow.tests.browser.measures import CONTRASTS, DESKTOP, LEAST_CONTRAST, OVERFLOW, PHONE
from nn_dataflow.tests.tools.compared_results import comparisons

pytestmark = pytest.mark.browser

NAME = "pipelined"


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    path = tmp_path_factory.mktemp("report") / "comparison.html"
    path.write_text(render(comparisons(NAME), "1", "nn_dataflow compare"), encoding="utf-8")
    return path.as_uri()


def test_each_table_sorts_by_itself(open_page):
    page = open_page()
    before = page.locator("#B-layers tbody th").all_inner_texts()
    assert before == [layer.name for layer in comparisons(NAME)[0].layers]
    head = page.locator("#C-layers thead th").nth(8)
    assert head.inner_text().startswith("change")
    for order in ("ascending", "descending"):
        button = head.get_by_role("button")
        button.focus()
        page.keyboard.press("Enter")
        assert head.get_attribute("aria-sort") == order
        assert page.locator("#C-layers-sorted").inner_text().endswith(order)
        cells = page.locator("#C-layers tbody tr > :nth-child(9)")
        found = cells.evaluate_all("cells => cells.map(cell => Number(cell.dataset.value))")
        expected = sorted(layer.time.change for layer in comparisons(NAME)[1].layers)
        assert found == expected[:: 1 if order == "ascending" else -1]
    assert page.locator("[aria-sort]").count() == 1
    assert page.locator("#B-layers tbody th").all_inner_texts() == before


@pytest.mark.parametrize("viewport", [PHONE, {"width": 320, "height": 600}, DESKTOP])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_is_readable_on_every_screen_and_paper(open_page, viewport, scheme):
    page = open_page(viewport, color_scheme=scheme)
    page.locator("#changes summary").click()
    assert page.evaluate(OVERFLOW) == 0
    bars = page.locator("#B-cost tbody .bar")
    assert min(bars.evaluate_all("all => all.map(one => one.clientWidth)")) >= 80
    for selector in ("h1", "h2", "p", "a", "td", "td small", "th", "th button", "caption", "li"):
        contrasts = page.evaluate(CONTRASTS, selector)
        assert contrasts
        assert min(contrasts) >= LEAST_CONTRAST, selector
    page.emulate_media(media="print")
    page.set_viewport_size({"width": 703, "height": 1000})  # A4 without its margins
    assert page.evaluate(OVERFLOW) == 0


def test_structure_for_screen_readers(open_page):
    page = open_page()
    for role in ("banner", "navigation", "main", "contentinfo"):
        assert page.get_by_role(role).count() == 1
    for letter in "BC":
        assert page.get_by_role("region", name=f"{letter} against A").count() == 1
        name = f"Layers of A and {letter}, in the order of the schedule of A"
        assert page.get_by_role("table", name=name).count() == 1
    assert page.locator("#cost-totals").get_by_role("rowheader").all_inner_texts() == [*"ABC"]
