"""``signpost explore``: a question outside the plan, labelled and counted as one."""

from __future__ import annotations

import click

from web.cli.context import Context, json_option, pass_context, say


@click.command()
@click.argument("key")
@click.option("--measure", required=True, help="A metric of the plan, or shared-NAME.")
@click.option("--by", "segment", default="", help="A column that was kept of the units.")
@json_option
@pass_context
def explore(context: Context, key: str, measure: str, segment: str) -> None:
    """Ask a question outside the plan of trial KEY, once its result may be shown.

    Every question counts: all answers are adjusted for how many were asked, and none of them
    changes the result or the decision.
    """
    from analysis import explored, exploring
    from analysis.report.exploratory import COLUMNS, counted, told
    from trials import registry

    place = exploring.explore(context.store, exploring.Order(
        key=key, measure=measure, segment=segment, actor=context.actor,
    ))  # fmt: skip
    with context.store.read() as session:
        trial = registry.definition_of(registry.row_of(session, key))
        found = explored.taken(session, key)
    one = next(e for e in found if e.number == place)
    shown = told(trial, one)
    lines = [shown.label, counted(len(found)), shown.title, "  " + "; ".join(COLUMNS)]
    lines += ["  " + "; ".join(row) for row in shown.rows]
    say(context, "\n".join([*lines, *shown.says]), {
        **one.document, "question": place, "questions": len(found)})  # fmt: skip
