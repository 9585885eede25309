"""``signpost coding``: how far two coders of one sample agree, and a share corrected by it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import Any

import click

from trials import clock, files
from trials.contacts import reasons
from trials.contacts.agreement import (
    Accuracy,
    Interval,
    NotKnown,
    corrected_share,
    cross_table,
    kappa,
)
from trials.contacts.record import CATEGORIES
from trials.contacts.taxonomy import Taxonomy
from trials.errors import Invalid, Problem
from trials.importing.columns import required
from web.cli.context import Context, json_option, pass_context, say

_REMEDY = f"use one of {', '.join(CATEGORIES)}, or --source for wrap codes that are mapped"
_NOT_AVOIDABLE = frozenset({"value", "unclassified"})


@dataclass(frozen=True, slots=True)
class Pair:
    """One contact coded twice, the second time blind; ``arm`` is blank where it is not told."""

    arm: str
    first: str
    second: str


@click.command("coding")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--source", metavar="NAME",
              help="Read wrap codes of this system by the imported reasons; "
                   "without it the file holds categories.")  # fmt: skip
@click.option("--avoidable", type=click.IntRange(min=0), metavar="N",
              help="How many of all contacts were coded avoidable.")  # fmt: skip
@click.option("--contacts", type=click.IntRange(min=1), metavar="M",
              help="How many contacts were coded in all.")  # fmt: skip
@json_option
@pass_context
def coding(
    context: Context, file: Path, source: str | None, avoidable: int | None, contacts: int | None
) -> None:
    """Compare two codings of a random sample of contacts, and correct a share for miscoding.

    FILE has the columns first and second (the code given at the time and a second one, given blind)
    and may have arm. With --avoidable and --contacts the share of all contacts is corrected by how
    often the first code was right (Rogan and Gladen).
    """
    if (avoidable is None) != (contacts is None):
        raise click.UsageError("--avoidable and --contacts go together")
    if avoidable is not None and contacts is not None and avoidable > contacts:
        raise click.UsageError("--avoidable cannot be more than --contacts")
    pairs = _read(file, _categories(context, source))
    found = _found(pairs)
    if avoidable is not None and contacts is not None:
        found["corrected"] = _json(corrected_share(avoidable, contacts, _accuracy(pairs)))
    say(context, _told(found), {"file": file.name, **found})


def _categories(context: Context, source: str | None) -> Mapping[str, str] | _Mapped:
    if source is None:
        return {name: name for name in CATEGORIES}
    with context.store.read() as session:
        return _Mapped(reasons.load(session), source, clock.london(clock.now()).date())


@dataclass(frozen=True, slots=True)
class _Mapped:
    """Wrap codes of one system → categories, as they are mapped today."""

    taxonomy: Taxonomy
    source: str
    day: date

    def get(self, code: str) -> str | None:
        """The category; ``None`` for a code that is not mapped."""
        found = self.taxonomy.resolve(self.source, code, self.day)
        return None if found is None else found.category


def _read(path: Path, categories: Mapping[str, str] | _Mapped) -> list[Pair]:
    """The pairs as categories; every row that cannot be read is named."""
    problems, pairs = [], []
    with files.open_table(path) as table:
        required(table, ["first", "second"])
        one, two, arm = table.index("first") or 0, table.index("second") or 0, table.index("arm")
        for line, row in table.rows:
            codes = [categories.get(row[i].strip()) for i in (one, two)]
            if codes[0] is None or codes[1] is None:
                missed = row[one if codes[0] is None else two].strip()[:64]
                says = f"{missed!r} is no code that is known"
                problems.append(Problem(f"line {line}", says, _REMEDY, line))
                continue
            pairs.append(Pair(row[arm].strip() if arm is not None else "", codes[0], codes[1]))
    if problems:
        raise Invalid(path.name, problems)
    return pairs


def _accuracy(pairs: Sequence[Pair]) -> Accuracy:
    """The first coder held against the second, avoidable or not."""
    seen = Counter((p.first not in _NOT_AVOIDABLE, p.second not in _NOT_AVOIDABLE) for p in pairs)
    return Accuracy(
        true_positives=seen[True, True], positives=seen[True, True] + seen[False, True],
        true_negatives=seen[False, False], negatives=seen[False, False] + seen[True, False],
    )  # fmt: skip


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
