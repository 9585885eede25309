"""``signpost scale``: what a change is worth, to whom, and with what doubt."""

from __future__ import annotations

from pathlib import Path

import click

from trials.errors import SignpostError
from web.cli.context import Context, json_option, pass_context, say
from web.cli.files import read_text


@click.command()
@click.argument("key")
@click.option("--assumptions", type=click.Path(path_type=Path, dir_okay=False),
              help="A TOML file whose figures win over the register's.")  # fmt: skip
@click.option("--arm", help="The arm to roll out; by default the one the verdict speaks of.")
@click.option("--seed", type=int, default=1, show_default=True)
@click.option("--format", "fmt", type=click.Choice(["text", "html", "pdf", "docx"]),
              default="text", show_default=True,
              help="With -o: the case on one page, from the register.")  # fmt: skip
@click.option("-o", "--output", type=click.Path(path_type=Path, dir_okay=False))
@json_option
@pass_context
def scale(
    context: Context, key: str, assumptions: Path | None, arm: str | None, seed: int, fmt: str,
    output: Path | None,
) -> None:  # fmt: skip
    """Make the case for scaling of trial KEY from its latest result and the register."""
    from analysis.casework.cases import Ask, case_of
    from analysis.scaling import assumptions as register_file
    from analysis.scaling import words

    if fmt != "text":
        _one_page(context, key, fmt, output, given=bool(assumptions or arm))
        return
    over = register_file.read(read_text(assumptions)) if assumptions else None
    with context.store.read() as session:
        case = case_of(session, Ask(key=key, arm=arm, over=over, seed=seed)).case
    lines = []
    for section in words.summary(case):
        lines += ["", section.heading, *section.paragraphs]
        lines += [f"  {row[0]}: {', '.join(row[1:])}" for row in section.rows]
    say(context, "\n".join(lines).strip(), case.to_json())


def _one_page(context: Context, key: str, fmt: str, output: Path | None, *, given: bool) -> None:
    """The case as a paper: it is kept, so its figures must be those of the register."""
    from web.cli.report import write_paper

    if output is None:
        raise SignpostError(f"a {fmt} needs a file to go to", "give it with -o")
    if given:
        raise SignpostError(
            "a paper tells what the register says, not what a file says for once",
            "put the figures in with 'signpost assumption import FILE --trial KEY'",
        )
    write_paper(context, key, fmt=fmt, paper="case", output=output)
