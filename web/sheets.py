"""A schedule as one page to print: the style is in it, so that it can be mailed or kept."""

from __future__ import annotations

from datetime import date, timedelta
from itertools import groupby

from jinja2 import Environment, FileSystemLoader, select_autoescape

from trials import resources
from trials.schedule_sheet import Sheet

_HEADS = {
    "period": "Period", "date": "Date", "weekday": "Day", "from": "From", "to": "To",
    "counts_from": "Counted from", "arm": "Play", "cluster": "Cluster", "sequence": "Step",
    "goes_over": "Goes over on",
}  # fmt: skip


def page(made: Sheet) -> str:
    """The schedule as an HTML document, a table for each week or one for all clusters."""
    environment = Environment(
        loader=FileSystemLoader(resources.folder("templates")), autoescape=select_autoescape(),
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    weeks = [
        (name, [_british(row) for row in rows]) for name, rows in groupby(made.rows, key=_week)
    ]
    template = environment.get_template("sheets/schedule.html")
    return template.render(sheet=made, heads=_HEADS, weeks=weeks, minutes=made.burn_in / 60)


def _british(row: dict[str, str]) -> dict[str, str]:
    days = {c: date.fromisoformat(row[c]) for c in ("date", "goes_over") if c in row}
    return row | {c: f"{day.day} {day:%B %Y}" for c, day in days.items()}


def _week(row: dict[str, str]) -> str:
    if "date" not in row:
        return ""
    day = date.fromisoformat(row["date"])
    monday = day - timedelta(day.weekday())
    return f"Week of {monday.day} {monday:%B %Y}"
