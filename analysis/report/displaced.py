"""Where contacts went: by channel and line, day by day, and what followed a contact.

Positive figures are contacts saved. A channel or line below nothing took in what others lost; a
curve that falls back towards nothing was demand put off, not saved.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from analysis.estimates import Absent
from analysis.report import marks
from analysis.report.chart import Chart, composed
from analysis.report.figures import capital, number, percent, plural, sentence
from analysis.report.marks import Panel, Row, Rule
from analysis.report.method import fewer_or_more, saved_range
from analysis.report.reading import Interval, Json, arm_title, finite, interval, part, parts, text
from trials.definition.model import Trial

DAYS = (1, 2, 3, 5, 7, 10, 14, 21, 28)
"""The days that a chart shows; the result has every one."""


def charts(trial: Trial, result: Json) -> list[Chart]:
    """What the result knows of where contacts went."""
    found = part(result, "deflection")
    drawn = (
        ledger(trial, found),
        cumulative(trial, found),
        repeats(trial, found, "line"),
        repeats(trial, found, "channel"),
    )
    return [chart for chart in drawn if chart is not None]


def bar(name: str, found: Interval, kind: marks.Kind = "new") -> Row:
    """A saving as a bar with its interval."""
    return Row(name=name, says=fewer_or_more(found.estimate), value=found.estimate,
               low=found.low, high=found.high, kind=kind)  # fmt: skip


def cell(found: object) -> str:
    """A saving with its range, as a table has it."""
    if isinstance(found, Absent):
        return sentence(found.why)
    if not isinstance(found, Interval):
        return "–"
    said, span = capital(fewer_or_more(found.estimate)), saved_range(found)
    joins = "between " if " and " in span else ""
    return f"{said} ({joins}{span})" if span else said


def _axis(trial: Trial, found: Json) -> str:
    per = int(finite(found.get("per")) or 1_000)
    return f"Contacts saved per {per:,} {plural(trial.about.unit or 'person')}"


def _places(contrast: Json) -> Iterator[tuple[str, str, Interval]]:
    """Channels, then lines, with what each saved."""
    for kind in ("channels", "lines"):
        for name, value in part(contrast, kind).items():
            estimate = interval(value)
            if isinstance(estimate, Interval):
                yield capital(kind.removesuffix("s")), capital(name), estimate


def ledger(trial: Trial, found: Json) -> Chart | None:
    """The displacement ledger: what each channel and each line gained or lost."""
    rows: list[Row] = []
    cells: list[tuple[str, ...]] = []
    took: list[str] = []
    for contrast in parts(found, "contrasts"):
        title = arm_title(trial, text(contrast, "arm"))
        for kind, name, saved in _places(contrast):
            rows.append(bar(f"{title}: {name}", saved, "new" if kind == "Channel" else "quiet"))
            cells.append((title, f"{name} ({kind.lower()})", cell(saved)))
            if saved.high is not None and saved.high < 0:
                took.append(f"{name} with ‘{title}’")
    if not rows:
        return None
    said = f"More contacts came by {', '.join(took)}" if took else (
        "No channel or line clearly took in more contacts than with the control"
    )  # fmt: skip
    chance = f". Of these {len(rows)} ranges about one in twenty misses the truth by chance alone"
    return composed(
        "displacement",
        [Panel(rows=rows, axis=_axis(trial, found), bars=True,
               rules=[Rule(at=0, colour=marks.INK)])],
        title="Where contacts went, by channel and line",
        conclusion=sentence(f"{said}; channels add up to the net figure{chance}"),
        columns=("Version", "Channel or line", "Saved"),
        rows=cells,
    )  # fmt: skip


def cumulative(trial: Trial, found: Json) -> Chart | None:
    """Contacts saved up to the end of each day since the message."""
    rows: list[Row] = []
    cells: list[tuple[str, ...]] = []
    said: list[str] = []
    for contrast in parts(found, "contrasts"):
        title = arm_title(trial, text(contrast, "arm"))
        days = parts(contrast, "cumulative")
        known = [(int(finite(day.get("day")) or 0), estimate) for day in days
                 if isinstance(estimate := interval(day), Interval)]  # fmt: skip
        shown = [pair for pair in known if pair[0] in DAYS or pair == known[-1]]
        rows += [bar(f"{title}: by day {day}", saved) for day, saved in shown]
        cells += [(title, number(day), cell(saved)) for day, saved in shown]
        if len(known) > 1:
            (first, early), (last, late) = known[0], known[-1]
            said.append(f"‘{title}’: {fewer_or_more(early.estimate)} by day {first}, "
                        f"{fewer_or_more(late.estimate)} by day {last}")  # fmt: skip
    if not said:
        return None
    return composed(
        "cumulative",
        [Panel(rows=rows, axis=_axis(trial, found), bars=True,
               rules=[Rule(at=0, colour=marks.INK)])],
        title="Contacts saved, day by day",
        conclusion=sentence("; ".join(said)),
        columns=("Version", "Up to day", "Saved"),
        rows=cells,
    )  # fmt: skip


_BY = {"line": "on", "channel": "by"}


def _place(by: str, name: object) -> str:
    return capital(str(name or f"any {by}"))


def repeats(trial: Trial, found: Json, by: Literal["line", "channel"]) -> Chart | None:
    """How often a contact was followed by another, and on which line or channel."""
    entries = [row for row in parts(found, "repeats") if row.get("by") == by]
    rows: list[Row] = []
    cells: list[tuple[str, ...]] = []
    ends = [(_place(by, row.get("next")), row) for row in entries]
    for then, row in ends:
        share = finite(row.get("share"))
        if share is None:
            continue
        low, high = finite(row.get("low")), finite(row.get("high"))
        title, origin = arm_title(trial, text(row, "arm")), _place(by, row.get("origin"))
        known = low is not None and high is not None
        span = f" ({percent(low or 0)} to {percent(high or 0)})" if known else ""
        cells.append((title, origin, then, f"{percent(share)}{span}"))
        if row.get("next") is None:
            control = row.get("arm") == trial.control.key
            rows.append(Row(name=f"{title}: {origin}", says=percent(share), value=share, low=low,
                            high=high, kind="control" if control else "new"))  # fmt: skip
    if not rows:
        return None
    return composed(
        "repeats" if by == "line" else "hand-offs",
        [Panel(rows=rows, axis="Share of contacts followed by another within 7 days",
               percent=True)],
        title=f"What followed a contact, {by} by {by}",
        conclusion="This describes the contacts that were made and is no effect of a version: "
                   "whoever was kept from a first contact is not in it.",
        columns=("Version", f"Contact {_BY[by]}", f"Next contact {_BY[by]}", "Share of contacts"),
        rows=cells,
    )  # fmt: skip
