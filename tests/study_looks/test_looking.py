"""The plan's looks: when they come, what bounds they have, and the error that they spend."""

from __future__ import annotations

import itertools
import math
from datetime import date, datetime

import numpy as np
import pytest

from analysis import estimation, looking
from analysis.estimates import Absent, Estimate
from analysis.frequentist.sequential import boundaries, with_futility
from analysis.tables import Grouped
from trials import clock
from trials.definition import toml

HEAD = """
[trial]
key = "looks"
title = "A trial with looks"
starts = 2026-04-01
ends = 2026-06-30
[[arms]]
key = "c"
control = true
[[arms]]
key = "t"
"""
PRIMARY = """
[[metrics]]
key = "paid"
role = "primary"
kind = "proportion"
source = "outcomes"
better = "higher"
mde = 0.1
"""
THREE = "[analysis]\nlooks = { fractions = [0.333333333, 0.666666667, 1.0] }\n"


def trial(analysis=THREE, *, third=False):
    return toml.read(HEAD + ('[[arms]]\nkey = "u"\n' if third else "") + PRIMARY + analysis)


def moment(*when):
    return clock.epoch(datetime(*when, tzinfo=clock.LONDON))


def table(*counts):
    """Arms as (events, units), the control first."""
    y, n = (np.array(v, float) for v in zip(*counts, strict=True))
    names = ("c", "t", "u")[: len(counts)]
    return Grouped(arms=names, control=0, weights=(1.0,) * len(n), arm=np.arange(len(n)),
                   n=n, y=y, yy=y)  # fmt: skip


def judged(plan, at, tables):
    return looking.judge(plan, at, [estimation.ordinary(plan, t) for t in tables], tables)


def test_a_look_comes_at_the_close_of_its_day_in_london():
    plan = trial()
    assert looking.days(plan, plan.analysis.looks) == (
        date(2026, 5, 1), date(2026, 5, 31), date(2026, 6, 30)
    )  # fmt: skip
    before = looking.place(plan, cutoff=moment(2026, 5, 1, 23, 59, 58), over=False)
    assert not before.reached
    assert before.next == date(2026, 5, 1)
    after = looking.place(plan, cutoff=moment(2026, 5, 1, 23, 59, 59), over=False)
    assert [due.number for due in after.due] == [1]
    assert after.next == date(2026, 5, 31)
    assert after.due[0].cutoff == moment(2026, 5, 1, 23, 59, 59)


def test_between_looks_the_data_stay_those_of_the_last_look_and_the_last_takes_all():
    plan = trial()
    between = looking.place(plan, cutoff=moment(2026, 5, 20), over=False)
    assert between.due[-1].cutoff == moment(2026, 5, 1, 23, 59, 59)
    assert not between.final
    past = looking.place(plan, cutoff=moment(2026, 8, 1), over=False)
    assert past.final
    assert [due.number for due in past.due] == [1, 2, 3]
    assert past.due[-1].cutoff == moment(2026, 8, 1)


def test_a_trial_stopped_between_looks_is_read_once_more_and_for_good():
    stopped = looking.place(trial(), cutoff=moment(2026, 5, 20), over=True)
    assert stopped.final
    assert stopped.stopped
    assert [due.number for due in stopped.due] == [1, 2]
    assert stopped.due[-1].cutoff == moment(2026, 5, 20)


def test_a_fixed_plan_is_read_at_its_end_or_when_it_is_stopped():
    plan = trial("")
    early = looking.place(plan, cutoff=moment(2026, 6, 29), over=False)
    assert (early.kind, early.reached, early.next) == ("fixed", False, date(2026, 6, 30))
    assert looking.place(plan, cutoff=moment(2026, 6, 30, 23, 59, 59), over=False).reached
    assert looking.place(plan, cutoff=moment(2026, 6, 29), over=True).reached


def test_bounds_of_three_equal_looks_are_gsdesigns():
    """gsDesign(k = 3, test.type = 2, alpha = 0.025, sfu = sfLDOF): 3.7103, 2.5114, 1.9930."""
    at = looking.place(trial(), cutoff=moment(2026, 7, 1), over=False)
    found = judged(trial(), at, [table((30, n), (31, n)) for n in (100, 200, 300)])
    assert [look.efficacy for look in found.bounds] == pytest.approx(
        [3.7103, 2.5114, 1.9930], abs=2e-4
    )
    assert found.decision == "no-effect"


def test_an_interim_look_gives_the_repeated_interval_and_no_p_value():
    at = looking.place(trial(), cutoff=moment(2026, 5, 2), over=False)
    tables = [table((30, 100), (36, 100))]
    ordinary = estimation.ordinary(trial(), tables[0])[0]
    found = judged(trial(), at, tables).outcomes[0]
    assert found.estimate == ordinary.estimate
    assert found.p is None
    # df is large: the bound on the normal scale and the t scale differ by under 5%.
    assert found.high - found.estimate == pytest.approx(3.7103 * ordinary.se, rel=0.05)
    assert "repeated confidence interval" in found.method


def test_a_crossing_at_the_first_look_stays_the_result_at_later_looks():
    at = looking.place(trial(), cutoff=moment(2026, 6, 1), over=False)
    found = judged(trial(), at, [table((20, 100), (70, 100)), table((90, 200), (95, 200))])
    assert found.decision == "effect"
    assert found.notes[0]["number"] == 1
    assert found.outcomes[0].p < 0.001
    assert "stage-wise" in found.outcomes[0].method
    assert "crossed at look 1" in looking.document(at, found)["says"]


def test_a_look_that_brought_nothing_new_spends_nothing():
    """Two looks at the same units are one: its bound is that of one look at the later time."""
    at = looking.place(trial(), cutoff=moment(2026, 7, 1), over=False)
    same = table((30, 100), (37, 100))
    found = judged(trial(), at, [same, same, same])
    assert len(found.bounds) == 1
    assert found.bounds[0].efficacy == pytest.approx(1.959964, abs=1e-5)
    nobody = judged(trial(), at, [Absent("not-matured", "-"), same, table((60, 200), (74, 200))])
    assert [note["number"] for note in nobody.notes] == [3]


def test_several_arms_share_the_error_rate_evenly_and_say_so():
    plan = trial(third=True)
    at = looking.place(plan, cutoff=moment(2026, 7, 1), over=False)
    tables = [table((30 * k, 100 * k), (45 * k, 100 * k), (31 * k, 100 * k)) for k in (1, 2, 3)]
    found = judged(plan, at, tables)
    first, second = found.outcomes
    assert first.level == second.level == pytest.approx(0.975)
    assert first.p_adjusted == pytest.approx(2 * first.p)
    assert second.p_adjusted <= 1
    assert "split evenly over 2 comparisons" in first.method
    assert found.bounds[0].spent < 0.025
    assert found.decision == "effect"
    assert [n["decision"] for n in found.notes] == ["effect", "no-effect"]


def _rejects(plan, rng, sizes, at):
    treated, control = (rng.random((sizes[-1],)) < 0.3 for _ in range(2))
    tables = [table((control[:n].sum(), n), (treated[:n].sum(), n)) for n in sizes]
    return judged(plan, at, tables).decision == "effect"


@pytest.mark.parametrize("sizes", [(60, 120, 180), (20, 170, 180)])
def test_looks_keep_the_error_rate_at_even_and_uneven_information(sizes):
    """500 null trials of 180 an arm: a share of 5% plus at most 3 Monte Carlo errors (2.9%).

    In the second the information comes in far from the plan's calendar.
    """
    plan = trial()
    at = looking.place(plan, cutoff=moment(2026, 7, 1), over=False)
    rng = np.random.default_rng(20260401)
    share = np.mean([_rejects(plan, rng, sizes, at) for _ in range(500)])
    error = math.sqrt(0.05 * 0.95 / 500)
    assert 0.05 - 3 * error < share < 0.05 + 3 * error


def test_peeking_every_day_keeps_the_live_bands_error_rate():
    """400 null trials, 18 peeks each: under 5% ever exclude no effect; the fixed interval 15%."""
    plan = trial('[analysis]\nlooks = "always-valid"\n')
    at = looking.place(plan, cutoff=moment(2026, 5, 1), over=False)
    assert at.reached
    assert looking.document(at)["kind"] == "always-valid"
    rng, ever, naive = np.random.default_rng(7), 0, 0
    for _ in range(400):
        treated, control = (rng.random(720) < 0.3 for _ in range(2))
        tables = [table((control[:n].sum(), n), (treated[:n].sum(), n)) for n in range(40, 721, 40)]
        bands = [judged(plan, at, [t]).outcomes[0] for t in tables]
        fixed = [estimation.ordinary(plan, t)[0] for t in tables]
        ever += any(b.low > 0 or b.high < 0 for b in bands)
        naive += any(f.low > 0 or f.high < 0 for f in fixed)
    assert ever / 400 < 0.05
    assert naive / 400 > 0.12


def test_the_live_band_is_tuned_to_the_planned_size():
    """0.3 against 0.4 at 80% power: 356 an arm by the textbook's unpooled formula."""
    plan = trial('[analysis]\nlooks = "always-valid"\n')
    planned = looking.tuned_to(plan, table((30, 100), (30, 100)), 1)
    by_hand = 2 * (1.959964 + 0.841621) ** 2 * (0.3 * 0.7 + 0.4 * 0.6) / 0.1**2
    assert planned == pytest.approx(by_hand, rel=0.02)
    bare = trial('[analysis]\nlooks = "always-valid"\n').model_copy()
    metric = bare.primary.model_copy(update={"mde": None})
    bare = bare.model_copy(update={"metrics": (metric,)})
    assert looking.tuned_to(bare, table((30, 100), (30, 100)), 1) == 200


def test_degenerate_looks_answer_with_a_reason():
    plan = trial()
    at = looking.place(plan, cutoff=moment(2026, 7, 1), over=False)
    for counts in itertools.product([(0, 50), (50, 50)], repeat=2):
        found = judged(plan, at, [table(*counts)] * 3)
        assert isinstance(found.outcomes[0], Absent | Estimate)
        assert "decision" in found.notes[0] or "absent" in found.notes[0]


FUTILE = THREE.replace("1.0] }", '1.0], futility = "obrien-fleming" }')


def test_a_look_may_stop_for_futility_where_the_plan_says_so():
    """Two looks at an effect the wrong way: on goes a plan without futility, the other stops."""
    at = looking.place(trial(), cutoff=moment(2026, 6, 2), over=False)
    tables = [table((40, 100), (34, 100)), table((80, 200), (66, 200))]
    assert judged(trial(), at, tables).decision == "continue"
    stopped = judged(trial(FUTILE), at, tables)
    assert stopped.decision == "futility"
    told = looking.document(at, stopped)
    assert told["bounds"][0]["futility"] < told["bounds"][0]["efficacy"]
    assert "futility" in told["says"]


def test_futility_bounds_spend_the_planned_error_under_the_planned_effect():
    """100,000 paths with the drift that the power was reckoned for: beta is 20%."""
    fractions = (0.333333333, 0.666666667, 1.0)
    plan = trial(FUTILE).analysis.looks
    drift, beta, spends = looking._futility(trial(FUTILE), plan, 1)
    bounds = with_futility(boundaries(fractions), drift, beta=beta, spending=spends)
    rng = np.random.default_rng(3)
    steps = rng.normal(drift / 3, math.sqrt(1 / 3), (100_000, 3)).cumsum(axis=1)
    z = steps / np.sqrt(fractions)
    stopped = np.zeros(len(z), bool)
    effect = np.zeros(len(z), bool)
    for k, look in enumerate(bounds):
        going = ~(stopped | effect)
        effect |= going & (z[:, k] >= look.efficacy)
        stopped |= going & ~effect & (z[:, k] < look.futility)
    assert effect.mean() == pytest.approx(0.8, abs=4 * math.sqrt(0.16 / len(z)))
    assert stopped.mean() == pytest.approx(0.2, abs=4 * math.sqrt(0.16 / len(z)))
