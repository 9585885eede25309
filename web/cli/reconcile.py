"""``signpost reconcile`` and ``signpost drop-off``: reports that hold totals, not people."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal

import click
from sqlalchemy import make_url

from trials import clock, files, settings
from trials.contacts import kpis, settling
from trials.contacts.kpis import TITLES
from trials.contacts.reading import opened
from trials.contacts.reconcile import Choice, Finding, reconcile
from trials.contacts.settling import Settled
from trials.contacts.sources import script_paths
from trials.plurals import counted
from web.cli.context import Context, json_option, pass_context, say

HEADINGS = {
    "contradiction": "Contradictions", "unexplained": "Not explained", "missing": "Missing",
    "part-period": "Part periods", "target": "Targets", "rounding": "Rounding",
    "consistent": "Consistent",
}  # fmt: skip


WHICH: tuple[Literal["published", "computed"], ...] = ("published", "computed")


@click.command("reconcile")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--use", "choices", multiple=True, metavar="PERIOD:INDICATOR=WHICH",
              help="Which value of a contradiction to use: published or computed, as in "
                   "Oct-22:answered-rate=computed. May be given several times.")  # fmt: skip
@click.option("--because", default="", metavar="TEXT", help="Why; goes with --use.")
@json_option
@pass_context
def reconcile_(context: Context, file: Path, choices: tuple[str, ...], because: str) -> None:
    """Hold a published KPI table (CSV or XLSX) against its own counts.

    The first column names the indicators, the others are periods (Jul-22, 21/22, Q2 22/23) and
    may be Target. Both values of a contradiction are shown; nothing is corrected. With --use and
    --because somebody decides which one is used: both are kept, with who decided and why, and the
    decision is shown whenever the same table is reconciled again.
    """
    if bool(choices) != bool(because.strip()):
        raise click.UsageError("--use and --because go together")
    with opened(file) as stream:
        table = kpis.read(stream, source=file.name)
    findings = reconcile(table)
    held = _settled(context, file, findings, choices, because)
    data: dict[str, Any] = {
        "file": file.name, "periods": [period.label for period in table.periods],
        "findings": [asdict(finding) for finding in findings],
        "unread": [str(problem) for problem in table.unread],
        "settled": [one.to_json() for one in held],
    }  # fmt: skip
    say(context, _told(table, findings, held), data)


def _settled(
    context: Context, file: Path, findings: list[Finding], choices: tuple[str, ...], because: str
) -> list[Settled]:
    """What is decided about the table, the new choices with it."""
    fingerprint = files.fingerprint(file)
    if not choices and not _has_database(context):
        return []
    if not choices:
        with context.store.read() as session:
            return settling.decided(session, fingerprint)
    made = [_choice(text, because, context.actor) for text in choices]
    return settling.decide(context.store, fingerprint, findings, made, label=file.name,
                           actor=context.actor)  # fmt: skip


def _has_database(context: Context) -> bool:
    """Whether there is anything to look in: a table can be reconciled without a database."""
    url = make_url(settings.key_change(database_url=context.database)[0])
    return url.get_backend_name() != "sqlite" or Path(url.database or "").exists()


def _choice(text: str, because: str, actor: str) -> Choice:
    about, _, which = text.rpartition("=")
    period, _, name = about.rpartition(":")
    indicator = next((key for key in TITLES if key == name.strip()), None)
    use = next((one for one in WHICH if one == which.strip()), None)
    if not period or indicator is None or use is None:
        says = f"indicators are {', '.join(TITLES)}; WHICH is published or computed"
        raise click.UsageError(f"--use {text!r} is not PERIOD:INDICATOR=WHICH; {says}")
    return Choice(period=period.strip(), indicator=indicator, use=use, why=because.strip(),
                  by=actor, at=clock.now())  # fmt: skip


def _told(table: kpis.KpiTable, findings: list[Finding], held: list[Settled]) -> str:
    lines: list[str] = []
    for level, heading in HEADINGS.items():
        said = [f"  {finding.says}" for finding in findings if finding.level == level]
        lines += [f"{heading} ({len(said)})", *said] if said else []
    lines += [f"Settled ({len(held)})", *(f"  {settling.sentence(one)}" for one in held)] if (
        held) else []  # fmt: skip
    lines += [f"Not read: {problem}" for problem in table.unread]
    return "\n".join(lines or ["The table says nothing against itself."])


@click.command("drop-off")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@json_option
@pass_context
def drop_off(context: Context, file: Path) -> None:
    """Show where callers left a telephone menu, from 8x8's script-paths report.

    The report holds totals and no personal data; nothing is stored.
    """
    with opened(file) as stream:
        found = script_paths.read(stream)
    problems = [*found.contradictions, *(refused.problem() for refused in found.refused)]
    data = {
        "scripts": [
            {"script": key, "name": tree.name, "entered": tree.entered, "endings": tree.endings(),
             "steps": [{**asdict(step), "left_here": tree.left(path)}
                       for path, step in tree.steps.items()]}
            for key, tree in found.scripts.items()
        ],
        "problems": [str(problem) for problem in problems],
    }  # fmt: skip
    lines = [line for tree in found.scripts.values() for line in _tree(tree)]
    say(context, "\n".join([*lines, *(f"Not used: {problem}" for problem in problems)]), data)


def _tree(tree: script_paths.DropOff) -> list[str]:
    """The steps below each other, indented, then how the calls ended."""
    ended = ", ".join(f"{kind} {count:,}" for kind, count in tree.endings().items())
    return [
        f"{tree.name or tree.script}: {counted(tree.entered, 'caller')} entered",
        *_below(tree, "", 1),
        f"  Ended: {ended}",
    ]  # fmt: skip


def _below(tree: script_paths.DropOff, path: str, depth: int) -> Iterator[str]:
    for child in tree.children.get(path, ()):
        step = tree.steps[child]
        share = f" ({step.count / tree.entered:.1%})" if tree.entered else ""
        yield f"{'  ' * depth}{step.label or step.kind}: {step.count:,}{share}"
        yield from _below(tree, child, depth + 1)
