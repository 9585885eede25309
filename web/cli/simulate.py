"""``signpost simulate``: synthetic data with planted truths, for rehearsal and teaching."""

from __future__ import annotations

from pathlib import Path

import click

from web.cli.context import Context, json_option, pass_context, progress, say


@click.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("-o", "--output", type=click.Path(path_type=Path, file_okay=False), required=True,
              help="Folder for the files.")  # fmt: skip
@json_option
@pass_context
def simulate(context: Context, file: Path, output: Path) -> None:
    """Write the units, exposures and contacts of a rehearsal FILE, and the truth planted in it."""
    from trials.simulate import rehearsal, run

    with progress(context, f"Simulating {file.name}") as watch:
        done = run.simulate(rehearsal.read(file), output, progress=watch)
    lines = [f"Wrote {n:,} rows to {output / (name + '.csv')}" for name, n in done.rows.items()]
    lines.append(f"The truth is in {output / 'truth.json'}; all of it is synthetic")
    say(context, "\n".join(lines),
        {"folder": str(output), "rows": done.rows, "truth": done.truth})  # fmt: skip
