"""``signpost db``: schema and safety."""

from __future__ import annotations

from pathlib import Path

import click

from trials import audit
from trials.errors import Unavailable
from trials.plurals import counted
from trials.store import migrate
from web.cli.context import Context, json_option, pass_context, say


@click.group()
def db() -> None:
    """Look after the database."""


@db.command()
@json_option
@pass_context
def upgrade(context: Context) -> None:
    """Bring the schema up to date, creating the database where there is none."""
    before, after = migrate.upgrade(context.store)
    text = f"The database is at revision {after}"
    text += "; nothing to do" if before == after else f" (was {before or 'empty'})"
    say(context, text, {"before": before, "after": after})


@db.command()
@json_option
@pass_context
def check(context: Context) -> None:
    """Check the schema, and the audit log's chain of hashes."""
    at, head = migrate.current(context.store), migrate.head()
    if at != head:
        raise Unavailable(f"the database is at revision {at or 'none'}, not {head}",
                          "run 'signpost db upgrade'")  # fmt: skip
    if differences := migrate.drift(context.store):
        raise Unavailable(f"the schema differs from the models: {differences[0]}",
                          "restore a backup or ask for help")  # fmt: skip
    with context.store.read() as session:
        broken = audit.verify(session)
    if broken is not None:
        raise Unavailable(f"the audit log is broken at entry {broken.number}: {broken.says}",
                          "compare it with a backup; entries before it are sound")  # fmt: skip
    say(context, f"Sound: revision {at}, audit log unbroken",
        {"revision": at, "schema": "sound", "audit_log": "unbroken"})  # fmt: skip


@db.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@json_option
@pass_context
def backup(context: Context, file: Path) -> None:
    """Copy the whole database to FILE while others go on working."""
    done = migrate.backup(context.store, file)
    say(context, f"Wrote {done.path} ({counted(done.size, 'byte')})",
        {"file": str(done.path), "bytes": done.size})  # fmt: skip


@db.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
@pass_context
def restore(context: Context, file: Path, yes: bool) -> None:
    """Replace the database's content by the backup in FILE."""
    if not yes and not context.json:
        click.confirm("This replaces everything in the database. Go on?", abort=True, err=True)
    migrate.restore(context.store, file)
    say(context, f"Restored from {file}", {"restored": str(file)})
