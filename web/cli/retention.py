"""``signpost erase`` and ``signpost retention``: people removed, and what is kept for how long."""

from __future__ import annotations

import os

import click

from analysis.report.figures import counted
from trials import settings
from trials.errors import Unavailable
from trials.people import erasure, rekeying
from trials.people import retention as rule
from trials.store.engine import Store
from web.cli.context import Context, json_option, pass_context, say


@click.command()
@click.option("--identifier", "identifiers", multiple=True, required=True, metavar="KIND=VALUE",
              help="phone, email, account, customer, uprn, session, unit; repeat it.")  # fmt: skip
@click.option("--dry-run", is_flag=True, help="Only count what would go.")
@json_option
@pass_context
def erase(context: Context, identifiers: tuple[str, ...], dry_run: bool) -> None:
    """Remove a person from every trial and from the contact log; results already made stay."""
    done = erasure.erase(
        context.store, erasure.parse(identifiers), hasher=context.hasher, actor=context.actor,
        dry_run=dry_run,
    )  # fmt: skip
    verb = "Would remove" if dry_run else "Removed"
    of = f" of {', '.join(done.trials)}" if done.trials else ""
    lines = [f"{verb} {counted(done.contacts, 'contact')} and {counted(done.units, 'unit')}{of}"]
    if done.shared:
        lines.append(f"Several units of {', '.join(done.shared)} share an identifier given; "
                     "they stay unless an identifier of their own is given")  # fmt: skip
    if not dry_run:
        lines.append("Published results stay. Backups made before today still hold the rows")
    say(context, "\n".join(lines), done.to_json())


@click.group()
def retention() -> None:
    """What is kept for how long, and the key of identifiers."""


@retention.command()
@click.option("--trial", "key", metavar="KEY", help="Retire this one finished trial now.")
@click.option("--after-days", type=click.IntRange(0), help="Keep units this long after the end.")
@click.option("--dry-run", is_flag=True, help="Only count what would go.")
@json_option
@pass_context
def run(context: Context, key: str | None, after_days: int | None, dry_run: bool) -> None:
    """Remove the units of trials long over, and old contacts; results and plans stay."""
    days = context.settings.retention_days if after_days is None else after_days
    done = rule.run(
        context.store, hasher=context.hasher, trial_days=days, actor=context.actor, key=key,
        contact_days=context.settings.contact_days, dry_run=dry_run,
    )  # fmt: skip
    verb = "Would remove" if dry_run else "Removed"
    lines = [f"{verb} {counted(one.units, 'unit')} of {one.trial}" for one in done.trials]
    lines += [f"{verb} {counted(done.contacts, 'old contact')}"] if done.contacts else []
    say(context, "\n".join(lines) or "Nothing is past its time", done.to_json())


@retention.command(name="rotate-key")
@json_option
@pass_context
def rotate_key(context: Context) -> None:
    """Lay a new key over every stored hash; stop the service first and start it afterwards."""
    url, file = settings.key_change(database_url=context.database)
    if file is None:
        raise Unavailable(
            "the identifier key is set in the environment",
            "put it into a file, name it with SIGNPOST_IDENTIFIER_KEY_FILE, and run this again",
        )
    store = Store.open(url)
    try:
        done = rekeying.rotate(store, file, actor=context.actor)
    finally:
        store.close()
    text = f"Laid key {done.generation + 1} over {counted(done.hashes, 'hash')}"
    if done.finished_earlier:
        text = "Finished a change of the key that had been interrupted"
    say(context, f"{text}\nStart the service again, and keep a new copy of {os.fspath(file)}",
        {"hashes": done.hashes, "generation": done.generation,
         "finished_earlier": done.finished_earlier})  # fmt: skip
