"""Every estimator that a plan can name, from the trial file to the result document."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from lifelines import KaplanMeierFitter
from lifelines.statistics import logrank_test
from lifelines.utils import restricted_mean_survival_time
from scipy import stats
from statsmodels.stats.proportion import confint_proportions_2indep

from trials.definition import plan, toml
from trials.errors import Invalid

HEAD = """
[trial]
key = "named"
title = "A trial that names its estimators"
unit = "account"
hypothesis = "It helps."
mechanism = "expectation"
owner = "a@b.example"
starts = 2026-04-01
ends = 2026-04-30
{design}
[[arms]]
key = "c"
control = true
[[arms]]
key = "t"
"""
N = 240


def text(metrics, *, design="", analysis=""):
    return HEAD.format(design=design) + metrics + f"\n[analysis]\n{analysis}\n"


def metric(kind, extra="", *, key="m", role="primary", source="outcomes"):
    return (
        f'\n[[metrics]]\nkey = "{key}"\nrole = "{role}"\nkind = "{kind}"\nsource = "{source}"\n'
        f'better = "higher"\n{extra}\n'
    )


def arm(i):
    return "ct"[i % 2]


def units(n=N, extra="", value=lambda _: ""):
    return f"unit,arm,assigned_at{extra}\n" + "".join(
        f"U{i},{arm(i)},2026-04-01{value(i)}\n" for i in range(n)
    )


def values(y):
    return "unit,m\n" + "".join(f"U{i},{v}\n" for i, v in enumerate(y) if v is not None)


def primary(result):
    return result["metrics"][0]["contrasts"][0]


def split(y):
    return np.array(y[1::2], float), np.array(y[0::2], float)


@pytest.fixture
def shares():
    return [int(v) for v in np.random.default_rng(1).random(N) < 0.3]


def test_a_plan_may_name_the_interval_of_two_proportions(analysed, shares):
    result = analysed(
        text(metric("proportion"), analysis='interval = "newcombe"'), units(), values(shares)
    )
    t, c = split(shares)
    low, high = confint_proportions_2indep(
        t.sum(), len(t), c.sum(), len(c), method="newcomb", compare="diff"
    )
    told = primary(result)["difference"]
    assert "Newcombe" in told["method"]
    assert (told["low"], told["high"]) == pytest.approx((low, high), abs=1e-10)
    beside = primary(result)["also"]
    assert beside["newcombe"]["low"] == told["low"]
    assert "Miettinen" in beside["miettinen_nurminen"]["method"]


def test_quantiles_are_compared_where_a_plan_asks(analysed):
    y = np.random.default_rng(2).exponential(10, N).round(2).tolist()
    result = analysed(text(metric("mean", "quantiles = [0.5, 0.9]")), units(), values(y))
    t, c = split(y)
    found = primary(result)["also"]["quantiles"]
    assert [entry["q"] for entry in found] == [0.5, 0.9]
    for entry in found:
        expected = np.subtract(*(np.quantile(v, entry["q"], method="inverted_cdf") for v in (t, c)))
        assert entry["difference"]["estimate"] == pytest.approx(expected)
        assert entry["difference"]["low"] < expected < entry["difference"]["high"]


def test_counts_come_with_their_dispersion_and_a_quasi_poisson_ratio(analysed):
    rng = np.random.default_rng(3)
    y = rng.negative_binomial(0.6, 0.3, N).tolist()
    result = analysed(text(metric("count")), units(), values(y))
    x = sm.add_constant((np.arange(N) % 2).astype(float))
    glm = sm.GLM(np.array(y), x, family=sm.families.Poisson()).fit(scale="X2", tol=1e-14)
    ratio = primary(result)["also"]["quasi_poisson_ratio"]
    assert ratio["estimate"] == pytest.approx(np.exp(glm.params[1]), rel=1e-8)
    assert ratio["se"] / ratio["estimate"] == pytest.approx(glm.bse[1], rel=1e-8)
    told = result["metrics"][0]["dispersion"]
    assert told["index"] == pytest.approx(glm.scale, rel=1e-8)
    assert told["negative_binomial"]["dispersion"] > 0.5


def test_a_time_to_an_event_is_told_as_days_without_it(analysed):
    """Contacts of units followed for 14 days, the later ones cut off before."""
    rng = np.random.default_rng(4)
    days = rng.geometric(0.06, N)
    start = pd.Timestamp("2026-04-01 09:00") + pd.to_timedelta(
        np.where(np.arange(N) < 180, 0, 12), "D"
    )
    given = "unit,arm,assigned_at\n" + "".join(
        f"U{i},{arm(i)},{start[i].isoformat()}\n" for i in range(N)
    )
    contacts = "contact_id,occurred_at,channel,handled,unit\n" + "".join(
        f"K{i},{(start[i] + pd.Timedelta(days=int(days[i]) - 1, hours=1)).isoformat()},phone,yes,U{i}\n"
        for i in range(N)
    )
    plan_ = text(metric("time-to-event", 'window = "14d"', source="contacts"))
    result = analysed(plan_, given, contacts=contacts, cutoff="2026-04-20T09:00:00")
    cut = pd.Timestamp("2026-04-20 09:00")
    followed = np.minimum((cut - start) / pd.Timedelta(days=1), 14).to_numpy()
    event = days - 1 + 1 / 24 < followed
    time = np.where(event, days, np.ceil(followed))
    treated = np.arange(N) % 2 == 1
    curves = [KaplanMeierFitter().fit(time[m], event[m]) for m in (treated, ~treated)]
    means = [restricted_mean_survival_time(c, t=14) for c in curves]
    told = primary(result)
    assert told["difference"]["estimate"] == pytest.approx(means[0] - means[1], abs=1e-9)
    assert told["ratio"]["estimate"] == pytest.approx(means[0] / means[1], rel=1e-9)
    test = logrank_test(time[treated], time[~treated], event[treated], event[~treated])
    assert told["also"]["log_rank"]["p"] == pytest.approx(test.p_value, rel=1e-8)
    share = [float(c.predict(14)) for c in curves]
    assert told["also"]["share_without_event"]["estimate"] == pytest.approx(share[0] - share[1])
    assert [a["mean"] for a in result["metrics"][0]["arms"]] == pytest.approx(means[::-1])
    assert set(result["metrics"][0]["curves"]) == {"c", "t"}


def test_those_who_took_it_up_are_told_beside_everybody(analysed):
    """The Wald ratio and 2SLS of an exposure file that says who met which arm."""
    rng = np.random.default_rng(5)
    took = [arm(i) == "t" and rng.random() < 0.6 for i in range(N)]
    y = [round(float(v), 3) for v in rng.normal(0, 1, N) + 0.8 * np.array(took)]
    met = "unit,exposed_at,arm\n" + "".join(
        f"U{i},2026-04-01T10:00:00,{'t' if took[i] else 'c'}\n" for i in range(N)
    )
    result = analysed(text(metric("mean"), analysis='uptake = "exposure"'), units(), values(y), met)
    z = np.arange(N) % 2 == 1
    d, y = np.array(took, float), np.array(y)
    wald = (y[z].mean() - y[~z].mean()) / (d[z].mean() - d[~z].mean())
    found = primary(result)["also"]["compliers"]
    assert found["effect"]["estimate"] == pytest.approx(wald, rel=1e-9)
    assert found["uptake"]["estimate"] == pytest.approx(d[z].mean())
    assert found["anderson_rubin"][0] < wald < found["anderson_rubin"][1]
    assert found["first_stage_f"] > 10


def test_unknown_outcomes_are_bounded_and_may_be_weighted(analysed):
    rng = np.random.default_rng(6)
    y = [round(float(v), 3) for v in rng.normal(10, 2, N)]
    kept = [v if rng.random() < (0.9 if arm(i) == "t" else 0.7) else None for i, v in enumerate(y)]
    asked = metric("mean", 'missing = "inverse-probability"')
    result = analysed(text(asked), units(), values(kept))
    told = primary(result)
    assert "inverse probability" in told["difference"]["method"]
    bounds = told["also"]["lee_bounds"]
    assert bounds["smallest"] < told["difference"]["estimate"] < bounds["largest"]


def test_few_clusters_come_with_a_wild_bootstrap_and_may_be_judged_by_it(analysed):
    rng = np.random.default_rng(7)
    homes = rng.normal(0, 1, 12)
    y = [round(float(homes[i % 12] + v), 3) for i, v in enumerate(rng.normal(0, 1, N))]
    given = "unit,arm,assigned_at,home\n" + "".join(
        f"U{i},{'ct'[i % 12 < 6]},2026-04-01,H{i % 12}\n" for i in range(N)
    )
    design = '[design]\nkind = "cluster"\ncluster = "home"'
    plan_ = text(metric("mean"), design=design, analysis='few_clusters = "wild-bootstrap"')
    result = analysed(plan_, given, values(y))
    told = primary(result)
    assert "wild cluster bootstrap" in told["difference"]["method"]
    assert told["also"]["wild_bootstrap"]["p"] == told["difference"]["p"]
    frame = pd.DataFrame({"y": y, "z": [i % 12 < 6 for i in range(N)], "h": np.arange(N) % 12})
    means = frame.groupby("h").agg(y=("y", "mean"), z=("z", "first"))
    expected = means.y[means.z].mean() - means.y[~means.z].mean()
    assert told["difference"]["estimate"] == pytest.approx(expected)


def test_an_equivalence_margin_is_read_off_the_interval_shown(analysed):
    y = [round(float(v), 3) for v in np.random.default_rng(8).normal(0, 1, N)]
    result = analysed(text(metric("mean", "equivalence = 0.5")), units(), values(y))
    told = primary(result)
    found = told["also"]["equivalence"]
    inside = told["difference"]["low"] > -0.5 and told["difference"]["high"] < 0.5
    assert found["equivalent"] is bool(inside)
    t, c = split(y)
    tests = [
        stats.ttest_ind(t, c - 0.5 * s, equal_var=False, alternative=a).pvalue
        for s, a in ((1, "greater"), (-1, "less"))
    ]
    assert found["p"] == pytest.approx(max(tests), rel=1e-8)


def test_new_keys_at_their_defaults_leave_the_hash_of_a_plan_as_it_was():
    one = toml.read(text(metric("mean")))
    spelt = 'missing = "complete"\nquantiles = []'
    same = toml.read(text(metric("mean", spelt), analysis='interval = "robust"'))
    other = toml.read(text(metric("mean", "quantiles = [0.5]")))
    assert plan.plan_hash(one) == plan.plan_hash(same) != plan.plan_hash(other)
    assert "quantiles" not in plan.canonical(one)


@pytest.mark.parametrize(
    ("extra", "analysis", "says"),
    [
        ("quantiles = [0.5]", "", "no quantiles of its own"),
        ("", 'uptake = "paid"', "no proportion"),
        ("equivalence = -1.0", "", "greater than 0"),
    ],
)
def test_a_plan_that_asks_for_the_impossible_is_refused(extra, analysis, says):
    with pytest.raises(Invalid) as refused:
        toml.read(text(metric("proportion", extra), analysis=analysis))
    assert any(says in problem.says for problem in refused.value.problems)
