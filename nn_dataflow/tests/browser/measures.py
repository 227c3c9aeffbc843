# SPDX-License-Identifier: BSD-3-Clause
"""Sizes of screens, and what is measured of a page in a browser."""

PHONE = {"width": 390, "height": 844}
DESKTOP = {"width": 1280, "height": 900}
LEAST_CONTRAST = 4.5  # WCAG 2.1, level AA

# Contrast of the texts of some elements to what is behind them.
CONTRASTS = """
selector => [...document.querySelectorAll(selector)].map(element => {
  const light = colour => {
    const parts = colour.match(/[\\d.]+/g).slice(0, 3).map(part => part / 255);
    const [r, g, b] = parts.map(c => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  let behind = element;
  while (getComputedStyle(behind).backgroundColor === "rgba(0, 0, 0, 0)") {
    behind = behind.parentElement;
  }
  const pair = [
    light(getComputedStyle(element).color), light(getComputedStyle(behind).backgroundColor)
  ];
  return (Math.max(...pair) + 0.05) / (Math.min(...pair) + 0.05);
})
"""
# Parts of the page that stick out of it, and do not scroll by themselves.
OVERFLOW = """
() => document.documentElement.scrollWidth - document.documentElement.clientWidth
"""
