"""Papers as their page lists them: what each is for, in which formats, and what was given out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from analysis.casework.papers import FORMATS, KINDS, Format, Kept, Kind
from analysis.report import figures
from trials import audit

NAMES: dict[Kind, tuple[str, str]] = {
    "dossier": ("The dossier",
        "The full breakdown: plan, wording, checks, results, case, decision."),
    "committee": ("Committee paper",
        "The headings of a report to committee, with its financial implications."),
    "case": ("The case on one page",
        "For a section 151 officer: what it is worth, to whom, and how sure."),
    "poster": ("Poster",
        "One sheet for a wall: what was changed, what it did, what happens now."),
    "public": ("Public summary",
        "For the people it was about: no statistics, nothing left out that matters."),
    "equality": ("Equality extract",
        "What an equality impact assessment takes from the trial."),
}  # fmt: skip
FORMAT_NAMES: dict[Format, str] = {
    "html": "Web page", "pdf": "PDF", "docx": "Word", "csv": "CSV", "json": "JSON",
    "notebook": "Notebook",
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """A paper that can be made, and the formats it comes in."""

    kind: Kind
    name: str
    purpose: str
    formats: tuple[tuple[Format, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """A paper that was given out."""

    id: int
    name: str
    fmt: str
    at: str
    who: str
    run: str
    size: str
    digest: str


def offers() -> tuple[Offer, ...]:
    """Every paper that can be made."""
    text = tuple((fmt, FORMAT_NAMES[fmt]) for fmt in FORMATS if fmt in ("pdf", "docx", "html"))
    data = tuple((fmt, FORMAT_NAMES[fmt]) for fmt in FORMATS if fmt in ("csv", "json", "notebook"))
    return tuple(
        Offer(kind=kind, name=NAMES[kind][0], purpose=NAMES[kind][1],
              formats=(*text, *data) if kind == "dossier" else text)
        for kind in KINDS
    )  # fmt: skip


def given(found: Sequence[Kept]) -> tuple[Given, ...]:
    """The papers that were given out, the latest first."""
    return tuple(one(kept) for kept in found)


def one(kept: Kept) -> Given:
    """A paper that was given out."""
    name = next((NAMES[k][0] for k in KINDS if k == kept.kind), kept.kind)
    fmt = next((FORMAT_NAMES[f] for f in FORMATS if f == kept.fmt), kept.fmt)
    return Given(
        id=kept.id, name=name, fmt=fmt, at=figures.moment(kept.at), who=audit.name(kept.actor),
        run="" if kept.run is None else str(kept.run), size=_size(kept.size), digest=kept.digest,
    )  # fmt: skip


def _size(count: int) -> str:
    return f"{max(1, round(count / 1000)):,} kB"
