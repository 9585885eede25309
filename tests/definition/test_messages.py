"""What the wording editor says of a message, held against published figures and rules."""

import pytest

from trials.definition import catalogue, differing, lengths, protected, reading_age, samples, toml
from trials.definition.model import Arm
from trials.errors import Invalid
from trials.resources import folder

# Published worked examples: Wikipedia, "Flesch–Kincaid readability tests" (24 syllables, 11.3), and
# the sentence "The cat sat on the mat." (grade -1.45).
PUBLISHED = [
    ("The Australian platypus is seemingly a hybrid of a mammal and reptilian creature.", 24, 11.3),
    ("The cat sat on the mat.", 6, -1.45),
]


@pytest.mark.parametrize(("text", "syllables", "grade"), PUBLISHED)
def test_the_grade_is_the_published_one(text, syllables, grade):
    found = reading_age.readability(text)
    assert found.syllables == syllables
    assert found.grade == pytest.approx(grade, abs=0.05)
    assert found.age == max(5, round(grade + 5))


def test_syllables_agree_with_a_dictionary():
    known = {"people": 2, "table": 2, "idea": 3, "area": 3, "council": 2, "used": 1, "wanted": 2,
             "social": 2, "usual": 3, "payment": 2, "reference": 3, "application": 4, "number": 2,
             "changed": 1, "letter": 2, "telephone": 3, "emergency": 4, "online": 2}  # fmt: skip
    wrong = {w: (reading_age.syllables(w), n) for w, n in known.items()
             if reading_age.syllables(w) != n}  # fmt: skip
    assert len(wrong) <= 1, wrong


def test_text_without_words_has_no_reading_age():
    assert reading_age.readability(" 12 – £3.40 ") is None


@pytest.mark.parametrize(
    ("text", "characters", "parts", "wide"),
    [("a" * 160, 160, 1, False), ("a" * 161, 161, 2, False), ("a" * 306, 306, 2, False),
     ("a" * 307, 307, 3, False), ("€" * 80, 160, 1, False), ("’" * 70, 70, 1, True),
     ("’" * 71, 71, 2, True), ("😀" * 35, 70, 1, True)],
)  # fmt: skip
def test_text_messages_are_cut_as_the_network_cuts_them(text, characters, parts, wide):
    assert lengths.sms(text) == lengths.Sms(characters, parts, wide)


def test_a_greeting_is_timed_and_a_long_one_is_warned_of():
    short = toml.read((folder("templates") / "trials/ivr-council-tax.toml").read_text("utf-8"))
    assert lengths.seconds(short.arm("short-link").wording) <= 25
    assert lengths.length("word " * 200, "ivr").warns
    assert not lengths.length("word " * 20, "ivr").warns


def test_a_difference_counts_the_words_and_loses_none():
    before, after = "Pay £{{ amount }} now or by Friday.", "Please pay £{{ amount }} by Friday."
    found = differing.compare(before, after)
    assert "".join(run.text for run in found.before) == before
    assert "".join(run.text for run in found.after) == after
    assert (found.added, found.removed) == (2, 3)
    assert {run.change for run in found.before} == {"same", "removed"}


MARKED = "{# protected: the regulations #}\nYou must pay\nwithin 7 days.\n{# end protected #}"


def arms(treatment, control=f"Hello. {MARKED}", **payload):
    return (Arm(key="now", control=True, wording=control, payload=payload or None),
            Arm(key="new", wording=treatment))  # fmt: skip


@pytest.mark.parametrize(
    ("treatment", "says"),
    [("No law at all.", "are not those"),
     (f"Dear you. {MARKED.replace('7', '9')}", "are not those"),
     (f"{MARKED} {MARKED}", "are not those"),
     ("{# protected #} open", "has no end"),
     ("shut {# end protected #}", "without having begun")],
)  # fmt: skip
def test_arms_that_differ_in_a_protected_passage_are_told_of(treatment, says):
    (found,) = protected.differences(arms(treatment))
    assert found.arm == "new"
    assert says in found.says


def test_protected_text_may_stand_elsewhere_and_break_its_lines_otherwise():
    same = f"A new start. {MARKED.replace(chr(10), '  ')} And an end."
    assert list(protected.differences(arms(same))) == []


def test_a_protected_column_must_be_printed_by_every_arm_unfiltered():
    text = "{{ statutory_text }}"
    assert list(protected.differences(arms(text, text, protected=["statutory_text"]))) == []
    (found,) = protected.differences(arms("{{ statutory_text | upper }}", text,
                                          protected=["statutory_text"]))  # fmt: skip
    assert "statutory_text" in found.says


def test_marks_print_nothing_and_a_file_that_breaks_them_is_refused(trial_text):
    assert samples.rendered(f"Hello {{{{ name }}}}. {MARKED}", {"name": "Sam"}) == (
        "Hello Sam. \nYou must pay\nwithin 7 days."
    )
    broken = trial_text.replace('wording = "Dear', f'wording = """{MARKED} Dear').replace(
        'owe £{{ amount }}."', 'owe £{{ amount }}."""'
    )
    with pytest.raises(Invalid, match="protected"):
        toml.read(broken)


@pytest.mark.parametrize("path", sorted((folder("templates") / "trials").glob("*.toml")),
                         ids=lambda p: p.stem)  # fmt: skip
def test_every_specimen_can_be_previewed_for_every_invented_person(path):
    for arm in toml.read(path.read_text("utf-8")).arms:
        for sample in samples.samples(arm.wording):
            assert "{" not in samples.rendered(arm.wording, sample.row)


def test_a_preview_shows_both_ways_of_a_message_that_asks():
    text = "Hi {{ name }}.{% if unresolved %} Shall I ring?{% endif %}"
    shown = {s.title: samples.rendered(text, s.row) for s in samples.samples(text)}
    assert shown["Someone usual"].endswith("Shall I ring?")
    assert shown["Someone the message treats otherwise"] == "Hi Sam Patel."


def test_the_shared_measures_are_fit_for_a_plan_and_read_plainly():
    for key, measure in catalogue.measures().items():
        assert measure.key == key
        assert measure.metric.window or measure.metric.source == "outcomes"
        assert measure.says.endswith(".")
        assert reading_age.readability(measure.says).age <= 18
    assert sum(m.main for m in catalogue.measures().values()) >= 6


def test_every_channel_a_trial_may_use_has_its_advice():
    from typing import get_args

    from trials.definition.model import Channel, DesignKind

    assert set(catalogue.advice()) == set(get_args(Channel))
    assert {a.design for a in catalogue.advice().values()} <= set(get_args(DesignKind))
    assert "Repeat callers would meet both" in catalogue.advice()["ivr"].says
