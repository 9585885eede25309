"""The backlog: hunches about small changes, ranked by what they could be worth trying first.

The rank is addressable contacts a year × who holds the lever × how little work it is. It orders a
list and promises nothing: the weights are below, and an idea without a volume comes last.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from trials import audit, clock
from trials.drafting import content as contents
from trials.drafting import drafts
from trials.drafting.drafts import Draft
from trials.errors import Conflict, NotFound
from trials.store.tables import DraftRow, IdeaRow

CONTROL: Mapping[str, float] = {"controllable": 1.0, "influenceable": 0.5, "unknown": 0.25}
"""How far the team itself can make the change, as a weight; the names of the opportunity model."""
EFFORT: Mapping[str, float] = {"small": 1.0, "medium": 0.5, "large": 0.25}
"""How much work the change is, as a weight."""
STATUSES = ("new", "ready", "started", "parked")
"""Where an idea stands; ``started`` is set when a draft is begun from it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Idea:
    """What is known of a hunch. ``volume`` is contacts a year that it could reach."""

    title: str
    why: str = ""
    service: str = ""
    volume: int | None = None
    control: str = "unknown"
    effort: str = "medium"
    owner: str = ""
    status: str = "new"

    @property
    def rank(self) -> float | None:
        """Contacts a year weighted by lever and effort; nothing without a volume."""
        return None if self.volume is None else (
            self.volume * CONTROL[self.control] * EFFORT[self.effort]
        )  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """An idea as it is kept, and the latest draft begun from it that was not put away."""

    id: int
    idea: Idea
    version: int
    updated_at: datetime
    updated_by: str
    draft: int | None


def ranked(session: Session) -> list[Kept]:
    """All ideas, the most promising first; parked ones and those without a volume last."""
    latest = session.execute(
        sa.select(DraftRow.idea_id, sa.func.max(DraftRow.id))
        .where(DraftRow.idea_id.is_not(None), DraftRow.state != "discarded")
        .group_by(DraftRow.idea_id)
    )
    begun: dict[int | None, int] = dict(latest.tuples().all())
    found = [_kept(row, begun.get(row.id)) for row in session.scalars(sa.select(IdeaRow))]
    return sorted(found, key=_place)


def _place(kept: Kept) -> tuple[bool, bool, float, int]:
    rank = kept.idea.rank
    return kept.idea.status == "parked", rank is None, -(rank or 0.0), kept.id


def load(session: Session, number: int) -> Kept:
    """One idea. Raises ``NotFound``."""
    draft = session.scalar(
        sa.select(sa.func.max(DraftRow.id)).where(
            DraftRow.idea_id == number, DraftRow.state != "discarded"
        )
    )
    return _kept(_row(session, number), draft)


def add(session: Session, idea: Idea, *, actor: str) -> int:
    """Keep a new idea; its number."""
    now = clock.now()
    row = IdeaRow(title=idea.title, status=idea.status, detail=_detail(idea), version=1,
                  created_at=now, created_by=actor, updated_at=now, updated_by=actor)  # fmt: skip
    session.add(row)
    session.flush()
    audit.record(session, "idea added", f"idea {row.id}", actor=actor, detail={"version": 1})
    return row.id


def change(session: Session, number: int, idea: Idea, *, base: int, actor: str) -> None:
    """Keep what was changed of version ``base``.

    Raises:
        NotFound: there is no such idea.
        Conflict: somebody has changed it since.
    """
    row = _row(session, number, lock=True)
    if row.version != base:
        raise Conflict(
            f"{row.updated_by} changed this idea while you were writing",
            "what is saved now is listed below; save again to put yours in its place",
        )
    row.title, row.status, row.detail = idea.title, idea.status, _detail(idea)
    _touch(session, row, "idea changed", actor)


def begin(session: Session, number: int, *, actor: str) -> Draft:
    """A draft of the idea's trial, or the one that is being written already.

    Raises:
        NotFound: there is no such idea.
    """
    row = _row(session, number, lock=True)
    idea = _kept(row, None).idea
    known = session.scalar(
        sa.select(DraftRow.id)
        .where(DraftRow.idea_id == number, DraftRow.state == drafts.OPEN)
        .order_by(DraftRow.id.desc())
        .limit(1)
    )
    if known is not None:
        return drafts.load(session, known)
    content = contents.blank(contents.new_key(idea.title, set()), idea.title, idea.owner or actor)
    if idea.service:
        content["trial"]["service"] = idea.service
    if idea.why:
        content["trial"]["hypothesis"] = idea.why
    draft = drafts.start(session, content, origin=f"idea {number}", actor=actor, idea_id=number)
    row.status = "started"
    _touch(session, row, "idea started", actor)
    return draft


def _touch(session: Session, row: IdeaRow, what: str, actor: str) -> None:
    row.version += 1
    row.updated_at, row.updated_by = clock.now(), actor
    audit.record(session, what, f"idea {row.id}", actor=actor, detail={"version": row.version})


def _detail(idea: Idea) -> dict[str, object]:
    return {"why": idea.why, "service": idea.service, "volume": idea.volume,
            "control": idea.control, "effort": idea.effort, "owner": idea.owner}  # fmt: skip


def _row(session: Session, number: int, *, lock: bool = False) -> IdeaRow:
    row = session.get(IdeaRow, number, with_for_update=lock)
    if row is None:
        raise NotFound(f"there is no idea {number}", "choose one from the list of ideas")
    return row


def _kept(row: IdeaRow, draft: int | None) -> Kept:
    idea = Idea(title=row.title, status=row.status, **row.detail)
    return Kept(id=row.id, idea=idea, version=row.version, updated_at=row.updated_at,
                updated_by=row.updated_by, draft=draft)  # fmt: skip
