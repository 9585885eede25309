"""The main job on real data: the letter trial gives the figures its authors published.

Karlan and List (2007), American Economic Review 97(5), tables 2A and 2B.
"""

from __future__ import annotations

import csv
import gzip
import json

import numpy as np
import pytest
import statsmodels.api as sm

from analysis import study
from trials import resources
from trials.store.engine import Store
from web import demonstration, present_health

# arm: letters, response rate, its standard error, dollars a letter, its standard error
PUBLISHED = {
    "control": (16_687, 0.018, 0.001, 0.813, 0.063),
    "match-1-1": (11_133, 0.021, 0.001, 0.937, 0.089),
    "match-2-1": (11_134, 0.023, 0.001, 1.026, 0.089),
    "match-3-1": (11_129, 0.023, 0.001, 0.938, 0.077),
}


@pytest.fixture(scope="module")
def result(tmp_path_factory):
    """The trial loaded and analysed as the demonstration does it."""
    from trials.people.identifiers import Hasher
    from trials.store import migrate

    store = Store.open(f"sqlite:///{tmp_path_factory.mktemp('letters') / 's.db'}")
    migrate.upgrade(store)
    made = demonstration.letters(store, Hasher(b"k" * 32), lambda _text: None)
    store.close()
    return made


@pytest.fixture(scope="module")
def rows():
    path = resources.folder("templates") / "trials" / demonstration.LETTERS / "letters.csv.gz"
    with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def metric(result, key):
    return next(m for m in result["metrics"] if m["key"] == key)


def arm(entry, key):
    return next(a for a in entry["arms"] if a["arm"] == key)


@pytest.mark.parametrize("key", PUBLISHED)
def test_letters_and_response_rates_are_the_published_ones(result, key):
    n, rate, se, _, _ = PUBLISHED[key]
    found = arm(metric(result, "gave"), key)
    assert found["n"] == n
    assert round(found["mean"], 3) == rate
    assert round(found["sd"] / found["n"] ** 0.5, 3) == se


@pytest.mark.parametrize("key", ["control", "match-1-1", "match-2-1"])
def test_dollars_a_letter_are_the_published_ones(result, key):
    _, _, _, dollars, se = PUBLISHED[key]
    found = arm(metric(result, "amount"), key)
    assert round(found["mean"], 3) == dollars
    assert round(found["sd"] / found["n"] ** 0.5, 3) == se


def test_two_missing_gifts_are_missing_and_not_nought(result):
    """Two 3:1 amounts are unknown in the public copy: the mean is 0.93269 and not the paper's."""
    found = arm(metric(result, "amount"), "match-3-1")
    assert found["n"] == 11_127
    assert round(found["mean"], 5) == 0.93269
    assert round(found["sd"] / found["n"] ** 0.5, 5) == 0.07695


@pytest.mark.parametrize(
    ("level", "control", "match"), [("0.0", 0.02004, 0.02109), ("1.0", 0.01459, 0.02339)]
)
def test_response_in_blue_and_red_states_is_the_published_one(result, rows, level, control, match):
    segments = metric(result, "gave")["segments"]
    found = next(s for s in segments if s["by"] == "red0" and s["level"] == level)
    assert round(arm(found, "control")["mean"], 5) == control
    arms = [a for a in found["arms"] if a["arm"] != "control"]
    pooled = sum(a["n"] * a["mean"] for a in arms) / sum(a["n"] for a in arms)
    assert round(pooled, 5) == match


def test_unadjusted_differences_equal_least_squares_on_the_letters_themselves(result, rows):
    """HC2 of statsmodels on 50,083 rows, to nine significant digits."""
    kept = [r for r in rows if r["match_ratio"] in ("control", "2:1")]
    y = np.array([float(r["gave"]) for r in kept])
    x = np.array([r["match_ratio"] == "2:1" for r in kept], float)
    fit = sm.OLS(y, sm.add_constant(x)).fit(cov_type="HC2")
    contrast = next(c for c in metric(result, "gave")["contrasts"] if c["arm"] == "match-2-1")
    assert contrast["unadjusted"]["estimate"] == pytest.approx(fit.params[1], rel=1e-9)
    assert contrast["unadjusted"]["se"] == pytest.approx(fit.bse[1], rel=1e-9)


def test_lin_adjustment_equals_its_regression_on_the_letters_themselves(result, rows):
    """Lin (2013): centred covariates interacted with the arms, HC2, here with three treatments."""
    names = ["control", "1:1", "2:1", "3:1"]
    y = np.array([float(r["gave"]) for r in rows])
    arms = np.array([names.index(r["match_ratio"]) for r in rows])
    x = np.array([[float(r["freq"] or 0), float(r["dormant"] or 0)] for r in rows])
    missing = np.array([[r["freq"] == "", r["dormant"] == ""] for r in rows], float)
    assert missing.sum() == 0 or "not known" in json.dumps(result["metrics"][0])
    keep = (arms == 0) | (arms == 2)
    centred = x[keep] - x.mean(axis=0)
    t = (arms[keep] == 2).astype(float)
    design = np.column_stack([np.ones(keep.sum()), t, centred, centred * t[:, None]])
    fit = sm.OLS(y[keep], design).fit(cov_type="HC2")
    contrast = next(c for c in metric(result, "gave")["contrasts"] if c["arm"] == "match-2-1")
    assert contrast["difference"]["estimate"] == pytest.approx(fit.params[1], rel=1e-6)
    assert contrast["difference"]["se"] == pytest.approx(fit.bse[1], rel=1e-3)


def test_the_document_has_the_contracts_keys_and_no_number_that_is_none(result):
    keys = {
        "trial",
        "plan_hash",
        "locked",
        "run",
        "units",
        "checks",
        "metrics",
        "deflection",
        "verdict",
    }
    assert keys <= set(result)
    assert {"id", "at", "cutoff", "seed", "version", "school"} <= set(result["run"])
    assert {"assigned", "matured", "maturing", "clusters", "linked_rate"} <= set(result["units"])
    assert {"says", "decision", "reasons"} <= set(result["verdict"])
    contrast = metric(result, "gave")["contrasts"][0]
    assert {
        "arm",
        "versus",
        "difference",
        "ratio",
        "unadjusted",
        "randomisation_p",
        "posterior",
        "guardrail",
    } <= set(contrast)
    assert {"estimate", "se", "low", "high", "df", "p", "p_adjusted", "method"} <= set(
        contrast["difference"]
    )
    assert {"mean", "sd", "low", "high", "probability_better", "expected_loss", "model"} <= set(
        contrast["posterior"]
    )
    text = json.dumps(result, allow_nan=False)
    assert "NaN" not in text


def test_the_checks_of_the_contract_are_all_there(result):
    wanted = {
        "sample-ratio", "randomisation-balance", "exposure-balance", "link-rate-balance", "maturity",
        "contamination", "data-freshness", "period-coverage", "plan-deviation",
    }  # fmt: skip
    found = {check["key"]: check["verdict"] for check in result["checks"]}
    assert wanted <= set(found)
    assert set(found.values()) <= {"pass", "warn", "fail", "not-applicable"}


def test_a_second_run_gives_the_same_result(tmp_path, hasher):
    from trials.store import migrate

    store = Store.open(f"sqlite:///{tmp_path / 's.db'}")
    migrate.upgrade(store)
    first = demonstration.letters(store, hasher, lambda _text: None)
    second = study.analyse(store, study.Order(key=demonstration.LETTERS))
    with store.read() as session:
        counted, _ = present_health.latest(session, demonstration.LETTERS)
    store.close()
    assert counted["assigned"] == {key: row[0] for key, row in PUBLISHED.items()}
    assert second["run"]["id"] == first["run"]["id"] + 1
    assert second["run"]["data_hash"] == first["run"]["data_hash"]
    for before, after in zip(first["metrics"], second["metrics"], strict=True):
        for one, two in zip(before["contrasts"], after["contrasts"], strict=True):
            for name in ("estimate", "se", "low", "high", "p"):
                assert two["difference"][name] == pytest.approx(one["difference"][name], rel=1e-9)
