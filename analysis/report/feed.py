"""Results of many trials as flat tables with stable columns, for Power BI and spreadsheets.

Pure: result documents in, rows out. A column is never renamed or taken away; new ones are added at
the end. What is withheld or unknown is an empty cell with its reason in ``absent``.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from analysis.report.reading import part, parts
from trials.csvsafe import guard

Json = Mapping[str, Any]
Row = dict[str, Any]

_TRIAL = {
    "trial": "The trial's key.",
    "title": "The trial's title.",
    "area": "The area of the service that the trial belongs to.",
    "channel": "How people meet what is tried: letter, ivr, webchat and so on.",
    "service": "The service it belongs to.",
    "state": "draft, ready, live, paused, stopped or decided.",
    "decision": "What the plan's rule says of the latest result: scale, scale-with-conditions, "
    "extend, adapt, stop or not-yet.",
    "run": "The number of the run of the analysis.",
    "analysed_at": "When the analysis ran (ISO 8601, UTC).",
    "cutoff": "Up to when data counted (ISO 8601, UTC).",
    "plan_hash": "The hash of the plan that was carried out.",
}
_PLACE = {
    "metric": "The metric's key; 'deflection' for contacts avoided.",
    "metric_title": "The metric in words.",
    "role": "primary, secondary, guardrail or deflection.",
    "kind": "proportion, count, mean, ratio or time-to-event.",
    "better": "Whether lower or higher is better.",
    "segment": "The column that groups people; empty for everybody.",
    "level": "The group; empty for everybody.",
    "arm": "The arm's key.",
}
EFFECTS: Mapping[str, str] = _TRIAL | _PLACE | {
    "versus": "The arm it is compared with.",
    "estimand": "difference (arm minus versus, in the metric's units), unadjusted, ratio, "
    "posterior (of the difference), shrunk (a group's effect drawn towards the others'), or "
    "gross, net, avoidable (fewer contacts per 1,000 people), leakage (a share of gross).",
    "estimate": "The estimate; a posterior's mean.",
    "low": "The lower end of its interval.",
    "high": "The upper end of its interval.",
    "confidence": "The level of the interval, 0 to 1.",
    "se": "Its standard error; a posterior's standard deviation.",
    "p": "The p-value, where there is one.",
    "p_adjusted": "The p-value within its declared family.",
    "probability_better": "The posterior probability that the arm is better.",
    "method": "The estimator or model.",
    "absent": "Why there is no estimate; empty where there is one.",
}  # fmt: skip
ARMS: Mapping[str, str] = _TRIAL | _PLACE | {
    "units": "People (or other units) with a known outcome.",
    "clusters": "Clusters, where clusters were randomised.",
    "mean": "The metric's value in the arm.",
    "low": "The lower end of its 95% interval.",
    "high": "The upper end of its 95% interval.",
    "sd": "The standard deviation between units.",
    "absent": "Why there is no value; empty where there is one.",
}  # fmt: skip
TABLES: Mapping[str, Mapping[str, str]] = {"effects": EFFECTS, "arms": ARMS}
"""The tables and what each of their columns means."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A trial as the feed tells it: its line of the list and its result as it may be shown."""

    about: Json
    result: Json


def effects(trials: Iterable[Shown]) -> Iterator[Row]:
    """Contrasts, posteriors, groups and deflection, one estimate a row (columns: ``EFFECTS``)."""
    for shown in trials:
        fixed = _fixed(shown)
        for place, entry in _places(shown.result):
            for contrast in parts(entry, "contrasts"):
                for row in _contrast(contrast):
                    yield fixed | place | row
        for row in _deflection(part(shown.result, "deflection")):
            yield fixed | row


def arms(trials: Iterable[Shown]) -> Iterator[Row]:
    """Every arm's value of every metric, for everybody and by group (columns: ``ARMS``)."""
    for shown in trials:
        fixed = _fixed(shown)
        for place, entry in _places(shown.result):
            found = parts(entry, "arms")
            for arm in found:
                absent = "" if arm.get("mean") is not None else str(arm.get("why") or "unknown")
                yield fixed | place | {
                    "arm": arm.get("arm"), "units": arm.get("n"), "clusters": arm.get("clusters"),
                    "mean": arm.get("mean"), "low": arm.get("low"), "high": arm.get("high"),
                    "sd": arm.get("sd"), "absent": absent,
                }  # fmt: skip
            if not found and (says := shown.result.get("withheld")):
                yield fixed | place | {"absent": says}


def csv_of(rows: Iterable[Row], columns: Sequence[str]) -> Iterator[str]:
    """The rows as lines of CSV with a header; text that would run as a formula is quoted."""
    out = io.StringIO()
    writer = csv.DictWriter(out, columns, restval="", lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({k: guard(v) if isinstance(v, str) else v for k, v in row.items()})
        if out.tell() > 1 << 14:
            yield out.getvalue()
            out.seek(0)
            out.truncate()
    yield out.getvalue()


def _fixed(shown: Shown) -> Row:
    run = part(shown.result, "run")
    return {key: shown.about.get(key) for key in _TRIAL} | {
        "run": run.get("id"), "analysed_at": run.get("at"), "cutoff": run.get("cutoff"),
        "plan_hash": shown.result.get("plan_hash"),
        "decision": part(shown.result, "verdict").get("decision"),
    }  # fmt: skip


def _places(result: Json) -> Iterator[tuple[Row, Json]]:
    for metric in parts(result, "metrics"):
        named = {
            "metric": metric.get("key"), "metric_title": metric.get("title"),
            "role": metric.get("role"), "kind": metric.get("kind"), "better": metric.get("better"),
        }  # fmt: skip
        yield named, metric
        for group in parts(metric, "segments"):
            yield named | {"segment": group.get("by"), "level": group.get("level")}, group


def _contrast(contrast: Json) -> Iterator[Row]:
    pair = {"arm": contrast.get("arm"), "versus": contrast.get("versus")}
    for name in ("difference", "unadjusted", "ratio", "posterior", "shrunk"):
        if found := part(contrast, name):
            yield pair | _estimate(name, found)


def _deflection(found: Json) -> Iterator[Row]:
    named = {"metric": "deflection", "metric_title": "Contacts avoided", "role": "deflection",
             "kind": "count", "better": "higher"}  # fmt: skip
    for contrast in parts(found, "contrasts"):
        pair = {"arm": contrast.get("arm"), "versus": contrast.get("versus")}
        for name in ("gross", "net", "leakage", "avoidable"):
            if estimate := part(contrast, name):
                yield named | pair | _estimate(name, estimate)


def _estimate(name: str, found: Json) -> Row:
    centre = found.get("estimate", found.get("mean"))
    return {
        "estimand": name, "estimate": centre, "low": found.get("low"), "high": found.get("high"),
        "confidence": found.get("level"), "se": found.get("se", found.get("sd")),
        "p": found.get("p"), "p_adjusted": found.get("p_adjusted"),
        "probability_better": found.get("probability_better"),
        "method": found.get("method") or found.get("model"),
        "absent": "" if centre is not None else str(found.get("why") or "unknown"),
    }  # fmt: skip
