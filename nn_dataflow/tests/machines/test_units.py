# SPDX-License-Identifier: BSD-3-Clause
"""Tests of quantities with units (docs/machines.md section 2)."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nn_dataflow.machines import units


@pytest.mark.parametrize(
    ("text", "bits"),
    [
        ("128 kB", 128 * 1024 * 8),
        ("128kB", 128 * 1024 * 8),
        ("128 KiB", 128 * 1024 * 8),
        ("1.5 MB", 1536 * 1024 * 8),
        ("1 GiB", 2**33),
        ("2 TB", 2**44),
        ("512 B", 4096),
        ("512 bytes", 4096),
        ("4096 bit", 4096),
        ("4 kbit", 4096),
        ("4 kb", 4096),
        ("261 words", 261 * 12),
        ("0.25 word", 3),
    ],
)
def test_sizes_are_in_powers_of_1024(text, bits):
    assert units.size(text, 12) == bits


@pytest.mark.parametrize(
    "text",
    [
        "128",
        "128 kg",
        "kB",
        "",
        "-1 B",
        "0 B",
        "0.3 B",
        "1e B",
        "1 B/cycle",
        "1 k",
        "1 iB",
        "1.2.3 B",
    ],
)
def test_what_is_no_size(text):
    with pytest.raises(units.UnitError, match=r'^a size such as "128 kB", "512 B"'):
        units.size(text, 16)


@given(st.integers(1, 2**50))
def test_a_size_shown_reads_back(bits):
    assert units.size(units.shown_size(bits), 16) == bits


@pytest.mark.parametrize(
    ("text", "bits"),
    [
        ("6.4 GB/s at 500 MHz", Fraction("102.4")),
        ("6.4 GB/s", 64),  # at the 800 MHz given
        ("8 Gbit/s", 10),
        ("51.2 B/cycle", Fraction("409.6")),
        ("51.2 B per cycle", Fraction("409.6")),
        ("25.6 words/cycle", Fraction("409.6")),
        ("1 kB/cycle", 8000),
        ("unlimited", None),
    ],
)
def test_bandwidths_are_in_powers_of_1000(text, bits):
    assert units.bandwidth(text, 16, Fraction(800 * 10**6)) == bits


@pytest.mark.parametrize(
    "text", ["51.2", "51.2 B", "6.4 GB/s", "1 B/cycle at 1 MHz", "0 B/cycle", "-1 B/cycle", "inf"]
)
def test_what_is_no_bandwidth_without_a_clock(text):
    with pytest.raises(units.UnitError, match=r'^"unlimited", or such as "51.2 B/cycle"'):
        units.bandwidth(text, 16, None)


def test_what_is_no_clock_of_a_bandwidth():
    with pytest.raises(units.UnitError, match=r'^a frequency such as "500 MHz"$'):
        units.bandwidth("6.4 GB/s at 5", 16, None)


@pytest.mark.parametrize(
    ("text", "bits"), [("64 bit", 64), ("4 words", 64), ("4 words per cycle", 64), ("unlimited", 0)]
)
def test_buses(text, bits):
    assert units.bus(text, 16) == bits


@pytest.mark.parametrize("text", ["64", "64 bit/s", "0 bit", "half"])
def test_what_is_no_bus(text):
    with pytest.raises(units.UnitError, match=r'^"unlimited", or bits or words per cycle'):
        units.bus(text, 16)


@pytest.mark.parametrize(
    ("text", "unit", "value"),
    [
        ("2", "MAC", 2),
        ("2", "pJ", 2),
        ("2 pJ", "pJ", 2),
        ("1.2729 nJ", "pJ", Fraction("1272.9")),
        ("3e-3 uJ", "nJ", 3),
        ("30 mW at 200 MHz", "pJ", 150),
        ("30 mW", "pJ", 300),  # at the 100 MHz given
        ("1 W at 1 GHz", "nJ", 1),
        ("320 pJ/cycle", "pJ", 320),
    ],
)
def test_costs(text, unit, value):
    assert units.static_energy(text, unit, Fraction(10**8)) == value


@pytest.mark.parametrize(
    ("text", "unit"),
    [("2 pJ", "MAC"), ("-1", "pJ"), ("2 kg", "pJ"), ("nan", "pJ"), ("inf", "pJ"), ("2 pJ/s", "pJ")],
)
def test_what_is_no_cost(text, unit):
    with pytest.raises(units.UnitError, match=r"^a number of at least 0, or such as"):
        units.energy(text, unit)


@pytest.mark.parametrize(("text", "unit"), [("30 mW", "pJ"), ("30 mW at 1 MHz", "MAC")])
def test_a_power_needs_a_clock_and_a_unit_of_energy(text, unit):
    with pytest.raises(units.UnitError, match="or a power such as"):
        units.static_energy(text, unit, None)


@pytest.mark.parametrize(
    ("convert", "text"),
    [
        (units.word_size, "16"),
        (units.word_size, "1 kbit"),
        (units.word_size, "0.3 bit"),
        (units.clock, "500"),
        (units.clock, "0 Hz"),
        (units.clock, "5 MHz/s"),
    ],
)
def test_what_is_no_word_or_clock(convert, text):
    with pytest.raises(units.UnitError, match="such as"):
        convert(text)


def test_long_exponents_are_no_numbers():
    """The power of ten would fill the memory."""
    with pytest.raises(units.UnitError):
        units.size("1e999999999 B", 16)
