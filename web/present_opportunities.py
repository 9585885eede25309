"""The opportunity model as its page shows it."""

from __future__ import annotations

from dataclasses import dataclass

from analysis.estimates import Absent
from analysis.report import figures
from analysis.scaling.opportunity import Opportunities, Opportunity, wilson


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One reason for calling."""

    reason: str
    calls: str
    no_email: str
    addressable: str
    preventable: str
    control: str
    lever: str
    volume: int
    small: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class OpportunityPage:
    """The ranking, and what it rests on."""

    says: str
    lines: tuple[Line, ...]
    effect: str


def page(found: Opportunities, *, by_control: bool) -> OpportunityPage:
    """The ranking by addressable volume, or by who holds the lever."""
    share = wilson(found.no_email, found.calls)
    rows = found.by_control() if by_control else found.rows
    return OpportunityPage(
        says=(
            f"Of {found.calls:,} calls, {figures.percent(share.median)} came from people without "
            f"e-mail on record; about {figures.number(found.addressable)} could be addressed."
        ),
        lines=tuple(_line(row) for row in rows),
        effect=(
            f"A plausible effect is {figures.percent(found.effect.mean)} of the calls it reaches "
            f"({found.effect.source}, {found.effect.dated})."
        ),
    )


def _line(row: Opportunity) -> Line:
    r, share = row.reason, row.no_email_share
    ends = f"{figures.percent(share.low, 0)} to {figures.percent(share.high, 0)}"
    prevented = "Share avoidable not judged" if isinstance(row.preventable, Absent) else (
        f"{figures.number(row.preventable.median)} ({figures.number(row.preventable.low)} to "
        f"{figures.number(row.preventable.high)})"
    )  # fmt: skip
    return Line(
        reason=f"{r.topic}: {r.reason}", calls=f"{r.calls:,}",
        no_email=f"{figures.percent(share.median)} ({ends})",
        addressable=f"{figures.number(row.addressable.median)} "
        f"({figures.number(row.addressable.low)} to {figures.number(row.addressable.high)})",
        preventable=prevented,
        control=figures.capital("not said" if r.control == "unknown" else r.control)
        + (f", {r.owner}" if r.owner else ""), small=row.small,
        lever=r.control, volume=round(row.addressable.median),
    )  # fmt: skip
