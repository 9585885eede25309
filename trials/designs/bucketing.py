"""Deterministic bucketing: the arm of a unit that is met one at a time, from its id alone.

A unit's *bucket* for a purpose is ::

    first 13 hexadecimal digits of SHA-256("v1|TRIAL|EPOCH|SALT|UNIT"), as a number / 16^13

52 bits, exact in a double and the same in every language. SALT names the purpose, ``arm``,
``coverage``, ``holdout`` or ``namespace``, with ``.SEED`` behind it where the trial has a seed, so
that nobody can work out arms before the seed is revealed and no two purposes are related. Known
answer: trial ``ctax-letter``, epoch 1, salt ``arm``, unit ``UPRN100023336956`` gives
0.8944979936853521.

A trial *ramps* in steps, each with a coverage and the weights of those it adds: a unit belongs to
the first step whose coverage exceeds its coverage bucket, and takes that step's weights. Coverage
can therefore grow, with other weights if need be, and nobody who was in ever moves.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from hashlib import sha256
from itertools import accumulate
from math import ceil
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from trials.designs.base import Redraw
from trials.designs.shares import ratio
from trials.designs.tickets import Ints
from trials.errors import Invalid, Problem

if TYPE_CHECKING:
    import duckdb

ALGORITHM = "v1"
LONGEST_ID = 512
"""Bytes of UTF-8 in an id; longer ones are refused."""

Purpose = Literal["arm", "coverage", "holdout", "namespace"]
Reason = Literal[
    "split",
    "holdout",
    "global-holdout",
    "outside-coverage",
    "outside-namespace",
    "excluded",
    "objected",
    "never-trial",
    "empty-id",
    "long-id",
    "unreadable-id",
]
"""Why a unit got what it got. Only ``split`` gives an arm; the ids refused are the last three."""

REASONS: tuple[Reason, ...] = (
    "split",
    "holdout",
    "global-holdout",
    "outside-coverage",
    "outside-namespace",
    "excluded",
    "objected",
    "never-trial",
    "empty-id",
    "long-id",
    "unreadable-id",
)
EVERYWHERE = "*"
"""Stands for the trial in the bucket of the holdout that all trials share."""

_TOP = 1 << 52
_DIGITS = 13
_BATCH = 122_880


class Assigned(NamedTuple):
    """What a unit got: its arm and the arm's code, or None and -1; why; and its arm bucket."""

    arm: str | None
    code: int
    reason: Reason
    bucket: float | None


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a ramp: up to this coverage, with these weights for the units it adds."""

    coverage: float
    weights: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """How a trial splits the units it meets.

    Attributes:
        trial: its key.
        arms: the arms' keys; codes index them.
        steps: the ramp, coverage rising. At coverage 1 nobody is left to add, so later changes of
            the weights need a new epoch, which draws everybody afresh.
        epoch: 1, and one more after every fresh draw.
        seed: the trial's secret seed, if it has one.
        holdout: share kept out of this trial's arms.
        global_holdout: share kept out of every trial.
        namespace: the namespace's key and epoch, and the segments the trial holds there.
    """

    trial: str
    arms: tuple[str, ...]
    steps: tuple[Step, ...]
    epoch: int = 1
    seed: int | None = None
    holdout: float = 0.0
    global_holdout: float = 0.0
    namespace: tuple[str, int, frozenset[int]] | None = None

    def prefix(self, purpose: Purpose) -> str:
        """The text that precedes the unit in the message for ``purpose``."""
        salt = purpose if self.seed is None else f"{purpose}.{self.seed}"
        return f"{ALGORITHM}|{self.trial}|{self.epoch}|{salt}|"

    def check(self) -> None:
        """Refuse what cannot be split.

        Raises:
            Invalid: an arm has no weight, or the coverage does not rise within 0 and 1.
        """
        covers = [step.coverage for step in self.steps]
        rising = all(a < b for a, b in zip([0.0, *covers], covers, strict=False))
        problems = [
            Problem("weights", "must be one for each arm")
            for step in self.steps
            if len(step.weights) != len(self.arms)
        ]
        if not covers or not rising or covers[-1] > 1:
            says = "must rise from step to step, above 0 and up to 1"
            remedy = "to take in fewer, pause the trial; nobody who is in may drop out"
            problems.append(Problem("coverage", says, remedy))
        if problems:
            raise Invalid("the trial cannot be split", problems)
        for step in self.steps:
            ratio(step.weights, self.arms)

    def assigner(self, refuse: Callable[[str], Reason | None] | None = None) -> Assigner:
        """The function that assigns units; ``refuse`` names why a unit may not take part."""
        return Assigner(self, refuse)


def even(trial: str, arms: Sequence[str], **settings: Any) -> Split:
    """A split into equal shares, at full coverage unless ``settings`` say otherwise."""
    step = Step(settings.pop("coverage", 1.0), (1.0,) * len(arms))
    return Split(trial=trial, arms=tuple(arms), steps=(step,), **settings)


def redraws(weights: Sequence[float], units: int) -> Redraw:
    """A function that draws again the arms of units that were bucketed: each by itself."""
    ends = np.cumsum(weights) / np.sum(weights)

    def redraw(rng: np.random.Generator) -> Ints:
        return np.searchsorted(ends[:-1], rng.random(units), side="right").astype(np.int64)

    return redraw


def number(message: bytes) -> int:
    """The first 52 bits of the digest of ``message``."""
    return int.from_bytes(sha256(message).digest()[:7]) >> 4


def bucket(trial: str, epoch: int, salt: str, unit: str) -> float:
    """The bucket of ``unit``, at least 0 and below 1."""
    return number(f"{ALGORITHM}|{trial}|{epoch}|{salt}|{unit}".encode()) / _TOP


def threshold(share: float) -> int:
    """The least 52-bit number that is not below ``share`` of the whole."""
    return ceil(Fraction(share) * _TOP)


def bounds(weights: Sequence[float]) -> tuple[int, ...]:
    """Where each arm but the last ends, as 52-bit numbers."""
    parts = ratio(weights, [""] * len(weights))
    whole = sum(parts)
    return tuple(-(-total * _TOP // whole) for total in list(accumulate(parts))[:-1])


class Assigner:
    """Assigns units of one split; everything that does not depend on the unit is done once.

    About 1 µs for each bucket needed: one without holdout, coverage or namespace, four with all.
    """

    __slots__ = ("_covers", "_ends", "_global", "_gone", "_holdout", "_prefix", "_refuse", "split")

    def __init__(self, split: Split, refuse: Callable[[str], Reason | None] | None = None) -> None:
        split.check()
        self.split = split
        self._refuse = refuse
        self._prefix = split.prefix("arm").encode()
        self._ends = [bounds(step.weights) for step in split.steps]
        self._holdout = _gate(split.prefix("holdout"), split.holdout)
        self._global = _gate(f"{ALGORITHM}|{EVERYWHERE}|1|holdout|", split.global_holdout)
        self._gone = _segments(split)
        covers = [threshold(step.coverage) for step in split.steps]
        whole = covers == [_TOP]
        self._covers = None if whole else (split.prefix("coverage").encode(), covers)

    def __call__(self, unit: str) -> Assigned:
        """What ``unit`` gets. Nothing is stored: the same id gives the same answer anywhere."""
        try:
            name = unit.encode()
        except UnicodeEncodeError:
            return _refused("unreadable-id")
        if not name or name.isspace():
            return _refused("empty-id")
        if len(name) > LONGEST_ID:
            return _refused("long-id")
        if self._refuse is not None and (reason := self._refuse(unit)) is not None:
            return _refused(reason)
        return self._split(name)

    def _split(self, name: bytes) -> Assigned:
        if self._gone is not None and self._gone[1][number(self._gone[0] + name) >> 40]:
            return _refused("outside-namespace")
        if self._global is not None and number(self._global[0] + name) < self._global[1]:
            return _refused("global-holdout")
        if self._holdout is not None and number(self._holdout[0] + name) < self._holdout[1]:
            return _refused("holdout")
        step = 0
        if self._covers is not None:
            prefix, covers = self._covers
            step = bisect_right(covers, number(prefix + name))
            if step == len(covers):
                return _refused("outside-coverage")
        drawn = int.from_bytes(sha256(self._prefix + name).digest()[:7]) >> 4
        code = bisect_right(self._ends[step], drawn)
        return Assigned(self.split.arms[code], code, "split", drawn / _TOP)


def _refused(reason: Reason) -> Assigned:
    return Assigned(None, -1, reason, None)


def _gate(prefix: str, share: float) -> tuple[bytes, int] | None:
    return (prefix.encode(), threshold(share)) if share > 0 else None


def _segments(split: Split) -> tuple[bytes, bytes] | None:
    """The namespace's prefix, and for each of its 4,096 segments whether it is another's."""
    if split.namespace is None:
        return None
    key, epoch, held = split.namespace
    prefix = f"{ALGORITHM}|{key}|{epoch}|namespace|"
    return prefix.encode(), bytes(segment not in held for segment in range(4096))


class Dialect(NamedTuple):
    """How an engine writes SHA-256 of a text in lower-case hexadecimal, and a text's bytes."""

    digest: str
    octets: str


DUCKDB = Dialect("sha256({})", "strlen({})")
POSTGRESQL = Dialect(
    "encode(sha256(convert_to({}, 'UTF8')), 'hex') COLLATE \"C\"", "octet_length({})"
)


def expression(
    split: Split,
    unit: str = "unit",
    dialect: Dialect = DUCKDB,
    hashed: Mapping[Purpose, str] | None = None,
) -> str:
    """The split as a SQL expression: the arm's code, or minus the reason's place in ``REASONS``.

    Args:
        split: the split.
        unit: the SQL of the id, a text.
        dialect: the engine's.
        hashed: the SQL of the split's own digests that are at hand already, by purpose.
    """
    split.check()

    def digest(purpose: Purpose) -> str:
        known = (hashed or {}).get(purpose)
        return known or _digest(split.prefix(purpose), unit, dialect)

    blanks = "' ' || " + " || ".join(f"chr({code})" for code in range(9, 14))
    cases: list[tuple[str, Reason]] = [
        (f"{unit} IS NULL OR (ascii({unit}) <= 32 AND trim({unit}, {blanks}) = '')", "empty-id"),
        (f"{dialect.octets.format(unit)} > {LONGEST_ID}", "long-id"),
    ]
    if split.namespace is not None:
        key, epoch, held = split.namespace
        ours = ", ".join(f"'{segment:03x}'" for segment in sorted(held)) or "''"
        place = _digest(f"{ALGORITHM}|{key}|{epoch}|namespace|", unit, dialect)
        cases.append((f"substr({place}, 1, 3) NOT IN ({ours})", "outside-namespace"))
    if split.global_holdout:
        where = _digest(f"{ALGORITHM}|{EVERYWHERE}|1|holdout|", unit, dialect)
        cases.append((_below(where, threshold(split.global_holdout)), "global-holdout"))
    if split.holdout:
        cases.append((_below(digest("holdout"), threshold(split.holdout)), "holdout"))
    whens = [f"WHEN {test} THEN {-REASONS.index(reason)}" for test, reason in cases]
    return f"CASE {' '.join(whens)} ELSE {_steps(split, digest('arm'), digest('coverage'))} END"


def _digest(prefix: str, unit: str, dialect: Dialect) -> str:
    text = prefix.replace("'", "''")
    return dialect.digest.format(f"'{text}' || {unit}")


def _steps(split: Split, drawn: str, covered: str) -> str:
    choices = [_choice(drawn, bounds(step.weights)) for step in split.steps]
    covers = [threshold(step.coverage) for step in split.steps]
    if covers == [_TOP]:
        return choices[0]
    whens = [
        f"WHEN {_below(covered, cover)} THEN {choice}"
        for cover, choice in zip(covers, choices, strict=True)
    ]
    return f"CASE {' '.join(whens)} ELSE {-REASONS.index('outside-coverage')} END"


def _choice(drawn: str, ends: tuple[int, ...]) -> str:
    if not ends:
        return "0"
    whens = [f"WHEN {_below(drawn, end)} THEN {code}" for code, end in enumerate(ends)]
    return f"CASE {' '.join(whens)} ELSE {len(ends)} END"


def _below(digest: str, limit: int) -> str:
    """Lower-case hexadecimal sorts as its number does, and a longer text after its beginning."""
    return "TRUE" if limit >= _TOP else f"{digest} < '{limit:0{_DIGITS}x}'"


def bulk(
    split: Split, units: Any, connection: duckdb.DuckDBPyConnection | None = None
) -> npt.NDArray[np.int16]:
    """Millions of units at once, with the very same answers.

    Args:
        split: the split.
        units: ids, as a sequence or a PyArrow array.
        connection: the DuckDB connection to use; its own, in memory, if none is given.

    Returns:
        For each unit its arm's code, or minus the place of the reason in ``REASONS``.
    """
    import duckdb
    import pyarrow as pa

    column = (
        units if isinstance(units, pa.Array | pa.ChunkedArray) else pa.array(units, pa.string())
    )
    own = connection or duckdb.connect()
    # The arm's digest is compared with several ends: as a column of its own it is worked out once.
    drawn = _digest(split.prefix("arm"), "unit", DUCKDB)
    inner = f"SELECT unit, {drawn} AS drawn FROM signpost_ids"  # noqa: S608 - our own keys
    codes = expression(split, hashed={"arm": "drawn"})
    # In batches, because DuckDB's threads share an Arrow table out by batch.
    batches = pa.table({"unit": column}).to_batches(max_chunksize=_BATCH)
    own.register("signpost_ids", pa.Table.from_batches(batches, pa.schema([("unit", column.type)])))
    try:
        found = own.execute(f"SELECT ({codes})::SMALLINT AS code FROM ({inner})")  # noqa: S608
        return np.asarray(found.fetchnumpy()["code"], np.int16)
    finally:
        own.unregister("signpost_ids")
        if connection is None:
            own.close()
