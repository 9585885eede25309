"""The launch checklist: what is done, what stands in the way, and why each line matters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal

from trials import clock
from trials.definition.model import Trial
from trials.drafting import content as contents
from trials.drafting import forecasts, steps
from trials.drafting.drafts import Draft
from trials.drafting.screening import ROLES, Role, Screening

Standing = Literal["approved", "returned", "outdated", "waiting"]
Weight = Literal["done", "stops", "advice"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """What was said in a role, and whether it still stands for the draft as it is."""

    role: Role
    standing: Standing
    by: str = ""
    at: datetime | None = None
    comment: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """A line of the launch checklist: whether it is done, and why it matters."""

    key: str
    title: str
    weight: Weight
    says: str
    step: str | None = None


def checklist(draft: Draft, screening: Screening, signatures: Sequence[Signature]) -> list[Check]:
    """The lines of the checklist, in the order in which they are read."""
    lacks = steps.missing(draft.content)
    broken = contents.problems(draft.content)
    trial = None if broken else contents.trial_of(draft.content)
    amends = draft.kind == "amendment"
    return [
        _complete(lacks, broken=bool(broken)),
        _allowed(screening),
        _equal_access(draft, screening),
        _agreed(draft, signatures),
        _timely(trial, begun=amends),
        *([] if amends else [_forecast(draft)]),
        _listened(draft),
    ]


def _complete(lacks: dict[str, list[str]], *, broken: bool) -> Check:
    title = "The plan is complete"
    if lacks:
        key, what = next(iter(lacks.items()))
        return Check(
            key="complete", title=title, weight="stops", step=key, says=f"It still lacks {what[0]}."
        )
    if broken:
        return Check(
            key="complete", title=title, weight="stops", step="check",
            says="Some answers do not go together: the check page says which.",
        )  # fmt: skip
    return Check(
        key="complete",
        title=title,
        weight="done",
        says="Launching locks it: what was promised cannot be changed unseen.",
    )


def _allowed(screening: Screening) -> Check:
    title = "It is not a service that is never trialled"
    if screening.refused:
        return Check(
            key="allowed", title=title, weight="stops", step="screening", says=screening.refused[0]
        )
    return Check(
        key="allowed",
        title=title,
        weight="done",
        says="Emergency, safeguarding and bereavement contacts are left alone.",
    )


def _equal_access(draft: Draft, screening: Screening) -> Check:
    title = "People can still reach an adviser"
    note = contents.get(draft.content, "workshop.equality.note")
    if screening.flags and not note:
        return Check(
            key="access",
            title=title,
            weight="stops",
            step="screening",
            says=f"{screening.flags[0].says} Say in the equality note what you do for "
            "people who need to ring.",
        )
    if screening.flags:
        return Check(
            key="access",
            title=title,
            weight="advice",
            step="versions",
            says=f"{screening.flags[0].says} The equality note says what is done about it.",
        )
    return Check(
        key="access",
        title=title,
        weight="done",
        says="No version hides the phone number that today’s message gives.",
    )


def _agreed(draft: Draft, signatures: Sequence[Signature]) -> Check:
    title = "Everybody who must agree has approved this version"
    if not draft.asked:
        changed = draft.asked_hash is not None
        says = (
            "It was changed after approval was asked for, so approval has to be asked again."
            if changed
            else "Nobody has been asked to approve it yet."
        )
        return Check(key="agreed", title=title, weight="stops", step="check", says=says)
    waiting = [ROLES[s.role] for s in signatures if s.standing != "approved"]
    if waiting:
        return Check(
            key="agreed",
            title=title,
            weight="stops",
            step="check",
            says=f"It waits for: {', '.join(waiting)}.",
        )
    return Check(
        key="agreed", title=title, weight="done", says="Each approval is for exactly this version."
    )


def _timely(trial: Trial | None, *, begun: bool) -> Check:
    title = "The dates lie ahead"
    if trial is None or trial.about.starts is None or trial.about.ends is None:
        return Check(
            key="dates",
            title=title,
            weight="stops",
            step="dates",
            says="The first and last day are not given.",
        )
    today = clock.london(clock.now()).date()
    if trial.about.ends < today:
        return Check(
            key="dates",
            title=title,
            weight="stops",
            step="dates",
            says=f"The last day, {_day(trial.about.ends)}, has passed.",
        )
    if trial.about.starts < today and not begun:
        return Check(
            key="dates",
            title=title,
            weight="advice",
            step="dates",
            says=f"The first day, {_day(trial.about.starts)}, has passed: people are "
            "drawn from now on.",
        )
    return Check(
        key="dates",
        title=title,
        weight="done",
        says=f"It runs from {_day(trial.about.starts)} to {_day(trial.about.ends)}.",
    )


def _forecast(draft: Draft) -> Check:
    title = "Somebody has said what they expect"
    said, unread = forecasts.parse(str(contents.get(draft.content, "workshop.forecasts") or ""))
    if unread:
        says = f"Line {unread[0].line} of the forecasts {unread[0].says}: {forecasts.REMEDY}."
        return Check(key="forecast", title=title, weight="advice", step="safeguards", says=says)
    if said:
        return Check(
            key="forecast",
            title=title,
            weight="done",
            says="The forecasts are kept at launch and compared with the result.",
        )
    return Check(
        key="forecast",
        title=title,
        weight="advice",
        step="safeguards",
        says="A forecast made now shows later how good our hunches are.",
    )


def _listened(draft: Draft) -> Check:
    title = "Somebody outside the team has read the new wording"
    notes = contents.get(draft.content, "workshop.notes")
    if notes:
        return Check(
            key="listened",
            title=title,
            weight="done",
            says="What they said is beside each version.",
        )
    return Check(
        key="listened",
        title=title,
        weight="advice",
        step="versions",
        says="Five people of a panel find most of what confuses.",
    )


def _day(day: date) -> str:
    return f"{day.day} {day:%B %Y}"
