"""What a chart is: a drawing that cannot be had without its sentence, its table and its name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from analysis.report import marks
from analysis.report.marks import Panel, Spec


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """A Vega-Lite 5 drawing (for a page, and ``narrow`` for a phone) with its words and figures."""

    key: str
    title: str
    conclusion: str
    spec: Spec
    narrow: Spec
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    alt: str


def composed(
    key: str,
    panels: Sequence[Panel],
    *,
    title: str,
    conclusion: str,
    columns: tuple[str, ...],
    rows: Sequence[tuple[str, ...]],
) -> Chart:
    """A chart of ``panels``, drawn for a page and for a phone."""
    return finished(
        key,
        lambda width: marks.page(panels, width=width),
        title=title,
        conclusion=conclusion,
        columns=columns,
        rows=rows,
    )


def finished(
    key: str,
    draw: Callable[[int], Spec],
    *,
    title: str,
    conclusion: str,
    columns: tuple[str, ...],
    rows: Sequence[tuple[str, ...]],
) -> Chart:
    """A chart that ``draw`` makes at a width: for a page and for a phone, with its words."""
    return Chart(
        key=key,
        title=title,
        conclusion=conclusion,
        spec=draw(marks.WIDE),
        narrow=draw(marks.NARROW),
        columns=columns,
        rows=tuple(rows),
        alt=f"Chart: {title.lower()}. {conclusion} The figures are in the table below it.",
    )
