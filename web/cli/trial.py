"""``signpost trial``: the registry and the life of a trial."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from trials import clock, lifecycle, registry
from trials.definition import adapting, plan, toml
from trials.definition.model import Trial
from web.cli import draws
from web.cli.context import Context, json_option, pass_context, say
from web.cli.files import read_text

FILE = click.Path(path_type=Path, dir_okay=False)


@click.group()
def trial() -> None:
    """Register trials and lead them through their life."""


def _read(path: Path) -> Trial:
    return toml.read(read_text(path), path.name)


@trial.command()
@click.argument("file", type=FILE)
@json_option
@pass_context
def check(context: Context, file: Path) -> None:
    """Check a trial file without keeping it."""
    definition = _read(file)
    left_open = registry.missing_for_launch(definition)
    hashed = plan.plan_hash(definition)
    text = f"{file.name} is a valid trial: {definition.key}, plan {hashed}"
    if left_open:
        text += f"\nStill open before a launch: {', '.join(left_open)}"
    warning = adapting.warning(definition)
    text += f"\nWarning: {warning}" if warning else ""
    say(context, text, {
        "trial": definition.key, "valid": True, "plan_hash": hashed, "left_open": left_open,
        "warnings": [warning] if warning else [],
    })  # fmt: skip


@trial.command()
@click.argument("file", type=FILE)
@json_option
@pass_context
def add(context: Context, file: Path) -> None:
    """Put a trial on the register, or bring one not yet launched up to date."""
    definition = _read(file)
    with context.store.write() as session:
        added = registry.add(session, definition, actor=context.actor)
    record = added.record
    text = {
        "added": f"Added trial {record.key} ({record.state})",
        "updated": f"Updated trial {record.key} ({record.state})",
        "unchanged": f"Trial {record.key} is registered exactly so already; nothing changed",
    }[added.outcome]
    say(context, f"{text}\nPlan {record.plan_hash}",
        {"trial": record.key, "outcome": added.outcome, "state": record.state,
         "plan_hash": record.plan_hash})  # fmt: skip


@trial.command(name="list")
@json_option
@pass_context
def list_(context: Context) -> None:
    """List every trial."""
    with context.store.read() as session:
        found = registry.summaries(session)
    rows = [
        {"key": s.key, "title": s.title, "area": s.area, "channel": s.channel, "state": s.state,
         "units": s.units, "plan_hash": s.plan_hash, "locked": s.locked,
         "decision": s.decision, "verdict": s.verdict_says,
         "run_at": s.run_at.isoformat() if s.run_at else None}
        for s in found
    ]  # fmt: skip
    lines = [f"{s.key:32} {s.state:8} {s.units:>10,}  {s.title}" for s in found]
    say(context, "\n".join(lines) or "No trials yet. Add one with 'signpost trial add FILE.toml'.",
        {"trials": rows})  # fmt: skip


@trial.command()
@click.argument("key")
@json_option
@pass_context
def show(context: Context, key: str) -> None:
    """Show one trial: its definition, its plan, its life so far."""
    with context.store.read() as session:
        record = registry.load(session, key)
    say(context, _shown(record), document(record))


def _shown(record: registry.TrialRecord) -> str:
    about = record.definition.about
    lines = [f"{about.title} ({record.key}): {record.state}", f"Plan {record.plan_hash}"]
    if record.locked_at:
        lines.append(f"Locked on {_when(record.locked_at)} by {record.locked_by}")
    if record.seal:
        lines.append(f"Seed commitment {record.seal.commitment}")
        if record.seal.seed is not None:
            lines.append(f"Seed revealed: {record.seal.seed}, nonce {record.seal.nonce}")
    arms = ", ".join(f"{a.key}{' (control)' if a.control else ''}" for a in record.definition.arms)
    lines.append(f"Arms: {arms}")
    lines.append("Metrics: " + ", ".join(f"{m.key} ({m.role})" for m in record.definition.metrics))
    lines += [f"Amendment {a.number} on {_when(a.at)}: {a.reason}" for a in record.amendments]
    lines += [f"{_when(e.at)}  {e.action} by {e.actor}" for e in record.history]
    return "\n".join(lines)


def _when(moment: Any) -> str:
    return f"{clock.london(moment):%d %B %Y, %H:%M}".lstrip("0")


def document(record: registry.TrialRecord) -> dict[str, Any]:
    """A trial as JSON-ready data."""
    seal = record.seal
    return {
        "key": record.key, "state": record.state, "version": record.version,
        "plan_hash": record.plan_hash, "locked": record.locked,
        "locked_at": record.locked_at.isoformat() if record.locked_at else None,
        "decision": record.decision,
        "seed_commitment": seal.commitment if seal else None,
        "seed": seal.seed if seal else None, "nonce": seal.nonce if seal else None,
        "definition": registry.stored(record.definition),
        "amendments": [
            {"number": a.number, "at": a.at.isoformat(), "by": a.by, "reason": a.reason,
             "plan_hash": a.hash, "before_first_outcome": a.before_first_outcome,
             "changes": a.changes}
            for a in record.amendments
        ],
        "history": [
            {"at": e.at.isoformat(), "actor": e.actor, "action": e.action, "detail": e.detail}
            for e in record.history
        ],
    }  # fmt: skip


@trial.command()
@click.argument("key")
@click.option("-o", "--output", type=FILE, help="Write to a file instead of standard output.")
@json_option
@pass_context
def export(context: Context, key: str, output: Path | None) -> None:
    """Write the trial file that reads back to an identical plan."""
    with context.store.read() as session:
        record = registry.load(session, key)
    text = toml.write(record.definition)
    if output is not None:
        output.write_text(text, encoding="utf-8")
    say(context, f"Wrote {output}" if output else text.rstrip("\n"),
        {"trial": key, "plan_hash": record.plan_hash, "toml": text})  # fmt: skip


@trial.command()
@click.argument("key")
@click.argument("file", type=FILE)
@click.option("--reason", required=True, help="Why the locked plan changes.")
@json_option
@pass_context
def amend(context: Context, key: str, file: Path, reason: str) -> None:
    """Change a locked plan openly: a new version with its reason and date."""
    definition = _read(file)
    if definition.key != key:
        raise click.BadParameter(f"the file is about {definition.key!r}, not {key!r}",
                                 param_hint="FILE")  # fmt: skip
    with context.store.write() as session:
        record = lifecycle.amend(session, definition, actor=context.actor, reason=reason)
    last = record.amendments[-1]
    place = "before" if last.before_first_outcome else "after"
    say(context, f"Amendment {last.number} of {key} made {place} the first outcome\n"
        f"Plan {record.plan_hash}", document(record))  # fmt: skip


def _report(context: Context, record: registry.TrialRecord, done: str) -> None:
    lines = [f"Trial {record.key} {done}; it is {record.state}"]
    if done == "launched" and record.seal:
        lines += [f"Plan {record.plan_hash}", f"Seed commitment {record.seal.commitment}"]
        left_open = registry.missing_for_launch(record.definition)
        if left_open:
            lines.append(f"The locked plan leaves open: {', '.join(left_open)}")
        if warning := adapting.warning(record.definition):
            lines.append(f"Warning: {warning}")
    if record.seal and record.seal.seed is not None and done == "stopped":
        lines.append(f"Seed revealed: {record.seal.seed}, nonce {record.seal.nonce}")
    say(context, "\n".join(lines), document(record))


@trial.command()
@click.argument("key")
@json_option
@pass_context
def launch(context: Context, key: str) -> None:
    """Lock the analysis plan, commit to the seed and go live."""
    with context.store.write() as session:
        record = lifecycle.launch(session, key, actor=context.actor)
    _report(context, record, "launched")


@trial.command()
@click.argument("key")
@click.option("--reason", default="", help="Why.")
@json_option
@pass_context
def pause(context: Context, key: str, reason: str) -> None:
    """Take nobody on for the time being."""
    with context.store.write() as session:
        record = lifecycle.pause(session, key, actor=context.actor, reason=reason)
    _report(context, record, "paused")


@trial.command()
@click.argument("key")
@click.option("--reason", default="", help="Why.")
@json_option
@pass_context
def resume(context: Context, key: str, reason: str) -> None:
    """Go on after a pause."""
    with context.store.write() as session:
        record = lifecycle.resume(session, key, actor=context.actor, reason=reason)
    _report(context, record, "resumed")


@trial.command()
@click.argument("key")
@click.option("--reason", default="", help="Why.")
@json_option
@pass_context
def stop(context: Context, key: str, reason: str) -> None:
    """End assignment for good and reveal the seed."""
    with context.store.write() as session:
        record = lifecycle.stop(session, key, actor=context.actor, reason=reason)
    _report(context, record, "stopped")


@trial.command()
@click.argument("key")
@click.argument("decision", type=click.Choice(lifecycle.DECISIONS))
@click.option("--reason", required=True, help="Why.")
@click.option("--reviewer", default="", help="Who answers for a decision not recommended.")
@json_option
@pass_context
def decide(context: Context, key: str, decision: str, reason: str, reviewer: str) -> None:
    """Record what is to become of the change that was tried, beside what was recommended."""
    from analysis.casework import decisions
    from web.mail import notices
    from web.mail.links import Links

    found = context.settings
    wish = decisions.Wish(key=key, decision=decision, reason=reason, reviewer=reviewer,
                          actor=context.actor)  # fmt: skip
    with context.store.write() as session:
        record = decisions.decide(session, wish)
        notices.decided(session, Links(found.base_url, found.secret_key), record, reason=reason)
    _report(context, record, "decided")


trial.add_command(draws.verify)
trial.add_command(draws.schedule)
