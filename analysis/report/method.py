"""Checks, deflection and method in plain English: what stands behind the headline."""

from __future__ import annotations

from dataclasses import dataclass

from analysis.estimates import BARELY, Absent
from analysis.report.figures import (
    capital,
    counted,
    level,
    listed,
    lower_first,
    number,
    percent,
    plural,
    sentence,
    significant,
)
from analysis.report.reading import (
    Interval,
    Json,
    arm_title,
    finite,
    interval,
    metric_title,
    part,
    parts,
    primary_entry,
    text,
)
from trials.definition import adapting
from trials.definition.model import Looks, Trial

CHECK_TITLES = {
    "sample-ratio": "Numbers in each arm",
    "randomisation-balance": "Arms alike at the start",
    "exposure-balance": "Arms reached alike",
    "link-rate-balance": "Contacts matched alike",
    "maturity": "Outcomes complete",
    "contamination": "Arms kept apart",
    "data-freshness": "Data up to date",
    "period-coverage": "Periods covered",
    "plan-deviation": "Plan followed",
    "attrition": "Outcomes known alike",
    "twyman": "Effect of a believable size",
    "fidelity": "Versions delivered as written",
    "interference": "Units left each other alone",
    "novelty": "Effect steady over time",
}
_CHECK_ASKS = {
    "sample-ratio": "Whether each arm holds the share of units the plan gave it.",
    "randomisation-balance": "Whether the arms were alike before the trial began.",
    "exposure-balance": "Whether each arm was met by the same share of its units.",
    "link-rate-balance": "Whether contacts could be matched to units equally well in each arm.",
    "maturity": "Whether every unit’s period of measurement is over.",
    "contamination": "Whether units met an arm that was not theirs.",
    "data-freshness": "Whether the data reach up to the cut-off.",
    "period-coverage": "Whether every planned period has data.",
    "plan-deviation": "Whether the trial was run as planned.",
    "attrition": "Whether as many outcomes are known in each arm.",
    "twyman": "Whether the effect is larger than changes like this one have ever had.",
    "fidelity": "Whether each arm got what the plan says.",
    "interference": "Whether one unit’s version could change another’s outcome.",
    "novelty": "Whether the effect fades or grows as the trial goes on.",
}
_VERDICTS = {
    "pass": "Passed",
    "warn": "Look closer",
    "fail": "Failed",
    "not-applicable": "Does not apply",
}
_ADJUSTMENTS = {
    "holm": "Holm’s method",
    "hochberg": "Hochberg’s method",
    "benjamini-hochberg": "the Benjamini–Hochberg method",
    "dunnett": "Dunnett’s method",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One check: its name, what came of it (``pass`` … and in words), and a sentence."""

    key: str
    title: str
    verdict: str
    label: str
    says: str


def checks(result: Json) -> list[Check]:
    """Every check of the result in words, failures first, those that do not apply last."""
    order = {"fail": 0, "warn": 1, "pass": 2, "not-applicable": 3}
    told = [_check(found) for found in parts(result, "checks")]
    return sorted(told, key=lambda c: order.get(c.verdict, 1))


def _check(found: Json) -> Check:
    key = text(found, "key", "check")
    verdict = text(found, "verdict")
    verdict = verdict if verdict in _VERDICTS else "warn"
    says = text(found, "says") or text(found, "why") or _CHECK_ASKS.get(key, "")
    return Check(
        key=key,
        title=CHECK_TITLES.get(key, capital(key.replace("-", " "))),
        verdict=verdict,
        label=_VERDICTS[verdict],
        says=sentence(says),
    )


def check_named(key: str) -> str:
    """What a check is called within a sentence: ``sample-ratio`` is ``numbers in each arm``."""
    return lower_first(CHECK_TITLES.get(key, key.replace("-", " ")))


def asks(key: str) -> str:
    """What a check asks, in a sentence without statistics."""
    return _CHECK_ASKS.get(key, "")


def checks_summary(found: list[Check]) -> str:
    """All checks in a sentence: ``5 checks passed; 1 needs a closer look: numbers in each arm``."""
    if not found:
        return "No checks were run."
    failed = [lower_first(c.title) for c in found if c.verdict == "fail"]
    warned = [lower_first(c.title) for c in found if c.verdict == "warn"]
    passed = sum(c.verdict == "pass" for c in found)
    said = [f"{counted(passed, 'check')} passed"] if passed else []
    said += [f"{len(failed)} failed ({listed(failed)})"] if failed else []
    said += [f"{len(warned)} to look at ({listed(warned)})"] if warned else []
    return sentence("; ".join(said) or "No check applies to this trial")


def deflection_sentences(trial: Trial, result: Json) -> list[str]:
    """Net before gross, for each contrast: how many contacts were really saved, and what leaked."""
    found = part(result, "deflection")
    per = int(finite(found.get("per")) or 1_000)
    days = finite(found.get("window_days"))
    within = f" within {counted(int(days), 'day')}" if days else ""
    unit = plural(trial.about.unit or "person")
    return [
        _deflected(trial, contrast, f"{per:,} {unit}", within)
        for contrast in parts(found, "contrasts")
    ]


def _deflected(trial: Trial, contrast: Json, each: str, within: str) -> str:
    """Positive numbers are contacts saved."""
    arm = arm_title(trial, text(contrast, "arm"))
    net = interval(contrast.get("net"))
    if isinstance(net, Absent):
        return f"‘{arm}’: no net figure, because {net.why.rstrip('.')}."
    said = f"‘{arm}’: for every {each}, net of people who came back{within}, {saved(net)}"
    return sentence(said + _gross(interval(contrast.get("gross")), contrast))


def _gross(gross: Interval | Absent, contrast: Json) -> str:
    if isinstance(gross, Absent):
        return ""
    leaked = interval(contrast.get("leakage"))
    lost = ""
    if isinstance(leaked, Interval) and gross.estimate > 0:
        if barely(contrast):
            lost = ", which is too little above nothing to say how much of it leaked back"
        elif leaked.estimate > 1:
            lost = ", and more than that came back"
        elif leaked.estimate >= 0:
            lost = f", of which {percent(leaked.estimate, 0)} leaked back"
    return f". Counted gross it looked like {fewer_or_more(gross.estimate)}{lost}"


def barely(contrast: Json) -> bool:
    """Whether leakage is given of a gross effect that is only just established."""
    return BARELY in (part(contrast, "leakage").get("notes") or ())


def fewer_or_more(estimate: float) -> str:
    """Contacts saved (positive) or added (negative) as words: ``9 fewer contacts``."""
    if estimate == 0:
        return "no change in contacts"
    size = number(estimate) if abs(estimate) >= 0.95 else significant(estimate, 1)
    way = "fewer" if estimate > 0 else "more"
    size = size.lstrip("−")
    return f"{size} {way} {'contact' if size == '1' else 'contacts'}"


def saved(net: Interval) -> str:
    """A net saving with its range, or the range alone where it takes in none."""
    span = saved_range(net)
    if net.low is not None and net.high is not None and net.low <= 0 <= net.high:
        return f"anything from {span} is possible"
    return f"about {fewer_or_more(net.estimate)}{f' (between {span})' if span else ''}"


def saved_range(found: Interval) -> str:
    """The ends of a saving: ``24 and 80 fewer contacts``, or ``4 more contacts to 9 fewer …``."""
    if found.low is None or found.high is None:
        return ""
    if found.low * found.high <= 0:
        return f"{fewer_or_more(found.low)} to {fewer_or_more(found.high)}"
    near, far = sorted((found.low, found.high), key=abs)
    return f"{fewer_or_more(near).split()[0]} and {fewer_or_more(far)}"


def method(trial: Trial, result: Json) -> list[str]:
    """How the trial was run and analysed, in a few sentences that name the methods."""
    return [s for s in (_drawn(trial, result), _judged(trial, result), _estimated(trial, result),
                        _repeated(trial), _looked(trial), _bayes(trial, result)) if s]  # fmt: skip


def _drawn(trial: Trial, result: Json) -> str:
    assigned = finite(part(result, "units").get("assigned"))
    unit = trial.about.unit or "person"
    who = counted(int(assigned), unit) if assigned else capital(plural(unit))
    how = {
        "individual": "one by one",
        "stratified": f"within groups of the same {listed([*trial.design.strata])}",
        "cluster": f"in whole clusters ({trial.design.cluster or 'cluster'})",
        "switchback": "by period: everyone in a period met the same version",
        "stepped-wedge": "by the date at which each cluster changed over",
    }[trial.design.kind]
    drawn = f"{who} were allocated at random to {len(trial.arms)} versions, {how}."
    return f"{drawn} {_followed(trial)}".strip()


def _followed(trial: Trial) -> str:
    """How the versions' shares followed the outcomes, and whether that was wise."""
    if trial.design.adaptive is None:
        return ""
    told = (
        f"Every {trial.design.adaptive.every} the shares moved towards the versions that seemed "
        f"best by then (Thompson sampling; never below {percent(trial.design.adaptive.floor)} for "
        "a version), and each unit counts by the chance it had."
    )
    return " ".join(filter(None, (told, adapting.warning(trial))))


def _judged(trial: Trial, result: Json) -> str:
    better = "fewer or lower" if trial.primary.better == "lower" else "more or higher"
    fixed = ", fixed before the start," if result.get("locked") is True else ""
    return (
        f"The main measure{fixed} is ‘{metric_title(trial.primary)}’; "
        f"{better} is better. Every unit counts in the version it was given, whether or not it "
        "was reached (intention to treat)."
    )


def _estimated(trial: Trial, result: Json) -> str:
    for contrast in parts(primary_entry(trial, result), "contrasts"):
        found = interval(contrast.get("difference"))
        if isinstance(found, Interval):
            how = f" by {found.method}" if found.method else ""
            return f"Differences were estimated{how}, with {level(found.level)} intervals."
    return ""


def _repeated(trial: Trial) -> str:
    how = _ADJUSTMENTS.get(trial.analysis.multiplicity)
    secondary = any(m.role == "secondary" for m in trial.metrics)
    if how is None or (len(trial.arms) < 3 and not secondary):
        return ""
    return f"Several comparisons are made, so their p-values are adjusted by {how}."


def _looked(trial: Trial) -> str:
    looks = trial.analysis.looks
    if isinstance(looks, Looks):
        times = counted(len(looks.fractions), "look")
        told = f"The plan allows {times} at the data, with the error spread over them."
        others = ["each other measure"] if any(m.role == "secondary" for m in trial.metrics) else []
        others += ["each pre-specified group"] if trial.analysis.segments else []
        if others:
            told += f" {capital(' and '.join(others))} has an error of its own over the same looks."
        return told
    if looks == "always-valid":
        return "The intervals hold however often the result is looked at (always valid)."
    return "The plan allows one look at the data, at the end."


def _bayes(trial: Trial, result: Json) -> str:
    contrasts = parts(primary_entry(trial, result), "contrasts")
    if not any(isinstance(interval(c.get("posterior")), Interval) for c in contrasts):
        return ""
    prior = trial.analysis.prior
    return (
        "A Bayesian analysis stands beside it, with a normal prior on the effect "
        f"(mean {prior.mean:g}, standard deviation {prior.sd:g}) "
        "written in the plan."
    )
