"""Deflection: how many contacts a message truly saved, net of people who came back.

All from joint moments per arm, so that the cost follows the number of cells and not of people. For
a control C, an arm T and a window W after the exposure, per person assigned:

* **gross** ``G = P(index contact reaches an agent | C) - P(... | T)``. The index contact is the
  contact that *is* the exposure (the call that heard the greeting, the chat that was closed); where
  the exposure is no contact (a letter, a reply, a page) it is the first contact after it in W.
* **net** ``N = E[agent-handled contacts in W, any line, any channel | C] - E[... | T]``.
* **leakage** ``L = 1 - N / G``: the part of the gross that came back. It is a ratio of two
  estimates of the same people, so its interval is Fieller's (1954) with their joint covariance.
  A ratio to something that may be nothing says nothing: where the interval of G is not above 0,
  leakage is absent with the code ``no-gross-effect``. That is exactly where Fieller's set is
  unbounded, so every interval shown is finite and none is cut.
  Leakages are therefore shown of lucky draws, and hold less often than they say where gross is
  seldom established. No finite interval is free of that (Gleser & Hwang 1987), and a stricter rule
  picks luckier draws still. An interval that allows for having been picked is bounded only where
  gross, given that it passed at ``a/2``, is above 0 at ``a/2`` once more (Lee et al. 2016): at p
  below ``a**2 / 2``. Where it is not, the leakage carries its note,
  :data:`~analysis.estimates.BARELY`.
* **avoidable**: the same as net for the avoidable part of contacts. Not every contact is coded. The
  figure takes each arm's uncoded contacts to be as avoidable as its coded ones (delta method);
  ``avoidable_coded`` counts coded ones alone, and ``avoidable_bounds`` hold whatever the uncoded
  were (Horowitz & Manski 2000), widened by sampling error (Imbens & Manski 2004, conservatively
  with the two-sided quantile). Where a sample was coded twice, ``avoidable_corrected`` is the count
  of contacts of an avoidable category freed of miscoding (each counts in full).
* **displacement**: net by channel and by line. Channels share one table with net, so they add up.

Positive is fewer contacts. Randomisation is what makes any of this causal: every figure compares
people as they were allocated. The repeat matrix is the exception; it describes what followed
contacts that happened, and is labelled so.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from analysis.contrast import Contrast, compare
from analysis.estimates import BARELY, Absent, Estimate
from analysis.joint import Joint
from analysis.repeats import Followed, RepeatTable, repeat_matrix
from analysis.tables import Floats
from trials.contacts.agreement import Accuracy, NotKnown, corrected_count

CHANNEL, LINE, DAY, ON = "channel:", "line:", "day:", "on:"
"""Prefixes of the outcomes that count agent-handled contacts by channel, by line, up to a day and
on a day."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeflectionTables:
    """All that deflection needs to know of a trial.

    ``joint`` holds per unit, over the window: ``gross`` (0 or 1: the index contact reached an
    agent), ``net`` (agent-handled contacts), and where known ``avoidable`` (their summed avoidable
    shares), ``uncoded`` (handled contacts without a usable code), ``flagged`` and ``unclassified``
    (those of an avoidable category, and of none) and ``channel:NAME`` (handled contacts by channel,
    adding up to ``net``). ``lines`` holds ``line:NAME`` and ``days``
    ``day:1`` to ``day:W`` (handled contacts up to the end of that day after exposure); for these
    two the sums of squares suffice. ``on`` holds ``on:1`` to ``on:W``: handled contacts on that day
    alone, with sums of squares too.
    """

    window_days: float
    joint: Joint
    lines: Joint | None = None
    days: Joint | None = None
    on: Joint | None = None
    repeats: tuple[RepeatTable, ...] = ()

    def __post_init__(self) -> None:
        """Refuse tables without the two counts that everything rests on."""
        missing = {"gross", "net"} - set(self.joint.names)
        if missing:
            raise ValueError(f"the joint table lacks {', '.join(sorted(missing))}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """What an effect may be, whatever was not observed.

    ``low`` and ``high`` are the identified bounds; the interval from ``interval_low`` to
    ``interval_high`` adds sampling error.
    """

    low: float
    high: float
    interval_low: float
    interval_high: float

    def scaled(self, by: float) -> Bounds:
        """The same bounds in another unit."""
        values = (self.low, self.high, self.interval_low, self.interval_high)
        low, high, interval_low, interval_high = (v * by for v in values)
        return Bounds(low=low, high=high, interval_low=interval_low, interval_high=interval_high)

    def to_json(self) -> dict[str, float]:
        """The four numbers by name."""
        return {
            "low": self.low, "high": self.high,
            "interval_low": self.interval_low, "interval_high": self.interval_high,
        }  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmDeflection:
    """One arm against another. Counts are per ``Deflection.per`` units; leakage is a fraction.

    ``displacement`` is net by channel and adds up to it; ``channels`` has the same with intervals.
    ``relative`` is net as a fraction of the control's contacts. ``cumulative`` maps days since
    exposure to the contacts saved up to then: a curve that falls back towards zero was demand
    deferred, not deflected. ``cost`` is the cost-weighted net, in the currency of the costs.
    """

    arm: str
    versus: str
    gross: Estimate | Absent
    net: Estimate | Absent
    leakage: Estimate | Absent
    relative: Estimate | Absent
    avoidable: Estimate | Absent
    avoidable_coded: Estimate | Absent
    avoidable_bounds: Bounds | Absent
    avoidable_corrected: Estimate | Absent | None = None
    displacement: Mapping[str, float] = field(default_factory=dict)
    channels: Mapping[str, Estimate | Absent] = field(default_factory=dict)
    lines: Mapping[str, Estimate | Absent] = field(default_factory=dict)
    cumulative: Mapping[int, Estimate | Absent] = field(default_factory=dict)
    cost: Estimate | Absent | None = None

    def to_json(self) -> dict[str, Any]:
        """The contract's fields, and beside them the intervals of each part."""
        return {
            "arm": self.arm, "versus": self.versus,
            "gross": self.gross.to_json(), "net": self.net.to_json(),
            "leakage": self.leakage.to_json(), "relative": self.relative.to_json(),
            "avoidable": self.avoidable.to_json(),
            "avoidable_coded": self.avoidable_coded.to_json(),
            "avoidable_bounds": self.avoidable_bounds.to_json(),
            **({} if self.avoidable_corrected is None else
               {"avoidable_corrected": self.avoidable_corrected.to_json()}),
            "displacement": dict(self.displacement),
            "channels": {name: e.to_json() for name, e in self.channels.items()},
            "lines": {name: e.to_json() for name, e in self.lines.items()},
            "cumulative": [{"day": d, **e.to_json()} for d, e in self.cumulative.items()],
            **({} if self.cost is None else {"cost": self.cost.to_json()}),
        }  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Deflection:
    """Deflection of every arm against the control. Positive means fewer contacts.

    ``absent`` says, by arm, why an arm could not be compared.
    """

    per: int
    window_days: float
    level: float
    contrasts: tuple[ArmDeflection, ...]
    absent: Mapping[str, Absent] = field(default_factory=dict)
    repeats: tuple[Followed, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The ``deflection`` object of the result document."""
        return {
            "per": self.per, "window_days": self.window_days, "level": self.level,
            "contrasts": [contrast.to_json() for contrast in self.contrasts],
            **({"absent": {a: why.to_json() for a, why in self.absent.items()}}
               if self.absent else {}),
            **({"repeats": [row.to_json() for row in self.repeats]} if self.repeats else {}),
        }  # fmt: skip


def deflect(
    tables: DeflectionTables,
    *,
    per: int = 1000,
    level: float = 0.95,
    costs: Mapping[str, float] | None = None,
    versus: str | None = None,
    accuracy: Accuracy | Absent | None = None,
) -> Deflection:
    """Gross, net, leakage, the avoidable part and the displacement ledger, by arm.

    Args:
        tables: the trial's joint moments.
        per: units that counts are scaled to.
        level: coverage of the intervals, each on its own (no multiplicity adjustment).
        costs: cost of one handled contact by channel; gives ``cost``, absent where a channel that
            occurs has no cost.
        versus: the arm to compare with; the control by default.
        accuracy: how well contacts are coded, from those coded twice; gives
            ``avoidable_corrected``, or says why one accuracy does not serve.
    """
    joint = tables.joint
    against = joint.arms[joint.control] if versus is None else versus
    found: list[ArmDeflection] = []
    absent: dict[str, Absent] = {}
    for arm in joint.arms:
        if arm == against:
            continue
        contrast = compare(joint, arm, versus=against)
        if isinstance(contrast, Absent):
            absent[arm] = contrast
        else:
            made = _arm(tables, contrast, per=per, level=level, costs=costs)
            freed = corrected(contrast, accuracy, level=level)
            freed = None if freed is None else _scaled(freed, per)
            found.append(replace(made, avoidable_corrected=freed))
    return Deflection(
        per=per, window_days=tables.window_days, level=level, contrasts=tuple(found),
        absent=absent, repeats=repeat_matrix(tables.repeats, level=level),
    )  # fmt: skip


def _arm(
    tables: DeflectionTables, contrast: Contrast, *, per: int, level: float,
    costs: Mapping[str, float] | None,
) -> ArmDeflection:  # fmt: skip
    coded, bounds = _coded(contrast, level=level)
    return ArmDeflection(
        arm=contrast.arm, versus=contrast.versus,
        gross=_scaled(contrast.difference("gross", level=level), per),
        net=_scaled(contrast.difference("net", level=level), per),
        leakage=leakage(contrast, level=level),
        relative=relative(contrast, level=level),
        avoidable=_scaled(_avoidable(contrast, level=level), per),
        avoidable_coded=_scaled(coded, per),
        avoidable_bounds=bounds if isinstance(bounds, Absent) else bounds.scaled(per),
        displacement={
            name.removeprefix(CHANNEL): per * (contrast.control(name) - contrast.treated(name))
            for name in contrast.names
            if name.startswith(CHANNEL) and _occurs(contrast, name)
        },
        channels=_ledger(contrast, CHANNEL, per=per, level=level),
        lines=_other(tables.lines, contrast, LINE, per=per, level=level),
        cumulative={
            int(day): e
            for day, e in _other(tables.days, contrast, DAY, per=per, level=level).items()
        },
        cost=None if costs is None else _scaled(weighted(contrast, costs, level=level), per),
    )  # fmt: skip


def leakage(contrast: Contrast, *, level: float = 0.95) -> Estimate | Absent:
    """The part of gross deflection that came back, ``1 - N/G``, with Fieller's interval.

    Below 0 the arm saved more than the index contacts alone; above 1 it made people contact more.
    """
    gross, net = contrast.fewer({"gross": 1.0}), contrast.fewer({"net": 1.0})
    effect = contrast.estimate(gross, level=level)
    ratio = contrast.ratio(net, gross, level=level)
    if isinstance(effect, Absent) or effect.low <= 0 or ratio is None:
        return Absent(
            "no-gross-effect",
            "It is not established that fewer index contacts reached an agent, "
            "so there is nothing that can have leaked.",
        )
    value, low, high = ratio
    barely = effect.p is not None and effect.p > (1 - level) ** 2 / 2
    return Estimate(
        estimate=1 - value, low=1 - high, high=1 - low, level=level,
        method="ratio of net to gross, Fieller",
        notes=(*contrast.notes, BARELY) if barely else contrast.notes,
    )  # fmt: skip


def relative(contrast: Contrast, *, level: float = 0.95) -> Estimate | Absent:
    """Net as a fraction of the control's agent-handled contacts, with Fieller's interval."""
    ratio = contrast.ratio(contrast.fewer({"net": 1.0}), contrast.control_only("net"), level=level)
    if ratio is None:
        return Absent("no-control-contacts", f"Too few people in {contrast.versus} made contact.")
    value, low, high = ratio
    return Estimate(estimate=value, low=low, high=high, level=level, method="Fieller")


def _avoidable(contrast: Contrast, *, level: float) -> Estimate | Absent:
    """Avoidable contacts saved if, in each arm, the uncoded are as avoidable as the coded."""
    if "avoidable" not in contrast.names:
        return _NOT_MAPPED
    if "uncoded" not in contrast.names:
        return contrast.difference("avoidable", level=level)
    found = _as_coded(contrast, "avoidable", "uncoded")
    if isinstance(found, Absent):
        return found
    value, gradient = found
    return contrast.estimate(gradient, level=level, value=value, method="uncoded as coded, delta")


def _as_coded(contrast: Contrast, some: str, uncoded: str) -> tuple[float, Floats] | Absent:
    """The difference in ``some`` contacts if the uncoded are like the coded, with its gradient.

    Per arm ``s = A H / (H - U)`` with A such contacts, H all handled and U uncoded ones; the
    gradient of ``s`` gives the standard error (delta method).
    """
    k = len(contrast.names)
    place = [contrast.names.index(name) for name in (some, "net", uncoded)]
    gradient, value = np.zeros(2 * k), 0.0
    for start, sign in ((0, 1.0), (k, -1.0)):
        a, h, u = (float(contrast.means[start + i]) for i in place)
        coded = h - u
        if coded <= 0:
            arm = contrast.versus if start == 0 else contrast.arm
            return Absent("nothing-coded", f"No contact of arm {arm} has a code that is mapped.")
        value += sign * a * h / coded
        slopes = (h / coded, -a * u / coded**2, a * h / coded**2)
        for i, slope in zip(place, slopes, strict=True):
            gradient[start + i] = sign * slope
    return value, gradient


def corrected(
    contrast: Contrast, accuracy: Accuracy | Absent | None, *, level: float = 0.95
) -> Estimate | Absent | None:
    """Contacts of an avoidable category saved, freed of miscoding; ``None`` without a sample.

    The uncoded are taken to be like the coded, as in ``avoidable``; see
    :func:`trials.contacts.agreement.corrected_count`.
    """
    if accuracy is None or isinstance(accuracy, Absent) or "flagged" not in contrast.names:
        return accuracy if isinstance(accuracy, Absent) else None
    found = _as_coded(contrast, "flagged", "unclassified")
    if isinstance(found, Absent):
        return found
    coded, gradient = found
    every, v = contrast.fewer({"net": 1.0}), contrast.covariance
    both = float(gradient @ v @ every)
    moments = (contrast.variance(gradient), both, contrast.variance(every))
    freed = corrected_count(coded, float(every @ contrast.means), moments, accuracy, level=level)
    if isinstance(freed, NotKnown):
        return Absent(freed.code, f"Miscoding cannot be corrected: {freed.why}.")
    return Estimate(estimate=freed.estimate, low=freed.low, high=freed.high, se=freed.se,
                    level=level, method=freed.method, notes=contrast.notes)  # fmt: skip


_NOT_MAPPED = Absent(
    "no-reasons", "No reasons are mapped to the taxonomy, so avoidable contacts are not known."
)


def _coded(contrast: Contrast, *, level: float) -> tuple[Estimate | Absent, Bounds | Absent]:
    """Avoidable contacts saved among those coded, and bounds whatever the uncoded were."""
    if "avoidable" not in contrast.names:
        return _NOT_MAPPED, _NOT_MAPPED
    worst, best = contrast.fewer({"avoidable": 1.0}), contrast.fewer({"avoidable": 1.0})
    if "uncoded" in contrast.names:
        uncoded = contrast.names.index("uncoded")
        worst[len(contrast.names) + uncoded] -= 1.0
        best[uncoded] += 1.0
    coded = contrast.difference("avoidable", level=level)
    low, high = contrast.estimate(worst, level=level), contrast.estimate(best, level=level)
    if isinstance(low, Absent) or isinstance(high, Absent):
        return coded, Absent("no-variation", "Within each arm every unit had the same outcome.")
    return coded, Bounds(
        low=low.estimate, high=high.estimate, interval_low=low.low, interval_high=high.high
    )


def weighted(
    contrast: Contrast, costs: Mapping[str, float], *, level: float = 0.95
) -> Estimate | Absent:
    """Net weighted by what a contact costs in its channel: ``sum of c_k times fewer_k``."""
    channels = [name.removeprefix(CHANNEL) for name in contrast.names if name.startswith(CHANNEL)]
    unpriced = [c for c in channels if c not in costs and _occurs(contrast, CHANNEL + c)]
    if not channels:
        return Absent("no-channels", "Contacts were not counted by channel.")
    if unpriced:
        return Absent("no-cost", f"There is no cost for a contact by {', '.join(unpriced)}.")
    weights = {CHANNEL + c: costs[c] for c in channels if c in costs}
    return contrast.estimate(contrast.fewer(weights), level=level, method="cost-weighted net")


def _occurs(contrast: Contrast, name: str) -> bool:
    return contrast.control(name) > 0 or contrast.treated(name) > 0


def _ledger(
    contrast: Contrast, prefix: str, *, per: int, level: float
) -> dict[str, Estimate | Absent]:
    """The differences of all outcomes of a kind; those that never occurred are left out."""
    return {
        name.removeprefix(prefix): _scaled(contrast.difference(name, level=level), per)
        for name in contrast.names
        if name.startswith(prefix) and (_occurs(contrast, name) or prefix == DAY)
    }


def _other(
    table: Joint | None, like: Contrast, prefix: str, *, per: int, level: float
) -> dict[str, Estimate | Absent]:
    """The ledger of a table beside the joint one, for the same two arms."""
    contrast = None if table is None else compare(table, like.arm, versus=like.versus)
    if contrast is None or isinstance(contrast, Absent):
        return {}
    return _ledger(contrast, prefix, per=per, level=level)


def _scaled(value: Estimate | Absent, by: float) -> Estimate | Absent:
    return value if isinstance(value, Absent) else value.scaled(by)
