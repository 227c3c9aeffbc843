# SPDX-License-Identifier: BSD-3-Clause
"""Chromium, in which the tests open pages; each module says which, by the fixture ``address``."""

import os
import shutil

import pytest

from nn_dataflow.tests.browser.measures import DESKTOP

BROWSERS = ("chromium", "chromium-browser", "google-chrome")


@pytest.fixture(scope="session")
def browser():
    from playwright.sync_api import sync_playwright  # noqa: PLC0415  # only for these tests

    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    assert path is not None, f"none of {', '.join(BROWSERS)} is installed"
    # As root, which is how containers run, Chromium does not start with its sandbox.
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=arguments)
        yield chromium
        chromium.close()


@pytest.fixture
def open_page(browser, address):
    """A function that opens the report; at the end, nothing went wrong and nothing was loaded."""
    pages, wrong = [], []

    def open_it(viewport=DESKTOP, fragment="", **settings):
        page = browser.new_page(viewport=viewport, **settings)
        pages.append(page)
        page.on("console", lambda message: wrong.append(message.text))
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("request", lambda request: None if _is_own(request) else wrong.append(request.url))
        page.goto(address + fragment)
        return page

    def _is_own(request):
        return request.url.partition("#")[0] == address or request.url.startswith("data:")

    yield open_it
    for page in pages:
        page.close()
    assert wrong == []
