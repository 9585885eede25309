"""The plan's decision rule, applied: what to do, and why.

Pure. The decision is one of ``scale``, ``scale-with-conditions``, ``extend``, ``adapt``, ``stop``
and ``not-yet``; every reason is a sentence.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from analysis.bayesian.posterior import Posterior
from analysis.checks import Check
from analysis.estimates import Absent, Estimate
from analysis.estimation import Contrast
from analysis.looking import Place, printed
from analysis.report.figures import chance
from analysis.report.reading import arm_title
from trials.definition.model import Trial
from trials.plurals import counted

Decision = Literal["scale", "scale-with-conditions", "extend", "adapt", "stop", "not-yet"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """A decision with its reasons, and the arm it speaks of."""

    decision: Decision
    reasons: tuple[str, ...]
    arm: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Harmed:
    """A pre-specified group for whom an arm made the main measure worse, pooled or by itself."""

    arm: str
    by: str
    level: str
    title: str = ""

    @property
    def says(self) -> str:
        """One sentence for the reasons."""
        name = self.title or self.arm
        return f"‘{name}’ made the main measure worse where {self.by} is ‘{self.level}’"


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What the rule looks at.

    ``over`` says that results may be read: the planned end or a declared look has been reached.
    ``at`` is where the trial stands among its looks, and ``decision`` what the last one said.
    """

    trial: Trial
    contrasts: Sequence[Contrast]
    checks: Sequence[Check]
    over: bool
    maturing: int
    harmed: Sequence[Harmed] = ()
    at: Place | None = None
    decision: str | None = None


def decide(evidence: Evidence) -> Verdict:
    """The verdict that the plan's rule gives."""
    failed = [check for check in evidence.checks if check.verdict == "fail"]
    if failed:
        return Verdict(decision="not-yet", reasons=tuple(check.says for check in failed))
    primary = [c for c in evidence.contrasts if c.metric.role == "primary"]
    known = [c for c in primary if isinstance(c.difference, Estimate)]
    if not known:
        return Verdict(decision="not-yet", reasons=(_why_absent(primary),))
    if not evidence.over:
        return Verdict(decision="not-yet", reasons=(_too_early(evidence.at),))
    best = max(known, key=_probability)
    judged = _going_on(best, evidence) or _judged(best, known, evidence)
    worse = [
        f"‘{arm_title(evidence.trial, c.arm)}’ made the main measure worse"
        for c in known if c is not best and _clear(c, evidence.trial, side="worse")
    ]  # fmt: skip
    return replace(judged, reasons=(*judged.reasons, *worse, *(h.says for h in evidence.harmed)))


def _too_early(at: Place | None) -> str:
    early = "and a result read early looks larger than it is"
    if at is not None and at.kind == "group-sequential" and at.next is not None:
        return f"The first look is due on {printed(at.next)}, {early}"
    return f"The planned end has not been reached, {early}"


def _going_on(best: Contrast, evidence: Evidence) -> Verdict | None:
    """Looks that crossed no bound leave the trial running, whatever a single look suggests."""
    at = evidence.at
    if at is None or evidence.decision != "continue":
        return None
    reason = f"Look {at.due[-1].number} of {at.of} crossed no bound"
    if at.next is not None:
        reason += f"; the next is due on {printed(at.next)}"
    return Verdict(decision="extend", arm=best.arm, reasons=(reason, *_waiting(evidence)))


def _judged(best: Contrast, known: Sequence[Contrast], evidence: Evidence) -> Verdict:
    title = arm_title(evidence.trial, best.arm)
    rule = evidence.trial.analysis.decision
    if evidence.decision == "futility":
        return Verdict(decision="stop", arm=best.arm, reasons=(
            "The bound of futility was crossed: to go on has little chance of finding the effect",
        ))  # fmt: skip
    better, harm = _probability(best), 1 - _probability(best)
    if better >= rule.ship_if_probability and _clear(best, evidence.trial):
        return _shipped(best, evidence, better)
    if harm >= rule.stop_for_harm_probability:
        return Verdict(decision="stop", arm=best.arm, reasons=(
            f"It is {chance(harm)} probable that ‘{title}’ makes the main measure worse",
        ))  # fmt: skip
    # An arm that is likely worse may have so wide an interval that it still could be worth finding.
    if all(_too_small(contrast) for contrast in known):
        return Verdict(decision="stop", arm=best.arm, reasons=(
            "An effect as large as the plan called worth finding has been ruled out",
        ))  # fmt: skip
    unsettled = (
        f"It is {chance(better)} probable that ‘{title}’ is better, where the plan asks for "
        f"{rule.ship_if_probability:.0%} and an interval clear of no effect"
    )
    return Verdict(decision="extend", arm=best.arm, reasons=(unsettled, *_waiting(evidence)))


def _shipped(best: Contrast, evidence: Evidence, probability: float) -> Verdict:
    title = arm_title(evidence.trial, best.arm)
    reasons = [f"It is {chance(probability)} probable that ‘{title}’ is better on the main measure"]
    guards = [c for c in evidence.contrasts if c.arm == best.arm and c.guardrail]
    breached = [c for c in guards if c.guardrail and c.guardrail["verdict"] == "breached"]
    if breached:
        return Verdict(decision="adapt", arm=best.arm, reasons=(
            *reasons, *(f"but harm beyond the margin is shown on ‘{_name(c)}’" for c in breached),
        ))  # fmt: skip
    harmed = [h for h in evidence.harmed if h.arm == best.arm]
    open_ = [c for c in guards if c.guardrail and c.guardrail["verdict"] != "kept"]
    # A shared queue makes the difference understate the gain: that is no condition on scaling.
    warned = [c for c in evidence.checks if c.verdict == "warn" and c.key != "interference"]
    reasons += [f"Harm beyond the margin on ‘{_name(c)}’ is not ruled out" for c in open_]
    reasons += [check.says.rstrip(".") for check in warned]
    if open_ or warned or harmed:
        return Verdict(decision="scale-with-conditions", arm=best.arm, reasons=tuple(reasons))
    reasons += [f"Harm beyond the margin on ‘{_name(c)}’ is ruled out" for c in guards]
    return Verdict(decision="scale", arm=best.arm, reasons=tuple(reasons))


def _probability(contrast: Contrast) -> float:
    """The posterior probability of better; without a posterior, the one-sided p's complement."""
    if isinstance(contrast.posterior, Posterior):
        return contrast.posterior.probability_better
    found = contrast.difference
    if isinstance(found, Absent) or found.p is None:
        return 0.5
    gains = (found.estimate < 0) == (contrast.metric.better == "lower")
    return 1 - found.p / 2 if gains else found.p / 2


def _clear(contrast: Contrast, trial: Trial, side: Literal["better", "worse"] = "better") -> bool:
    """Whether the interval, adjusted as planned, lies wholly on one side of no effect."""
    found = contrast.difference
    assert isinstance(found, Estimate)
    significant = found.p_adjusted is None or found.p_adjusted <= trial.analysis.alpha
    below = (contrast.metric.better == "lower") == (side == "better")
    return significant and (found.high < 0 if below else found.low > 0)


def _too_small(contrast: Contrast) -> bool:
    """Whether the interval leaves out an effect as large as the plan's, absolute or relative."""
    metric, found, no_effect = contrast.metric, contrast.difference, 0.0
    least = metric.mde
    if least is None:
        least, found, no_effect = metric.mde_relative, contrast.ratio, 1.0
    if least is None or not isinstance(found, Estimate):
        return False
    best = no_effect - found.low if metric.better == "lower" else found.high - no_effect
    return best < least


def _waiting(evidence: Evidence) -> list[str]:
    if not evidence.maturing:
        return []
    are = counted(evidence.maturing, "unit is", "units are")
    return [f"{are} still inside {'its' if evidence.maturing == 1 else 'their'} outcome window"]


def _why_absent(primary: Sequence[Contrast]) -> str:
    for contrast in primary:
        if isinstance(contrast.difference, Absent):
            return contrast.difference.why.rstrip(".")
    return "The main measure has not been analysed"


def _name(contrast: Contrast) -> str:
    return contrast.metric.title or contrast.metric.key
