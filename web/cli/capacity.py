"""``signpost capacity``: what happens to a line's queue, and the agents a target needs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from analysis.scaling.capacity import CapacityAnswer, answer
from analysis.scaling.question import CapacityRequest, Interval, Observed, read_profile
from trials.errors import SignpostError, Unavailable
from web.cli.context import Context, json_option, pass_context, say


@click.command("capacity")
@click.option("--offered", type=float, required=True, help="Calls offered, call-backs included.")
@click.option("--days", type=float, required=True, help="Open days in which they were offered.")
@click.option("--hours", type=float, required=True, help="Opening hours a day.")
@click.option("--aht", type=float, required=True, help="Average handling time, seconds.")
@click.option("--agents", type=float, help="Agents answering, on average.")
@click.option("--patience", type=float, help="Mean patience, seconds; without it nobody hangs up.")
@click.option("--target-wait", type=float, help="Average wait to aim for, seconds (180).")
@click.option("--retry", type=float, help="Share of those who give up that ring again (0).")
@click.option("--shrinkage", type=float, help="Share of paid time off the phones (0.30).")
@click.option("--fit", is_flag=True, help="Find agents and patience from --wait and --abandoned.")
@click.option("--wait", type=float, help="With --fit: observed wait of answered calls, seconds.")
@click.option("--abandoned", type=float, help="With --fit: observed share that gave up.")
@click.option(
    "--demand-change", type=float, default=0.0, help="What if demand changes, e.g. -0.02."
)
@click.option("--aht-change", type=float, default=0.0, help="What if handling time changes.")
@click.option("--agents-added", type=float, default=0.0, help="What if there were more agents.")
@click.option(
    "--profile",
    type=click.Path(path_type=Path, dir_okay=False),
    help="CSV of the day: interval, hours, share and perhaps agents.",
)
@json_option
@pass_context
def capacity(
    context: Context,
    /,
    *,
    fit: bool,
    wait: float | None,
    abandoned: float | None,
    profile: Path | None,
    **question: Any,
) -> None:
    """What-if for one line: waits, abandonment, agents needed."""
    request = CapacityRequest(
        fit=_observed(fit=fit, wait=wait, abandoned=abandoned),
        profile=_intervals(profile),
        **question,
    )
    found = answer(request)
    text = "\n".join(f"{label:<34}{value}" for label, value in _rows(found))
    say(context, text, found.to_json())


def _observed(*, fit: bool, wait: float | None, abandoned: float | None) -> Observed | None:
    if not fit:
        if wait is not None or abandoned is not None:
            raise SignpostError("--wait and --abandoned are only used to fit a line", "add --fit")
        return None
    if wait is None or abandoned is None:
        raise SignpostError("--fit needs what was observed", "give --wait and --abandoned")
    return Observed(wait=wait, abandoned=abandoned)


def _intervals(path: Path | None) -> tuple[Interval, ...]:
    if path is None:
        return ()
    try:
        return read_profile(path.read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise Unavailable(f"{path.name} cannot be read: {reason}", "check the path") from None


def _rows(found: CapacityAnswer) -> list[tuple[str, str]]:
    state, target = found.state, found.settings[0].value
    rows = [
        ("Model", {"erlang-a": "Erlang A", "erlang-c": "Erlang C"}[found.model]),
        ("Offered load", _shown(state.load, "{:.2f} erlangs")),
        ("Agents", f"{found.agents:.2f}{' (fitted)' if found.fitted else ''}"),
        ("Patience", f"{found.patience:,.0f} s" if found.patience else "callers never hang up"),
        ("Average wait, answered calls", _shown(state.wait_answered, "{:,.1f} s")),
        ("Average wait, all calls", _shown(state.wait_all, "{:,.1f} s")),
        ("Abandoned", _shown(state.abandoned, "{:.2%}")),
        ("Occupancy", _shown(state.occupancy, "{:.1%}")),
        (f"Answered within {target:g} s", _shown(state.service_level, "{:.1%}")),
        (f"Agents for an average of {target:g} s", f"{found.agents_for_target:.2f}"),
        ("Gap", f"{found.gap:.1%} {'short' if found.gap > 0 else 'to spare'}".replace("-", "")),
        ("Full-time posts for the target", f"{found.fte:.1f}"),
    ]
    defaults = [("Default used", _default(s)) for s in found.settings if s.is_default]
    return [*rows, *_what_if_rows(found), *defaults, *(("Note", note) for note in found.notes)]


def _what_if_rows(found: CapacityAnswer) -> list[tuple[str, str]]:
    after = found.what_if
    if after is None:
        return []
    rows = []
    for label, state in (("as it is", after.without_retrials), ("call-backs", after.with_retrials)):
        wait, gone = _shown(state.wait_answered, "{:,.0f} s"), _shown(state.abandoned, "{:.1%}")
        rows.append((f"What if ({label})", f"wait {wait}, abandoned {gone}"))
    freed = f"{after.agents_for_target:.2f}, freeing {after.fte_freed:.1f} full-time posts"
    return [*rows, ("What if: agents for the target", freed)]


def _shown(value: Any, form: str) -> str:
    return form.format(value) if isinstance(value, float | int) else str(value.why)


def _default(setting: Any) -> str:
    return f"{setting.name} = {setting.value:g} {setting.unit} ({setting.source})"
