"""Which columns of a file mean what, and how a unit's row is read."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from trials.definition.model import Trial
from trials.definition.near import nearest
from trials.errors import Invalid, Problem
from trials.files import Row, Table
from trials.people.identifiers import KINDS, Hasher, Kind, Refusal, normalise

MAX_UNIT = 200


def required(table: Table, names: Iterable[str]) -> None:
    """Refuse a table that lacks a column, naming the nearest that it has.

    Raises:
        Invalid: one problem for each missing column.
    """
    problems = [_lacking(table, name) for name in names if table.index(name) is None]
    if problems:
        raise Invalid(table.name, problems)


def _lacking(table: Table, name: str) -> Problem:
    guess = nearest(name, table.columns)
    hint = f"the file has {', '.join(map(repr, table.columns[:8]))}; the nearest is {guess!r}"
    return Problem("line 1", f"the column {name!r} is missing", hint, 1)


def scope(trial: Trial) -> str:
    """The name under which units are hashed: trials of one namespace recognise each other's."""
    return f"ns.{trial.design.namespace}" if trial.design.namespace else trial.key


@dataclass(frozen=True, slots=True)
class UnitColumns:
    """Where a unit's own columns stand in a table."""

    unit: int
    strata: tuple[int, ...]
    cluster: int | None
    attributes: tuple[tuple[str, int], ...]
    identifiers: tuple[tuple[Kind, int], ...]

    @classmethod
    def of(cls, table: Table, trial: Trial, *, strict: bool = True) -> UnitColumns:
        """Find them; with ``strict`` every column that the plan uses must be there.

        Raises:
            Invalid: a needed column is missing.
        """
        needed = ["unit", *(trial.columns if strict else ())]
        cluster = trial.design.cluster
        if cluster and table.index(cluster) is None and table.index("cluster") is not None:
            needed = [name for name in needed if name != cluster]
        required(table, needed)
        unit = table.index("unit")
        assert unit is not None
        return cls(
            unit=unit,
            strata=tuple(i for i in map(table.index, trial.design.strata) if i is not None),
            cluster=_cluster(table, trial),
            attributes=tuple(
                (name, i) for name in trial.columns
                if (i := table.index(name)) is not None and name != cluster
            ),
            identifiers=tuple((k, i) for k in KINDS if (i := table.index(k)) is not None),
        )  # fmt: skip

    def key(self, row: Row) -> str:
        """The unit as the file names it."""
        return row[self.unit].strip()

    def levels(self, row: Row) -> tuple[str, ...]:
        """The unit's levels of the stratifying columns."""
        return tuple(row[i].strip() for i in self.strata)

    def document(self, row: Row) -> str | None:
        """The attributes that the plan uses, as JSON text; ``None`` when it uses none."""
        if not self.attributes:
            return None
        values = {name: row[i].strip() for name, i in self.attributes}
        return json.dumps(values, ensure_ascii=False, separators=(",", ":"))

    def numbers(self, row: Row, hasher: Hasher) -> list[tuple[str, int]]:
        """The unit's own number and those of the identifiers that can be used, by kind."""
        found = [("unit", link_number(hasher.unit("", self.key(row))))]
        for kind, i in self.identifiers:
            written = normalise(kind, row[i]) if row[i] else None
            if written is not None and not isinstance(written, Refusal):
                found.append((kind, link_number(hasher.digest(kind, written))))
        return found


def link_number(digest: bytes) -> int:
    """63 bits of a keyed hash: what units and contacts are joined on."""
    return int.from_bytes(digest[:8]) >> 1


def _cluster(table: Table, trial: Trial) -> int | None:
    if not trial.design.cluster:
        return None
    own = table.index(trial.design.cluster)
    return own if own is not None else table.index("cluster")


def cluster_number(hasher: Hasher, name: str, cluster: str) -> int:
    """A cluster as a whole number that fits a signed 64-bit column and names nobody."""
    return link_number(hasher.unit(f"{name}.cluster", cluster))


def stratum_label(levels: Sequence[str]) -> str | None:
    """A stratum as it is stored and shown: ``D / monthly``."""
    return " / ".join(levels) if levels else None


def unit_problem(key: str) -> str | None:
    """What is wrong with a unit's key, if anything is."""
    if not key:
        return "the unit is blank"
    if len(key) > MAX_UNIT:
        return f"the unit is longer than {MAX_UNIT} characters"
    return None
