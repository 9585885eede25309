"""What people expected in the workshop: lines of text into forecasts that can be scored.

A line names somebody and says how likely the new version is to be better, by how many points it
changes a share, or both: ``Asha, 70%``; ``Ben, 2 points fewer``; ``Cy, 60%, 1.5 points more``.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.orm import Session

from trials import audit, clock, registry
from trials.definition.model import Trial
from trials.store.tables import ForecastRow

LONGEST_NAME = 200
REMEDY = "write a name and a chance, as in: Asha, 70%"

_CHANCE = re.compile(r"(\d+(?:\.\d+)?)\s*(?:%|per cent)?(?:\s+likely(?: better)?)?", re.IGNORECASE)
_POINTS = re.compile(r"(\d+(?:\.\d+)?)\s*points?\s+(fewer|less|lower|down|more|higher|up)\b.*",
                     re.IGNORECASE)  # fmt: skip
_DOWN = frozenset({"fewer", "less", "lower", "down"})


@dataclass(frozen=True, slots=True)
class Said:
    """One person's forecast: a chance of better from 0 to 1, an effect as a share, or both."""

    who: str
    chance: float | None = None
    effect: float | None = None


@dataclass(frozen=True, slots=True)
class Unread:
    """A line that cannot be scored, by its number from 1, and why."""

    line: int
    says: str


def parse(text: str) -> tuple[list[Said], list[Unread]]:
    """The forecasts of a note, and the lines that hold none. Empty lines are passed over."""
    found, unread = list[Said](), list[Unread]()
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        made = _line(line)
        if isinstance(made, str):
            unread.append(Unread(number, made))
        elif any(said.who.casefold() == made.who.casefold() for said in found):
            unread.append(Unread(number, f"{made.who} is there twice"))
        else:
            found.append(made)
    return found, unread


def _line(line: str) -> Said | str:
    who, *parts = (part.strip() for part in line.split(","))
    if not who or len(who) > LONGEST_NAME or not parts:
        return "names nobody and a chance"
    chance = effect = None
    for part in parts:
        if (points := _POINTS.fullmatch(part)) and effect is None:
            size = float(points[1]) / 100
            effect = -size if points[2].lower() in _DOWN else size
        elif (said := _CHANCE.fullmatch(part)) and chance is None:
            chance = float(said[1]) / 100
        else:
            return "cannot be scored"
    if chance is not None and not 0 <= chance <= 1:
        return "has a chance beyond 100%"
    return Said(who, chance, effect)


def keep(session: Session, trial: Trial, notes: object, *, actor: str) -> int:
    """Keep a draft's forecasts of its first new version, before the launch; answers how many.

    Who has made one already on the trial's own page keeps that one. An effect in points is kept
    only of a share.
    """
    said, _ = parse(notes if isinstance(notes, str) else "")
    row = registry.row_of(session, trial.key)
    arm = next(arm.key for arm in trial.arms if not arm.control)
    before = session.scalars(
        sa.select(ForecastRow.who).where(ForecastRow.trial_id == row.id, ForecastRow.arm == arm)
    )
    known = {who.casefold() for who in before}
    rows = [
        ForecastRow(trial_id=row.id, arm=arm, who=one.who, probability_better=one.chance,
                    effect=effect, sd=0.0, at=clock.now(), actor=actor)
        for one, effect in _scorable(said, trial) if one.who.casefold() not in known
    ]  # fmt: skip
    session.add_all(rows)
    if rows:
        audit.record(session, "forecasts of the workshop kept", trial.key, actor=actor,
                     detail={"arm": arm, "forecasts": len(rows)})  # fmt: skip
    return len(rows)


def _scorable(said: Sequence[Said], trial: Trial) -> list[tuple[Said, float | None]]:
    of_share = trial.primary.kind == "proportion"
    pairs = [(one, one.effect if of_share else None) for one in said]
    return [(one, effect) for one, effect in pairs if one.chance is not None or effect is not None]
