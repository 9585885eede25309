"""Reading a result document into the facts, groups and draws that a case is made from.

In the result document differences are treatment minus control and deflection counts fewer contacts
as positive, per ``per`` units; here everything is fewer contacts per unit, positive.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, get_args

import numpy as np

from analysis.estimates import BARELY, Absent
from analysis.scaling.decision import Guardrail, GuardrailVerdict, Rule
from analysis.scaling.equity import GroupEffect
from analysis.scaling.evidence import Check, CheckVerdict, EvidenceKind
from analysis.scaling.facts import Facts
from analysis.scaling.ranges import Range
from analysis.scaling.specs import CHANNELS
from analysis.tables import Floats
from trials.errors import Invalid, Problem

_GUARDRAILS: Mapping[str, GuardrailVerdict] = {
    "kept": "pass",
    "pass": "pass",
    "breached": "fail",
    "fail": "fail",
}


def facts_from(
    document: Mapping[str, Any],
    *,
    arm: str,
    rule: Rule,
    weeks_run: float | None,
    evidence: EvidenceKind = "trial-same-service",
    hard_stops: Sequence[str] = (),
    fidelity_measured: bool = False,
) -> Facts:
    """The facts about ``arm``.

    ``hard_stops`` are the keys of guardrails whose breach ends the matter. A guardrail that is
    neither kept nor breached, or not known, is inconclusive.
    """
    net = _deflection(document, arm).get("net", {})
    se = net.get("se")
    return Facts(
        evidence=evidence,
        locked=bool(document.get("locked")),
        matured=not document.get("units", {}).get("maturing"),
        checks=tuple(_checks(document)),
        guardrails=tuple(_guardrails(document, arm, hard_stops)),
        leakage=_leakage(document, arm),
        weeks_run=weeks_run,
        standard_error=None if se is None else se / _per(document),
        fidelity_measured=fidelity_measured,
        rule=rule,
    )


def net_draws(
    document: Mapping[str, Any], *, arm: str, size: int, seed: int
) -> Floats | Absent:  # fmt: skip
    """Normal draws of the net deflection per unit, from its estimate and standard error.

    For a document without stored draws: a flat prior stands behind them, so a plan with a
    sceptical prior should pass the draws of its own posterior instead.
    """
    net = _deflection(document, arm).get("net", {})
    if net.get("estimate") is None or net.get("se") is None:
        return Absent(net.get("absent", "no-net"), net.get("why", "net deflection is not known"))
    per = _per(document)
    rng = np.random.default_rng(seed)
    return np.asarray(rng.normal(net["estimate"] / per, net["se"] / per, size), dtype=np.float64)


def only_channel(document: Mapping[str, Any], *, arm: str) -> str | None:
    """The one channel in which contacts were counted, where there is just one."""
    known = list(_channels(document, arm))
    return known[0] if len(known) == 1 else None


def channel_draws(
    document: Mapping[str, Any], *, arm: str, net: Floats, seed: int
) -> dict[str, Floats]:
    """Draws of the net effect by channel that add up to ``net`` draw by draw.

    Each channel is normal about its own estimate; the channels are then conditioned on their sum
    (independent normals given their total: what the total leaves over falls on each in proportion
    to its variance). Empty unless at least two channels have an estimate with a standard error.
    """
    parts = _channels(document, arm)
    if len(parts) < 2:
        return {}
    per, rng = _per(document), np.random.default_rng([seed, 2])
    drawn = {name: rng.normal(mean / per, se / per, len(net)) for name, (mean, se) in parts.items()}
    over = net - np.sum(list(drawn.values()), axis=0)
    total = sum(se**2 for _, se in parts.values())
    return {name: drawn[name] + over * se**2 / total for name, (_, se) in parts.items()}


def _channels(document: Mapping[str, Any], arm: str) -> dict[str, tuple[float, float]]:
    """Estimate and standard error of each channel in which anything was counted."""
    found = _deflection(document, arm).get("channels", {})
    return {
        name: (float(e["estimate"]), float(e["se"]))
        for name, e in found.items()
        if name in CHANNELS and e.get("estimate") is not None and e.get("se")
    }


def groups_from(
    document: Mapping[str, Any], *, arm: str, excluded: tuple[str, str] | None
) -> tuple[GroupEffect, ...]:
    """The effect of ``arm`` on the primary metric in each pre-declared segment.

    The shrunk estimate is used where the document has one, else the segment's own. ``excluded``
    is the segment and level of digitally excluded people. Segments without a number are left out.
    """
    primary = next((m for m in document.get("metrics", ()) if m.get("role") == "primary"), None)
    if primary is None:
        return ()
    sign = 1.0 if primary.get("better") == "higher" else -1.0
    found = []
    for segment in primary.get("segments", ()):
        triple = _segment_effect(segment, arm)
        if triple is None:
            continue
        mean, ends = sign * triple[0], sorted(sign * x for x in triple[1:])
        n, seen = _people(segment, proportion=primary.get("kind") == "proportion")
        by, level = str(segment["by"]), str(segment["level"])
        found.append(
            GroupEffect(
                by=by, level=level, assigned=n, with_outcome=seen, mean=mean, low=ends[0],
                high=ends[1], excluded=(by, level) == excluded, label=_label(by, level, excluded),
            )
        )  # fmt: skip
    return tuple(found)


def _label(by: str, level: str, excluded: tuple[str, str] | None) -> str:
    """A group in words: ``has_email: no`` is the one that stands in for digital exclusion."""
    if (by, level) == excluded:
        return "no e-mail on record"
    if excluded is not None and by == excluded[0] and level == "yes":
        return "e-mail on record"
    return f"{by.replace('_', ' ')}: {level}"


def arms_of(document: Mapping[str, Any]) -> tuple[str, ...]:
    """The arms for which a net deflection is on record."""
    return tuple(c["arm"] for c in (document.get("deflection") or {}).get("contrasts", ()))


def _per(document: Mapping[str, Any]) -> float:
    return float((document.get("deflection") or {}).get("per", 1000))


def _deflection(document: Mapping[str, Any], arm: str) -> Mapping[str, Any]:
    contrasts = (document.get("deflection") or {}).get("contrasts", ())
    found = next((c for c in contrasts if c["arm"] == arm), None)
    if found is None:
        known = ", ".join(arms_of(document)) or "none"
        says = f"the result has no net deflection for arm {arm}"
        raise Invalid("the result document", [Problem("deflection", says, f"arms: {known}")])
    return dict(found)


def _checks(document: Mapping[str, Any]) -> Iterator[Check]:
    verdicts = get_args(CheckVerdict)
    for check in document.get("checks", ()):
        if check.get("verdict") in verdicts:
            yield Check(key=check["key"], verdict=check["verdict"], says=check.get("says", ""))


def _guardrails(
    document: Mapping[str, Any], arm: str, hard_stops: Sequence[str]
) -> Iterator[Guardrail]:
    for metric in document.get("metrics", ()):
        for contrast in metric.get("contrasts", ()):
            found = contrast.get("guardrail")
            if metric.get("role") != "guardrail" or contrast["arm"] != arm or found is None:
                continue
            yield Guardrail(
                key=metric["key"],
                title=metric.get("title", ""),
                verdict=_GUARDRAILS.get(found.get("verdict", ""), "inconclusive"),
                says=found.get("says", ""),
                hard_stop=metric["key"] in hard_stops,
            )


def _leakage(document: Mapping[str, Any], arm: str) -> Range | None:
    found = _deflection(document, arm).get("leakage", {})
    ends = [found.get(name) for name in ("estimate", "low", "high")]
    if any(end is None for end in ends) or BARELY in found.get("notes", ()):
        return None
    return Range(median=ends[0], low=ends[1], high=ends[2], unit="share")


def _segment_effect(segment: Mapping[str, Any], arm: str) -> tuple[float, float, float] | None:
    contrast: Mapping[str, Any] = next(
        (c for c in segment.get("contrasts", ()) if c.get("arm") == arm), {}
    )
    for found, centre in (
        (segment.get("shrunk") or contrast.get("shrunk"), "mean"),
        (contrast.get("posterior"), "mean"),
        (contrast.get("difference"), "estimate"),
    ):
        if found and all(found.get(name) is not None for name in (centre, "low", "high")):
            return float(found[centre]), float(found["low"]), float(found["high"])
    return None


def _people(segment: Mapping[str, Any], *, proportion: bool) -> tuple[int, int]:
    """People in the segment, and those with the outcome (everyone, where it is not a share)."""
    arms = segment.get("arms", ())
    n = sum(int(a["n"]) for a in arms)
    if not proportion:
        return n, n
    return n, round(sum(a["n"] * (a.get("mean") or 0.0) for a in arms))
