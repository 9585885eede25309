"""Numbers, dates and nouns are written as British readers expect."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from analysis.report import figures


@pytest.mark.parametrize(
    ("value", "places", "expected"),
    [(1234.5, 0, "1,234"), (-1234.5, 1, "−1,234.5"), (-0.2, 0, "0"), (0.0, 2, "0.00")],
)
def test_numbers_have_thousands_a_true_minus_and_no_minus_zero(value, places, expected):
    assert figures.number(value, places) == expected


def test_shares_and_differences_of_shares():
    assert figures.percent(0.173) == "17.3%"
    assert figures.points(-0.02) == "−2.0"
    assert figures.points(0.00418) == "0.42"
    assert figures.points(0.0) == "0.0"


@pytest.mark.parametrize(
    ("p", "expected"),
    [(0.9994, "more than 99.9%"), (1.0, "more than 99.9%"), (0.995, "99.5%"), (0.93, "93%"),
     (0.0, "less than 0.1%"), (0.004, "0.4%")],
)  # fmt: skip
def test_a_probability_never_claims_certainty(p, expected):
    assert figures.chance(p) == expected


def test_small_p_values_are_bounded_not_rounded_to_nothing():
    assert figures.p_value(0.00001) == "less than 0.001"
    assert figures.p_value(0.0412) == "0.041"


@pytest.mark.parametrize(
    ("noun", "expected"),
    [("household", "households"), ("person", "people"), ("property", "properties"),
     ("survey", "surveys"), ("case", "cases"), ("batch", "batches"), ("people", "people")],
)  # fmt: skip
def test_plurals(noun, expected):
    assert figures.plural(noun) == expected
    assert figures.counted(1, noun) == f"1 {noun}"
    assert figures.counted(1200, noun) == f"1,200 {expected}"


@pytest.mark.parametrize("noun", ["contact", "inquiry", "person", "business", "household", "visit"])
def test_a_singular_is_what_its_plural_came_from(noun):
    assert figures.singular(figures.plural(noun)) == noun
    assert figures.numbered("1", noun) == f"1 {noun}"
    assert figures.numbered("0.8", noun) == f"0.8 {figures.plural(noun)}"


def test_dates_are_british_and_moments_are_london_wall_time():
    assert figures.day(date(2026, 4, 1)) == "1 April 2026"
    assert figures.day("2026-04-01") == "1 April 2026"
    assert figures.day(None) == "not set"
    assert figures.moment(datetime(2026, 7, 20, 8, 30, tzinfo=UTC)) == "20 July 2026 at 9:30am"
    assert (
        figures.moment(datetime(2026, 12, 20, 12, 5, tzinfo=UTC)) == "20 December 2026 at 12:05pm"
    )
    assert figures.moment("2026-03-31T23:30:00+00:00") == "1 April 2026 at 12:30am"
    assert figures.moment("no date") == "not known"


def test_a_cutoff_at_midnight_is_the_end_of_the_day_before():
    assert figures.until("2026-07-14T23:00:00+00:00") == "the end of 14 July 2026"
    assert figures.until("2026-07-14T22:00:00+00:00") == "14 July 2026 at 11:00pm"


def test_durations_and_lists_and_levels():
    assert figures.span_of_time(14 * 86400) == "14 days"
    assert figures.span_of_time(3600) == "1 hour"
    assert figures.span_of_time(90) == "90 seconds"
    assert figures.listed(["a", "b", "c"]) == "a, b and c"
    assert figures.level(0.95) == "95%"
    assert figures.level(1 - 0.05 / 3) == "98.3%"


def test_significant_figures_without_exponents():
    assert figures.significant(0.00001234) == "0.0000123"
    assert figures.significant(123456.0) == "123,456"
    assert figures.significant(-1.5) == "−1.50"
    assert figures.significant(0) == "0"
