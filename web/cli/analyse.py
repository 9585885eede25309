"""``signpost analyse``: run the locked plan and store the run."""

from __future__ import annotations

from typing import Any

import click

from web.cli.context import Context, json_option, pass_context, say
from web.cli.progress import stages


@click.command()
@click.argument("key")
@click.option("--school", type=click.Choice(["frequentist", "bayesian", "both"]), default="both",
              show_default=True)  # fmt: skip
@click.option("--cutoff", metavar="DATE", help="Leave out everything after this day or moment.")
@click.option("--seed", type=int, default=1, show_default=True, help="For anything that draws.")
@click.option("--no-sampling", is_flag=True,
              help="Answer from the estimates at once; sample no model.")  # fmt: skip
@json_option
@pass_context
def analyse(
    context: Context, key: str, school: Any, cutoff: str | None, seed: int, no_sampling: bool
) -> None:
    """Run the plan of trial KEY on the data as they stand."""
    from analysis import study
    from trials import settings

    order = study.Order(
        key=key, school=school, seed=seed, actor=context.actor,
        cutoff=study.cutoff_of(cutoff) if cutoff else None,
        sampling=settings.sampling() and not no_sampling,
    )  # fmt: skip
    with stages(f"Analysing {key}") as tell:
        result = study.analyse(context.store, order, tell)
    say(context, _told(result), result)


def _told(result: dict[str, Any]) -> str:
    verdict = result["verdict"]
    lines = [verdict["says"]]
    if result.get("withheld"):
        lines.append(f"This is a peek, not a result. Pages and reports say: {result['withheld']}.")
    lines += [f"Decision by the plan's rule: {verdict['decision']}"]
    lines += [f"  because: {reason}" for reason in verdict["reasons"]]
    lines += [
        f"  check {check['key']}: {check['verdict']}. {check['says']}"
        for check in result["checks"] if check["verdict"] in {"warn", "fail"}
    ]  # fmt: skip
    lines.append(f"Run {result['run']['id']}, plan {result['plan_hash']}")
    return "\n".join(lines)
