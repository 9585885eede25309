"""A trial whose arms cross two changes, from its file to its report."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf

from analysis import study
from analysis.report import view
from trials import enrolment, lifecycle, registry
from trials.definition import toml
from trials.errors import Invalid
from trials.importing import outcomes
from trials.people.identifiers import Hasher
from trials.store.engine import Store
from trials.store.tables import AssignmentRow, UnitRow

HEAD = """
[trial]
key = "crossed"
title = "A letter, two changes"
unit = "account"
[design]
kind = "stratified"
strata = ["band"]
seed = 9
"""
TAIL = """
[[metrics]]
key = "paid"
role = "primary"
kind = "proportion"
source = "outcomes"
better = "higher"
"""


def arms(*cells):
    return "".join(
        f'[[arms]]\nkey = "{tone}-{link}"\ncontrol = {str(i == 0).lower()}\n'
        f'levels = {{ tone = "{tone}", link = "{link}" }}\n'
        for i, (tone, link) in enumerate(cells)
    )


FOUR = (("plain", "none"), ("plain", "code"), ("warm", "none"), ("warm", "code"))
N = 4000


@pytest.fixture(scope="module")
def ran(sqlite_template, tmp_path_factory):
    """The trial drawn from a list, with outcomes of a known law; its result and its rows."""
    tmp_path, hasher = tmp_path_factory.mktemp("crossed"), Hasher(b"k" * 32)
    shutil.copy(sqlite_template, tmp_path / "signpost.db")
    store = Store.open(f"sqlite:///{tmp_path / 'signpost.db'}")
    trial = toml.read(HEAD + arms(*FOUR) + TAIL)
    with store.write() as session:
        registry.add(session, trial, actor="test")
        lifecycle.launch(session, "crossed", actor="test")
    path = tmp_path / "units.csv"
    bands = ["ABC"[i % 3] for i in range(N)]
    path.write_text("unit,band\n" + "".join(f"U{i},{b}\n" for i, b in enumerate(bands)))
    request = enrolment.Request(key="crossed", path=path)
    enrolment.enrol(store, request, hasher=hasher, actor="test")
    with store.read() as session:
        arm_of = dict(session.execute(
            AssignmentRow.__table__.join(UnitRow.__table__).select().with_only_columns(
                UnitRow.digest, AssignmentRow.arm_id)).tuples().all())  # fmt: skip
        first = min(arm_of.values())
    code = np.array([arm_of[hasher.unit("crossed", f"U{i}")] - first for i in range(N)])
    warm, link = code // 2, code % 2
    rng = np.random.default_rng(4)
    chance = 0.3 + 0.10 * warm + 0.05 * link + 0.1 * (np.array(bands) == "A")
    paid = (rng.random(N) < chance).astype(int)
    measured = tmp_path / "outcomes.csv"
    measured.write_text("unit,paid\n" + "".join(f"U{i},{y}\n" for i, y in enumerate(paid)))
    outcomes.add(store, "crossed", measured, hasher=hasher, actor="test")
    result = study.analyse(store, study.Order(key="crossed", school="frequentist"))
    frame = pd.DataFrame({"y": paid, "warm": warm - 0.5, "link": link - 0.5, "band": bands})
    store.close()
    return trial, result, frame


def test_main_effects_and_their_interaction_are_those_of_an_effect_coded_regression(ran):
    """statsmodels on rows: with ±½ coding a coefficient is the effect averaged over the other."""
    _, result, frame = ran
    fitted = smf.ols("y ~ warm * link + C(band)", frame).fit(cov_type="HC2")
    metric = result["metrics"][0]
    found = {e["factor"]: e["difference"] for e in metric["main_effects"]}
    for factor, name in (("tone", "warm"), ("link", "link")):
        assert found[factor]["estimate"] == pytest.approx(fitted.params[name], rel=1e-9)
        assert found[factor]["se"] == pytest.approx(fitted.bse[name], rel=1e-9)
    (pair,) = metric["factor_interactions"]
    assert pair["difference"]["estimate"] == pytest.approx(fitted.params["warm:link"], rel=1e-9)
    assert pair["difference"]["se"] == pytest.approx(fitted.bse["warm:link"], rel=1e-9)


def test_the_planted_effects_are_found_and_told(ran):
    """Planted: warm +10 points, code +5, nothing beyond; each within three standard errors."""
    trial, result, _ = ran
    metric = result["metrics"][0]
    found = {e["factor"]: e["difference"] for e in metric["main_effects"]}
    for factor, truth in (("tone", 0.10), ("link", 0.05)):
        assert abs(found[factor]["estimate"] - truth) < 3 * found[factor]["se"]
        assert found[factor]["p_adjusted"] < 0.05
    told = view.report(trial, result, generated_at=datetime(2026, 12, 1, tzinfo=UTC))
    assert [row[1] for row in told.factors] == ["link: code instead of none",
                                                "tone: warm instead of plain"]  # fmt: skip
    assert "tone ‘warm’ did better than ‘plain’" in told.factors_say
    assert len(told.factor_pairs) == 1


def test_a_main_effect_uses_everybody_where_an_arm_uses_a_half(ran):
    """Its standard error is about 1/√2 of that of one arm against the control."""
    metric = ran[1]["metrics"][0]
    whole = metric["main_effects"][0]["difference"]["se"]
    one = metric["contrasts"][0]["difference"]["se"]
    assert 0.66 < whole / one < 0.75


def test_a_file_with_factors_reads_back():
    trial = toml.read(HEAD + arms(*FOUR) + TAIL)
    assert toml.read(toml.write(trial)) == trial


@pytest.mark.parametrize(
    ("cells", "says"),
    [
        (FOUR[:3], 'no arm has the combination link = "code", tone = "warm"'),
        ((*FOUR, ("warm", "code")), "two arms are code and warm"),
        (FOUR[:2], "a factor has the same level in every arm"),
    ],
)
def test_arms_that_are_not_every_combination_are_refused(cells, says):
    with pytest.raises(Invalid, match=says):
        toml.read(HEAD + arms(*cells).replace('"warm-code"', '"x"', 1) + TAIL)


def test_an_arm_that_does_not_say_its_levels_is_refused():
    extra = '[[arms]]\nkey = "other"\n'
    with pytest.raises(Invalid, match="arm 'other' does not say its level of the same factors"):
        toml.read(HEAD + arms(*FOUR) + extra + TAIL)
