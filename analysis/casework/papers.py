"""Papers of a stored trial: made once, kept with their hash, opened again exactly as they were."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, get_args

import sqlalchemy as sa
from sqlalchemy.orm import Session

from analysis.casework import decisions, steps
from analysis.casework.cases import Ask, case_of
from analysis.report.figures import day
from analysis.report.papers.blocks import Paper
from analysis.report.papers.committee import committee_paper
from analysis.report.papers.dossier import dossier
from analysis.report.papers.leaflets import (
    equality_extract,
    one_page_case,
    poster,
    public_summary,
)
from analysis.report.papers.material import Decision, Material
from analysis.report.withhold import withheld
from analysis.scaling.case import CaseForScaling
from trials import audit, clock, events, registry
from trials.definition import toml
from trials.errors import Altered, Conflict, NotFound, SignpostError
from trials.registry import TrialRecord
from trials.store.engine import Store
from trials.store.tables import PaperRow, RunRow

Kind = Literal["dossier", "committee", "case", "poster", "public", "equality"]
Format = Literal["html", "pdf", "docx", "csv", "json", "notebook"]
KINDS: tuple[Kind, ...] = get_args(Kind)
FORMATS: tuple[Format, ...] = get_args(Format)

_WRITERS: Mapping[Kind, Callable[[Material], Paper]] = {
    "dossier": dossier, "committee": committee_paper, "case": one_page_case, "poster": poster,
    "public": public_summary, "equality": equality_extract,
}  # fmt: skip
_DATA: frozenset[Format] = frozenset({"csv", "json", "notebook"})

MEDIA: Mapping[Format, tuple[str, str]] = {
    "html": ("text/html; charset=utf-8", "html"),
    "pdf": ("application/pdf", "pdf"),
    "docx": (
        "application/vnd.openxmlformats-officedocument.wordprocessingml.document", "docx",
    ),
    "csv": ("text/csv; charset=utf-8", "csv"),
    "json": ("application/json", "json"),
    "notebook": ("application/x-ipynb+json", "ipynb"),
}  # fmt: skip
"""The media type and the ending of each format."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A paper to make: which, in which format, for whose house, and who asks."""

    key: str
    kind: Kind
    fmt: Format
    actor: str
    organisation: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A paper as it is kept, its bytes apart."""

    id: int
    trial: str
    run: int | None
    kind: str
    fmt: str
    filename: str
    digest: str
    at: datetime
    actor: str
    size: int


def make(store: Store, wanted: Wanted) -> tuple[Kept, bytes]:
    """The paper: made now and kept, or, where nothing it tells has changed, the one kept before.

    Raises:
        NotFound: there is no such trial.
        Conflict: it has not been analysed, its result is withheld, or it has no case to tell of.
        Altered: the paper that was kept is no longer as it was.
        SignpostError: the paper is not offered in that format.
        Unavailable: PDF is asked for and the machine cannot set it.
    """
    if wanted.kind != "dossier" and wanted.fmt in _DATA:
        remedy = "ask for html, pdf or docx, or for the dossier"
        raise SignpostError(f"the {wanted.kind} paper is not data", remedy)
    with store.read() as session:
        m = material(session, wanted.key, organisation=wanted.organisation)
        basis = _basis(m, wanted)
        held = _held(session, wanted, basis)
    if held is not None:
        return held
    content = written(m, wanted.kind, wanted.fmt)
    with store.write() as session:
        return _kept(session, m, wanted, content, basis), content


def written(m: Material, kind: Kind, fmt: Format) -> bytes:
    """A paper's bytes in one format."""
    paper = _WRITERS[kind](m)
    if fmt == "html":
        from analysis.report.papers.page import page

        return page(paper).encode()
    if fmt == "pdf":
        from analysis.report.papers.pdf import pdf

        return pdf(paper)
    if fmt == "docx":
        from analysis.report.papers.word import word

        return word(paper)
    return _data(m, paper, fmt).encode()


def _data(m: Material, paper: Paper, fmt: Format) -> str:
    if fmt == "csv":
        from analysis.report.papers.rows import csv_text

        return csv_text(m)
    if fmt == "json":
        return json.dumps(document(m), ensure_ascii=False, indent=2, allow_nan=False) + "\n"
    from analysis.report.papers.notebook import notebook

    return notebook(m, paper, document(m))


def document(m: Material) -> dict[str, Any]:
    """The result document with the case, the decision and the plan beside it."""
    d = m.decision
    return {
        **m.result,
        "case": m.case.to_json() if m.case else None,
        "why_no_case": m.why_no_case or None,
        "decision": None if d is None else {
            "decided": d.decided, "recommended": d.recommended, "reason": d.reason,
            "reviewer": d.reviewer or None, "dissents": d.dissents, "at": d.at.isoformat(),
        },
        "next_steps": [
            {"what": what, "owner": owner, "due": due, "state": state}
            for what, owner, due, state in m.steps
        ],
        "definition": m.definition,
    }  # fmt: skip


def material(session: Session, key: str, *, organisation: str = "") -> Material:
    """What papers about a trial may tell. Raises ``NotFound``, or ``Conflict`` before a run."""
    record = registry.load(session, key)
    found = registry.latest_result(session, key)
    if found is None:
        raise Conflict(f"trial {key!r} has not been analysed", f"run 'signpost analyse {key}'")
    case, why = _case(session, key)
    return Material(
        trial=record.definition, result=withheld(found), case=case, why_no_case=why,
        decision=_decision(session, record), steps=_steps(session, key), events=_events(record),
        definition=toml.write(record.definition), locked_by=audit.name(record.locked_by or ""),
        state=record.state, organisation=organisation, generated_at=clock.now(),
    )  # fmt: skip


def kept(session: Session, key: str) -> tuple[Kept, ...]:
    """Every paper of a trial that was given out, the latest first. Raises ``NotFound``."""
    trial_id = registry.row_of(session, key).id
    columns = (
        PaperRow.id, PaperRow.run_id, PaperRow.paper, PaperRow.format, PaperRow.filename,
        PaperRow.digest, PaperRow.at, PaperRow.actor, sa.func.length(PaperRow.content),
    )  # fmt: skip
    rows = session.execute(
        sa.select(*columns).where(PaperRow.trial_id == trial_id).order_by(PaperRow.id.desc())
    )
    return tuple(
        Kept(id=r[0], trial=key, run=r[1], kind=r[2], fmt=r[3], filename=r[4], digest=r[5],
             at=r[6], actor=r[7], size=r[8])
        for r in rows
    )  # fmt: skip


def opened(session: Session, key: str, number: int) -> tuple[Kept, bytes]:
    """A paper exactly as it was given out.

    Raises:
        NotFound: the trial has no such paper.
        Altered: its bytes are not those that were kept.
    """
    row = session.get(PaperRow, number)
    if row is None or row.trial_id != registry.row_of(session, key).id:
        raise NotFound(f"trial {key!r} has no paper {number}", "see the papers of the trial")
    return _of(key, row), _genuine(row)


def _genuine(row: PaperRow) -> bytes:
    """A kept paper's bytes. Raises ``Altered`` where they are no longer those that were kept."""
    if digest(row.content) != row.digest:
        raise Altered(f"paper {row.id} is not what was kept", "restore it from a backup")
    return row.content


def digest(content: bytes) -> str:
    """The SHA-256 of a paper's bytes."""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def _case(session: Session, key: str) -> tuple[CaseForScaling | None, str]:
    try:
        return case_of(session, Ask(key=key)).case, ""
    except SignpostError as refused:
        return None, refused.says


def _decision(session: Session, record: TrialRecord) -> Decision | None:
    found = decisions.latest(session, record.key)
    if found is None:
        return _bare(record)
    return Decision(
        decided=found.decided, recommended=found.recommended, reason=found.reason,
        reviewer=found.reviewer, dissents=found.dissents, at=found.at, actor=found.actor,
    )  # fmt: skip


def _bare(record: TrialRecord) -> Decision | None:
    """A decision recorded before recommendations were kept beside it."""
    entry = next((e for e in reversed(record.history) if e.action == "trial decided"), None)
    if entry is None:
        return None
    return Decision(
        decided=str(entry.detail["decision"]), recommended=None,
        reason=str(entry.detail.get("reason", "")), reviewer="", dissents=False, at=entry.at,
        actor=entry.actor,
    )  # fmt: skip


def _steps(session: Session, key: str) -> tuple[tuple[str, str, str, str], ...]:
    return tuple(
        (s.step.what, audit.name(s.step.owner), day(s.step.due),
         f"Done on {day(s.step.done_on)}" if s.step.done_on else "Open")
        for s in steps.steps(session, key)
    )  # fmt: skip


def _events(record: TrialRecord) -> tuple[str, ...]:
    """What else fell into the trial's days."""
    about = record.definition.about
    if about.starts is None or about.ends is None:
        return ()
    holidays = events.bank_holidays(about.starts, about.ends)
    found = events.clashes(about.starts, about.ends, holidays, service=about.service)
    return tuple(clash.says for clash in found)


def _basis(m: Material, wanted: Wanted) -> str:
    """A hash of everything a paper tells, the moment of its making apart."""
    told = [wanted.kind, wanted.fmt, wanted.organisation, m.state, document(m)]
    text = json.dumps(told, sort_keys=True, ensure_ascii=False, allow_nan=False)
    return digest(text.encode())


def _held(session: Session, wanted: Wanted, basis: str) -> tuple[Kept, bytes] | None:
    trial_id = registry.row_of(session, wanted.key).id
    row = session.scalar(
        sa.select(PaperRow)
        .where(PaperRow.trial_id == trial_id, PaperRow.basis == basis)
        .order_by(PaperRow.id.desc())
        .limit(1)
    )
    return None if row is None else (_of(wanted.key, row), _genuine(row))


def _kept(session: Session, m: Material, wanted: Wanted, content: bytes, basis: str) -> Kept:
    trial_id = registry.row_of(session, wanted.key, lock=True).id
    made = digest(content)
    row = session.scalar(
        sa.select(PaperRow).where(PaperRow.trial_id == trial_id, PaperRow.digest == made)
    )
    if row is None:
        run = _run(session, m, trial_id)
        row = PaperRow(
            trial_id=trial_id, run_id=run, paper=wanted.kind, format=wanted.fmt,
            filename=f"{wanted.key}-{wanted.kind}-{run or 0}.{MEDIA[wanted.fmt][1]}",
            digest=made, basis=basis, content=content, at=clock.now(), actor=wanted.actor,
        )  # fmt: skip
        session.add(row)
        session.flush()
        audit.record(session, "paper made", wanted.key, actor=wanted.actor, detail={
            "paper": wanted.kind, "format": wanted.fmt, "digest": made, "run": run})  # fmt: skip
    return _of(wanted.key, row)


def _run(session: Session, m: Material, trial_id: int) -> int | None:
    """The run that the paper tells of, as the store has it."""
    number = m.result.get("run", {}).get("id")
    found: int | None = session.scalar(
        sa.select(RunRow.id).where(RunRow.id == number, RunRow.trial_id == trial_id)
    )
    return found


def _of(key: str, row: PaperRow) -> Kept:
    return Kept(
        id=row.id, trial=key, run=row.run_id, kind=row.paper, fmt=row.format,
        filename=row.filename, digest=row.digest, at=row.at, actor=row.actor,
        size=len(row.content),
    )  # fmt: skip
