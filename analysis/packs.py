"""Trial packs: a trial's plan, aggregates, wording and context as one file for other councils.

Nothing personal is in one: no owner, no unit, no identifier, no group of people within a trial.
The file carries the SHA-256 of its content, which is checked before it is taken in.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from analysis.learning.findings import finding
from analysis.report.withhold import sentence
from trials import audit, clock, registry
from trials.definition.model import Trial
from trials.errors import Conflict, Invalid, NotFound, Problem, SignpostError
from trials.store.tables import PackRow

FORMAT = "signpost-trial-pack/1"
_RESULT = ("trial", "plan_hash", "locked", "look", "deflection")
_METRIC = ("key", "title", "role", "kind", "better", "arms", "contrasts")
_CHECK = ("key", "verdict")


def export(session: Session, key: str, *, council: str) -> dict[str, Any]:
    """The pack of a trial's newest result.

    Raises:
        NotFound: there is no such trial, or it has no result.
        Conflict: the result may not be shown yet.
    """
    record = registry.load(session, key)
    result = registry.latest_result(session, key)
    if result is None:
        raise NotFound(f"trial {key!r} has no result yet", f"run 'signpost analyse {key}' first")
    if (held := sentence(result)) is not None:
        raise Conflict(f"trial {key!r} cannot leave yet: {held}", "export it after its look")
    content = {
        "format": FORMAT, "council": council, "state": record.state, "decision": record.decision,
        "plan_hash": record.plan_hash,
        "definition": _impersonal(registry.stored(record.definition)),
        "result": _aggregates(result),
    }  # fmt: skip
    return {**content, "hash": digest(content)}


def hand_over(session: Session, key: str, *, council: str, actor: str) -> dict[str, Any]:
    """The same, with a line in the audit log of who took it. Raises as :func:`export`."""
    made = export(session, key, council=council)
    audit.record(session, "pack exported", key, actor=actor, detail={"hash": made["hash"]})
    return made


def ready(session: Session) -> list[tuple[str, str]]:
    """The key and title of every trial whose result may leave, by title."""
    found = []
    for one in registry.summaries(session):
        result = registry.latest_result(session, one.key)
        if result is not None and sentence(result) is None:
            found.append((one.key, one.title))
    return sorted(found, key=lambda pair: pair[1])


def digest(content: Mapping[str, Any]) -> str:
    """The SHA-256 of a pack's content, its own hash apart."""
    rest = {k: v for k, v in content.items() if k != "hash"}
    text = json.dumps(rest, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()


def take_in(session: Session, text: str, *, actor: str) -> str:
    """Keep another council's pack: ``imported``, or ``unchanged`` where it is here already.

    A newer pack of the same trial replaces the older one.

    Raises:
        Invalid: it is no pack, or not as it was written; nothing is kept.
    """
    document = _read(text)
    trial = trial_of(document)
    _readable(trial, document["result"])
    row = session.scalar(sa.select(PackRow).where(
        PackRow.council == document["council"], PackRow.trial == trial.key
    ))  # fmt: skip
    if row is not None and row.hash == document["hash"]:
        return "unchanged"
    if row is None:
        row = PackRow(council=document["council"], trial=trial.key)
        session.add(row)
    row.hash, row.document = document["hash"], document
    row.at, row.actor = clock.now(), actor
    audit.record(session, "pack imported", trial.key, actor=actor,
                 detail={"council": document["council"], "hash": document["hash"]})  # fmt: skip
    return "imported"


def everything(session: Session) -> list[dict[str, Any]]:
    """Every imported pack, in the order in which they came."""
    return list(session.scalars(sa.select(PackRow.document).order_by(PackRow.id)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """A pack that was taken in: whose, of which trial, what it found, when and by whom."""

    council: str
    trial: str
    title: str
    says: str
    at: datetime
    actor: str


def imported(session: Session) -> list[Imported]:
    """Every pack taken in, the newest first."""
    rows = session.scalars(sa.select(PackRow).order_by(PackRow.at.desc(), PackRow.id.desc()))
    return [
        Imported(
            council=row.council, trial=row.trial, title=trial_of(row.document).about.title,
            says=str(row.document["result"]["verdict"].get("says") or ""), at=row.at,
            actor=row.actor,
        )
        for row in rows
    ]  # fmt: skip


def trial_of(document: Mapping[str, Any]) -> Trial:
    """The trial a pack tells of. Raises ``Invalid`` where it breaks a rule."""
    try:
        return registry.restored(document["definition"])
    except (SignpostError, KeyError, TypeError, ValueError) as failure:
        raise _refused("definition", "is not that of a trial") from failure


def _read(text: str) -> dict[str, Any]:
    try:
        document = json.loads(text.removeprefix("\ufeff"), parse_constant=_no_constant)
    except (ValueError, RecursionError) as failure:
        raise _refused("the file", "is not JSON") from failure
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise _refused("format", f"is not {FORMAT}")
    if document.get("hash") != digest(document):
        raise _refused("hash", "does not belong to the content: the file was changed on its way")
    council = document.get("council")
    if not isinstance(council, str) or not 0 < len(council) <= 200:
        raise _refused("council", "says nobody")
    result = document.get("result")
    if not isinstance(result, dict) or not isinstance(result.get("verdict"), dict):
        raise _refused("result", "is missing")
    return document


def _readable(trial: Trial, result: Mapping[str, Any]) -> None:
    """Refuse what would fail on every page of learning: a hash says only that it is whole."""
    try:
        finding(trial, result, imported=True)
    except (AttributeError, KeyError, TypeError, ValueError) as failure:
        raise _refused("result", "cannot be read") from failure


def _no_constant(name: str) -> None:
    raise ValueError(name)


def _refused(place: str, says: str) -> Invalid:
    return Invalid("the pack", [Problem(place, says, "ask its council for the pack again")])


def _impersonal(definition: dict[str, Any]) -> dict[str, Any]:
    return {**definition, "trial": {k: v for k, v in definition["trial"].items() if k != "owner"}}


def _aggregates(result: Mapping[str, Any]) -> dict[str, Any]:
    return {
        **{k: result[k] for k in _RESULT if k in result},
        "metrics": [{k: m[k] for k in _METRIC if k in m} for m in result.get("metrics", ())],
        "checks": [{k: c.get(k) for k in _CHECK} for c in result.get("checks", ())],
        "verdict": {k: result["verdict"].get(k) for k in ("says", "decision")},
    }
