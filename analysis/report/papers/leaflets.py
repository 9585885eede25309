"""One page each: the case for a section 151 officer, the poster, the public summary, equality."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from analysis.report import figures, method
from analysis.report.papers.blocks import (
    Block,
    Bullets,
    Heading,
    Numbers,
    Paper,
    Picture,
    Table,
    Text,
    Verbatim,
)
from analysis.report.papers.dossier import decision_sentences
from analysis.report.papers.material import Material
from analysis.report.view import Report
from analysis.scaling import words
from analysis.scaling.case import CaseForScaling
from analysis.scaling.equity import impact_extract
from trials.definition import wording
from trials.errors import Conflict

_WORDING = 420
_SWINGS = 3


def one_page_case(m: Material) -> Paper:
    """The case on one sheet. Raises ``Conflict`` where there is none."""
    case = _needed(m)
    q = case.quantities
    view = m.view()
    numbers = Numbers((
        (words.middle(q["contacts_avoided_per_year"]), "contacts avoided in the first year"),
        (words.middle(q["npv"], money=True), f"net present value over {case.years} years"),
        (figures.capital(figures.chance(case.probability_npv_positive)), "chance that it pays"),
    ))  # fmt: skip
    return Paper(
        key=m.trial.key, kind="The case for scaling", title=m.trial.about.title,
        subtitle=view.caption, organisation=m.organisation, generated=view.generated,
        style="one-page",
        blocks=(*_advice(case, view), numbers, *_sheet(case), *_afterwards(case, m)),
    )  # fmt: skip


def _advice(case: CaseForScaling, view: Report) -> Iterator[Block]:
    advice = case.recommendation
    yield Text(f"{words.DECISIONS[advice.decision]} {' '.join(advice.reasons)}", "lead")
    yield Text(view.verdict.says)
    if advice.conditions:
        yield Bullets(advice.conditions)
    if advice.would_change:
        yield Text(f"What would change this: {figures.lower_first(advice.would_change)}")


def _sheet(case: CaseForScaling) -> Iterator[Block]:
    by_heading = {s.heading: s for s in words.summary(case)}
    for heading in ("What it is worth", "Who gains and who pays, a year"):
        section = by_heading[heading]
        yield Heading(heading)
        yield Text(" ".join(section.paragraphs), "note")
        yield Table(heading, ("Item", "Figure"), section.rows, small=True)
    wait, people = by_heading["What happens to the wait"], by_heading["Who is better or worse off"]
    for section in (people, wait):
        yield Heading(section.heading)
        yield Text(" ".join(section.paragraphs))
        if section.rows:
            yield Table(section.heading, ("Item", "Figure"), section.rows, small=True)
    doubts = by_heading["What it would take to be wrong"]
    yield Heading(doubts.heading)
    yield Bullets(doubts.paragraphs)
    yield Text("What moves the net present value most, from one end of its range to the other:")
    yield Table("What moves the value most", ("Figure", "Net present value at its two ends"),
                doubts.rows[:_SWINGS], small=True)  # fmt: skip
    yield Text(words.defaults_sentence(case), "note")


def _afterwards(case: CaseForScaling, m: Material) -> Iterator[Block]:
    """Who keeps it going, and when it is measured again."""
    about = m.trial.about
    channel = figures.capital(about.channel or "the channel")
    yield Heading("Once it is rolled out")
    yield Text(
        f"It depends on the channel and its owner: {channel}, {about.service or about.area}. "
        f"{about.owner or 'Nobody yet'} answers for the trial. The effect is measured again "
        f"{figures.number(case.retest_after_months)} months after roll-out, on people held back."
    )


def poster(m: Material) -> Paper:
    """One sheet for a wall: what was changed, what it did, what happens now."""
    view = m.view()
    blocks: list[Block] = [Text(view.verdict.says, "lead")]
    blocks += [
        Picture(p.svg, p.frequency.says, p.frequency.says, width=0.48) for p in view.pictograms[:3]
    ]
    if not view.pictograms and view.frequencies:
        blocks.append(Bullets(tuple(f.says for f in view.frequencies)))
    blocks.append(Heading("What we changed"))
    blocks += _before_and_after(view)
    blocks += [Heading("What happens now"), *(Text(t) for t in decision_sentences(m))]
    blocks += [Text(f"{what} ({who}, by {due})") for what, who, due, _ in m.steps[:1]]
    return Paper(
        key=m.trial.key, kind="What we tried", title=m.trial.about.title, subtitle=view.caption,
        organisation=m.organisation, generated=view.generated, style="poster",
        blocks=tuple(blocks),
    )  # fmt: skip


def _before_and_after(view: Report) -> Iterator[Block]:
    """The first two versions as people read them, their placeholders as words in brackets."""
    pair = view.versions[:2]
    shown = [Verbatim(v.title, _shortened(wording.plain(v.wording))) for v in pair if v.wording]
    if not shown:
        yield Text(view.hypothesis)
        return
    yield from shown
    for version in pair:
        if not version.wording:
            yield Text(f"Of ‘{version.title}’ no wording is recorded.", "note")
    if any("{{" in v.wording for v in pair):
        yield Text("Words in [square brackets] were filled in for each person.", "note")


def _shortened(text: str) -> str:
    return text if len(text) <= _WORDING else f"{text[:_WORDING].rsplit(' ', 1)[0]} …"


def public_summary(m: Material) -> Paper:
    """The trial for the people it was about: no statistics, nothing left out that matters."""
    view = m.view()
    units = figures.plural(m.trial.about.unit or "person")
    assigned = m.result.get("units", {}).get("assigned")
    how = f"{assigned:,} {units} took part. " if isinstance(assigned, int) else ""
    blocks: list[Block] = [
        Heading("What we wanted to find out"),
        Text(view.hypothesis or "Whether a small change to how we write or speak helps people."),
        Heading("What we did"),
        Text(
            f"{how}Chance decided who received which version, so that any difference is due to the "
            "version and not to who received it. Nobody was refused anything they asked for."
        ),
        Bullets(tuple(
            f"{v.title}{' (what we did before)' if v.control else ''}: {v.share}"
            for v in view.versions)),
        Heading("What we found"),
        Text(view.verdict.says, "lead"),
        *([Bullets(tuple(f.says for f in view.frequencies))] if view.frequencies else []),
        *(Text(line) for line in method.deflection_sentences(m.trial, m.result)),
        Heading("Was anybody worse off?"),
        Text(m.case.equity.says if m.case else "We do not yet know the effect by group."),
        Heading("What happens now"),
        *(Text(line) for line in decision_sentences(m)),
        Heading("Your information"),
        Text(
            "We counted contacts, not people. Phone numbers and account numbers were scrambled "
            "before anything was stored, and no names are in this summary or behind it."
        ),
    ]  # fmt: skip
    return Paper(
        key=m.trial.key, kind="Public summary", title=m.trial.about.title, subtitle=view.caption,
        organisation=m.organisation, generated=view.generated, blocks=tuple(blocks),
    )  # fmt: skip


def equality_extract(m: Material) -> Paper:
    """What an equality impact assessment takes from the trial. Raises ``Conflict`` without one."""
    case, view = _needed(m), m.view()
    found: dict[str, Any] = impact_extract(
        case.equity, trial=m.trial.key, mitigations=case.recommendation.conditions
    )
    rows = tuple((g["group"] if g["shown"] else "A group too small to show", g["impact"],
                  g["evidence"]) for g in found["groups"])  # fmt: skip
    blocks: list[Block] = [
        Heading("Summary"), Text(found["summary"], "lead"),
        Text("Action is needed before roll-out." if found["action_needed"]
             else "No action is needed on account of these findings."),
        Heading("Impact by group"),
        Table("Impact by group", ("Group", "Impact", "Evidence"), rows) if rows
        else Text("The trial declared no groups before its launch, so the effect on protected or "
                  "digitally excluded people is not known from it.", "callout"),
        Heading("What will be done"),
        Bullets(tuple(found["mitigations"])) if found["mitigations"]
        else Text("No condition is attached to the recommendation."),
        Heading("How this was measured"), Text(found["method"]), Text(found["definition"]),
        Text("Groups were declared before the trial began. An effect found in a group looked for "
             "afterwards would be a question for another trial, not an answer.", "note"),
    ]  # fmt: skip
    return Paper(
        key=m.trial.key, kind="Equality impact: extract", title=m.trial.about.title,
        subtitle=view.caption, organisation=m.organisation, generated=view.generated,
        blocks=tuple(blocks),
    )  # fmt: skip


def _needed(m: Material) -> CaseForScaling:
    if m.case is None:
        raise Conflict(f"there is no case for scaling of {m.trial.key!r}: {m.why_no_case}")
    return m.case
