"""Every figure of a result and its case as tidy rows, one estimate a line, for a spreadsheet."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping
from typing import Any

from analysis.report.papers.material import Material
from analysis.report.reading import part, parts
from trials.csvsafe import guard

COLUMNS = (
    "trial", "run", "plan_hash", "section", "metric", "role", "arm", "versus", "segment", "level",
    "statistic", "estimate", "low", "high", "se", "p", "unit", "note",
)  # fmt: skip
Row = dict[str, Any]


def csv_text(m: Material) -> str:
    """The rows as CSV with a header; text that a spreadsheet would run as a formula is quoted."""
    out = io.StringIO()
    writer = csv.DictWriter(out, COLUMNS, lineterminator="\n", restval="")
    writer.writeheader()
    fixed = {"trial": m.trial.key, "run": part(m.result, "run").get("id"),
             "plan_hash": m.result.get("plan_hash")}  # fmt: skip
    for row in tidy(m):
        writer.writerow({k: _told(v) for k, v in (fixed | row).items()})
    return out.getvalue()


def tidy(m: Material) -> Iterator[Row]:
    """The rows: arms, contrasts, groups, deflection, checks, the case and its assumptions."""
    for metric in parts(m.result, "metrics"):
        named = {"metric": metric.get("key"), "role": metric.get("role")}
        yield from (named | row for row in _measured(metric))
        for segment in parts(metric, "segments"):
            place = {"segment": segment.get("by"), "level": segment.get("level")}
            yield from (named | place | row for row in _measured(segment))
    yield from _deflection(part(m.result, "deflection"))
    for check in parts(m.result, "checks"):
        yield {"section": "check", "statistic": check.get("key"), "estimate": check.get("verdict"),
               "p": check.get("p"), "note": check.get("says")}  # fmt: skip
    if m.case is not None:
        yield from _case(m.case.to_json())


def _measured(entry: Mapping[str, Any]) -> Iterator[Row]:
    for arm in parts(entry, "arms"):
        yield {"section": "arm", "arm": arm.get("arm"), "statistic": "mean",
               "estimate": arm.get("mean"), "low": arm.get("low"), "high": arm.get("high"),
               "note": f"n = {arm.get('n')}"}  # fmt: skip
    for contrast in parts(entry, "contrasts"):
        pair = {"section": "contrast", "arm": contrast.get("arm"), "versus": contrast.get("versus")}
        for name in ("difference", "unadjusted", "ratio", "posterior"):
            found = part(contrast, name)
            if found:
                yield pair | {"statistic": name} | _estimate(found)


def _estimate(found: Mapping[str, Any]) -> Row:
    centre = found.get("estimate", found.get("mean", found.get("median")))
    return {
        "estimate": centre, "low": found.get("low"), "high": found.get("high"),
        "se": found.get("se", found.get("sd")), "p": found.get("p"), "unit": found.get("unit"),
        "note": found.get("why") or found.get("method") or found.get("model") or found.get("note"),
    }  # fmt: skip


def _deflection(found: Mapping[str, Any]) -> Iterator[Row]:
    unit = f"contacts per {found.get('per', 1000)}"
    for contrast in parts(found, "contrasts"):
        pair = {"section": "deflection", "arm": contrast.get("arm"),
                "versus": contrast.get("versus")}  # fmt: skip
        for name in ("gross", "net", "leakage", "avoidable"):
            if estimate := part(contrast, name):
                yield pair | {"statistic": name} | _estimate(estimate) | {
                    "unit": "share" if name == "leakage" else unit}  # fmt: skip
        for channel, estimate in part(contrast, "channels").items():
            yield pair | {"statistic": f"net, {channel}"} | _estimate(estimate) | {"unit": unit}


def _case(case: Mapping[str, Any]) -> Iterator[Row]:
    for name, found in case.items():
        if isinstance(found, Mapping) and {"median", "low", "high"} <= set(found):
            yield {"section": "case", "statistic": name} | _estimate(found)
    yield {"section": "case", "statistic": "probability_npv_positive",
           "estimate": case["probability_npv_positive"]}  # fmt: skip
    for purse, found in case["purses"].items():
        yield {"section": "purse", "statistic": purse} | _estimate(found)
    for a in case["assumptions"]:
        yield {"section": "assumption", "statistic": a["name"], "estimate": a["value"],
               "low": a["low"], "high": a["high"], "unit": a["unit"],
               "note": f"{'default; ' if a['default'] else ''}{a['source']}, "
                       f"{a['date']}"}  # fmt: skip


def _told(value: Any) -> Any:
    return guard(value) if isinstance(value, str) else value
