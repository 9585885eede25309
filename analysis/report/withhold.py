"""Before a declared look, health only: what a result may show to those who do not analyse it.

Pure. A result read early looks larger than it is, and a trial that is watched is stopped when it
happens to look good; so pages, reports and the API show nothing of any effect until the plan's
look has come.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

from analysis.report.figures import day, listed
from analysis.report.method import check_named

Json = Mapping[str, Any]

KEPT = ("trial", "plan_hash", "locked", "run", "units", "plan", "look", "withheld")
HEALTH = frozenset({
    "sample-ratio", "randomisation-balance", "exposure-balance", "link-rate-balance", "maturity",
    "contamination", "data-freshness", "period-coverage", "plan-deviation", "attrition",
    "fidelity", "interference",
})  # fmt: skip
"""Checks that tell nothing of the effect; the others judge it and are withheld with it."""


def sentence(result: Json) -> str | None:
    """Why a result is withheld, and how its checks fare; ``None`` where it may be shown."""
    look = result.get("look")
    if not isinstance(look, Mapping) or look.get("reached") is not False:
        return None
    return f"{_until(look)}; {_health(result)}"


def withheld(result: dict[str, Any]) -> dict[str, Any]:
    """The result as it may be shown: itself once a look has come, before that its health alone.

    Units, checks of health, plan and look stay; every estimate, arm, segment, deflection and
    reason goes, each with the reason in its place.
    """
    says = sentence(result)
    if says is None:
        return result
    why = f"{_until(result['look'])}."
    return {
        **{key: result[key] for key in KEPT if key in result},
        "checks": [c for c in result.get("checks", ()) if c["key"] in HEALTH],
        "metrics": [_metric(metric, why) for metric in result.get("metrics", ())],
        "deflection": None,
        "withheld": says,
        "verdict": {"decision": "not-yet", "says": f"{says}.", "reasons": [], "arm": None},
    }


def _metric(metric: Json, why: str) -> dict[str, Any]:
    absent = {"absent": "withheld", "why": why}
    kept = {key: metric[key] for key in ("key", "title", "role", "kind", "better") if key in metric}
    contrasts = [
        {"arm": c["arm"], "versus": c["versus"], "difference": absent, "ratio": absent,
         "unadjusted": absent, "randomisation_p": None, "randomisation_why": why,
         "posterior": None, "guardrail": None}
        for c in metric.get("contrasts", ())
    ]  # fmt: skip
    return {**kept, "arms": [], "contrasts": contrasts, "segments": [], "interactions": []}


def _until(look: Json) -> str:
    if not look.get("next"):
        return "Results are withheld until a look that the plan declares"
    when = day(date.fromisoformat(look["next"]))
    if look.get("kind") == "fixed":
        return f"Results are withheld until the planned end on {when}"
    return f"Results are withheld until the look on {when}"


def _health(result: Json) -> str:
    found = [c for c in result.get("checks", ()) if c["key"] in HEALTH]
    failed = [check_named(str(c["key"])) for c in found if c["verdict"] == "fail"]
    warned = [check_named(str(c["key"])) for c in found if c["verdict"] == "warn"]
    if failed:
        return f"the check of {listed(failed)} failed"
    if warned:
        return f"the checks so far ask for a closer look at {listed(warned)}"
    return "the checks so far are fine"
