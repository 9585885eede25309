"""The exact expectations agree with series and closed forms worked out by hand."""

import math

import numpy as np
import pytest
from scipy import integrate, stats

from trials.simulate import process
from trials.simulate.rehearsal import Baseline, Channels
from trials.simulate.truth import (
    Behaviour,
    Seen,
    Solver,
    averaged,
    handled_match,
    match_of,
)

PHONE_ONLY = Channels(phone=1.0, webchat=0.0, email=0.0, form=0.0)


def solver(index=process.PHONE, days=7.0, **more):
    return Solver(process.Process.of(Baseline(**more)), index, days)


def behaviour(**more):
    return Behaviour(**({"need": 0.0} | more))


def test_people_not_answered_come_back_as_a_sum_of_gamma_delays():
    """Handled within the window: sum over k of q^k (1-h)^(k-1) h P(Gamma(k) <= W / mean)."""
    h, back, mean, days = 0.8689, 0.87, 1.5, 7.0
    q = back / -math.expm1(-days / mean)
    series = sum(
        q**k * (1 - h) ** (k - 1) * h * stats.gamma(k).cdf(days / mean) for k in range(1, 40)
    )
    found = solver().mean(behaviour(reaches_agent=0.0), 1.0, handled_match(), Seen.everything())
    assert found == pytest.approx(series, rel=1e-10)
    assert series == pytest.approx(0.85, abs=0.002)  # what makes a mirage leak 85%


def test_eighty_seven_in_a_hundred_ring_again_within_seven_days():
    calls = match_of({"channel": "phone"}, "x")
    seen = Seen.everything()
    alone = solver(answered=1.0)
    # The index call counts as a call; of those who failed, one more call each, at most.
    found = alone.mean(behaviour(reaches_agent=0.0), 1.0, calls, seen) - 1
    assert found == pytest.approx(0.87, rel=1e-10)


def test_any_call_after_a_chat_is_the_share_that_was_planted():
    further = 0.31 / -math.expm1(-7 / 3.0)
    chat = solver(index=process.WEBCHAT, again_days=3.0)
    found = chat.any(behaviour(reaches_agent=1.0, further=further), 1.0,
                     match_of({"channel": "phone"}, "x"), Seen.everything())  # fmt: skip
    assert found == pytest.approx(0.31, rel=1e-10)


def test_a_need_and_a_failed_call_convolve():
    """Need after exponential days, first call failing: the double integral, done numerically."""
    days, tau, mean, h = 14.0, 4.0, 1.5, 0.7
    baseline = {"answered": h, "need_days": tau, "again": 0.0, "channels": PHONE_ONLY}
    found = solver(index=None, days=days, **baseline).mean(
        behaviour(need=1.0), 1.0, handled_match(), Seen.everything()
    )
    q = 0.87 / -math.expm1(-7 / mean)

    def arrives(k):
        density = lambda t: math.exp(-t / tau) / tau  # noqa: E731
        later = (lambda t: 1.0) if k == 0 else (lambda t: stats.gamma(k).cdf((days - t) / mean))
        return integrate.quad(lambda t: density(t) * later(t), 0, days)[0]

    series = sum(h * ((1 - h) * q) ** k * arrives(k) for k in range(25))
    assert found == pytest.approx(series, rel=1e-8)


def test_needs_that_recur_add_up_as_a_geometric_series():
    """With all time in the world and everybody answered, contacts are need / (1 - again)."""
    sure = solver(index=None, days=1e4, answered=1.0, again=0.4)
    found = sure.mean(behaviour(need=0.3), 1.0, handled_match(), Seen.everything())
    assert found == pytest.approx(0.3 / 0.6, rel=1e-9)


def test_a_planted_share_is_solved_for_exactly():
    message = solver(index=None, days=14.0)
    need = message.need_for(0.12)
    for m in (1.0, 0.5):
        found = message.any(behaviour(need=need), m, handled_match(), Seen.everything())
        assert found == pytest.approx(0.12 * m, rel=1e-10)


def test_what_cannot_be_traced_is_not_recorded():
    message = solver(index=None, days=14.0, channels=PHONE_ONLY, again=0.0, answered=1.0)
    seen = Seen(linked=0.9, shown=np.array([0.92, 1, 1, 1]))
    need = message.need_for(0.2)
    found = message.any(behaviour(need=need), 1.0, handled_match(), seen)
    assert found == pytest.approx(0.2 * 0.9 * 0.92, rel=1e-10)


def test_the_index_contact_is_recorded_even_of_people_without_identifiers():
    seen = Seen(linked=0.0, shown=np.zeros(4))
    found = solver().mean(behaviour(reaches_agent=0.8), 1.0, handled_match(), seen)
    assert found == pytest.approx(0.8)


def test_averages_over_multipliers_are_exact():
    both = solver(need_days=2.0)
    b = behaviour(need=0.2, reaches_agent=0.85, further=0.15)
    calls = match_of({"handled": True, "line": "own"}, "own")
    seen = Seen(linked=0.9, shown=np.array([0.92, 1, 1, 1]))
    m = np.array([0.4, 1.0, 2.5])
    value = [both.any(b, x, calls, seen) for x in m]
    found = averaged(lambda x: both.any(b, x, calls, seen), (m.mean(), (m**2).mean()))
    assert found == pytest.approx(np.mean(value), rel=1e-12)


def test_filters_beyond_the_process_have_no_truth():
    assert match_of({"reason": "Explain my bill"}, "Council Tax") is None
    assert match_of({"line": "Waste"}, "Council Tax") is None
    assert match_of({"channel": ["phone", "webchat"]}, "x").sum() == 8


def test_drawn_contacts_have_the_exact_mean_whatever_the_index_does():
    """100,000 callers: own line and others, booked call-backs, recurring needs."""
    plan = Baseline(cross_line=0.3, again=0.4)
    flow, n = process.Process.of(plan), 100_000
    index = process.Index(process.PHONE, np.full(n, 0.7), np.full(n, 0.2), np.full(n, 0.1))
    made = process.draw(flow, np.full(n, 0.25), index, horizon=14, rng=np.random.default_rng(1))
    exact = Solver(flow, process.PHONE, 7.0)
    b = behaviour(need=0.25, reaches_agent=0.7, call_back=0.2, further=0.1)
    for where in ({"handled": True}, {"line": "own"}, {"channel": "email"}, {"handled": False}):
        match = match_of(where, "own")
        line = np.where(made.own, 0, 1)
        counts = (match[line, made.channel, made.handled.astype(int)] > 0) & (made.day <= 7)
        per_unit = np.bincount(made.unit[counts], minlength=n)
        error = per_unit.std() / math.sqrt(n)
        truth = exact.mean(b, 1.0, match, Seen.everything())
        assert per_unit.mean() == pytest.approx(truth, abs=4 * error), where
        any_truth = exact.any(b, 1.0, match, Seen.everything())
        any_error = math.sqrt(any_truth * (1 - any_truth) / n)
        assert (per_unit > 0).mean() == pytest.approx(any_truth, abs=4 * any_error + 1e-12), where
