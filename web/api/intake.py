"""Batches that other systems send: exposures, outcomes, contacts. Sent twice, they count once."""

from __future__ import annotations

from typing import Annotated

from apiflask import APIBlueprint
from flask import Response, current_app, g
from pydantic import BaseModel, ConfigDict, Field

from trials.importing.ledger import Report
from trials.online.batches import LARGEST, Kind, Sent
from trials.online.intake import Intake
from trials.online.service import Ask
from web.api.assign import Identifiers, Text, named
from web.api.door import answer, body, needs, takes, told

api = APIBlueprint("api-intake", __name__, url_prefix="/api/v1", tag="Intake")

Id = Annotated[str, Field(min_length=1, max_length=200)]
Unit = Annotated[str, Field(min_length=1, max_length=1000)]


class _In(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")


class ExposureIn(_In):
    """When a unit met its arm, and what it was in fact given if that is known.

    ``id`` is yours and unique in the trial. ``attributes`` and ``identifiers`` are needed only for
    units whose arm was worked out without asking this service.
    """

    id: Id
    unit: Unit
    exposed_at: Annotated[str, Field(max_length=40, examples=["2026-04-01T09:15:00+01:00"])]
    arm: Annotated[str, Field(max_length=64)] | None = None
    attributes: dict[str, Text] = Field(default_factory=dict, max_length=100)
    identifiers: Identifiers = Identifiers()


class OutcomeIn(_In):
    """A value measured elsewhere. Null is missing, never nought."""

    id: Id
    unit: Unit
    metric: Annotated[str, Field(max_length=64)]
    value: Annotated[str, Field(max_length=64)] | float | bool | None
    observed_at: Annotated[str, Field(max_length=40)] | None = None


class ExposuresIn(_In):
    """A batch. It is taken whole or not at all, unless ``keep_good_rows``."""

    rows: list[ExposureIn] = Field(min_length=1, max_length=LARGEST)
    keep_good_rows: bool = False


class OutcomesIn(_In):
    """A batch. It is taken whole or not at all, unless ``keep_good_rows``."""

    rows: list[OutcomeIn] = Field(min_length=1, max_length=LARGEST)
    keep_good_rows: bool = False


class ContactsIn(_In):
    """A batch. ``source`` names the system that sends; the rows' ``contact_id`` is unique in it.

    A row has the fields of the contacts file: ``contact_id``, ``occurred_at``, ``channel``,
    ``line``, ``reason``, ``outcome``, ``handled`` … and a ``unit`` or at least one identifier.
    """

    source: Annotated[str, Field(min_length=1, max_length=64)]
    rows: list[dict[str, str | float | bool | None]] = Field(min_length=1, max_length=LARGEST)
    keep_good_rows: bool = False


class ProblemOut(BaseModel):
    """A row that was refused. ``row`` counts from 1."""

    row: int | None
    says: str
    remedy: str


class ReportOut(BaseModel):
    """What became of a batch, all of it on the disk."""

    kind: str
    rows: int
    added: int
    unchanged: int
    corrected: int
    refused: int
    repeated: bool
    notes: list[str]
    problems: list[ProblemOut]


@api.post("/trials/<key>/exposures")
@api.output(ReportOut)
@api.doc(responses=told(401, 403, 404, 413, 422, 429, 503), security="Key")
@needs("ingest")
@takes(ExposuresIn)
def exposures(key: str) -> Response:
    """Record when units met their arms. Answered when the rows are on the disk."""
    sent = body(ExposuresIn)
    rows = [
        Sent(id=row.id, ask=Ask(row.unit, row.attributes, named(row.identifiers)),
             at=row.exposed_at, arm=row.arm)
        for row in sent.rows
    ]  # fmt: skip
    return _taken(key, "exposures", rows, keep_good_rows=sent.keep_good_rows)


@api.post("/trials/<key>/outcomes")
@api.output(ReportOut)
@api.doc(responses=told(401, 403, 404, 413, 422, 429, 503), security="Key")
@needs("ingest")
@takes(OutcomesIn)
def outcomes(key: str) -> Response:
    """Record values measured elsewhere. A newer value for the same moment is a correction."""
    sent = body(OutcomesIn)
    rows = [
        Sent(id=row.id, ask=Ask(row.unit), at=row.observed_at, metric=row.metric,
             value=_text(row.value))
        for row in sent.rows
    ]  # fmt: skip
    return _taken(key, "outcomes", rows, keep_good_rows=sent.keep_good_rows)


@api.post("/contacts")
@api.output(ReportOut)
@api.doc(responses=told(401, 403, 413, 422, 429, 503), security="Key")
@needs("ingest")
@takes(ContactsIn)
def contacts() -> Response:
    """Take contacts into the log. Other content under a known id is a correction; both are kept."""
    sent = body(ContactsIn)
    return answer(document(_intake().contacts(
        sent.source, sent.rows, actor=g.key.actor, keep_good_rows=sent.keep_good_rows,
    )))  # fmt: skip


def _text(value: str | float | bool | None) -> str | None:  # noqa: FBT001 - as JSON gives it
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if value is None or isinstance(value, str) else repr(value)


def _taken(key: str, kind: Kind, rows: list[Sent], *, keep_good_rows: bool) -> Response:
    return answer(document(_intake().take(key, kind, rows, keep_good_rows=keep_good_rows)))


def _intake() -> Intake:
    found: Intake = current_app.extensions["intake"]
    return found


def document(report: Report) -> dict[str, object]:
    """A report as the API gives it."""
    return {
        "kind": report.kind, "rows": report.rows, "added": report.added,
        "unchanged": report.unchanged, "corrected": report.corrected, "refused": report.refused,
        "repeated": report.repeated, "notes": list(report.notes),
        "problems": [{"row": p.line, "says": p.says, "remedy": p.remedy} for p in report.problems],
    }  # fmt: skip
