"""``signpost scale``: what a change is worth, to whom, and with what doubt."""

from __future__ import annotations

from pathlib import Path

import click

from trials.errors import Conflict
from web.cli.context import Context, json_option, pass_context, say
from web.cli.files import read_text


@click.command()
@click.argument("key")
@click.option("--assumptions", type=click.Path(path_type=Path, dir_okay=False),
              help="A TOML file; what it leaves out is a listed default.")  # fmt: skip
@click.option("--arm", help="The arm to roll out; by default the one the verdict speaks of.")
@click.option("--seed", type=int, default=1, show_default=True)
@json_option
@pass_context
def scale(context: Context, key: str, assumptions: Path | None, arm: str | None, seed: int) -> None:
    """Make the case for scaling of trial KEY from its latest result."""
    from analysis import worth
    from analysis.runs import latest_result
    from analysis.scaling import words
    from trials import registry

    with context.store.read() as session:
        record = registry.load(session, key)
        result = latest_result(session, key)
    if result is None:
        raise Conflict(f"trial {key!r} has not been analysed", f"run 'signpost analyse {key}'")
    if held := result.get("withheld"):
        raise Conflict(str(held), "make the case once the look has come")
    text = read_text(assumptions) if assumptions else ""
    case = worth.case_for(record.definition, result, assumptions=text, arm=arm, seed=seed)
    lines = []
    for section in words.summary(case):
        lines += ["", section.heading, *section.paragraphs]
        lines += [f"  {row[0]}: {', '.join(row[1:])}" for row in section.rows]
    say(context, "\n".join(lines).strip(), case.to_json())
