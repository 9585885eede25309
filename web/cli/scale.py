"""``signpost scale``: what a change is worth, to whom, and with what doubt."""

from __future__ import annotations

from pathlib import Path

import click

from web.cli.context import Context, json_option, pass_context, say
from web.cli.files import read_text


@click.command()
@click.argument("key")
@click.option("--assumptions", type=click.Path(path_type=Path, dir_okay=False),
              help="A TOML file whose figures win over the register's.")  # fmt: skip
@click.option("--arm", help="The arm to roll out; by default the one the verdict speaks of.")
@click.option("--seed", type=int, default=1, show_default=True)
@json_option
@pass_context
def scale(context: Context, key: str, assumptions: Path | None, arm: str | None, seed: int) -> None:
    """Make the case for scaling of trial KEY from its latest result and the register."""
    from analysis.casework.cases import Ask, case_of
    from analysis.scaling import assumptions as register_file
    from analysis.scaling import words

    over = register_file.read(read_text(assumptions)) if assumptions else None
    with context.store.read() as session:
        case = case_of(session, Ask(key=key, arm=arm, over=over, seed=seed)).case
    lines = []
    for section in words.summary(case):
        lines += ["", section.heading, *section.paragraphs]
        lines += [f"  {row[0]}: {', '.join(row[1:])}" for row in section.rows]
    say(context, "\n".join(lines).strip(), case.to_json())
