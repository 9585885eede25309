"""``signpost opportunity``: where small changes could matter most."""

from __future__ import annotations

from pathlib import Path

import click

from analysis.estimates import Absent
from analysis.report.figures import number, percent
from analysis.scaling.opportunity import NUDGE_UNITS, Opportunities, find, judged
from analysis.scaling.reason_table import read_table
from trials.plurals import counted
from trials.resources import folder
from web.cli.context import Context, json_option, pass_context, say


@click.command("opportunity")
@click.argument("file", required=False, type=click.Path(path_type=Path, dir_okay=False))
@click.option(
    "--proxy-truth", type=float, default=1.0, show_default=True,
    help="Share of people without e-mail who really are digitally excluded.",
)  # fmt: skip
@click.option(
    "--avoidable", type=float,
    help="Share of calls that could be avoided, for reasons where the table does not say.",
)  # fmt: skip
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of the intervals.")
@json_option
@pass_context
def opportunity(
    context: Context,
    /,
    *,
    file: Path | None,
    proxy_truth: float,
    avoidable: float | None,
    seed: int,
) -> None:
    """Rank reasons for calling by what could be addressed.

    FILE is CSV, XLSX or Parquet with topic, reason, calls, no_email and perhaps avoidable_share,
    avoidable_low, avoidable_high, control and owner. Without it the published Buckinghamshire table
    is used. Where the table does not judge what share of calls is avoidable, --avoidable does.
    """
    path = file or folder("templates") / "reference" / "chart2.csv"
    table = read_table(path)
    if file and table.passed_over:
        click.echo(f"columns passed over: {', '.join(table.passed_over)}", err=True)
    reasons = table.reasons if avoidable is None else judged(table.reasons, avoidable)
    found = find(reasons, effect=NUDGE_UNITS, seed=seed, proxy_truth=proxy_truth)
    say(context, "\n".join(_rows(found)), found.to_json())


def _rows(found: Opportunities) -> list[str]:
    lines = [f"{'Addressable':>12} {'Preventable':>12} {'No e-mail':>10}  Reason"]
    for row in found.rows:
        prevented = "not judged" if isinstance(row.preventable, Absent) else (
            number(row.preventable.median)
        )  # fmt: skip
        share = percent(row.no_email_share.median)
        lines.append(
            f"{number(row.addressable.median):>12} {prevented:>12} {share:>10}  "
            f"{row.reason.topic}: {row.reason.reason}"
        )
    lines.append(
        f"{number(found.addressable):>12} {'':>12} {'':>10}  All {counted(found.calls, 'call')}"
    )
    return lines
