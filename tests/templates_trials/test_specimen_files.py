"""The built-in trials: complete files in the contract's form, with their real wording."""

import csv
import gzip
import io

import pytest

from trials.definition import toml, wording
from trials.resources import folder
from trials.simulate import wychbridge

TRIALS = folder("templates") / "trials"
SIX = ("ivr-council-tax", "webchat-closing", "highways-replies", "missed-bin-page",
       "housing-next-steps", "council-tax-reminder")  # fmt: skip
ALL = (*SIX, "waste-contact-form")
LETTERS = TRIALS / "matching-gift-letters"


def trial(key):
    return toml.read((TRIALS / f"{key}.toml").read_text("utf-8"), key)


@pytest.mark.parametrize("key", ALL)
def test_a_specimen_is_a_complete_trial_under_its_own_key(key):
    found = trial(key)
    assert found.key == key
    assert found.primary.role == "primary"
    assert found.about.hypothesis.endswith(".")
    assert found.about.mechanism in {"expectation", "signposting", "deflection"}
    assert found.about.techniques
    assert "has_email" in found.analysis.segments
    assert found.primary.mde
    assert all(m.margin for m in found.metrics if m.role == "guardrail")
    assert toml.read(toml.write(found)) == found


@pytest.mark.parametrize("key", SIX)
def test_every_specimen_has_a_guardrail(key):
    assert any(m.role == "guardrail" for m in trial(key).metrics)


@pytest.mark.parametrize("key", ALL)
def test_every_wording_is_one_that_can_be_checked_and_rendered(key):
    """Each placeholder is a plain name; filled in, nothing of the markup is left."""
    for arm in trial(key).arms:
        columns = wording_columns(arm.wording)
        text = wording.compile(arm.wording, columns).render(dict.fromkeys(columns, "x"))
        assert "{" not in text


def wording_columns(text):
    import re

    return sorted(set(re.findall(r"(?:\{\{|if)\s*([a-z_0-9]+)", text)))


def test_the_wording_is_the_real_one():
    assert trial("ivr-council-tax").arm("short-link").wording == (
        "You're through to Council Tax and Benefits. If you want to check your balance or tell us "
        "you've moved, press 1 and we'll text you a link: it takes about three minutes, any time "
        "of day. For anything else, or to speak to someone, press 2."
    )
    assert "Is there anything you'd expected that we haven't covered?" in (
        trial("webchat-closing").arm("what-happens-next").wording
    )
    dated = trial("highways-replies").arm("dated").wording
    assert "If it becomes dangerous, call {{ emergency_number }}." in dated
    assert "don't wait for our call" in trial("housing-next-steps").arm("named-and-dated").wording


def test_the_statutory_text_is_carried_unchanged_by_every_letter():
    for arm in trial("council-tax-reminder").arms:
        assert arm.wording.count("{{ statutory_text }}") == 1
        assert arm.payload["protected"] == ["statutory_text"]
    norm = trial("council-tax-reminder").arm("one-thing-norm").wording
    assert "Nine in ten households in {{ area }} pay on time" in norm


def test_housing_leaves_out_those_whom_a_message_could_harm():
    reasons = {e.reason for e in trial("housing-next-steps").design.exclusions}
    assert reasons == {"homeless-tonight", "domestic-abuse", "under-18", "open-safeguarding"}


def test_windows_are_never_shorter_than_the_promise():
    assert trial("highways-replies").metric("chased-28d").window == 28 * 86_400
    assert trial("housing-next-steps").primary.window == 14 * 86_400  # ten working days
    assert trial("ivr-council-tax").primary.window == 7 * 86_400


@pytest.mark.parametrize("key", list(wychbridge.SPECIMENS))
def test_every_rehearsal_is_of_its_trial_and_covers_its_columns(key):
    found = wychbridge.rehearsal(key)
    assert found.trial == trial(key)
    outcomes = {m.key for m in found.trial.metrics if m.source == "outcomes"}
    assert set(found.plan.outcomes) <= outcomes
    assert found.plan.says


def test_an_unknown_specimen_is_a_key_error():
    with pytest.raises(KeyError):
        wychbridge.rehearsal("matching-gift-letters")


def letters():
    with gzip.open(LETTERS / "letters.csv.gz", "rb") as file:
        return list(csv.DictReader(io.TextIOWrapper(file, "utf-8")))


def test_the_letter_trials_weights_are_the_designs():
    found = toml.read((LETTERS / "trial.toml").read_text("utf-8"))
    assert {arm.key: arm.weight for arm in found.arms} == {
        "control": 3, "match-1-1": 2, "match-2-1": 2, "match-3-1": 2,
    }  # fmt: skip
    assert found.about.unit == "donor"
    assert "US dollars" in found.about.title


def test_the_letters_are_those_of_the_paper():
    """Karlan & List (2007), table 2A: letters, and response rates as printed."""
    rows = letters()
    assert len(rows) == 50_083
    by_arm: dict[str, list[int]] = {}
    for row in rows:
        by_arm.setdefault(row["match_ratio"], []).append(int(row["gave"]))
    assert {k: len(v) for k, v in by_arm.items()} == {
        "control": 16_687, "1:1": 11_133, "2:1": 11_134, "3:1": 11_129,
    }  # fmt: skip
    printed = {"control": 0.018, "1:1": 0.021, "2:1": 0.023, "3:1": 0.023}
    assert {k: round(sum(v) / len(v), 3) for k, v in by_arm.items()} == printed


def test_covariates_have_no_gaps_and_the_licence_is_told():
    found = toml.read((LETTERS / "trial.toml").read_text("utf-8"))
    rows = letters()
    for column in found.analysis.adjust:
        assert all(row[column] for row in rows), column
    assert all(column in rows[0] for column in found.columns)
    text = (LETTERS / "README.md").read_text("utf-8")
    assert "CC0" in text
    assert "10.7910/DVN/27853" in text
    assert "Karlan" in text
