"""The planner's answer in words."""

from __future__ import annotations

from analysis.planning.request import PowerAnswer, PowerRequest
from trials.plurals import counted

_KINDS = {
    "proportion": "two proportions, z test with pooled variance (Fleiss, Levin and Paik 2003)",
    "mean": "two means, t test",
    "count": "two mean counts, z test",
    "ratio": "ratio metric by its linearised value, z test",
    "time-to-event": "log-rank test by events (Schoenfeld 1983)",
}
_SPENDING = {
    "obrien-fleming": "O'Brien–Fleming-type",
    "pocock": "Pocock-type",
    "power": "power-family",
}


def method_of(r: PowerRequest) -> str:
    """The method in one line: test, error rate, design, looks."""
    parts = [_test(r)]
    if r.margin is not None:
        parts.append(f"non-inferiority, one-sided {100 * r.alpha / 2:g}%")
    else:
        parts.append(f"two-sided {100 * r.alpha:g}%")
    comparisons = len(r.weights) - 1
    if comparisons > 1 and r.margin is None and r.several != "none":
        name = "Bonferroni" if r.several == "bonferroni" else "Dunnett"
        parts.append(f"{name} over {comparisons} comparisons with control")
    if r.clustered and not r.wedge:
        parts.append("design effect of Eldridge, Ashby and Kerry (2006), t on clusters − 2 df")
    if r.explained:
        parts.append(f"covariates explain {100 * r.explained:g}% of the variance")
    if r.looks > 1:
        tail = " and non-binding futility" if r.futility else ""
        parts.append(f"{r.looks} looks, {_SPENDING[r.spending]} spending{tail}")
    if r.guardrails:
        parts.append(f"with {_plural(len(r.guardrails), 'guardrail')} to be non-inferior")
    return "; ".join(parts)


def says_of(r: PowerRequest, a: PowerAnswer) -> str:
    """The answer in plain English: what size gives what chance of seeing what, and how soon."""
    effect = _effect(r, a.detectable_effect)
    if a.detectable_effect is None and r.mde is None:
        return f"With {_size(r, a)} no possible effect can be found with {_chance(r.power)} power."
    if r.mde is not None and _sized(r):
        chance = (
            f"{_size(r, a)} would give {_article(a.power)} {_chance(a.power)} chance of finding"
        )
        first = f"{chance} {_effect(r, r.mde)}."
    elif r.margin is not None:
        first = (
            f"{_size(r, a)} give {_article(a.power)} {_chance(a.power)} chance of ruling out "
            f"a worsening by {_amount(r, r.margin)}."
        )
    else:
        first = (
            f"{_size(r, a)} give {_article(r.power)} {_chance(r.power)} chance of finding {effect}."
        )
    first = first[0].upper() + first[1:]
    if a.weeks is None or r.weekly is None or r.weeks is not None:
        return first
    noun = "periods" if r.switchback else r.unit
    took = counted(a.weeks, "week")
    return f"{first} At {r.weekly:g} {noun} a week you need about {took}."


def notes_of(r: PowerRequest, a: PowerAnswer, with_t: float | None) -> tuple[str, ...]:
    """What a reader should know beside the answer."""
    notes = []
    if with_t is not None and a.periods is not None:
        notes.append(
            f"With {a.periods} periods the analysis uses Student's t, for which the detectable "
            f"effect is {_amount(r, with_t)}."
        )
    if a.attainable_power is not None and a.attainable_power < r.power:
        notes.append(
            f"However many {r.unit} each of the {a.clusters} clusters has, the power cannot pass "
            f"{_chance(a.attainable_power)}: more clusters are needed."
        )
    if a.clusters is not None and a.clusters < 20 and not r.wedge:
        notes.append("With fewer than 20 clusters prefer randomisation inference.")
    if r.wedge:
        notes.append(
            "The analysis compares each cluster with itself over time, so that only what varies "
            f"within clusters counts. {_alike(r)}"
        )
    if r.kind == "proportion" and r.mde is not None and r.mde > 0.05:
        notes.append(
            "Changes of messages rarely move a rate by more than 5 points (1.4 on average in two "
            "public nudge units): plan for a smaller one if you can."
        )
    if r.guardrails:
        notes.append(
            "The power is that of the whole rule: the effect is found and every guardrail is shown "
            "to be non-inferior, taken as independent."
        )
    if a.expected_total is not None:
        notes.append(
            f"With the looks used, about {a.expected_total:,} {r.unit} are needed on average if "
            "the effect is as planned."
        )
    return tuple(notes)


def _alike(r: PowerRequest) -> str:
    if r.cluster_autocorrelation < 1:
        return (
            f"{r.cluster_autocorrelation:.0%} of what makes a cluster's people alike within a "
            "period is taken to last from one period to another (Hooper and others 2016)."
        )
    return (
        "That holds if a cluster's people are as alike in different periods as in one; where they "
        "drift apart, plan for more clusters: signpost power --cluster-autocorrelation says how "
        "many."
    )


def _test(r: PowerRequest) -> str:
    if r.wedge:
        return (
            "stepped wedge with cluster and period effects (Hussey and Hughes 2007), t test with "
            "the degrees of freedom of Bell and McCaffrey (2002)"
        )
    if r.switchback:
        return "switchback of independent periods, z test on period means"
    if r.clustered and r.kind in ("mean", "count", "ratio", "proportion"):
        return _KINDS[r.kind].replace("z test", "t test")
    return _KINDS[r.kind]


def _sized(r: PowerRequest) -> bool:
    return any(v is not None for v in (r.n, r.weeks, r.clusters, r.periods))


def _size(r: PowerRequest, a: PowerAnswer) -> str:
    if r.switchback:
        return counted(a.total, "period")
    if r.wedge:
        return f"{a.clusters} clusters over {(r.steps or 0) + 1} periods ({a.total:,} {r.unit})"
    many = f" in {counted(a.clusters, 'cluster')}" if a.clusters is not None else ""
    if len(set(a.n_by_arm)) == 1:
        return f"{a.n_per_arm:,} {r.unit} in each arm ({a.total:,} in all{many})"
    each = ", ".join(f"{n:,}" for n in a.n_by_arm[:-1]) + f" and {a.n_by_arm[-1]:,}"
    return f"{each} {r.unit} in the arms ({a.total:,} in all{many})"


def _effect(r: PowerRequest, effect: float | None) -> str:
    if effect is None:
        return "no effect"
    way = "a fall" if r.direction == "lower" else "a rise"
    if r.kind == "proportion" and r.baseline is not None and not r.switchback:
        end = r.baseline - effect if r.direction == "lower" else r.baseline + effect
        return f"{way} from {100 * r.baseline:.1f}% to {100 * end:.1f}%"
    return f"{way} of {_amount(r, effect)}"


def _amount(r: PowerRequest, effect: float) -> str:
    if r.switchback and r.kind != "proportion":
        return f"{100 * effect / (r.baseline or 1.0):.1f}%"
    if r.kind in ("proportion", "time-to-event"):
        points = f"{100 * effect:.3g}"
        return f"{points} percentage point{'' if points == '1' else 's'}"
    return f"{effect:.3g}"


def _chance(p: float) -> str:
    return f"{100 * p:.0f}%" if 0.005 <= p <= 0.995 else "less than 1%" if p < 0.5 else "over 99%"


def _article(p: float) -> str:
    """The indefinite article: "an" before 8%, 11%, 18% and all the eighties."""
    text = _chance(p)
    return "an" if text.startswith(("8", "11%", "18%", "over")) else "a"


def _plural(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
