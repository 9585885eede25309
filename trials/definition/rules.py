"""The rules of a trial that need more than one field.

Each rule yields :class:`Breach` objects; a rule whose parts could not be read is given what
there is and stays silent about the rest, so that every rule broken is listed at once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise, product

from trials.definition import adapting, hours, protected
from trials.definition.lines import Path
from trials.definition.model import About, Analysis, Arm, Design, Looks, Metric
from trials.definition.near import nearest


@dataclass(frozen=True, slots=True)
class Breach:
    """A rule broken at ``path`` (as :mod:`trials.definition.lines` numbers it)."""

    path: Path
    says: str
    remedy: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """The parts of a file that could be read; ``None`` marks one that could not."""

    about: About | None
    design: Design | None
    arms: dict[int, Arm]
    metrics: dict[int, Metric]
    analysis: Analysis | None
    arm_count: int
    metric_count: int


def breaches(parts: Parts) -> Iterator[Breach]:
    """Every rule that the parts break."""
    yield from _dates(parts)
    yield from _arms(parts)
    yield from _metrics(parts)
    yield from _design(parts)
    yield from _analysis(parts)


def _dates(parts: Parts) -> Iterator[Breach]:
    about = parts.about
    if about and about.starts and about.ends and about.ends < about.starts:
        yield Breach(("trial", "ends"), "the trial ends before it starts", "set ends after starts")


def _arms(parts: Parts) -> Iterator[Breach]:
    if parts.arm_count < 2:
        yield Breach(("arms",), "a trial needs at least two arms", "add another [[arms]] table")
    yield from _repeated("arms", {i: arm.key for i, arm in parts.arms.items()})
    controls = [i for i, arm in parts.arms.items() if arm.control]
    complete = len(parts.arms) == parts.arm_count
    if complete and parts.arms and not controls:
        yield Breach(("arms", 0), "no arm is the control", "set control = true on one arm")
    for extra in controls[1:]:
        yield Breach(
            ("arms", extra, "control"), "a second arm is marked as the control", "keep only one"
        )
    for i, arm in parts.arms.items():
        if arm.weight == 0:
            yield Breach(
                ("arms", i, "weight"), f"arm {arm.key!r} has weight 0, so nobody would be given it",
                "give it a weight above 0 or remove the arm",
            )  # fmt: skip
    yield from _factors(parts)
    yield from _protected(parts)


def _factors(parts: Parts) -> Iterator[Breach]:
    """Arms that cross factors are every combination of their levels, each once."""
    crossed = {i: arm.levels for i, arm in parts.arms.items() if arm.levels}
    if not crossed or len(parts.arms) < parts.arm_count:
        return
    names = sorted(next(iter(crossed.values())))
    for i, arm in parts.arms.items():
        if sorted(arm.levels) != names:
            yield Breach(("arms", i, "levels"), f"arm {arm.key!r} does not say its level of "
                         "the same factors as the others", f"name {', '.join(names)}")  # fmt: skip
            return
    cells = [tuple(levels[name] for name in names) for levels in crossed.values()]
    yield from _combinations(names, dict(zip(crossed, cells, strict=True)))
    if parts.design and parts.design.adaptive is not None:
        yield Breach(("arms",), "shares that follow the outcomes go to the best arm, not to the "
                     "best level of each factor", "remove levels or adaptive")  # fmt: skip
    if parts.design and parts.design.kind == "stepped-wedge":
        yield Breach(("arms",), "a stepped wedge goes from the control to one other arm",
                     "remove levels")  # fmt: skip


def _combinations(names: list[str], cells: dict[int, tuple[str, ...]]) -> Iterator[Breach]:
    """``cells``: each arm's levels of the factors ``names``."""
    held = list(cells.values())
    for i, cell in cells.items():
        if held.count(cell) > 1:
            yield Breach(("arms", i, "levels"), f"two arms are {' and '.join(cell)}",
                         "keep one arm for each combination")  # fmt: skip
            return
    levels = [sorted({cell[k] for cell in held}) for k in range(len(names))]
    for cell in product(*levels):
        if cell not in held:
            told = ", ".join(f'{n} = "{v}"' for n, v in zip(names, cell, strict=True))
            yield Breach(("arms",), f"no arm has the combination {told}",
                         "add it: factors are compared over every combination")  # fmt: skip
    if any(len(some) < 2 for some in levels):
        yield Breach(("arms",), "a factor has the same level in every arm", "remove it from levels")


def _protected(parts: Parts) -> Iterator[Breach]:
    """What the law prescribes may not be what differs between arms."""
    places = {arm.key: i for i, arm in parts.arms.items()}
    for found in protected.differences(tuple(parts.arms.values())):
        says = f"arm {found.arm!r}: {found.says}"
        yield Breach(("arms", places[found.arm], "wording"), says, found.remedy)


def _metrics(parts: Parts) -> Iterator[Breach]:
    keys = {i: metric.key for i, metric in parts.metrics.items()}
    yield from _repeated("metrics", keys)
    primaries = [i for i, metric in parts.metrics.items() if metric.role == "primary"]
    if parts.metric_count == 0:
        yield Breach(
            ("metrics",), "there is no metric", 'add a [[metrics]] table with role = "primary"'
        )
    elif not primaries and len(parts.metrics) == parts.metric_count:
        yield Breach(("metrics", 0), "no metric is primary", 'set role = "primary" on one metric')
    for extra in primaries[1:]:
        yield Breach(
            ("metrics", extra, "role"), "a second metric is primary",
            "keep one primary and make the others secondary",
        )  # fmt: skip
    for i, metric in parts.metrics.items():
        yield from _metric(i, metric, set(keys.values()))


def _metric(i: int, metric: Metric, keys: set[str]) -> Iterator[Breach]:
    def breach(key: str, says: str, remedy: str) -> Breach:
        return Breach(("metrics", i, key), f"metric {metric.key!r} {says}", remedy)

    if metric.source == "contacts" and metric.window is None:
        yield breach("window", "is measured from contacts but has no window", 'add window = "14d"')
    yield from _denominator(i, metric, keys - {metric.key})
    yield from _beside(i, metric)
    if metric.kind in {"mean", "ratio"} and metric.source == "contacts" and not metric.value:
        yield breach("value", f"is a {metric.kind} of contacts without a value field",
                     'name the field that is summed, as in value = "handle_seconds"')  # fmt: skip
    if metric.mde is not None and metric.mde_relative is not None:
        yield breach("mde_relative", "has both mde and mde_relative", "keep one of them")
    if metric.cap is not None and metric.kind not in {"count", "mean"}:
        yield breach("cap", f"is a {metric.kind}, which is not winsorised", "remove cap")
    if metric.role == "guardrail" and metric.margin is None:
        yield breach("margin", "is a guardrail without a margin", "add the largest harm accepted")
    if metric.where and metric.source == "outcomes":
        yield breach("where", "is measured from outcomes, which have no contact fields",
                     "remove where, or set source to contacts")  # fmt: skip


def _beside(i: int, metric: Metric) -> Iterator[Breach]:
    """What is asked for beside the mean, and for units without an outcome."""
    path: Path = ("metrics", i)
    if metric.quantiles and metric.kind not in {"mean", "count"}:
        yield Breach((*path, "quantiles"), f"metric {metric.key!r} is a {metric.kind}, which has "
                     "no quantiles of its own", "remove quantiles")  # fmt: skip
    if any(not 0 < q < 1 for q in metric.quantiles):
        yield Breach((*path, "quantiles"), "a quantile lies between 0 and 1",
                     "write the median as 0.5")  # fmt: skip
    if metric.missing != "complete" and metric.source != "outcomes":
        yield Breach((*path, "missing"), f"metric {metric.key!r} is measured from contacts, where "
                     "silence is an answer", "remove missing")  # fmt: skip
    if metric.missing != "complete" and metric.kind in {"ratio", "time-to-event"}:
        yield Breach((*path, "missing"), f"metric {metric.key!r} is a {metric.kind}, which cannot "
                     "be weighted for response", "remove missing")  # fmt: skip


def _denominator(i: int, metric: Metric, others: set[str]) -> Iterator[Breach]:
    path: Path = ("metrics", i, "denominator")
    if metric.kind == "ratio" and metric.denominator is None:
        yield Breach(path, f"metric {metric.key!r} is a ratio without a denominator",
                     "name another metric's key")  # fmt: skip
    if metric.denominator is None:
        return
    if metric.kind != "ratio":
        yield Breach(path, f"metric {metric.key!r} is a {metric.kind}, which takes none",
                     "remove denominator")  # fmt: skip
    if metric.denominator not in others:
        guess = nearest(metric.denominator, sorted(others))
        yield Breach(path, f"metric {metric.key!r} divides by {metric.denominator!r}, no metric",
                     f"did you mean {guess!r}?" if guess else "add that metric")  # fmt: skip


def _design(parts: Parts) -> Iterator[Breach]:
    design = parts.design
    if design is None:
        return
    if design.kind == "stratified" and not design.strata:
        yield Breach(("design", "strata"), "a stratified design names no strata",
                     'add strata = ["…"], columns of the unit list')  # fmt: skip
    if design.kind == "cluster" and not design.cluster:
        yield Breach(("design", "cluster"), "a cluster design does not say what is randomised",
                     'add cluster = "household"')  # fmt: skip
    if design.kind != "cluster" and design.cluster and design.kind != "stepped-wedge":
        yield Breach(("design", "cluster"), f"cluster is given but kind is {design.kind!r}",
                     'set kind = "cluster" or remove cluster')  # fmt: skip
    if design.kind == "switchback":
        yield from _switchback(parts, design)
    yield from _met(parts, design)
    yield from _method(design)
    yield from _adaptive(parts, design)
    for name, values in (("strata", design.strata), ("balance", design.balance)):
        for repeated in [v for v, n in Counter(values).items() if n > 1]:
            yield Breach(("design", name), f"{repeated!r} is listed twice", "list it once")


def _met(parts: Parts, design: Design) -> Iterator[Breach]:
    """Keys for trials that meet people one at a time."""
    if design.namespace_share is not None and design.namespace is None:
        yield Breach(("design", "namespace_share"), "a share is claimed of no namespace",
                     'add namespace = "…" or remove namespace_share')  # fmt: skip
    if design.namespace_share is not None and design.kind not in ("individual", "stratified"):
        yield Breach(("design", "namespace_share"), f"a share of a namespace is one of units, and "
                     f"{design.kind!r} does not draw units", "remove namespace_share: whoever is "
                     "in another trial of the namespace is left out by itself")  # fmt: skip
    if design.coverage == 1.0:
        return
    by_list = parts.about is not None and parts.about.channel in ("letter", "email", "sms")
    if by_list or design.kind != "individual" or design.strata:
        yield Breach(("design", "coverage"), "only a trial that meets people one at a time, "
                     "without strata, takes in a part of them", "remove coverage")  # fmt: skip


def _adaptive(parts: Parts, design: Design) -> Iterator[Breach]:
    """What goes with shares that follow the outcomes."""
    if design.adaptive is None:
        return
    found = adapting.Asked(
        about=parts.about, design=design, arms=parts.arm_count, analysis=parts.analysis,
        metrics=parts.metrics,
    )  # fmt: skip
    for path, says, remedy in adapting.breaches(found):
        yield Breach(path, says, remedy)


def _method(design: Design) -> Iterator[Breach]:
    if design.method != "blocks" and not design.balance:
        yield Breach(("design", "balance"), f"{design.method} has no columns to work on",
                     'add balance = ["…"], columns of the unit list')  # fmt: skip
    if design.method != "blocks" and design.kind not in ("individual", "cluster"):
        yield Breach(("design", "method"), f"{design.method} does not go with {design.kind!r}",
                     'set kind = "individual" or "cluster"')  # fmt: skip
    if design.method != "blocks" and design.holdout:
        yield Breach(("design", "holdout"), f"{design.method} cannot keep a holdout",
                     'remove holdout or set method = "blocks"')  # fmt: skip
    if design.method == "blocks" and design.balance:
        yield Breach(("design", "balance"), "balance is given but the method is 'blocks'",
                     'set method = "matched" or "minimisation", or name strata')  # fmt: skip
    try:
        hours.parse(design.hours)
    except ValueError as unread:
        yield Breach(("design", "hours"), str(unread), "write each line like 'Mon-Fri 09:00-17:00'")


def _switchback(parts: Parts, design: Design) -> Iterator[Breach]:
    if design.period is None:
        yield Breach(("design", "period"), "a switchback has no period", 'add period = "1h"')
    elif design.burn_in >= design.period:
        yield Breach(("design", "burn_in"), "the burn-in is as long as the period",
                     "make it shorter, or nothing is left to measure")  # fmt: skip
    if parts.about and not (parts.about.starts and parts.about.ends):
        yield Breach(("trial", "starts"), "a switchback needs starts and ends for its calendar",
                     "add both dates")  # fmt: skip


def _analysis(parts: Parts) -> Iterator[Breach]:
    analysis = parts.analysis
    if analysis is None:
        return
    if isinstance(analysis.looks, Looks):
        yield from _looks(analysis.looks)
    if analysis.rope and analysis.rope[0] >= analysis.rope[1]:
        yield Breach(("analysis", "rope"), "rope runs from high to low", "write [low, high]")
    keys = {metric.key for metric in parts.metrics.values()}
    yield from _uptake(analysis, parts.metrics)
    for name in analysis.adjust:
        metric = name.removeprefix("pre:")
        if name.startswith("pre:") and metric not in keys:
            yield Breach(("analysis", "adjust"), f"{name!r} names no metric",
                         f"did you mean 'pre:{nearest(metric, sorted(keys))}'?")  # fmt: skip


def _uptake(analysis: Analysis, metrics: dict[int, Metric]) -> Iterator[Breach]:
    shares = sorted(metric.key for metric in metrics.values() if metric.kind == "proportion")
    if analysis.uptake not in (None, "exposure", *shares):
        guess = nearest(str(analysis.uptake), ["exposure", *shares])
        yield Breach(("analysis", "uptake"), f"uptake is {analysis.uptake!r}, no proportion",
                     f"did you mean {guess!r}?")  # fmt: skip


def _looks(looks: Looks) -> Iterator[Breach]:
    fractions = looks.fractions
    path: Path = ("analysis", "looks")
    if any(b <= a for a, b in pairwise(fractions)):
        yield Breach(path, "the fractions do not rise", "list them from the first look to the last")
    if fractions[0] <= 0 or fractions[-1] != 1.0:
        yield Breach(path, "the fractions must lie above 0 and end at 1", "end with 1.0")


def _repeated(table: str, keys: dict[int, str]) -> Iterator[Breach]:
    seen: set[str] = set()
    for i, key in keys.items():
        if key in seen:
            yield Breach((table, i, "key"), f"{key!r} is used twice", "give each its own key")
        seen.add(key)
