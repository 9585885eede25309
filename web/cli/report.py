"""``signpost report``: a trial as papers, each kept as it was given out."""

from __future__ import annotations

from pathlib import Path

import click

from web.cli.context import Context, json_option, pass_context, say

PAPERS = ("dossier", "committee", "case", "poster", "public", "equality")
FORMATS = ("html", "pdf", "docx", "csv", "json", "notebook")


@click.command()
@click.argument("key")
@click.option("--format", "fmt", type=click.Choice(FORMATS), default="html", show_default=True)
@click.option("--paper", type=click.Choice(PAPERS), default="dossier", show_default=True,
              help="The whole dossier, or one paper for one purpose.")  # fmt: skip
@click.option("--again", type=int, metavar="NUMBER",
              help="Write out paper NUMBER exactly as it was given out before.")  # fmt: skip
@click.option("-o", "--output", type=click.Path(path_type=Path, dir_okay=False), required=True)
@json_option
@pass_context
def report(
    context: Context, key: str, fmt: str, paper: str, again: int | None, output: Path
) -> None:
    """Write trial KEY as a paper to a file, and keep it so that it can be opened again."""
    write_paper(context, key, fmt=fmt, paper=paper, again=again, output=output)


def write_paper(
    context: Context, key: str, *, fmt: str, paper: str, output: Path, again: int | None = None
) -> None:
    """Make a paper, or take one kept before, and write it to ``output``."""
    from analysis.casework import papers

    if again is not None:
        with context.store.read() as session:
            kept, content = papers.opened(session, key, again)
    else:
        kept, content = papers.make(context.store, papers.Wanted(
            key=key, kind=next(k for k in papers.KINDS if k == paper),
            fmt=next(f for f in papers.FORMATS if f == fmt), actor=context.actor,
            organisation=context.settings.organisation))  # fmt: skip
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_bytes(content)
    say(context, f"Wrote {output}\nKept as paper {kept.id}, {kept.digest}",
        {"file": str(output), "format": kept.fmt, "paper": kept.kind, "run": kept.run,
         "number": kept.id, "digest": kept.digest})  # fmt: skip
