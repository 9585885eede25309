"""What a run keeps of its posteriors: the contract's numbers, the draws, the fits, the report."""

from __future__ import annotations

import io
import json
from dataclasses import replace

import numpy as np
import pytest

from analysis import fitting, study
from analysis.bayesian.priors import EffectPrior
from analysis.draws import latest, load_draws, pack, unpack
from analysis.estimates import Absent
from analysis.report.posterior import exports
from analysis.report.posterior.view import posterior_page
from trials import lifecycle, registry
from trials.definition import toml
from trials.errors import Conflict
from trials.importing import assignments, outcomes
from trials.store.tables import FitRow

KEY = "calls"
HEAD = """
[trial]
key = "calls"
title = "Calls after a letter"
unit = "account"
[design]
kind = "stratified"
strata = ["band"]
[[arms]]
key = "c"
control = true
[[arms]]
key = "t"
"""
RATE = """
[[metrics]]
key = "rang"
role = "primary"
kind = "proportion"
source = "outcomes"
better = "lower"
"""
COUNT = """
[[metrics]]
key = "rings"
role = "primary"
kind = "count"
source = "outcomes"
better = "lower"
[analysis]
prior = { mean = 0.0, sd = 0.2 }
"""
NOT_RELIABLE = Absent("not-reliable", "Not reliable, also after a second run: the chains disagree.")


@pytest.fixture
def loaded(hasher, tmp_path):
    """A launched trial with 1,600 accounts and the outcomes that ``values`` gives."""

    def go(store, text, key, values):
        with store.write() as session:
            registry.add(session, toml.read(text), actor="test")
            lifecycle.launch(session, KEY, actor="test")
        given, measured = tmp_path / "given.csv", tmp_path / "measured.csv"
        given.write_text("unit,arm,assigned_at,band\n" + "".join(
            f"U{i},{'ct'[i % 2]},2026-04-01,{'AB'[i // 2 % 2]}\n" for i in range(len(values))))  # fmt: skip
        measured.write_text(f"unit,{key}\n" + "".join(f"U{i},{v}\n" for i, v in enumerate(values)))
        assignments.add(store, KEY, given, hasher=hasher, actor="test")
        outcomes.add(store, KEY, measured, hasher=hasher, actor="test")

    return go


def rates(seed=1, size=1600):
    rng = np.random.default_rng(seed)
    return rng.binomial(1, np.where(np.arange(size) % 2, 0.2, 0.3))


def analysed(store, *, sampling, **order):
    moment = study.cutoff_of("2026-09-01")
    return study.analyse(store, study.Order(key=KEY, cutoff=moment, sampling=sampling, **order))


def posterior(result):
    return result["metrics"][0]["contrasts"][0]["posterior"]


def test_draws_come_back_as_they_were_packed():
    values = {"effect/a/b": np.random.default_rng(1).normal(size=(4, 250)), "net/é/x": np.ones(3)}
    back = unpack(pack(values))
    assert list(back) == list(values)
    for name, value in values.items():
        np.testing.assert_allclose(back[name], value, rtol=1e-6)


def test_a_run_keeps_draws_that_say_what_its_document_says(store, loaded):
    loaded(store, HEAD + RATE, "rang", rates())
    result = analysed(store, sampling=False)
    draws = load_draws(store, result["run"]["id"]).effect("rang", "t")
    told = posterior(result)
    assert draws.size == 4000
    assert draws.mean() == pytest.approx(told["mean"], abs=4 * told["sd"] / 4000**0.5)
    assert draws.std() == pytest.approx(told["sd"], rel=0.06)


def test_a_frequentist_run_keeps_none(sqlite_store, loaded):
    loaded(sqlite_store, HEAD + RATE, "rang", rates())
    result = analysed(sqlite_store, sampling=False, school="frequentist")
    assert result["bayesian"] is None
    assert load_draws(sqlite_store, result["run"]["id"]) is None


def test_an_unreliable_model_takes_the_number_away_and_is_not_tried_again(
    store, loaded, monkeypatch
):
    calls = []
    monkeypatch.setattr(fitting, "fit", lambda *_, **__: calls.append(1) or NOT_RELIABLE)
    loaded(store, HEAD + RATE, "rang", rates())
    first, second = (analysed(store, sampling=True) for _ in range(2))
    for result in (first, second):
        assert posterior(result) == NOT_RELIABLE.to_json()
        assert load_draws(store, result["run"]["id"]).effect("rang", "t") is None
        assert result["bayesian"]["models"][0]["absent"]["why"] == NOT_RELIABLE.why
    assert calls == [1]
    assert first["verdict"] == second["verdict"]


def test_fits_follow_the_data(sqlite_store, loaded, monkeypatch, hasher, tmp_path):
    """Another outcome, another fit; the old one is let go."""
    calls = []
    monkeypatch.setattr(fitting, "fit", lambda *_, **__: calls.append(1) or NOT_RELIABLE)
    loaded(sqlite_store, HEAD + RATE, "rang", rates())
    analysed(sqlite_store, sampling=True)
    path = tmp_path / "more.csv"
    path.write_text("unit,rang\n" + "".join(f"U{i},1\n" for i in range(0, 80, 2)))
    outcomes.add(sqlite_store, KEY, path, hasher=hasher, actor="test")
    analysed(sqlite_store, sampling=True)
    assert len(calls) == 2
    with sqlite_store.read() as session:
        assert session.query(FitRow).count() == 1


def test_the_report_is_json_and_holds_every_part(sqlite_store, loaded):
    loaded(
        sqlite_store,
        HEAD + RATE + "[analysis]\nprior = { mean = 0.0, sd = 0.2 }\nrope = [-0.01, 0.01]\n",
        "rang",
        rates(),
    )
    report = analysed(sqlite_store, sampling=False)["bayesian"]
    json.dumps(report, allow_nan=False)
    measure = report["measures"][0]
    assert set(measure["sensitivity"]["posteriors"]) == {
        "planned", "flat", "sceptical", "enthusiastic"}  # fmt: skip
    assert measure["agreement"]["agree"] is True
    assert measure["posterior"]["probability_in_rope"] < 0.01
    assert [r["information"] for r in measure["running"]] == [1.5, 2.0, 3.0]
    assert report["decisions"][0]["choice"] == "ship"


def test_a_model_whose_means_are_off_is_a_check_only():
    job = fitting.Job(name="m", data=None, better="lower", observed={"c": 0.5})
    level = np.random.default_rng(1).normal(0.3, 0.01, (4, 100))
    assert fitting._misfit(job, {"level/m/c": level}, "m").code == "model-misfit"
    assert fitting._misfit(replace(job, observed={"c": 0.31}), {"level/m/c": level}, "m") is None


def test_sampled_counts_recover_the_truth_and_are_kept(sqlite_store, loaded, monkeypatch):
    """Means of 0.8 and 0.5 contacts: the sampled effect holds −0.3; run again, nothing is sampled."""
    rng = np.random.default_rng(5)
    mean = np.where(np.arange(3000) % 2, 0.5, 0.8)
    loaded(sqlite_store, HEAD + COUNT, "rings", rng.poisson(rng.gamma(2, mean / 2)))
    stages = []
    order = study.Order(key=KEY, cutoff=study.cutoff_of("2026-09-01"), sampling=True)
    result = study.analyse(sqlite_store, order, lambda stage, _: stages.append(stage))
    told = posterior(result)
    assert "negative binomial" in told["model"]
    assert told["low"] < -0.3 < told["high"]
    assert told["rhat"] <= 1.01
    assert told["ess"] > 400
    assert any("sampling" in stage for stage in stages)
    draws = load_draws(sqlite_store, result["run"]["id"])
    assert draws.effect("rings", "t").mean() == pytest.approx(told["mean"], rel=1e-4)
    monkeypatch.setattr(fitting, "fit", lambda *_, **__: pytest.fail("sampled again"))
    assert posterior(study.analyse(sqlite_store, order)) == told


def test_the_plans_prior_reaches_the_model(sqlite_store, loaded, monkeypatch):
    seen = []
    monkeypatch.setattr(fitting, "fit", lambda data, **_: seen.append(data.prior) or NOT_RELIABLE)
    loaded(sqlite_store, HEAD + COUNT, "rings", rates())
    analysed(sqlite_store, sampling=True)
    assert seen == [EffectPrior(mean=0.0, sd=0.2)]


@pytest.fixture
def reported(sqlite_store, loaded):
    loaded(sqlite_store, HEAD + RATE, "rang", rates())
    analysed(sqlite_store, sampling=False)
    with sqlite_store.read() as session:
        trial = registry.definition_of(registry.row_of(session, KEY))
        return trial, latest(session, KEY, with_draws=True)


def test_the_posterior_report_says_what_the_document_says_and_every_chart_has_its_table(reported):
    trial, found = reported
    page = posterior_page(trial, found.document)
    told = found.document["measures"][0]["posterior"]
    assert page.heads[0].startswith(
        f"It is {told['probability_better']:.0%} likely that ‘T’ lowers"
    )
    charts = [c.chart for section in page.sections for c in section.charts]
    assert {"effect-densities", "prior-posterior", "posterior-looks", "posterior-priors"} <= {
        c.key for c in charts
    }
    assert all(c.rows and c.conclusion and len(c.rows[0]) == len(c.columns) for c in charts)
    assert dict(page.facts)["Plan hash"] == found.result["plan_hash"]
    assert "nan" not in repr(page).lower().split()


def test_an_unreliable_model_is_told_with_its_reason_and_no_number(reported):
    trial, found = reported
    told = json.loads(json.dumps(found.document))
    told["measures"][0] = {**told["measures"][0], "posterior": NOT_RELIABLE.to_json()}
    told["measures"][0].pop("densities")
    told["models"] = [{"name": "rang", "absent": NOT_RELIABLE.to_json(), "used": False}]
    page = posterior_page(trial, told)
    assert page.heads == (f"‘T’: no probability is given. {NOT_RELIABLE.why}",)
    assert any(NOT_RELIABLE.why in says for s in page.sections for says in s.says)
    assert "effects" not in {s.key for s in page.sections}


def test_the_draws_come_out_as_csv_and_netcdf_with_the_same_values(reported):
    from scipy.io import netcdf_file

    _, found = reported
    name = "effect/rang/t"
    rows = exports.csv_bytes(found.document, found.draws).decode().splitlines()
    at = rows[0].split(",").index(name)
    column = np.array([float(r.split(",")[at]) for r in rows[1:]])
    np.testing.assert_allclose(column, found.draws[name].ravel(), rtol=1e-6)
    file = netcdf_file(io.BytesIO(exports.netcdf_bytes(found.document, found.draws)), mmap=False)
    kept = {v.long_name.decode(): v.data for v in file.variables.values()}
    np.testing.assert_array_equal(kept[name], found.draws[name])


def test_the_notebook_runs_and_finds_the_reported_numbers_again_from_the_draws(reported):
    import nbformat
    from nbclient import NotebookClient

    _, found = reported
    made = nbformat.reads(exports.notebook_bytes(found.document, found.draws).decode(), 4)
    NotebookClient(made, timeout=120).execute()
    said = "".join(o.get("text", "") for c in made.cells for o in c.get("outputs", ()))
    mean = found.document["measures"][0]["posterior"]["mean"]
    assert f"reported {mean:+.5f}" in said


WIDE = "[analysis]\nprior = { mean = 0.0, sd = 0.2 }\n"


def said_of_the_prior(store, report):
    with store.read() as session:
        page = posterior_page(registry.load(session, KEY).definition, report)
    return page.heads, next(s for s in page.sections if s.key == "prior").says


def test_a_prior_is_frozen_at_launch_and_changes_only_by_an_amendment_that_every_report_tells(
    sqlite_store, loaded
):
    loaded(sqlite_store, HEAD + RATE, "rang", rates())
    first = analysed(sqlite_store, sampling=False)["bayesian"]
    heads, says = said_of_the_prior(sqlite_store, first)
    assert says[0].startswith("The prior was frozen with the plan at launch, on ")
    wide = toml.read(HEAD + RATE + WIDE)
    with sqlite_store.write() as session, pytest.raises(Conflict, match="its plan is locked"):
        registry.add(session, wide, actor="test")
    with sqlite_store.write() as session:
        lifecycle.amend(session, wide, actor="test", reason="A wider belief.")
    # The old report, read under the amended plan.
    heads, _ = said_of_the_prior(sqlite_store, first)
    assert "another prior than the plan’s: Normal(0, 0.02)" in heads[0]
    second = analysed(sqlite_store, sampling=False)
    heads, says = said_of_the_prior(sqlite_store, second["bayesian"])
    assert heads[0].startswith("It is ")
    assert (
        "made after outcomes were known, changed its standard deviation from 0.02 to 0.2" in says[0]
    )
    assert says[0].endswith("Reason: A wider belief.")
    with sqlite_store.write() as session:
        lifecycle.stop(session, KEY, actor="test")
        with pytest.raises(Conflict, match="give the new trial a key of its own"):
            registry.add(session, toml.read(HEAD + RATE), actor="test")


def test_a_prior_altered_in_the_database_behind_the_plan_is_told_and_not_to_be_acted_on(
    sqlite_store, loaded
):
    loaded(sqlite_store, HEAD + RATE, "rang", rates())
    with sqlite_store.write() as session:
        row = registry.row_of(session, KEY)
        row.definition = registry.stored(toml.read(HEAD + RATE + WIDE))
    result = analysed(sqlite_store, sampling=False)
    check = next(c for c in result["checks"] if c["key"] == "plan-deviation")
    assert check["verdict"] == "fail"
    assert "without an amendment (analysis.prior.sd is 0.2 and not 0.02)" in check["says"]
    _, says = said_of_the_prior(sqlite_store, result["bayesian"])
    assert "no amendment accounts for it" in says[0]
