"""An amendment is told in the wizard's words, for every place that a plan has."""

from __future__ import annotations

import pytest
from sample import letter_trial

from analysis.report import changed
from trials.definition import model, plan
from trials.drafting import content, steps
from web.drafting import questions

KINDS = {"about": model.About, "design": model.Design, "arms": model.Arm,
         "metrics": model.Metric, "analysis": model.Analysis}  # fmt: skip
NOT_PART = {"key", "title", "owner"}


def places(kind, at):
    """Every place that a part of a plan may have."""
    for name, field in kind.model_fields.items():
        if name in NOT_PART:
            continue
        held = (field.annotation, *getattr(field.annotation, "__args__", ()))
        inner = next((k for k in held if k in (model.Adaptive, model.Prior, model.Decision)), None)
        if inner is not None:
            yield from places(inner, f"{at}.{name}")
        else:
            yield f"{at}.{name}"


def test_every_place_of_a_plan_has_a_question_and_no_question_lacks_its_place():
    known = {place for table, kind in KINDS.items() for place in places(kind, table)}
    assert known == set(changed.LABELS)


def test_the_questions_and_answers_are_the_wizards_own():
    now = content.from_trial(letter_trial())
    asked = {}
    for step in steps.STEPS:
        for field in questions.of(step.key, now):
            table, *middle = field.path.replace("trial.", "about.", 1).split(".")
            middle = middle[1:] if table in ("arms", "metrics") else middle
            asked[".".join([table, *middle])] = field
    compared = set(asked) & set(changed.LABELS)
    assert {"about.ends", "arms.wording", "design.kind", "analysis.segments"} <= compared
    for path in compared - {"metrics.mde", "metrics.margin"}:
        assert changed.LABELS[path] == asked[path].label
        offered = {value: words for value, words, _ in asked[path].options}
        for value, words in changed.CHOICES.get(path, {}).items():
            assert offered[value] == words


def moved(**parts):
    """The letter trial's amendment that ``parts`` make, in words."""
    before = letter_trial()
    after = before.model_copy(update=parts)
    return changed.lines(after, plan.changes(plan.document(before), plan.document(after)))


def test_dates_shares_and_spans_are_told_as_people_write_them():
    trial = letter_trial()
    primary = trial.primary.model_copy(update={"mde": 0.03, "window": 86400 * 14})
    others = tuple(m for m in trial.metrics if m.key != primary.key)
    ends = trial.about.ends.replace(year=2099)
    told = moved(about=trial.about.model_copy(update={"ends": ends}), metrics=(primary, *others))
    assert any(
        line.startswith("Last day: ") and line.endswith(f"{ends:%B} 2099") for line in told
    ), told
    assert any(line.endswith("became 3 percentage points") for line in told), told
    assert not any("." in line.split(":")[0] or "_" in line for line in told)


def test_a_version_that_comes_is_one_line_and_a_wording_says_which_words():
    trial = letter_trial()
    new = model.Arm(key="two", title="Two things", wording="Pay. Ring nobody.")
    assert moved(arms=(*trial.arms, new)) == ("The version ‘Two things’ is added",)
    old = trial.arms[1]
    said = old.wording.replace("Pay", "Kindly pay", 1)
    (line,) = moved(arms=(trial.arms[0], old.model_copy(update={"wording": said})))
    assert line.startswith(f"Wording (‘{old.title}’): ")
    assert "without “Pay”, now with “Kindly pay”" in line


@pytest.mark.parametrize(("looks", "words"), [
    ("always-valid", "At any time"),
    (model.Looks(fractions=(0.33, 0.67, 1.0)), "At a third, at two thirds and at the end"),
    (model.Looks(fractions=(0.5, 1.0)), "At 50% and 100% of the people"),
])  # fmt: skip
def test_other_looks_are_one_line(looks, words):
    trial = letter_trial()
    told = moved(analysis=trial.analysis.model_copy(update={"looks": looks}))
    assert told == (f"When do you look at the result? Once, at the end became {words}",)
