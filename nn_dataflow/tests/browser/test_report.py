# SPDX-License-Identifier: BSD-3-Clause
"""The report of a result in Chromium (docs/report.md section 6).

They need the extra ``[browser]`` and an installed Chromium, and are run with ``-m browser``.
"""

import pytest

from nn_dataflow.report.page import render
from nn_dataflow.tests.browser.measures import CONTRASTS, DESKTOP, LEAST_CONTRAST, OVERFLOW, PHONE
from nn_dataflow.tests.tools.drawn_results import result
from nn_dataflow.tools.loop_nest import explain

pytestmark = pytest.mark.browser

NAME = "googlenet"


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    path = tmp_path_factory.mktemp("report") / "report.html"
    path.write_text(render(result(NAME), "1", "nn_dataflow_search googlenet"), encoding="utf-8")
    return path.as_uri()


def names(page):
    return page.locator("#layer-table tbody th").all_inner_texts()


def column(page, number):
    cells = page.locator(f"#layer-table tbody tr > :nth-child({number + 1})")
    return cells.evaluate_all("cells => cells.map(cell => cell.dataset.value)")


def number_of(page, title):
    heads = page.locator("#layer-table thead th")
    texts = heads.evaluate_all("heads => heads.map(head => head.textContent)")
    return next(place for place, text in enumerate(texts) if text.startswith(title))


def test_title_and_figures(open_page):
    page = open_page()
    assert page.title().startswith("googlenet, batch 4")
    shown = page.locator("#total_time").get_attribute("value")
    assert float(shown) == result(NAME).best.total_time
    assert names(page) == [*result(NAME).best]


def test_sorting_by_a_number_both_ways(open_page):
    page = open_page()
    place = number_of(page, "time")
    head = page.locator("#layer-table thead th").nth(place)
    assert head.get_attribute("aria-sort") is None
    head.get_by_role("button").click()
    assert head.get_attribute("aria-sort") == "ascending"
    times = [*map(float, column(page, place))]
    assert times == sorted(times)
    assert page.locator("#layer-table-sorted").inner_text().endswith("ascending")
    head.get_by_role("button").click()
    assert head.get_attribute("aria-sort") == "descending"
    assert [*map(float, column(page, place))] == times[::-1] != times
    assert page.locator("#layer-table [aria-sort]").count() == 1


def test_sorting_by_name_and_back_to_the_schedule(open_page):
    page = open_page()
    schedule = names(page)
    page.locator("#layer-table thead button").first.click()
    assert sorted(names(page)) == sorted(schedule)
    assert names(page)[0] == "conv1"
    assert names(page) != schedule
    page.locator("#layer-table thead button").nth(number_of(page, "segment")).click()
    assert names(page) == schedule


def test_sorting_with_layers_without_traffic(open_page):
    """Infinite values are the largest, not text."""
    page = open_page()
    place = number_of(page, "operations per word")
    page.locator("#layer-table thead button").nth(place).click()
    found = [float(value.replace("Infinity", "inf")) for value in column(page, place)]
    assert found == sorted(found)


def test_sorting_from_the_keyboard(open_page):
    page = open_page()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    button = page.locator("#layer-table thead button").nth(number_of(page, "time"))
    button.focus()
    outline = button.evaluate("button => getComputedStyle(button).outlineStyle")
    assert outline == "solid"
    page.keyboard.press("Enter")
    assert page.locator("#layer-table [aria-sort=ascending]").count() == 1


def test_a_layer_leads_to_its_loop_nest(open_page):
    page = open_page(reduced_motion="reduce")  # else it would take a while to scroll there
    name = names(page)[3]
    nest = page.locator("#nest-4")
    assert nest.get_attribute("open") is None
    assert not nest.locator("pre").is_visible()
    page.locator("#layer-table tbody a").nth(3).click()
    nest.locator("pre").wait_for(state="visible", timeout=10_000)
    assert nest.locator("pre").text_content() == explain(result(NAME).best, name)
    assert nest.evaluate("nest => nest.getBoundingClientRect().top < innerHeight")


def test_a_loop_nest_opens_by_click_and_by_address(open_page):
    page = open_page(fragment="#nest-2")
    assert page.locator("#nest-2 pre").is_visible()
    page.locator("#nest-1 summary").click()
    assert page.locator("#nest-1 pre").is_visible()
    page.locator("#open-all").click()
    count = len(result(NAME).best)
    assert page.locator("#nests details[open]").count() == count
    page.locator("#close-all").click()
    assert page.locator("#nests details[open]").count() == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_contrast(open_page, scheme):
    page = open_page(color_scheme=scheme)
    behind = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (behind == "rgb(255, 255, 255)") == (scheme == "light")
    page.locator("#open-all").click()
    for selector in (
        "h1",
        "p",
        "a",
        "td",
        "th",
        "th button",
        "small",
        "caption",
        "pre",
        "dt",
        "li",
    ):
        contrasts = page.evaluate(CONTRASTS, selector)
        assert contrasts
        assert min(contrasts) >= LEAST_CONTRAST, selector


@pytest.mark.parametrize("viewport", [PHONE, {"width": 320, "height": 600}, DESKTOP])
def test_page_is_as_wide_as_the_screen(open_page, viewport):
    """Wide tables scroll by themselves."""
    page = open_page(viewport)
    assert page.evaluate(OVERFLOW) == 0
    page.locator("#open-all").click()
    page.locator("#energy details summary").click()
    assert page.evaluate(OVERFLOW) == 0
    table = page.locator(".scroll:has(#layer-table)")
    scrolls = table.evaluate("one => one.scrollWidth > one.clientWidth")
    assert scrolls or viewport is DESKTOP
    assert table.get_attribute("tabindex") == "0"


def test_names_of_bars_are_readable_on_a_phone(open_page):
    """They are not broken letter by letter."""
    page = open_page(PHONE)
    heads = page.locator("#energy-table tbody th")
    assert min(heads.evaluate_all("all => all.map(one => one.clientWidth)")) >= 80
    heights = heads.evaluate_all("all => all.map(one => one.clientHeight)")
    assert max(heights) <= 60
    bars = page.locator("#energy-table tbody .bar")
    assert min(bars.evaluate_all("all => all.map(one => one.clientWidth)")) >= 80


@pytest.mark.parametrize("viewport", [PHONE, DESKTOP])
def test_names_of_the_roofline_are_apart(open_page, viewport):
    page = open_page(viewport)
    texts = page.locator("#roofline .chart text")
    boxes = texts.evaluate_all(
        "all => all.map(one => one.getBoundingClientRect())"
        ".map(box => [box.left, box.top, box.right, box.bottom])"
    )
    (frame,) = page.locator("#roofline .chart").evaluate_all(
        "all => all.map(one => one.getBoundingClientRect())"
        ".map(box => [box.left, box.top, box.right, box.bottom])"
    )
    assert len(boxes) > 15
    for number, (left, top, right, bottom) in enumerate(boxes):
        assert frame[0] <= left <= right <= frame[2]
        assert frame[1] <= top <= bottom <= frame[3]
        for other in boxes[:number]:
            # The box of a text is as high as a line, which is more than its letters.
            slack = 0.25 * min(bottom - top, other[3] - other[1])
            assert (
                right <= other[0]
                or other[2] <= left
                or bottom - slack <= other[1]
                or other[3] - slack <= top
            )


def test_print(open_page):
    page = open_page(color_scheme="dark")
    page.locator("#nest-1 summary").click()
    page.emulate_media(media="print")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert not page.locator("nav").is_visible()
    assert page.locator("#nest-1 pre").is_visible()
    assert not page.locator("#nest-2").is_visible()
    assert page.pdf(format="A4").startswith(b"%PDF")


def test_tables_fit_on_paper(open_page):
    page = open_page({"width": 703, "height": 1000})  # A4 without its margins, at 96 dots per inch
    page.emulate_media(media="print")
    assert page.evaluate(OVERFLOW) == 0


def test_structure_for_screen_readers(open_page):
    page = open_page()
    for role in ("banner", "navigation", "main", "contentinfo"):
        assert page.get_by_role(role).count() == 1
    assert page.get_by_role("table", name="Layers, in the order of the schedule").count() == 1
    assert page.get_by_role("img", name="segments").count() >= 1
    assert page.get_by_role("columnheader").count() > 20
    first = page.locator("#layer-table").get_by_role("rowheader").first
    assert first.inner_text() == "conv1"
