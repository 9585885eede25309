"""``signpost reconcile`` and ``signpost drop-off``: reports that hold totals, not people."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from trials.contacts import kpis
from trials.contacts.reading import opened
from trials.contacts.reconcile import Finding, reconcile
from trials.contacts.sources import script_paths
from web.cli.context import Context, json_option, pass_context, say

HEADINGS = {
    "contradiction": "Contradictions", "unexplained": "Not explained", "missing": "Missing",
    "part-period": "Part periods", "target": "Targets", "rounding": "Rounding",
    "consistent": "Consistent",
}  # fmt: skip


@click.command("reconcile")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@json_option
@pass_context
def reconcile_(context: Context, file: Path) -> None:
    """Hold a published KPI table (CSV or XLSX) against its own counts.

    The first column names the indicators, the others are periods (Jul-22, 21/22, Q2 22/23) and
    may be Target. Both values of a contradiction are shown; nothing is corrected.
    """
    with opened(file) as stream:
        table = kpis.read(stream, source=file.name)
    findings = reconcile(table)
    data: dict[str, Any] = {
        "file": file.name, "periods": [period.label for period in table.periods],
        "findings": [asdict(finding) for finding in findings],
        "unread": [str(problem) for problem in table.unread],
    }  # fmt: skip
    say(context, _told(table, findings), data)


def _told(table: kpis.KpiTable, findings: list[Finding]) -> str:
    lines: list[str] = []
    for level, heading in HEADINGS.items():
        said = [f"  {finding.says}" for finding in findings if finding.level == level]
        lines += [f"{heading} ({len(said)})", *said] if said else []
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
        f"{tree.name or tree.script}: {tree.entered:,} callers entered", *_below(tree, "", 1),
        f"  Ended: {ended}",
    ]  # fmt: skip


def _below(tree: script_paths.DropOff, path: str, depth: int) -> Iterator[str]:
    for child in tree.children.get(path, ()):
        step = tree.steps[child]
        share = f" ({step.count / tree.entered:.1%})" if tree.entered else ""
        yield f"{'  ' * depth}{step.label or step.kind}: {step.count:,}{share}"
        yield from _below(tree, child, depth + 1)
