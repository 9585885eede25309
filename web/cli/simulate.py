"""``signpost simulate``: synthetic data with planted truths, for rehearsal and teaching."""

from __future__ import annotations

from pathlib import Path

import click

from trials.plurals import counted
from web.cli.context import Context, json_option, pass_context, progress, say


@click.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("-o", "--output", type=click.Path(path_type=Path, file_okay=False), required=True,
              help="Folder for the files.")  # fmt: skip
@click.option("--units", type=click.IntRange(min=10), metavar="N",
              help="So many units rather than the file's number.")  # fmt: skip
@click.option("--also-as", type=click.Choice(["8x8"]),
              help="Write the contacts a second time, as this system exports them.")  # fmt: skip
@json_option
@pass_context
def simulate(
    context: Context, file: Path, output: Path, units: int | None, also_as: str | None
) -> None:
    """Write the units, exposures and contacts of a rehearsal FILE, and the truth planted in it."""
    from trials.simulate import eight_by_eight, rehearsal, run

    wanted = rehearsal.read(file)
    if units is not None:
        wanted = wanted.of_size(units)
    with progress(context, f"Simulating {file.name}") as watch:
        done = run.simulate(wanted, output, progress=watch)
    lines = [
        f"Wrote {counted(n, 'row')} to {output / (name + '.csv')}" for name, n in done.rows.items()
    ]
    if also_as:
        exported = eight_by_eight.beside(output)
        lines.append(f"Wrote {counted(exported, 'row')} to {output / eight_by_eight.FILE}, "
                     f"and what their codes mean to {output / eight_by_eight.REASONS}")  # fmt: skip
    lines.append(f"The truth is in {output / 'truth.json'}; all of it is synthetic")
    say(context, "\n".join(lines),
        {"folder": str(output), "rows": done.rows, "truth": done.truth})  # fmt: skip
