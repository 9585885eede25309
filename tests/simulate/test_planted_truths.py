"""What is planted in each specimen is what its files show, and what its truth says."""

import json
import math

import numpy as np
import pytest
from scipy import stats

from analysis.bayesian.deflection import deflection_of_draws
from analysis.bayesian.importance import laplace_importance
from analysis.bayesian.models import paths
from analysis.bayesian.priors import EffectPrior
from analysis.deflection import DeflectionTables, deflect
from analysis.joint import Joint
from analysis.tables import Key, Paths
from trials.simulate import wychbridge

BIG = {"units": 60_000, "phones": 0, "seed": 99}


def arms(files):
    return {arm["arm"]: arm for arm in files.made.truth["arms"]}


def within(found, truth, *, errors=4.0):
    """A mean of units lies within so many of its own standard errors of the truth."""
    error = max(found.std(ddof=1) / math.sqrt(len(found)), 1e-9)
    return abs(found.mean() - truth) < errors * error


@pytest.mark.parametrize(
    "key", ["ivr-council-tax", "webchat-closing", "council-tax-reminder", "highways-replies"]
)
def test_exact_truths_are_the_means_of_sixty_thousand_people(made, key):
    """Contacts, people with any, and those by channel, as counted in the files, by arm."""
    files = made(key, **BIG)
    days = files.made.truth["window_days"]
    counted = {
        "handled_contacts": files.per_unit("sum(handled::int)", days),
        "any_handled_contact": files.per_unit("max(handled::int)", days),
        "index_reaches_agent": files.per_unit("arg_min(handled, after)::int", days),
    }
    for channel in ("phone", "webchat", "email", "form"):
        counted[channel] = files.per_unit(f"sum((handled and channel = '{channel}')::int)", days)
    for arm, truth in arms(files).items():
        recorded = truth["recorded"]
        for name, found in counted.items():
            expected = recorded.get(name, recorded["handled_by_channel"].get(name))
            assert within(found[arm], expected), (arm, name, found[arm].mean(), expected)


@pytest.mark.parametrize("key", ["webchat-closing", "council-tax-reminder", "highways-replies"])
def test_truths_of_metrics_are_what_the_trial_file_asks_for(made, key):
    """Every metric with a known truth, measured as its definition says, agrees with it."""
    files = made(key, **BIG)
    checked = 0
    for metric in wychbridge.rehearsal(key).trial.metrics:
        truth = {a: t["recorded"]["metrics"].get(metric.key) for a, t in arms(files).items()}
        if metric.source == "outcomes" or None in truth.values():
            continue
        test = {"handled": "handled", "channel": "channel = '{}'", "line": "line = '{}'"}
        kept = " and ".join(test[k].format(v) for k, v in metric.where.items())
        whole = "max" if metric.kind == "proportion" else "sum"
        found = files.per_unit(f"{whole}(({kept})::int)", metric.window / 86_400)
        assert all(within(found[arm], truth[arm]) for arm in truth), metric.key
        checked += 1
    assert checked >= 2


def test_the_mirage_is_six_points_gross_and_nine_tenths_net(made):
    files = made("ivr-council-tax")
    short = files.made.truth["contrasts"][0]["actual"]
    assert short["gross"] == pytest.approx(0.06, abs=1e-9)
    assert short["net"] == pytest.approx(0.009, abs=0.0005)
    assert short["leakage"] == pytest.approx(0.85, abs=0.01)
    contacts = files.per_unit("sum(handled::int)", 7)["current"]
    assert contacts.mean() == pytest.approx(1.35, abs=0.05)
    assert contacts.std() == pytest.approx(0.90, abs=0.08)


def test_the_call_back_moves_contacts_later_and_not_away(made):
    later = made("ivr-council-tax").made.truth["contrasts"][1]["actual"]
    assert later["gross"] > 0.12
    assert later["net"] < 0.001
    assert later["leakage"] > 0.99


def test_the_winner_saves_four_calls_in_a_hundred_chats(made):
    files = made("webchat-closing")
    truth = {a: t["actual"]["metrics"]["call-7d"] for a, t in arms(files).items()}
    assert truth["own-words"] == pytest.approx(0.31, abs=0.002)
    assert truth["own-words"] - truth["what-happens-next"] == pytest.approx(0.04, abs=0.001)
    calls = files.per_unit("max((channel = 'phone')::int)", 7)
    test = stats.ttest_ind(calls["own-words"], calls["what-happens-next"], equal_var=False)
    assert test.pvalue < 0.01
    assert test.statistic > 0


def test_the_null_adds_nothing_to_an_arm_that_works(made):
    files = made("council-tax-reminder")
    truth = {a: t["actual"]["any_handled_contact"] for a, t in arms(files).items()}
    assert truth["current"] == pytest.approx(0.12, abs=0.002)
    assert truth["one-thing"] == pytest.approx(0.10, abs=0.002)
    assert truth["one-thing"] == truth["one-thing-norm"]
    any_contact = files.per_unit("max(handled::int)", 14)
    b, c = any_contact["one-thing"], any_contact["one-thing-norm"]
    assert stats.ttest_ind(b, c, equal_var=False).pvalue > 0.2
    assert stats.ttest_ind(any_contact["current"], b, equal_var=False).pvalue < 0.01


def test_the_harm_is_where_promises_are_not_kept(made):
    files = made("highways-replies")
    rows = files.sql(
        "select t.arm, t.category = 'potholes', avg(coalesce(x.v, 0)) from trial t left join "
        "(select unit, 1 as v from linked where handled and after between 0 and 14 * 86400 "
        "group by unit) x using (unit) group by all"
    )
    chased = {(arm, potholes): share for arm, potholes, share in rows}
    assert chased["dated", True] > chased["passed-on", True] + 0.05
    assert chased["dated", False] < chased["passed-on", False]
    kept = files.sql(
        f"select category, avg(value::double) from '{files.made.folder}/outcomes.csv' join trial "
        "using (unit) where metric = 'promise-kept' group by all"
    )
    assert {c: round(v, 1) for c, v in kept}["street-lights"] == 0.9
    assert dict(kept)["potholes"] == pytest.approx(0.55, abs=0.05)


def test_the_underpowered_trial_cannot_show_what_is_there(made):
    files = made("housing-next-steps")
    truth = {a: t["recorded"]["any_handled_contact"] for a, t in arms(files).items()}
    effect = truth["current"] - truth["named-and-dated"]
    found = files.per_unit("max(handled::int)", 14)
    error = math.sqrt(sum(x.var() / len(x) for x in found.values()))
    assert effect > 0.05
    assert effect < 2.8 * error  # 80% power needs 2.8 standard errors
    assert stats.ttest_ind(*found.values(), equal_var=False).pvalue > 0.05


def by_epoch(files):
    return files.sql(
        "select case when assigned_at < '2026-06-14T23:00:00Z' then 'before' "
        "when assigned_at < '2026-06-21T23:00:00Z' then 'failure' else 'after' end as epoch, "
        "t.arm, count(*), sum(coalesce(x.v, 0)) from trial t left join (select unit, 1 as v from "
        "linked where handled and after between 0 and 7 * 86400 group by unit) x using (unit) "
        "group by all"
    )


def test_the_confounded_trial_deceives_unless_its_parts_are_looked_at(made):
    files = made("missed-bin-page")
    truth = files.made.truth["contrasts"][0]["actual"]
    assert truth["net"] == pytest.approx(0.0, abs=1e-12)
    found = files.per_unit("max(handled::int)", 7)
    naive = stats.ttest_ind(found["current"], found["date-aware"], equal_var=False)
    assert naive.pvalue < 1e-6
    table = {(epoch, arm): (n, y) for epoch, arm, n, y in by_epoch(files)}
    assert ("failure", "date-aware") not in table
    for epoch in ("before", "after"):
        (n0, y0), (n1, y1) = table[epoch, "current"], table[epoch, "date-aware"]
        assert abs(y0 / n0 - y1 / n1) < 3 * math.sqrt(0.09 * 0.91 * (1 / n0 + 1 / n1))
    # Even over the whole trial, so that one sample-ratio test is blind; uneven in its parts.
    assert stats.chisquare([len(x) for x in found.values()]).pvalue > 0.05
    sizes = [table["after", a][0] for a in ("current", "date-aware")]
    assert stats.chisquare(sizes).pvalue < 1e-6


def test_the_lost_visitors_fail_the_sample_ratio_test(made):
    files = made("waste-contact-form")
    n = dict(files.sql("select arm, count(*) from trial group by arm"))
    assert stats.chisquare(list(n.values())).pvalue < 0.001
    assert n["check-first"] < n["open-box"]
    listed = files.sql(f"select count(*) from '{files.made.folder}/units.csv'")[0][0]
    assert listed == 5200
    assert sum(n.values()) == files.made.rows["assignments"] < listed
    assert "missing from every file" in files.made.truth["faults"][0]


@pytest.mark.parametrize("key", ["ivr-council-tax", "webchat-closing", "council-tax-reminder"])
def test_deflection_of_the_files_covers_what_was_planted(made, key):
    """Sixty thousand people, counted from the files and put through the analysis: 99.9% limits."""
    files = made(key, **BIG)
    days = files.made.truth["window_days"]
    names = list(arms(files))
    net = files.per_unit("sum(handled::int)", days)
    gross = files.per_unit("arg_min(handled, after)::int", days)
    values = {
        "gross": np.concatenate([gross[a] for a in names]),
        "net": np.concatenate([net[a] for a in names]),
    }
    codes = np.repeat(np.arange(len(names)), [len(net[a]) for a in names])
    found = deflect(
        DeflectionTables(window_days=days, joint=Joint.from_units(values, codes, arms=names)),
        per=1, level=0.999,
    )  # fmt: skip
    for contrast, planted in zip(found.contrasts, files.made.truth["contrasts"], strict=True):
        truth = planted["recorded"]
        assert contrast.net.low <= truth["net"] <= contrast.net.high
        if key == "ivr-council-tax":
            assert contrast.gross.low <= truth["gross"] <= contrast.gross.high
            assert contrast.leakage.low <= truth["leakage"] <= contrast.leakage.high


def ways(files):
    """Each unit's index contact and number of handled contacts in the window, as ways by arm."""
    seconds = files.made.truth["window_days"] * 86_400
    rows = files.sql(
        "select arm, first, least(n, 4), count(*), sum(n) from (select t.arm, "
        "coalesce(x.first, 0) as first, coalesce(x.n, 0) as n from trial t left join (select unit, "
        "arg_min(handled, after)::int as first, sum(handled::int) as n from linked "
        f"where after between 0 and {seconds} group by unit) x using (unit)) group by all"
    )
    kinds, names = sorted({(first, n) for _, first, n, _, _ in rows}), list(arms(files))
    code = np.array([kinds.index((first, n)) for _, first, n, _, _ in rows])
    units, contacts = (np.array([float(r[i]) for r in rows]) for i in (3, 4))
    return Paths(
        arms=tuple(names), control=0, arm=np.array([names.index(r[0]) for r in rows]), n=units,
        path=Key(name="way", codes=code, levels=tuple(map(str, kinds))),
        index_handled=tuple(bool(first) for first, _ in kinds),
        contacts=tuple(np.bincount(code, contacts) / np.bincount(code, units)),
    )  # fmt: skip


@pytest.mark.parametrize(
    "key", ["ivr-council-tax", "council-tax-reminder", "highways-replies", "housing-next-steps"]
)
def test_the_posterior_of_the_ways_holds_the_deflection_that_was_planted(made, key):
    """95% intervals at the size the specimen has, by importance draws of the joint model.

    Sampled by NUTS, with the main measures', they are in ``benchmarks/recovery.py``.
    """
    files = made(key)
    data = paths.prepare(ways(files), prior=EffectPrior(sd=0.1))
    drawn = laplace_importance(
        lambda theta: paths.log_density(theta, data), paths.start(data), draws=1500,
        rng=np.random.default_rng(4),
    )  # fmt: skip
    truths = {one["arm"]: one["recorded"] for one in files.made.truth["contrasts"]}
    for found in deflection_of_draws(data, drawn):
        truth = truths[found.arm]
        print(
            key, found.arm, truth, found.net.low, found.net.high, found.gross.low, found.gross.high
        )
        assert found.net.low <= truth["net"] <= found.net.high
        assert found.gross.low <= truth["gross"] <= found.gross.high


def test_prior_contacts_are_the_contacts_of_the_log_before_the_start(made):
    files = made("council-tax-reminder", **(BIG | {"units": 20_000}))
    rows = files.sql(
        "select t.prior_contacts::int, coalesce(x.n, 0) from trial t left join (select unit, "
        "count(*) as n from linked where after < 0 group by unit) x using (unit) "
        "where t.account is not null"
    )
    listed, logged = np.array(rows).T
    assert (logged <= listed).all()  # calls with the number withheld cannot be traced
    assert logged.sum() / listed.sum() == pytest.approx(1 - 0.78 * 0.08, abs=0.01)


def test_frequent_callers_before_are_frequent_callers_after(made):
    """The covariate is worth adjusting for: it goes with the outcome."""
    files = made("council-tax-reminder", **(BIG | {"units": 20_000}))
    rows = files.sql(
        "select t.prior_contacts::int, coalesce(x.n, 0) from trial t left join (select unit, "
        "count(*) as n from linked where handled and after between 0 and 14 * 86400 group by unit)"
        " x using (unit)"
    )
    assert stats.pearsonr(*np.array(rows, dtype=float).T).statistic > 0.1


def test_everything_says_that_it_is_synthetic(made):
    folder = made("housing-next-steps").made.folder
    truth = json.loads((folder / "truth.json").read_text())
    assert truth["synthetic"] is True
    assert "Synthetic" in (folder / "README.md").read_text()
    (contact_id,) = made("housing-next-steps").sql("select contact_id from contact limit 1")[0]
    assert contact_id.startswith("syn-")
