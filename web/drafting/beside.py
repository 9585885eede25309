"""What the wizard shows beside its questions: previews, sizes, clashes, the whole on one page."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from trials import calendar, events
from trials.definition import (
    catalogue,
    differing,
    lengths,
    protected,
    reading_age,
    samples,
    toml,
)
from trials.definition.model import Arm
from trials.drafting.content import Content, get
from trials.errors import SignpostError
from trials.resources import folder
from trials.store.tables import TrialRow
from web.drafting import reading, sizing, spread
from web.drafting.sizing.asked import primary


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
        channel = str(get(content, "trial.channel"))
        return {"advice": catalogue.advice().get(channel), "warns": spread.warnings(content)}
    if step == "size":
        return {"size": sizing.of(content)}
    if step == "dates":
        return {"size": sizing.of(content), "clashes": clashes(content, session)}
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
    metric = primary(content) or {}
    days = spread.days(metric)
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
