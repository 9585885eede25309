"""``signpost assumption``: the register of the figures that cases rest on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from analysis.casework import cases, register
from analysis.scaling import words
from analysis.scaling.specs import SPECS
from trials.errors import Conflict
from web.cli.context import Context, json_option, pass_context, say
from web.cli.files import read_text

trial_option = click.option(
    "--trial", default=register.SHARED,
    help="A trial whose own figure this is; by default all trials share it.",
)  # fmt: skip


@click.group()
def assumption() -> None:
    """Keep the figures that every case for scaling rests on, with source, owner and history."""


@assumption.command(name="list")
@trial_option
@json_option
@pass_context
def list_(context: Context, trial: str) -> None:
    """List every figure: what the council gave, and what is a default."""
    with context.store.read() as session:
        held = register.of_trial(session, trial) if trial else register.shared(session)
    found = [held.find(name) for name in SPECS]
    rows = [words.assumption_line(a) for a in found if a is not None]
    lines = [f"{label:<62} {value}" for label, value in rows]
    none = [name for name, a in zip(SPECS, found, strict=True) if a is None]
    lines += ["", f"Without figure or default: {', '.join(none)}"]
    document = {"assumptions": [a.to_json() for a in found if a is not None], "missing": none}
    say(context, "\n".join(lines), document)


@assumption.command()
@click.argument("name")
@trial_option
@json_option
@pass_context
def show(context: Context, name: str, trial: str) -> None:
    """Show one figure, its history and the trials whose cases rest on it."""
    with context.store.read() as session:
        states = register.history(session, name, scope=trial)
        held = register.of_trial(session, trial) if trial else register.shared(session)
        trials = cases.resting_on(session, name) if not trial else (trial,)
    now = held.find(name)
    lines = [f"{SPECS[name].meaning} ({SPECS[name].unit})"]
    lines += [": ".join(words.assumption_line(now))] if now else ["no figure and no default"]
    lines += [f"  {e.number}. {e.at:%d %B %Y} by {e.actor}: {_figure(e)} ({e.why})" for e in states]
    lines.append(f"Cases that rest on it: {', '.join(trials) or 'none'}")
    say(context, "\n".join(lines),
        {"name": name, "assumption": now.to_json() if now else None, "trials": list(trials),
         "history": [_document(e) for e in states]})  # fmt: skip


@assumption.command(name="set")
@click.argument("name")
@click.option("--value", type=float, required=True)
@click.option("--low", type=float, help="The least it could be.")
@click.option("--high", type=float, help="The most it could be.")
@click.option("--shape", type=click.Choice(["triangular", "normal", "fixed"]))
@click.option("--source", required=True, help="Where the figure comes from.")
@click.option("--date", required=True, help="The source's date: 2026-04-01, 2026-04 or 2026.")
@click.option("--owner", default="", help="Who keeps it up to date.")
@click.option("--agreed-by", default="", help="Who agreed it, for instance in Finance.")
@click.option("--why", required=True, help="Why it changes.")
@click.option("--dry-run", is_flag=True, help="Only show which cases would move.")
@trial_option
@json_option
@pass_context
def set_(
    context: Context, /, *, name: str, why: str, dry_run: bool, trial: str, **table: Any
) -> None:
    """Give a figure, and see which cases move."""
    if dry_run and trial:
        raise Conflict("--dry-run compares shared figures", "leave out --trial")
    given = {key: value for key, value in table.items() if value not in (None, "")}
    change = register.Change(name=name, table=given, why=why, actor=context.actor, scope=trial)
    with context.store.read() as session:
        moved = cases.moves(session, name, given) if not trial else ()
    if not dry_run:
        with context.store.write() as session:
            register.change(session, change)
    done = f"{name} would be {given['value']:g}" if dry_run else f"{name} is now {given['value']:g}"
    lines = [done, *(words.moved_line(m) for m in moved)]
    say(context, "\n".join(lines),
        {"name": name, "changed": not dry_run, "moved": [m.to_json() for m in moved]})  # fmt: skip


@assumption.command()
@click.argument("name")
@click.option("--why", required=True, help="Why it is given up.")
@trial_option
@json_option
@pass_context
def withdraw(context: Context, name: str, why: str, trial: str) -> None:
    """Give a figure up: the shared figure, or the product's default, holds again."""
    with context.store.write() as session:
        entry = register.withdraw(session, name, why=why, actor=context.actor, scope=trial)
    say(context, f"{name} is withdrawn; what holds now is a shared figure or a default",
        _document(entry))  # fmt: skip


@assumption.command(name="import")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--why", required=True, help="Why the figures change.")
@trial_option
@json_option
@pass_context
def import_(context: Context, file: Path, why: str, trial: str) -> None:
    """Take a whole assumption file into the register, or none of it."""
    text = read_text(file)
    with context.store.write() as session:
        names = register.take_in(session, text, scope=trial, why=why, actor=context.actor)
    says = f"{len(names)} figures changed: {', '.join(names)}"
    same = "The register has all of it already; nothing changed"
    say(context, says if names else same, {"changed": list(names)})


def _figure(entry: register.Entry) -> str:
    return "withdrawn" if entry.withdrawn else f"{entry.assumption.value:g}"


def _document(entry: register.Entry) -> dict[str, Any]:
    return {
        **entry.assumption.to_json(), "number": entry.number, "withdrawn": entry.withdrawn,
        "why": entry.why, "at": entry.at.isoformat(), "by": entry.actor,
    }  # fmt: skip
