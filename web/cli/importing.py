"""``signpost import``: assignments, exposures and outcomes from files."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import click

from trials.contacts import load, reasons
from trials.errors import Problem
from trials.importing import assignments, deliveries, exposures, met, outcomes
from trials.importing.ledger import Report
from trials.people import bulk
from trials.plurals import counted
from web.cli.context import Context, json_option, pass_context, progress, say

MOST_SHOWN = 100


@click.group(name="import")
def import_() -> None:
    """Take in files: whole or not at all, and twice without harm."""


def _command(name: str, adder: Callable[..., Report], about: str) -> None:
    @import_.command(name=name, help=about)
    @click.argument("key")
    @click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
    @click.option("--keep-good-rows", is_flag=True, help="Import the good rows, report the others.")
    @json_option
    @pass_context
    def command(context: Context, key: str, file: Path, keep_good_rows: bool) -> None:
        with progress(context, f"Importing {file.name}") as watch:
            report = adder(
                context.store, key, file, hasher=context.hasher, actor=context.actor,
                keep_good_rows=keep_good_rows, progress=watch,
            )  # fmt: skip
        say(context, told(report), document(key, report))


def told(report: Report) -> str:
    """The report in lines."""
    if report.repeated:
        return "; ".join(note[0].upper() + note[1:] for note in report.notes)
    parts = [f"{report.added:,} new"]
    parts += [f"{report.unchanged:,} known already"] if report.unchanged else []
    parts += [f"{report.corrected:,} corrected"] if report.corrected else []
    parts += [f"{report.refused:,} refused"] if report.refused else []
    lines = [f"Imported {counted(report.rows, 'row')} of {report.kind}: {', '.join(parts)}"]
    lines += [note[0].upper() + note[1:] for note in report.notes]
    lines += refused_rows(report.problems, report.refused)
    return "\n".join(lines)


def refused_rows(problems: Sequence[Problem], count: int) -> list[str]:
    """The rows that were refused, as far as a screen holds them, and where the others are."""
    shown = problems[:MOST_SHOWN]
    lines = [f"  {problem}" for problem in shown]
    if count > len(shown):
        held = " lists them" if count == len(problems) else f" lists the first {len(problems):,}"
        lines.append(f"  … and {count - len(shown):,} more (--json{held})")
    return lines


def document(key: str, report: Report) -> dict[str, Any]:
    """The report as data."""
    return {"trial": key, **report.to_json()}


@import_.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--source", metavar="NAME|MAPPING.toml",
              help="The system it comes from; found by its columns where not given.")  # fmt: skip
@click.option("--keep-good-rows", is_flag=True, help="Import the good rows, report the others.")
@json_option
@pass_context
def contacts(context: Context, file: Path, source: str | None, keep_good_rows: bool) -> None:
    """Contact logs: 8x8, Amazon Connect, Genesys, wrap codes, anything with a mapping."""
    with progress(context, f"Importing {file.name}") as watch:
        report = load.add(
            context.store, file, hasher=context.hasher, actor=context.actor, source=source,
            keep_good_rows=keep_good_rows, progress=watch,
        )  # fmt: skip
    say(context, told(report), report.to_json())


@import_.command(name="reasons")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@json_option
@pass_context
def reasons_(context: Context, file: Path) -> None:
    """The map from wrap codes to what they mean and how far they were avoidable."""
    report = reasons.add(context.store, file, actor=context.actor)
    say(context, told(report), report.to_json())


@import_.command(name="bulk-callers")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--keep-good-rows", is_flag=True, help="Import the good rows, report the others.")
@json_option
@pass_context
def bulk_callers(context: Context, file: Path, keep_good_rows: bool) -> None:
    """Switchboards and others who call for many; listed before results are seen."""
    report = bulk.add(context.store, file, hasher=context.hasher, actor=context.actor,
                      keep_good_rows=keep_good_rows)  # fmt: skip
    say(context, told(report), report.to_json())


_command("assignments", assignments.add, "A trial that was randomised elsewhere.")


@import_.command(name="exposures")
@click.argument("key")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--source", type=click.Choice(sorted(met.READERS)),
              help="An export of GA4's experience events.")  # fmt: skip
@click.option("--keep-good-rows", is_flag=True, help="Import the good rows, report the others.")
@json_option
@pass_context
def exposures_(
    context: Context, key: str, file: Path, source: str | None, keep_good_rows: bool
) -> None:
    """When each unit actually met its arm."""
    adder = exposures.add if source is None else partial(met.add, source=source)
    with progress(context, f"Importing {file.name}") as watch:
        report = adder(context.store, key, file, hasher=context.hasher, actor=context.actor,
                       keep_good_rows=keep_good_rows, progress=watch)  # fmt: skip
    say(context, told(report), document(key, report))


_command("deliveries", deliveries.add, "What GOV.UK Notify says became of each message.")
_command("outcomes", outcomes.add, "Outcomes measured elsewhere (paid, voted, completed).")
