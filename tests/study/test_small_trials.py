"""What a run does with windows, missing outcomes, strata, clusters and degenerate data."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import statsmodels.api as sm
from scipy import stats

from analysis import study
from trials import clock, lifecycle, registry
from trials.definition import toml
from trials.errors import Conflict
from trials.importing import assignments, exposures, outcomes

KEY = "small"
HEAD = """
[trial]
key = "small"
title = "A small trial"
unit = "account"
[[arms]]
key = "c"
control = true
[[arms]]
key = "t"
"""
PAID = """
[[metrics]]
key = "paid"
role = "primary"
kind = "proportion"
source = "outcomes"
better = "higher"
"""


@pytest.fixture
def run(store, hasher, tmp_path):
    """Register a trial, import files and analyse; answers the result document."""

    def go(text, given, measured="", met="", *, launch=True, cutoff="2026-09-01", **order):
        with store.write() as session:
            registry.add(session, toml.read(text), actor="test")
            if launch:
                lifecycle.launch(session, KEY, actor="test")
        for module, content in ((assignments, given), (exposures, met), (outcomes, measured)):
            if content:
                path = tmp_path / f"{module.__name__}.csv"
                path.write_text(content)
                module.add(store, KEY, path, hasher=hasher, actor="test")
        moment = study.cutoff_of(cutoff)
        return study.analyse(store, study.Order(key=KEY, cutoff=moment, **order))

    return go


def units(n, *, arms=("c", "t"), extra=lambda i: ""):
    return [(f"U{i}", arms[i % len(arms)], extra(i)) for i in range(n)]


def assigned(rows, header="", at="2026-04-01"):
    return f"unit,arm,assigned_at{header}\n" + "".join(f"{u},{a},{at}{x}\n" for u, a, x in rows)


def contrast(result, metric=0):
    return result["metrics"][metric]["contrasts"][0]


def check(result, key):
    return next(c for c in result["checks"] if c["key"] == key)


def test_a_ratio_of_rates_in_few_clusters_has_no_limit_below_nought(run):
    """Three clusters an arm of ten, with 1, 3, 8 and 0, 1, 6 events: Fieller's limits by hand.

    A ratio r is inside where |m1 - r m0| is within t errors; both sides' variances are those of
    the clusters' means. Some below nought are, but no ratio of rates can be there.
    """
    paid = {"c": (1, 3, 8), "t": (0, 1, 6)}
    rows = [(f"U{a}{k}{i}", a, f",{a}{k}", i < n)
            for a, some in paid.items() for k, n in enumerate(some) for i in range(10)]  # fmt: skip
    text = HEAD + PAID + '[design]\nkind = "cluster"\ncluster = "h"\n'
    measured = "unit,paid\n" + "".join(f"{u},{int(y)}\n" for u, _, _, y in rows)
    found = contrast(run(text, assigned([r[:3] for r in rows], ",h"), measured))["ratio"]
    m1, m0 = np.mean(paid["t"]) / 10, np.mean(paid["c"]) / 10
    v1, v0 = (np.var(paid[a], ddof=1) / 300 for a in "tc")

    def errors(ratio):
        return abs(m1 - ratio * m0) / math.sqrt(v1 + ratio**2 * v0)

    assert found["estimate"] == pytest.approx(m1 / m0)
    t = stats.t.isf(0.025, found["df"])
    assert errors(-1e-9) < t
    assert found["low"] == 0.0
    assert found["high"] is None or errors(found["high"]) == pytest.approx(t, rel=1e-6)


def test_signs_are_treatment_minus_control_whatever_is_better(run):
    rows = units(200)
    measured = "unit,paid\n" + "".join(
        f"{u},{int(a == 't' or i % 4 == 0)}\n" for i, (u, a, _) in enumerate(rows)
    )
    result = run(HEAD + PAID, assigned(rows), measured)
    assert contrast(result)["difference"]["estimate"] == pytest.approx(0.5)
    assert contrast(result)["posterior"]["probability_better"] > 0.9
    assert result["locked"] is True


def test_a_plan_that_was_not_locked_is_told_so(run):
    rows = units(40)
    result = run(
        HEAD + PAID,
        assigned(rows),
        "unit,paid\n" + "".join(f"{u},{i % 3 == 0:d}\n" for i, (u, _, _) in enumerate(rows)),
        launch=False,
    )
    assert result["locked"] is False
    assert check(result, "plan-deviation")["verdict"] == "warn"


def test_units_whose_window_is_open_are_maturing_and_in_no_estimate(run):
    early, late = units(40), [(f"L{u}", a, x) for u, a, x in units(20)]
    text = HEAD + PAID + 'window = "14d"\n'
    given = assigned(early) + assigned(late, at="2026-04-20").split("\n", 1)[1]
    measured = "unit,paid,observed_at\n" + "".join(f"{u},1,2026-04-03\n" for u, _, _ in early[:10])
    measured += "".join(f"{u},0,2026-04-03\n" for u, _, _ in early[10:])
    measured += "".join(f"{u},1,2026-04-21\n" for u, _, _ in late)
    result = run(text, given, measured, cutoff="2026-04-25")
    assert (
        result["units"]["assigned"],
        result["units"]["matured"],
        result["units"]["maturing"],
    ) == (60, 40, 20)
    assert sum(a["n"] for a in result["metrics"][0]["arms"]) == 40


def test_outcomes_outside_the_window_or_after_the_cutoff_do_not_count(run):
    rows = units(8)
    text = (
        HEAD
        + PAID.replace('kind = "proportion"', 'kind = "count"')
        + 'window = "14d"\nabsent_means = "zero"\n'
    )
    measured = (
        "unit,paid,observed_at\nU0,1,2026-04-01T00:00:00\nU0,1,2026-04-14T23:59:00\n"
        "U0,1,2026-04-15T00:00:00\nU0,1,2026-03-31T23:59:00\n"
    )
    result = run(text, assigned(rows), measured)
    assert result["metrics"][0]["arms"][0]["mean"] == pytest.approx(2 / 4)


def test_the_window_runs_from_the_exposure_where_one_is_recorded(run):
    rows = units(8)
    text = (
        HEAD
        + PAID.replace('kind = "proportion"', 'kind = "count"')
        + 'window = "14d"\nabsent_means = "zero"\n'
    )
    met = "unit,exposed_at\nU0,2026-05-01\n"
    measured = "unit,paid,observed_at\nU0,1,2026-04-03\nU0,1,2026-05-03\n"
    result = run(text, assigned(rows), measured, met)
    assert result["metrics"][0]["arms"][0]["mean"] == pytest.approx(1 / 4)


def test_no_row_is_missing_unless_the_plan_says_it_is_nought(run):
    rows = units(100)
    measured = "unit,paid\n" + "".join(
        f"{u},{i % 5 == 0:d}\n" for i, (u, _, _) in enumerate(rows[:80])
    )
    result = run(HEAD + PAID, assigned(rows), measured)
    assert sum(a["n"] for a in result["metrics"][0]["arms"]) == 80


def test_a_list_of_payers_alone_is_not_taken_for_everybody(run):
    rows = units(100)
    result = run(
        HEAD + PAID, assigned(rows), "unit,paid\n" + "".join(f"{u},1\n" for u, _, _ in rows[:30])
    )
    assert result["metrics"][0]["absent"] == "only-ones"
    assert result["verdict"]["decision"] == "not-yet"


def test_strata_give_the_post_stratified_difference(run):
    """Sample-share weighted differences within strata, by hand."""
    rng = np.random.default_rng(3)
    rows = [(f"U{i}", "ct"[i % 2], f",{'AB'[int(i % 10 < 3)]}") for i in range(400)]
    y = {u: int(rng.random() < (0.2 + 0.3 * (x == ",B") + 0.1 * (a == "t"))) for u, a, x in rows}
    text = HEAD + PAID + '[design]\nkind = "stratified"\nstrata = ["band"]\n'
    result = run(
        text, assigned(rows, ",band"), "unit,paid\n" + "".join(f"{u},{v}\n" for u, v in y.items())
    )
    hand = 0.0
    for level in (",A", ",B"):
        mine = [(a, y[u]) for u, a, x in rows if x == level]
        means = {arm: np.mean([v for a, v in mine if a == arm]) for arm in "ct"}
        hand += len(mine) / len(rows) * (means["t"] - means["c"])
    assert contrast(result)["difference"]["estimate"] == pytest.approx(hand, rel=1e-12)


def test_clusters_give_the_cluster_robust_error(run):
    """CR2 for a treatment constant within equal clusters is the error of the cluster means."""
    rng = np.random.default_rng(5)
    arms = {h: "ct"[h % 2] for h in range(40)}
    effects = rng.normal(0, 0.15, 40)
    rows = [(f"U{i}", arms[i // 5], f",H{i // 5}") for i in range(200)]
    y = {
        u: int(rng.random() < np.clip(0.4 + effects[i // 5], 0, 1))
        for i, (u, _, _) in enumerate(rows)
    }
    text = HEAD + PAID + '[design]\nkind = "cluster"\ncluster = "household"\n'
    result = run(
        text,
        assigned(rows, ",household"),
        "unit,paid\n" + "".join(f"{u},{v}\n" for u, v in y.items()),
    )
    means = np.array([np.mean([y[f"U{5 * h + k}"] for k in range(5)]) for h in range(40)])
    treated = np.array([h % 2 for h in range(40)], float)
    fit = sm.OLS(means, sm.add_constant(treated)).fit(cov_type="HC2")
    found = contrast(result)["difference"]
    assert found["estimate"] == pytest.approx(fit.params[1], rel=1e-9)
    assert found["se"] == pytest.approx(fit.bse[1], rel=1e-9)
    assert result["units"]["clusters"] == 40


@pytest.mark.parametrize(
    "values", [lambda i: 0, lambda i: 1, lambda i: i == 1, lambda i: i % 2],
    ids=["nobody", "everybody", "one", "only-treated"],
)  # fmt: skip
def test_degenerate_outcomes_give_a_number_or_a_reason(run, values):
    rows = units(30)
    result = run(
        HEAD + PAID,
        assigned(rows),
        "unit,paid\n" + "".join(f"{u},{int(values(i))}\n" for i, (u, _, _) in enumerate(rows)),
    )
    text = json.dumps(result, allow_nan=False)
    assert "nan" not in text.lower().replace("finance", "").replace("provenance", "")
    found = contrast(result)["difference"]
    assert "estimate" in found or found["why"]


def test_an_arm_nobody_was_given_fails_the_sample_ratio_and_is_named(run):
    rows = units(60, arms=("c",))
    result = run(
        HEAD + PAID,
        assigned(rows),
        "unit,paid\n" + "".join(f"{u},{i % 2}\n" for i, (u, _, _) in enumerate(rows)),
    )
    assert check(result, "sample-ratio")["verdict"] == "fail"
    assert contrast(result)["difference"]["absent"]
    assert result["verdict"]["decision"] == "not-yet"


def test_nobody_assigned_is_refused_in_a_sentence(store, trial):
    with store.write() as session:
        registry.add(session, trial, actor="test")
    with pytest.raises(Conflict, match="nobody has been assigned"):
        study.analyse(store, study.Order(key=trial.key))


def test_before_the_planned_end_the_verdict_is_not_yet(run):
    text = (
        HEAD.replace('unit = "account"', 'unit = "account"\nstarts = 2026-04-01\nends = 2026-12-31')
        + PAID
    )
    rows = units(300)
    measured = "unit,paid\n" + "".join(f"{u},{int(a == 't')}\n" for u, a, _ in rows)
    assert run(text, assigned(rows), measured)["verdict"]["decision"] == "not-yet"


def test_a_date_alone_covers_its_whole_day_in_london():
    assert study.cutoff_of("2026-07-14") == clock.from_epoch(
        clock.epoch(clock.end_of_day(study.cutoff_of("2026-07-14").date())) - 1
    )
