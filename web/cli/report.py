"""``signpost report``: a trial's latest result as a document."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from trials.errors import Conflict
from trials.registry import TrialRecord
from web.cli.context import Context, json_option, pass_context, say


@click.command()
@click.argument("key")
@click.option("--format", "fmt", type=click.Choice(["html", "json"]), default="html",
              show_default=True)  # fmt: skip
@click.option("-o", "--output", type=click.Path(path_type=Path, dir_okay=False), required=True)
@json_option
@pass_context
def report(context: Context, key: str, fmt: str, output: Path) -> None:
    """Write the latest result of trial KEY to a file."""
    from analysis.report.withhold import withheld
    from analysis.runs import latest_result
    from trials import registry

    with context.store.read() as session:
        record = registry.load(session, key)
        result = latest_result(session, key)
    if result is None:
        raise Conflict(f"trial {key!r} has not been analysed", f"run 'signpost analyse {key}'")
    result = withheld(result)
    output.parent.mkdir(parents=True, exist_ok=True)
    if fmt == "json":
        text = json.dumps(result, ensure_ascii=False, indent=2, allow_nan=False) + "\n"
    else:
        text = _page(context, record, result)
    output.write_text(text, encoding="utf-8")
    run = result["run"]["id"]
    say(context, f"Wrote {output}", {"file": str(output), "format": fmt, "run": run})


def _page(context: Context, record: TrialRecord, result: dict[str, Any]) -> str:
    from analysis.report.html import report_html
    from trials import clock, resources

    return report_html(
        record.definition, result, css=resources.asset_text("report.css"),
        generated_at=clock.now(), organisation=context.settings.organisation,
    )  # fmt: skip
