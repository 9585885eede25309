"""``signpost coding``: how far two coders of one sample agree, and a share corrected by it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from trials.contacts import second_coding
from trials.contacts.agreement import corrected_share
from web.cli.context import Context, json_option, pass_context, say


@click.command("coding")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--source", metavar="NAME",
              help="Read wrap codes of this system by the imported reasons; "
                   "without it the file holds categories.")  # fmt: skip
@click.option("--avoidable", type=click.IntRange(min=0), metavar="N",
              help="How many of all contacts were coded avoidable.")  # fmt: skip
@click.option("--contacts", type=click.IntRange(min=1), metavar="M",
              help="How many contacts were coded in all.")  # fmt: skip
@click.option("--keep", is_flag=True, help="Keep the sample: trials are then corrected by it.")
@json_option
@pass_context
def coding(
    context: Context, file: Path, source: str | None, avoidable: int | None, contacts: int | None,
    keep: bool,
) -> None:  # fmt: skip
    """Compare two codings of a random sample of contacts, and correct a share for miscoding.

    FILE has the columns first and second (the code given at the time and a second one, given blind)
    and may have arm and contact_id, which --keep needs. With --avoidable and --contacts the share
    of all contacts is corrected by how often the first code was right (Rogan and Gladen).
    """
    if (avoidable is None) != (contacts is None):
        raise click.UsageError("--avoidable and --contacts go together")
    if avoidable is not None and contacts is not None and avoidable > contacts:
        raise click.UsageError("--avoidable cannot be more than --contacts")
    with context.store.read() as session:
        known = second_coding.categories(session, source)
    pairs = second_coding.read(file, known)
    found = second_coding.agreement(pairs)
    kept = ""
    if keep:
        report = second_coding.keep(context.store, file, pairs, source=source, actor=context.actor)
        found["kept"] = {"added": report.added, "corrected": report.corrected,
                         "unchanged": report.unchanged}  # fmt: skip
        kept = (f"\nKept beside the log: {report.added:,} new, {report.corrected:,} corrected, "
                f"{report.unchanged:,} as before")  # fmt: skip
    if avoidable is not None and contacts is not None:
        accuracy = second_coding.accuracy((pair.first, pair.second, 1) for pair in pairs)
        share = corrected_share(avoidable, contacts, accuracy)
        found["corrected"] = second_coding.told(share)
    say(context, _told(found) + kept, {"file": file.name, **found})


def _told(found: Mapping[str, Any]) -> str:
    lines = [_line("All contacts", found)]
    lines += [_line(f"Arm {one['arm']}", one) for one in found["arms"]]
    if (share := found.get("corrected")) is not None:
        lines.append(share["why"] if "why" in share else (
            f"Truly avoidable: {share['estimate']:.1%} of all contacts "
            f"({share['low']:.1%} to {share['high']:.1%}), corrected for miscoding"))  # fmt: skip
    return "\n".join(lines)


def _line(name: str, one: Mapping[str, Any]) -> str:
    value = one["kappa"]
    said = value["why"] if "why" in value else (
        f"kappa {value['estimate']:.2f} ({value['low']:.2f} to {value['high']:.2f})"
    )  # fmt: skip
    parts = [f"{name}: {one['contacts']:,} coded twice, {one['agreed']:,} alike; {said}"]
    if one["sensitivity"] is not None:
        parts.append(f"{one['sensitivity']:.0%} of the avoidable ones were coded so")
    if one["specificity"] is not None:
        parts.append(f"{one['specificity']:.0%} of the others were not")
    return "; ".join(parts)
