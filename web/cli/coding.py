"""``signpost coding``: how far two coders of one sample agree, and a share corrected by it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from trials import clock
from trials.contacts import reasons, second_coding
from trials.contacts.agreement import (
    Accuracy,
    Interval,
    NotKnown,
    corrected_share,
    cross_table,
    kappa,
)
from trials.contacts.second_coding import PLAIN, Categories, Mapped, Pair
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
    pairs = second_coding.read(file, _categories(context, source))
    found = _found(pairs)
    kept = ""
    if keep:
        report = second_coding.keep(context.store, file, pairs, source=source, actor=context.actor)
        found["kept"] = {"added": report.added, "corrected": report.corrected,
                         "unchanged": report.unchanged}  # fmt: skip
        kept = (f"\nKept beside the log: {report.added:,} new, {report.corrected:,} corrected, "
                f"{report.unchanged:,} as before")  # fmt: skip
    if avoidable is not None and contacts is not None:
        found["corrected"] = _json(corrected_share(avoidable, contacts, _accuracy(pairs)))
    say(context, _told(found) + kept, {"file": file.name, **found})


def _categories(context: Context, source: str | None) -> Categories:
    if source is None:
        return PLAIN
    with context.store.read() as session:
        return Mapped(reasons.load(session), source, clock.london(clock.now()).date())


def _accuracy(pairs: Sequence[Pair]) -> Accuracy:
    return second_coding.accuracy((pair.first, pair.second, 1) for pair in pairs)


def _found(pairs: Sequence[Pair]) -> dict[str, Any]:
    of = {"": list(pairs)} | {arm: [p for p in pairs if p.arm == arm]
                              for arm in sorted({p.arm for p in pairs} - {""})}  # fmt: skip
    every = [_one(arm, some) for arm, some in of.items()]
    return {**every[0], "arms": every[1:]}


def _one(arm: str, pairs: Sequence[Pair]) -> dict[str, Any]:
    accuracy = _accuracy(pairs)
    table = cross_table([p.first for p in pairs], [p.second for p in pairs])
    return {
        **({"arm": arm} if arm else {}),
        "contacts": len(pairs), "agreed": int(table.trace()), "kappa": _json(kappa(table)),
        "sensitivity": accuracy.sensitivity if accuracy.positives else None,
        "specificity": accuracy.specificity if accuracy.negatives else None,
    }  # fmt: skip


def _json(found: Interval | NotKnown) -> dict[str, Any]:
    if isinstance(found, NotKnown):
        return {"absent": found.code, "why": found.why}
    return asdict(found)


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
