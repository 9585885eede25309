"""Short form of the calibration: made-up trials with a known truth, for every estimator and design.

A few hundred repeats find a broken variance or a wrong degree of freedom, not a half point; the long
form is ``make calibrate``.
"""

import math
import warnings

import pytest

from benchmarks.calibrate import SCENARIOS, measure
from benchmarks.harder import HARDER

SLOW = {"wild-8", "wild-20", "redraw-12", "redraw-pairs", "switchback-redraw", "wedge-redraw",
        "family-dunnett"}  # fmt: skip
ERRORS = 4
"""Monte Carlo errors allowed: about one run in a thousand of all rows together would go beyond."""


@pytest.mark.parametrize(
    "scenario", [s for s in SCENARIOS if s.aim != "known to fail"], ids=lambda s: s.key
)
def test_intervals_cover_and_tests_keep_their_size(scenario):
    """95 % intervals hold the truth and 5 % tests reject no more than that, within Monte Carlo error."""
    repeats = 40 if scenario.key in SLOW else 100 if scenario in HARDER else 300
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        row = measure(scenario, repeats, seed=7)
    for share, short in ((row.coverage, lambda v: 0.95 - v), (row.size, lambda v: v - 0.05)):
        if share is not None:
            assert share.of >= 0.9 * repeats
            assert short(share.value) < ERRORS * math.sqrt(0.05 * 0.95 / share.of)


def test_looking_daily_at_an_ordinary_interval_is_caught():
    """The harness can fail: 28 looks at 1.96 reject .2747 of true nulls (exact recursion)."""
    peeking = next(s for s in SCENARIOS if s.key == "peeking")
    row = measure(peeking, 400, seed=7)
    assert row.broken
    assert row.size.value == pytest.approx(0.2747, abs=4 * math.sqrt(0.2747 * 0.7253 / 400))


def test_the_seed_decides_the_outcome():
    """The same seed gives the same shares, another gives others."""
    plain = next(s for s in SCENARIOS if s.key == "clusters-20")
    first, again, other = (measure(plain, 60, seed=s) for s in (1, 1, 2))
    assert (first.coverage, first.size) == (again.coverage, again.size)
    assert (first.coverage, first.size) != (other.coverage, other.size)
