"""What an amendment changed of the plan, in the words of the wizard that asked for it.

The plan's document names its places as the trial file does (``about.ends``,
``metrics[calls].window``) and holds its values in one canonical form (seconds, fractions, ISO
dates). Here each becomes the question that a person answered, with the answer before and after.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from analysis.report import figures
from analysis.report.reading import arm_title, metric_title
from trials.definition import differing
from trials.definition.model import Trial

Json = Mapping[str, Any]
_NOTHING = "nothing"
_ENTRY = re.compile(r"^(arms|metrics|design\.exclusions)\[([^\]]+)\]\.?(.*)$")
_MOST_RUNS = 6
"""A wording in which more places differ is told whole, before and after."""

LABELS = {
    "about.area": "Area of work",
    "about.channel": "How people meet it",
    "about.ends": "Last day",
    "about.hypothesis": "What you will change, and what you expect of it",
    "about.mechanism": "How should it work?",
    "about.service": "Service",
    "about.starts": "First day",
    "about.techniques": "Which techniques does it use?",
    "about.unit": "What is drawn",
    "design.adaptive.every": "How often the versions’ shares move",
    "design.adaptive.floor": "The least share a version keeps",
    "design.balance": "Columns on which the versions are kept alike",
    "design.bank_holidays": "On bank holidays it is",
    "design.burn_in": "Time left out at the start of each turn",
    "design.cluster": "What goes together",
    "design.coverage": "Share of the people met who take part",
    "design.exclusions": "Who is left out before the draw",
    "design.holdout": "Share who get no version at all",
    "design.hours": "When the line or page is open",
    "design.kind": "How versions are spread",
    "design.method": "How the versions are kept alike",
    "design.namespace": "Trials that must not share people with this one",
    "design.namespace_share": "Share of those people kept for this trial",
    "design.period": "How long each turn, or each step, lasts",
    "design.seed": "The number that the draw begins with",
    "design.strata": "Groups within which versions are mixed",
    "arms.control": "Is it as things are today?",
    "arms.levels": "What is changed in",
    "arms.payload": "Settings handed to the system that shows it",
    "arms.weight": "Its share beside the other versions",
    "arms.wording": "Wording",
    "metrics.absent_means": "Where nothing is recorded, it counts as",
    "metrics.better": "Better is",
    "metrics.cap": "Share of the values kept as they are; higher ones count as the last kept",
    "metrics.denominator": "What it is divided by",
    "metrics.equivalence": "The change that counts as none",
    "metrics.kind": "What kind of figure it is",
    "metrics.margin": "How much worse it may get at most",
    "metrics.mde": "The smallest change worth finding",
    "metrics.mde_relative": "The smallest change worth finding, as a share of today’s",
    "metrics.missing": "People of whom nothing is known",
    "metrics.quantiles": "Values compared beside the average",
    "metrics.role": "What it is for",
    "metrics.source": "Where it is read from",
    "metrics.value": "The field that is added up",
    "metrics.where": "Only contacts with",
    "metrics.window": "How long it is counted for each",
    "analysis.adjust": "Columns that the comparison allows for",
    "analysis.alpha": "How often a difference may be found where there is none",
    "analysis.decision.ship_if_probability": "How sure must you be to keep the new version?",
    "analysis.decision.stop_for_harm_probability": "How sure must you be to stop for harm?",
    "analysis.few_clusters": "How the error is had where there are few groups",
    "analysis.interval": "How the range of a share is had",
    "analysis.looks": "When do you look at the result?",
    "analysis.multiplicity": "How several comparisons are allowed for",
    "analysis.power": "How surely a real change is found",
    "analysis.prior.mean": "Change expected beforehand",
    "analysis.prior.sd": "How unsure that expectation is",
    "analysis.rope": "Changes that count as none",
    "analysis.segments": "Groups you will look at separately",
    "analysis.uptake": "What counts as having taken it up",
}
"""The question behind each place in the plan, keys of versions and measures left out."""

CHOICES: Mapping[str, Mapping[str, str]] = {
    "about.channel": {
        "ivr": "Recorded telephone message", "letter": "Letter", "email": "E-mail",
        "sms": "Text message", "web": "Web page", "webchat": "Webchat",
        "auto-reply": "Automated reply", "form": "Online form",
    },
    "about.area": {
        "ivr": "Telephone menus and messages", "webchat": "Webchat",
        "automated-responses": "Automated replies", "waste": "Waste", "housing": "Housing",
        "other-correspondence": "Other letters and messages",
    },
    "about.mechanism": {
        "expectation": "It tells people what will happen, and when",
        "signposting": "It shows the right place first time",
        "deflection": "It lets people do it themselves",
    },
    "about.techniques": {
        "easy": "Easy", "attractive": "Attractive", "social": "Social", "timely": "Timely",
    },
    "design.kind": {
        "individual": "Each one by itself", "stratified": "Mixed within groups",
        "cluster": "Those who belong together get the same",
        "switchback": "Versions take turns by the clock",
        "stepped-wedge": "Teams or places change over one after the other",
    },
    "metrics.role": {
        "primary": "The one measure that decides", "guardrail": "What must not get worse",
        "secondary": "What else you will look at",
    },
    "metrics.missing": {
        "complete": "are left out", "inverse-probability": "are stood for by people like them",
    },
    "analysis.looks": {"fixed": "Once, at the end", "always-valid": "At any time"},
}  # fmt: skip
"""What the wizard calls the answers; others are told as they stand."""

_PERCENT = frozenset({
    "design.adaptive.floor", "design.coverage", "design.holdout", "design.namespace_share",
    "metrics.cap", "metrics.mde_relative", "analysis.alpha", "analysis.power",
    "analysis.decision.ship_if_probability", "analysis.decision.stop_for_harm_probability",
})  # fmt: skip
_SPANS = frozenset({"design.period", "design.burn_in", "metrics.window"})
_DAYS = frozenset({"about.starts", "about.ends"})
_SIZES = frozenset({"metrics.margin", "metrics.mde", "metrics.equivalence"})
_THIRDS = ([0.33, 0.67, 1.0], "At a third, at two thirds and at the end")


def lines(trial: Trial, found: Iterable[object]) -> tuple[str, ...]:
    """Each change of an amendment as a sentence; ``found`` as ``plan.changes`` lists them.

    ``trial`` names the versions and measures. What is no such entry is told as it is.
    """
    told: dict[str, str] = {}
    entries = [one for one in found if isinstance(one, Mapping)]
    whole = {place: one for one in entries if (place := _whole(one))}
    for one in entries:
        if place := next((p for p in whole if str(one.get("what")).startswith(f"{p}.")), ""):
            told[place] = _come_or_gone(trial, place, whole[place])
        elif str(one.get("what")).startswith("analysis.looks"):
            told["analysis.looks"] = _looks(entries)
        else:
            told[str(one.get("what"))] = _line(trial, one)
    return (*(str(one) for one in found if not isinstance(one, Mapping)), *told.values())


def _whole(one: Json) -> str:
    """The version or measure that came or went whole with this entry: its key did."""
    what = str(one.get("what"))
    return what.removesuffix(".key") if what.endswith("].key") else ""


def _come_or_gone(trial: Trial, place: str, one: Json) -> str:
    kind = "version" if place.startswith("arms") else "measure"
    how = "added" if one.get("before") is None else "removed"
    return f"The {kind} {_entry_title(trial, place)} is {how}"


def _entry_title(trial: Trial, place: str) -> str:
    found = _ENTRY.match(place)
    if found is None:
        return f"‘{place}’"
    table, key, _ = found.groups()
    if table == "arms":
        return f"‘{arm_title(trial, key)}’"
    metric = next((m for m in trial.metrics if m.key == key), None)
    return f"‘{metric_title(metric) if metric else figures.capital(key.replace('-', ' '))}’"


def _line(trial: Trial, one: Json) -> str:
    what = str(one.get("what", "plan"))
    entry = _ENTRY.match(what)
    path = f"{entry[1]}.{entry[3]}".rstrip(".") if entry else what
    label = _label(path)
    if entry and entry[1] != "design.exclusions":
        label = f"{label} ({_entry_title(trial, what)})"
    if not label.endswith("?"):
        label += ":"
    if path == "arms.wording":
        return f"{label} {_reworded(str(one.get('before') or ''), str(one.get('after') or ''))}"
    say = _sayer(trial, path, entry[2] if entry else "")
    return f"{label} {say(one.get('before'))} became {say(one.get('after'))}"


def _label(path: str) -> str:
    """The question; what lies deeper in a table has the table's, with its own name."""
    if path in LABELS:
        return LABELS[path]
    above, _, name = path.rpartition(".")
    named = figures.capital(name.replace("_", " ").replace("-", " "))
    return f"{LABELS[above]} ({named.lower()})" if above in LABELS else named


def _sayer(trial: Trial, path: str, key: str) -> Callable[[object], str]:
    choices = CHOICES.get(path, {})
    if path in _DAYS:
        return lambda value: _given(value, lambda v: figures.day(str(v)))
    if path in _SPANS:
        return lambda value: _given(value, lambda v: figures.span_of_time(int(v)))
    if path in _PERCENT:
        return lambda value: _given(value, lambda v: f"{float(v) * 100:.4g}%")
    if path in _SIZES and any(m.key == key and m.kind == "proportion" for m in trial.metrics):
        return lambda value: _given(value, lambda v: f"{float(v) * 100:.4g} percentage points")
    return lambda value: _given(value, lambda v: _plain(v, choices))


def _given(value: object, say: Callable[[Any], str]) -> str:
    return _NOTHING if value is None or value in ("", [], {}) else say(value)


def _plain(value: object, choices: Mapping[str, str]) -> str:
    if isinstance(value, list):
        return figures.listed([_plain(v, choices) for v in value])
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:,.10g}"
    return choices.get(str(value), str(value))


def _looks(entries: Iterable[Json]) -> str:
    """When the result is looked at, which the plan holds in one word or in several places."""
    sides = {}
    for side in ("before", "after"):
        held = {str(one.get("what")): one.get(side) for one in entries}
        sides[side] = _look_words(held)
    return f"{LABELS['analysis.looks']} {sides['before']} became {sides['after']}"


def _look_words(held: Mapping[str, object]) -> str:
    word, at = held.get("analysis.looks"), held.get("analysis.looks.fractions")
    if at == _THIRDS[0]:
        return _THIRDS[1]
    if isinstance(at, list):
        return f"At {figures.listed([figures.percent(float(f), 0) for f in at])} of the people"
    if word is not None:
        return CHOICES["analysis.looks"].get(str(word), str(word))
    rest = [f"{_label(what).lower()} {_plain(value, {})}" for what, value in held.items()
            if what.startswith("analysis.looks.") and value is not None]  # fmt: skip
    return figures.listed(rest) or "the usual"


def _reworded(before: str, after: str) -> str:
    """The words that went and came; the whole where much differs or one side was empty."""
    if not (before.strip() and after.strip()):
        return f"{_quoted(before)} became {_quoted(after)}"
    sides = differing.compare(before, after)
    gone = [run.text.strip() for run in sides.before if run.change == "removed"]
    come = [run.text.strip() for run in sides.after if run.change == "added"]
    if max(len(gone), len(come)) > _MOST_RUNS:
        return f"{_quoted(before)} became {_quoted(after)}"
    told = [f"{verb} {figures.listed([f'“{t}”' for t in runs if t])}"
            for verb, runs in (("without", gone), ("now with", come)) if any(runs)]  # fmt: skip
    return ", ".join(told) or "only its spaces or lines differ"


def _quoted(wording: str) -> str:
    return f"“{' '.join(wording.split())}”" if wording.strip() else _NOTHING
