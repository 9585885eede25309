"""What the wizard shows beside its questions: previews, sizes, clashes, the whole on one page."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from trials import calendar, events
from trials.definition import catalogue, differing, lengths, protected, reading_age, samples, toml
from trials.definition.model import Arm
from trials.drafting import content as contents
from trials.drafting.content import Content, get
from trials.errors import SignpostError
from trials.resources import folder
from trials.store.tables import TrialRow
from web.drafting import questions, reading

if TYPE_CHECKING:
    from analysis.planning import PowerAnswer, PowerRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """A version as people would get it, and how it reads. ``alone`` says why no sides are shown."""

    title: str
    control: bool
    examples: tuple[tuple[str, str], ...]
    says: str
    warns: tuple[str, ...]
    sides: differing.Sides | None
    alone: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How many and how long, in words, and the figures behind it; or why that cannot be said."""

    says: str
    facts: tuple[tuple[str, str], ...] = ()
    notes: tuple[str, ...] = ()


def templates() -> list[tuple[str, str, str]]:
    """The specimen trials to start from: name, title and expectation."""
    found = []
    for path in sorted((folder("templates") / "trials").glob("*.toml")):
        about = toml.read(path.read_text("utf-8"), path.name).about
        found.append((path.stem, about.title, about.hypothesis))
    return found


def of(step: str, content: Content, session: Session) -> dict[str, Any]:
    """What a step's page shows beside its questions."""
    if step == "versions":
        return {"previews": previews(content)}
    if step == "draw":
        return {"advice": catalogue.advice().get(str(get(content, "trial.channel")))}
    if step == "size":
        return {"size": size(content)}
    if step == "dates":
        return {"size": size(content), "clashes": clashes(content, session)}
    return {}


def previews(content: Content) -> list[Preview]:
    """Every version that has a wording."""
    today = reading.wording_of_today(content)
    told = [Arm(key=a["key"], wording=str(a.get("wording", ""))) for a in content["arms"]]
    differ = {d.arm: f"{d.says}: {d.remedy}" for d in protected.differences(told)}
    return [
        _preview(arm, today, content, differ.get(arm["key"]))
        for arm in content["arms"]
        if str(arm.get("wording", "")).strip()
    ]


_ALONE = (
    "Nothing is shown side by side, because no wording is written for today: write it in the "
    "version that is as it is today."
)


def _preview(arm: dict[str, Any], today: str, content: Content, differs: str | None) -> Preview:
    text, warns = str(arm["wording"]), [differs] if differs else []
    examples: list[tuple[str, str]] = []
    try:
        examples = [(s.title, samples.rendered(text, s.row)) for s in samples.samples(text)]
    except SignpostError as failure:
        warns.append(str(failure))
    says = ""
    if examples:
        length = lengths.length(examples[0][1], get(content, "trial.channel"))
        reads = reading_age.readability(examples[0][1])
        says = f"{length.says.rstrip('.')}." + (
            f" Reading age about {reads.age:.0f}." if reads else ""
        )
        warns += [length.warns] if length.warns else []
    new = not arm.get("control")
    return Preview(
        title=str(arm.get("title") or arm["key"]),
        control=bool(arm.get("control")),
        examples=tuple(examples),
        says=says,
        warns=tuple(warns),
        sides=differing.compare(today, text) if new and today.strip() else None,
        alone=_ALONE if new and not today.strip() else "",
    )


def size(content: Content) -> Size:
    """How many, and about how many weeks, at the volumes given."""
    metric = questions.primary(content)
    if metric is None:
        return Size(says="Choose the one measure that decides first: the size depends on it.")
    baseline = get(content, "workshop.sizing.baseline")
    mde = metric.get("mde") or _relative(metric, baseline)
    if baseline is None or not mde:
        return Size(
            says="Say how things stand now and the smallest change worth finding; "
            "the size is worked out when you save."
        )
    if get(content, "design.kind") in ("cluster", "switchback", "stepped-wedge"):
        return Size(
            says="For this design ask an analyst to work out the size: it depends on "
            "how alike those are who go together."
        )
    # SciPy takes half a second to load: only a page that sizes a trial pays for it.
    from analysis.planning import plan_power

    try:
        request = _request(content, metric, float(baseline), float(mde))
        return _sized(request, plan_power(request))
    except SignpostError as failure:
        return Size(says=f"{str(failure)[:1].upper()}{str(failure)[1:]}")


def _relative(metric: dict[str, Any], baseline: Any) -> float | None:
    share = metric.get("mde_relative")
    return None if share is None or baseline is None else float(share) * float(baseline)


def _request(content: Content, metric: dict[str, Any], baseline: float, mde: float) -> PowerRequest:
    from analysis.planning import PowerRequest

    unit = str(get(content, "trial.unit") or "person")
    weekly, sd = get(content, "workshop.sizing.weekly"), get(content, "workshop.sizing.sd")
    return PowerRequest(
        kind=metric["kind"],
        baseline=baseline,
        sd=sd,
        mde=mde,
        direction=metric.get("better", "lower"),
        ratio=tuple(float(a.get("weight", 1)) for a in content["arms"]),
        arms=len(content["arms"]),
        weekly=weekly,
        looks=reading.fractions(content),
        unit=questions.many(unit),
        alpha=float(get(content, "analysis.alpha") or 0.05),
        power=float(get(content, "analysis.power") or 0.8),
    )


_WORDS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


def _sized(request: PowerRequest, answer: PowerAnswer) -> Size:
    facts = [
        ("In each version", f"{answer.n_per_arm:,} {request.unit}"),
        ("In all", f"{answer.total:,} {request.unit}"),
        ("Chance of finding it if it is there", f"{100 * answer.power:.0f}%"),
    ]
    if answer.weeks is None:
        return Size(
            says=f"You need about {answer.total:,} {request.unit}. Say how many there are "
            "in a week to see how long that takes.",
            facts=tuple(facts),
            notes=(answer.says, *answer.notes),
        )
    weeks = _WORDS[answer.weeks] if answer.weeks < len(_WORDS) else f"{answer.weeks:,}"
    facts.append(("In a usual week", f"{request.weekly:,.0f} {request.unit}"))
    return Size(
        says=f"About {weeks} week{'' if answer.weeks == 1 else 's'} at your volumes.",
        facts=tuple(facts),
        notes=(answer.says, *answer.notes),
    )


def clashes(content: Content, session: Session) -> list[events.Clash] | None:
    """What else happens while it runs: bank holidays, the calendar's events, and other trials.

    ``None`` while the draft has no first and last day, so that nothing can be known of them.
    """
    try:
        first, last = (
            date.fromisoformat(str(get(content, f"trial.{n}"))) for n in ("starts", "ends")
        )
    except ValueError:
        return None
    if last < first:
        return None
    metric = questions.primary(content) or {}
    window = str(metric.get("window") or "0d")
    days = float(window[:-1]) if window.endswith("d") else 0.0
    service = str(get(content, "trial.service") or "")
    close = last + timedelta(days=math.ceil(days))
    kept = [one.event for one in calendar.between(session, first, close)]
    listed = {(e.starts, e.ends) for e in kept if e.kind == "bank-holiday"}
    shut = [e for e in events.bank_holidays(first, close) if (e.starts, e.ends) not in listed]
    known = [*shut, *kept, *_others(content, session)]
    return list(
        events.clashes(
            first,
            last,
            known,
            service=service,
            window_days=days,
            design=str(get(content, "design.kind") or "individual"),
        )
    )


def _others(content: Content, session: Session) -> Iterable[events.Event]:
    rows = session.scalars(
        sa.select(TrialRow).where(TrialRow.state.in_(("ready", "live", "paused")))
    )
    for row in rows:
        if row.key == content["trial"]["key"] or row.starts is None or row.ends is None:
            continue
        yield events.Event(
            title=f"The trial “{row.title}”",
            starts=row.starts,
            ends=row.ends,
            kind="trial",
            services=(row.service,) if row.service else (),
        )


def problems(content: Content) -> list[str]:
    """What keeps the draft from being a trial, in words."""
    return [str(problem) for problem in contents.problems(content)]
