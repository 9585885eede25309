"""``signpost pack``: a trial as a file for other councils, and theirs for us."""

from __future__ import annotations

import json
from pathlib import Path

import click

from analysis import packs
from trials.errors import Unavailable
from web.cli.context import Context, json_option, pass_context, say

FILE = click.Path(path_type=Path, dir_okay=False)


@click.group()
def pack() -> None:
    """Exchange trials with other councils: plan, aggregates, wording; nothing personal."""


@pack.command()
@click.argument("key")
@click.option("-o", "--output", type=FILE, required=True)
@json_option
@pass_context
def export(context: Context, key: str, output: Path) -> None:
    """Write trial KEY as a pack."""
    with context.store.read() as session:
        made = packs.export(session, key, council=context.settings.organisation)
    text = json.dumps(made, ensure_ascii=False, indent=2, allow_nan=False)
    output.write_text(text + "\n", encoding="utf-8")
    say(context, f"Wrote {output} ({made['hash']})", {"trial": key, "hash": made["hash"]})


@pack.command(name="import")
@click.argument("file", type=FILE)
@json_option
@pass_context
def import_(context: Context, file: Path) -> None:
    """Take in another council's pack; its result joins the pool, marked as imported."""
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as failure:
        raise Unavailable(f"{file} cannot be read", "check the name and that it is a pack") from (
            failure
        )
    with context.store.write() as session:
        outcome = packs.take_in(session, text, actor=context.actor)
    say(context, f"{file}: {outcome}", {"file": str(file), "outcome": outcome})
