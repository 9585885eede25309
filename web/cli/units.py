"""``signpost units``: the people, households or accounts of a list trial."""

from __future__ import annotations

from pathlib import Path

import click

from trials import enrolment
from trials.armfiles import Format
from trials.importing.ledger import Report
from trials.plurals import counted
from web.cli.context import Context, json_option, pass_context, progress, say
from web.cli.importing import refused_rows


@click.group()
def units() -> None:
    """Load and randomise the units of a list trial."""


@units.command()
@click.argument("key")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--out", type=click.Path(path_type=Path, file_okay=False),
              help="Folder for one file per arm.")  # fmt: skip
@click.option("--format", "fmt", type=click.Choice(["csv", "notify"]), default="csv",
              show_default=True, help="The form of the per-arm files.")  # fmt: skip
@click.option("--keep-good-rows", is_flag=True, help="Enrol the good rows, report the others.")
@json_option
@pass_context
def add(
    context: Context, key: str, file: Path, out: Path | None, fmt: Format, keep_good_rows: bool
) -> None:
    """Randomise the units of FILE as the locked design of trial KEY says."""
    request = enrolment.Request(key=key, path=file, out=out, fmt=fmt, keep_good_rows=keep_good_rows)
    with progress(context, f"Enrolling {file.name}") as watch:
        report = enrolment.enrol(
            context.store, request, hasher=context.hasher, actor=context.actor, progress=watch
        )
    say(context, told(report), report.to_json())


def told(report: Report) -> str:
    """The report in lines."""
    arms = report.detail["arms"]
    lines = [f"Randomised {report.added:,} of {counted(report.rows, 'unit')} of {report.file}"]
    lines += [f"  {arm}: {n:,}" for arm, n in arms.items()]
    if report.detail["held_out"]:
        lines.append(f"  held out of every arm: {report.detail['held_out']:,}")
    lines += [f"  excluded, {why}: {n:,}" for why, n in report.detail["excluded"].items()]
    if report.refused:
        lines.append(f"  refused: {report.refused:,}")
        lines += [f"  {row}" for row in refused_rows(report.problems, report.refused)]
    lines += [note[0].upper() + note[1:] for note in report.notes]
    lines += [f"Wrote {name}" for name in report.detail.get("files", [])]
    return "\n".join(lines)
