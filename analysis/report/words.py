"""A result in plain English: the sentence a manager can act on, and one for every figure.

Nothing here says more than an interval shows. A difference counts as shown only by
:func:`analysis.report.reading.standing`; where it is not shown, the sentence gives the range that
remains possible. Sentences follow the measure's own direction: fewer calls are better, fewer
payments are worse.
"""

from __future__ import annotations

from dataclasses import dataclass

from analysis.estimates import Absent
from analysis.report import phrases
from analysis.report.comparison import Contrast, contrasts
from analysis.report.figures import chance, counted, level, listed, lower_first, plural, sentence
from analysis.report.method import check_named
from analysis.report.reading import (
    Interval,
    Json,
    Standing,
    arm_mean,
    arm_title,
    finite,
    metric_entries,
    metric_title,
    part,
    parts,
    primary_entry,
    rules_out_target,
    text,
)
from trials.definition.model import Metric, Trial

NOTHING = "no clear difference"
"""The finding, in a subject line, of a trial that shows nothing."""

DECISIONS = {
    "scale": "Roll it out",
    "scale-with-conditions": "Roll it out, with conditions",
    "extend": "Run it for longer",
    "adapt": "Change it and test again",
    "stop": "Stop",
    "not-yet": "Not yet: too early to decide",
}

_LEADS: dict[Standing, dict[str, str]] = {
    "better": {
        "scale": "Roll out {t} in place of {c}",
        "scale-with-conditions": "Roll out {t} in place of {c}, with conditions",
        "extend": "{t} is ahead of {c}, but run the trial for longer before using it",
        "adapt": "{t} did better than {c}, but change it and test again before using it",
        "stop": "{t} did better than {c} on the main measure, but should not go further",
        "not-yet": "It is too early to act, though {t} is ahead of {c}",
        "": "{t} did better than {c}",
    },
    "worse": {
        "extend": "{t} is behind {c}; run the trial for longer only with care",
        "adapt": "{t} did worse than {c}; change it before testing again",
        "not-yet": "It is too early to act, but {t} is behind {c}",
        "": "Do not use {t} in place of {c}",
    },
    "unclear": {
        "scale": "The plan’s rule favours {t}, but a gain over {c} is not certain",
        "scale-with-conditions": "The plan’s rule favours {t}, but a gain over {c} is not certain",
        "extend": "Try it on more people, because {t} and {c} cannot be told apart yet",
        "adapt": "Change {t} and test again, as it shows no clear difference from {c}",
        "stop": "Stop testing {t}, which shows no clear difference from {c}",
        "not-yet": "It is too early to tell {t} from {c}",
        "": "No clear difference between {t} and {c}",
    },
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Frequency:
    """A natural frequency: of ``base`` units given ``arm``, how many (with its interval)."""

    arm: str
    title: str
    control: bool
    base: int
    count: float
    low: float | None
    high: float | None
    says: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What the evidence says, what the plan's rule makes of it (empty if nothing), and why."""

    says: str
    decision: str
    label: str
    reasons: tuple[str, ...]


def headline(trial: Trial, result: Json) -> str:
    """One sentence a manager can act on; it carries its own range and never overclaims."""
    failed = failed_checks(result)
    if failed:
        return (
            f"Do not act on these figures yet: the check of {listed(failed)} failed, "
            "so the comparison may not be fair."
        )
    found = contrasts(trial, trial.primary, primary_entry(trial, result))
    told = [c for c in found if c.standing != "absent"]
    if not told:
        return f"There is no result yet: {_why_none(found)}"
    chosen = _to_lead(told, text(part(result, "verdict"), "arm"))
    lead = _lead(chosen, told, text(part(result, "verdict"), "decision"))
    return f"{lead}: {_evidence(chosen, several=len(told) > 1)}{_others(chosen, told)}."


def finding(trial: Trial, result: Json) -> str:
    """The finding and how sure it is, for a subject line: no recommendation and no range."""
    failed = failed_checks(result)
    if failed:
        return f"do not act yet, the check of {listed(failed)} failed"
    found = contrasts(trial, trial.primary, primary_entry(trial, result))
    told = [c for c in found if c.standing != "absent"]
    if not told:
        return "no result yet"
    chosen = _to_lead(told, text(part(result, "verdict"), "arm"))
    if chosen.standing == "unclear" or not isinstance(chosen.difference, Interval):
        return NOTHING
    return f"{_changed(chosen, chosen.difference)}{_sure(chosen)}"


def _sure(contrast: Contrast) -> str:
    """How sure it is that what is shown is so, where the Bayesian school has said it."""
    better = finite(contrast.posterior.get("probability_better"))
    if better is None:
        return ""
    return f", {chance(better if contrast.standing == 'better' else 1 - better)} sure"


def failed_checks(result: Json) -> list[str]:
    """The names of the checks that failed, as they read in a sentence: those of its health page."""
    failed = [c for c in parts(result, "checks") if c.get("verdict") == "fail"]
    return [check_named(text(c, "key", "an unnamed check")) for c in failed]


def _why_none(found: list[Contrast]) -> str:
    for contrast in found:
        if isinstance(contrast.difference, Absent):
            return lower_first(sentence(contrast.difference.why))
    return "the main measure has not been analysed."


def _to_lead(told: list[Contrast], decided: str) -> Contrast:
    """The comparison the headline speaks of: the arm decided on, or the one furthest ahead."""
    rank = {"better": 2, "unclear": 1, "worse": 0, "absent": -1}
    return max(told, key=lambda c: (c.arm == decided, rank[c.standing], c.gain))


def _lead(chosen: Contrast, told: list[Contrast], decision: str) -> str:
    if chosen.standing == "unclear" and len(told) > 1 and decision in ("", "stop"):
        return f"No version did clearly better than ‘{chosen.control}’"
    leads = _LEADS[chosen.standing]
    names = {"t": f"‘{chosen.treatment}’", "c": f"‘{chosen.control}’"}
    return leads.get(decision, leads[""]).format(**names)


def _evidence(contrast: Contrast, *, several: bool = False) -> str:
    """The figures of one comparison as a clause; ``several`` versions make it name its own."""
    found = contrast.difference
    assert isinstance(found, Interval)
    if contrast.standing == "unclear":
        return _unsettled(contrast, found, named=several)
    return f"{_changed(contrast, found)} ({_range(contrast, found)})"


def _changed(contrast: Contrast, found: Interval) -> str:
    metric, unit = contrast.metric, contrast.unit
    base = phrases.base_of(metric, found)
    size = phrases.signed(metric, found.estimate, base)
    about = size if found.estimate == 0 else f"about {size}"
    if metric.kind == "proportion":
        return f"of every {phrases.each(unit, base)}, {about} {phrases.happened(metric)}"
    if metric.kind == "count":
        things = phrases.things(metric, phrases.amount(metric, found.estimate, base))
        return f"for every {phrases.each(unit, base)}, {about} {things}"
    return f"‘{metric_title(metric)}’ was {about} on average"


def _range(contrast: Contrast, found: Interval) -> str:
    return phrases.span(contrast.metric, found, phrases.base_of(contrast.metric, found))


def _unsettled(contrast: Contrast, found: Interval, *, named: bool) -> str:
    """What remains possible when no difference is shown."""
    metric = contrast.metric
    base = phrases.base_of(metric, found)
    per = f" in every {phrases.each(contrast.unit, base)}" if base else ""
    whose = f" of ‘{contrast.treatment}’" if named else ""
    text_ = f"the effect{whose} on ‘{metric_title(metric)}’ could be {_range(contrast, found)}{per}"
    if found.low is not None and found.high is not None and found.low <= 0 <= found.high:
        return text_
    why = f"once all {contrast.comparisons} comparisons are allowed for, " * (
        contrast.comparisons > 1
    )
    return f"{text_}, but {why}chance is not ruled out"


def _others(chosen: Contrast, told: list[Contrast]) -> str:
    """What became of the other versions, in a clause each kind."""
    rest = [c for c in told if c is not chosen]
    clauses = []
    for kind, says in (("better", "also did better"), ("worse", "did worse")):
        names = [f"‘{c.treatment}’" for c in rest if c.standing == kind]
        if names:
            clauses.append(f"{listed(names)} {says}")
    return "".join(f"; {clause}" for clause in clauses)


def support(trial: Trial, result: Json) -> list[str]:
    """The sentences under the headline: the plan's target and the second school."""
    found = contrasts(trial, trial.primary, primary_entry(trial, result))
    told = [c for c in found if c.standing != "absent"]
    if not told:
        return []
    chosen = _to_lead(told, text(part(result, "verdict"), "arm"))
    said = [_exploratory(result), _against_target(chosen), _probability(chosen)]
    if sum(c.standing == "better" for c in told) > 1:
        said.append(
            f"Each version is compared with ‘{chosen.control}’; "
            "the new versions are not compared with each other."
        )
    return [s for s in said if s]


def _exploratory(result: Json) -> str:
    """A warning where the plan was not locked before the analysis."""
    if result.get("locked") is not False:
        return ""
    return "The plan was not locked before the data were analysed, so this result is exploratory."


def range_meaning(trial: Trial, result: Json) -> str:
    """What the range in the headline is, in a sentence; nothing where there is no figure."""
    found = contrasts(trial, trial.primary, primary_entry(trial, result))
    known = [d for c in found if isinstance(d := c.difference, Interval)]
    if not known:
        return ""
    return (
        f"Ranges are {level(known[0].level)} intervals: the method takes in the true effect in "
        f"{level(known[0].level)} of trials like this one."
    )


def _against_target(contrast: Contrast) -> str:
    if contrast.target is None or isinstance(contrast.difference, Absent):
        return ""
    metric = contrast.metric
    base = phrases.base_of(metric, contrast.difference)
    sign = 1 if metric.better == "higher" else -1
    aim = phrases.signed(metric, sign * contrast.target, base)
    per = f" in every {phrases.each(contrast.unit, base)}" if base else ""
    if rules_out_target(contrast.difference, better=metric.better, target=contrast.target):
        return f"The plan looked for {aim}{per}; an effect that large is ruled out."
    if contrast.gain >= contrast.target:
        return f"The plan looked for {aim}{per}; the estimate is at least that."
    return f"The plan looked for {aim}{per}; the estimate falls short, but the range reaches it."


def _probability(contrast: Contrast) -> str:
    better = finite(contrast.posterior.get("probability_better"))
    if better is None:
        return ""
    return (
        f"Given the prior written in the plan, the probability that ‘{contrast.treatment}’ is "
        f"better than ‘{contrast.control}’ is {chance(better)}."
    )


def natural_frequencies(trial: Trial, result: Json) -> list[Frequency]:
    """Of 1,000 units given each arm, how many; empty unless the primary metric is a share.

    The control's count is what was observed; another arm's is the control's plus the estimated
    difference, so that the picture agrees with the sentence also where covariates were adjusted
    for. Counts stay between none and all.
    """
    metric, entry = trial.primary, primary_entry(trial, result)
    control = arm_mean(entry, trial.control.key)
    if metric.kind != "proportion" or control is None or not 0 <= control <= 1:
        return []
    found = [c for c in contrasts(trial, metric, entry) if c.standing != "absent"]
    first = _frequency(trial, trial.control.key, share=control, ends=(None, None))
    return [first, *(_treated(trial, c, control) for c in found if c.arm != trial.control.key)]


def _treated(trial: Trial, contrast: Contrast, control: float) -> Frequency:
    found = contrast.difference
    assert isinstance(found, Interval)
    ends = tuple(None if e is None else _share(control + e) for e in (found.low, found.high))
    share = _share(control + found.estimate)
    return _frequency(trial, contrast.arm, share=share, ends=(ends[0], ends[1]), beside=control)


def _share(value: float) -> float:
    return min(max(value, 0.0), 1.0)


def _frequency(
    trial: Trial, arm: str, *, share: float, ends: tuple[float | None, float | None],
    beside: float | None = None,
) -> Frequency:  # fmt: skip
    """One arm's count; its range is that of the difference, ``beside`` the control as observed."""
    base = 1_000 if share * 1_000 >= 2.5 or share == 0 else 10_000
    title = arm_title(trial, arm)
    low, high = (None if e is None else e * base for e in ends)
    many = phrases.amount(trial.primary, share, base)
    reach = ""
    if low is not None and high is not None and beside is not None:
        seen = phrases.amount(trial.primary, beside, base)
        against = f"against the {seen} seen with ‘{arm_title(trial, trial.control.key)}’"
        reach = f" (between {low:,.0f} and {high:,.0f}, {against})"
    unit = plural(trial.about.unit or "person")
    happened = phrases.happened(trial.primary)
    return Frequency(
        arm=arm, title=title, control=arm == trial.control.key, base=base, count=share * base,
        low=low, high=high,
        says=f"With ‘{title}’, about {many} of every {base:,} {unit} {happened}{reach}.",
    )  # fmt: skip


def contrast_sentence(contrast: Contrast, *, named: bool = True) -> str:
    """One comparison in a sentence or two: what changed, its range, and what that shows.

    ``named=False`` leaves out which versions are compared, where only two could be meant.
    """
    found = contrast.difference
    versus = f"with ‘{contrast.treatment}’ against ‘{contrast.control}’, " if named else ""
    if isinstance(found, Absent):
        return sentence(f"{versus}no figure, because {found.why.rstrip('.')}")
    role = contrast.metric.role
    judged = _guarded(contrast, found) if role == "guardrail" else _judged(contrast)
    return f"{sentence(versus + _evidence(contrast))} {judged}"


def _judged(contrast: Contrast) -> str:
    return {
        "better": "A clear improvement.",
        "worse": "A clear change for the worse.",
        "unclear": "Neither an improvement nor harm is shown.",
        "absent": "",
    }[contrast.standing]


def _guarded(contrast: Contrast, found: Interval) -> str:
    """What a guardrail's interval says about harm beyond its margin."""
    margin = contrast.metric.margin
    base = phrases.base_of(contrast.metric, found)
    per = f" in every {phrases.each(contrast.unit, base)}" if base else ""
    size = "" if margin is None else phrases.amount(contrast.metric, margin, base)
    limit = f"harm beyond the agreed margin ({size}{per})" if margin else "harm"
    if contrast.guard == "breached":
        return f"{limit[0].upper()}{limit[1:]} is shown."
    if contrast.guard == "kept":
        worse = "It is a little worse, but " if contrast.standing == "worse" else ""
        return sentence(f"{worse}{limit} is ruled out")
    return sentence(f"{limit} is not ruled out")


def metric_sentences(trial: Trial, result: Json) -> list[tuple[Metric, list[str]]]:
    """For each metric of the result, primary first, one sentence a comparison."""
    told = []
    for metric, entry in metric_entries(trial, result):
        found = contrasts(trial, metric, entry)
        told.append((metric, [contrast_sentence(c, named=len(found) > 1) for c in found]))
    return told


def verdict(trial: Trial, result: Json) -> Verdict:
    """The verdict as the page prints it: the result's own decision, and the sentence above it."""
    stored = part(result, "verdict")
    decision = text(stored, "decision")
    reasons = stored.get("reasons")
    return Verdict(
        says=headline(trial, result),
        decision=decision if decision in DECISIONS else "",
        label=DECISIONS.get(decision, "No recommendation recorded"),
        reasons=tuple(sentence(r) for r in reasons if isinstance(r, str) and r.strip())
        if isinstance(reasons, list)
        else (),
    )


def maturing(trial: Trial, result: Json) -> str:
    """How many units are still inside their window, or nothing if none are."""
    waiting = finite(part(result, "units").get("maturing"))
    if not waiting:
        return ""
    are = "is" if waiting == 1 else "are"
    return (
        f"{counted(int(waiting), trial.about.unit or 'person')} {are} still inside the period "
        "over which the outcome is measured, and not yet counted."
    )
