"""``signpost trial verify`` and ``signpost trial schedule``: draws worked out again and printed."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import click

from trials import verifying
from trials.errors import SignpostError
from trials.plurals import counted
from trials.schedule_sheet import Sheet, sheet
from web.cli.context import Context, json_option, pass_context, say

FILE = click.Path(path_type=Path, dir_okay=False)


@click.command()
@click.argument("key")
@click.option(
    "--units", "files", type=FILE, multiple=True, required=True,
    help="The list as it was enrolled, or the ids of units met one at a time; repeatable.",
)  # fmt: skip
@json_option
@pass_context
def verify(context: Context, key: str, files: tuple[Path, ...]) -> None:
    """Work out every assignment again from the sealed seed, and name those that differ."""
    found = verifying.check(context.store, key, files, hasher=context.hasher)
    say(context, _told(found), {
        "trial": key, "holds": found.holds, "checked": found.checked,
        "differ": [{"unit": d.unit, "drawn": d.drawn, "recorded": d.recorded}
                   for d in found.differ],
        "strangers": found.strangers, "seal_holds": found.seal_holds, "revealed": found.revealed,
    })  # fmt: skip
    if not found.holds:
        remedy = "find out who changed the record, or whether the list is whole"
        raise SignpostError(f"trial {key!r} is not as it was drawn", remedy)


def _told(found: verifying.Verification) -> str:
    lines = [
        f"Checked {counted(found.checked, 'unit')} of {found.trial}: {len(found.differ):,} differ"
    ]
    lines += [f"  {d.unit}: drawn {_arm(d.drawn)}, on record {_arm(d.recorded)}"
              for d in found.differ]  # fmt: skip
    if found.strangers > 0:
        on_record = counted(found.strangers, "unit")
        lines.append(f"Not in the files: {on_record} on record; unless these are "
                     "whole, other differences may follow from that")  # fmt: skip
    held = "holds" if found.seal_holds else "DOES NOT HOLD: the seed is not the one committed to"
    lines.append(f"The commitment made at launch {held}")
    if not found.revealed:
        lines.append("The seed is revealed when the trial stops; others can check from then on")
    return "\n".join(lines)


def _arm(arm: str | None) -> str:
    return "not in the draw" if arm is None else (arm or "held out")


@click.command()
@click.argument("key")
@click.option("--format", "fmt", type=click.Choice(["text", "csv", "html", "ics"]), default=None,
              help="By default what the name of the output says, else text.")  # fmt: skip
@click.option("-o", "--output", type=FILE, help="Write to a file instead of standard output.")
@click.option("--clusters", type=FILE,
              help="Stepped wedge: the clusters (a column 'cluster' and the strata).")  # fmt: skip
@json_option
@pass_context
def schedule(
    context: Context, key: str, fmt: str | None, output: Path | None, clusters: Path | None
) -> None:
    """Print which message runs when (switchback), or who goes over when (stepped wedge)."""
    with context.store.read() as session:
        made = sheet(session, key, clusters=clusters)
    form = fmt or {".csv": "csv", ".html": "html", ".htm": "html", ".ics": "ics"}.get(
        output.suffix.lower() if output else "", "text"
    )
    body = _written(made, form)
    if output is not None:
        output.write_bytes(body)
    document: dict[str, Any] = {"trial": key, "kind": made.kind, "rows": made.rows}
    text = body.decode("utf-8").rstrip("\n")
    say(context, f"Wrote {output}" if output else text, document)


def _written(made: Sheet, form: str) -> bytes:
    if form == "ics":
        return made.icalendar
    if form == "html":
        from web.sheets import page

        return page(made).encode()
    if form == "csv":
        out = io.StringIO()
        writer = csv.DictWriter(out, made.columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(made.rows)
        return out.getvalue().encode()
    widths = {c: max(len(c), *(len(r[c]) for r in made.rows)) for c in made.columns}
    lines = ["  ".join(c.ljust(w) for c, w in widths.items()).rstrip()]
    lines += ["  ".join(r[c].ljust(w) for c, w in widths.items()).rstrip() for r in made.rows]
    return "\n".join(lines).encode()
