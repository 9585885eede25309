"""Forms of the wizard into changes of the draft, for the steps whose fields are not its places."""

from __future__ import annotations

import copy
from typing import Any

from trials.definition import catalogue
from trials.definition.model import duration
from trials.drafting import forecasts
from trials.drafting.content import Content, get
from web.drafting import fields, questions
from web.drafting.fields import Field

_FLOOR = 0.1
_THREE = {"fractions": [0.33, 0.67, 1.0], "spending": "obrien-fleming"}
_ROLES = ("primary", "guardrail", "secondary")


def seen(step: str, content: Content) -> Content:
    """The content with the answers that a step computes from it beside."""
    if step == "measures":
        by = {
            r: [m["key"] for m in content["metrics"] if m.get("role", "secondary") == r]
            for r in _ROLES
        }
        return {**content, **by, "primary": next(iter(by["primary"]), None)}
    if step == "draw":
        return {**content, "shares": questions.shares_of(content)}
    if step == "safeguards":
        after = copy.deepcopy(content) | {"looks": questions.looks_of(content)}
        after.setdefault("analysis", {}).setdefault("decision", {}).setdefault(
            "ship_if_probability", 0.95
        )
        return after
    return content


def read(step: str, was: Content, form: Any) -> tuple[dict[str, Any], dict[str, str]]:
    """What a form changes of the version it showed, and what is wrong with it by field."""
    asked = questions.of(step, was)
    before = seen(step, was)
    found, wrong = fields.changes(asked, before, form)
    if step == "measures" and found and not wrong:
        return _metrics(was, _chosen(asked, form))
    if step == "draw":
        _shares(found, was)
    if step == "safeguards":
        _safeguards(found)
        _forecasts(found, wrong)
    return found, wrong


def _forecasts(found: dict[str, Any], wrong: dict[str, str]) -> None:
    _, unread = forecasts.parse(str(found.get("workshop.forecasts") or ""))
    if unread:
        first, remedy = unread[0], forecasts.REMEDY
        wrong["workshop-forecasts"] = f"Line {first.line} {first.says}: {remedy}"


def _shares(found: dict[str, Any], was: Content) -> None:
    """Shares that move are a table of their own; where they stay there is none."""
    shares = found.pop("shares", None)
    if shares == "fixed":
        found.pop("design.adaptive.floor", None)
        found["design.adaptive"] = None
    elif shares:
        floor = get(was, "design.adaptive.floor") or _FLOOR
        found["design.adaptive"] = {
            "floor": found.pop("design.adaptive.floor", None) or floor, "every": shares,
        }  # fmt: skip


def _safeguards(found: dict[str, Any]) -> None:
    looks = found.pop("looks", None)
    if looks and looks != "own":
        found["analysis.looks"] = _THREE if looks == "three" else looks
    sure = "analysis.decision.ship_if_probability"
    if found.get(sure):
        found[sure] = float(found[sure])


def _chosen(asked: list[Field], form: Any) -> dict[str, str]:
    roles: dict[str, str] = {}
    for field in reversed(asked):
        answer = fields.typed(field, form)
        for key in answer if isinstance(answer, list) else [answer]:
            if key:
                roles[key] = field.path
    return roles


def _metrics(was: Content, roles: dict[str, str]) -> tuple[dict[str, Any], dict[str, str]]:
    """The list of metrics for the roles chosen: those there keep what they hold."""
    if "primary" not in roles.values():
        return {}, {"primary": "Choose the one measure that decides"}
    known = {m["key"]: m for m in was["metrics"]}
    listed = sorted(roles, key=lambda key: _ROLES.index(roles[key]))
    return {"metrics": [{**(known.get(k) or _copied(k)), "role": roles[k]} for k in listed]}, {}


def _copied(key: str) -> dict[str, Any]:
    metric = catalogue.measures()[key].metric.model_dump(mode="json", exclude_defaults=True)
    if "window" in metric:
        metric["window"] = duration(metric["window"])
    return metric


def new_arm(content: Content) -> str:
    """The key of another version."""
    taken = {arm["key"] for arm in content["arms"]}
    return next(k for n in range(1, 99) if (k := f"version-{n}") not in taken)


def wording_of_today(content: Content) -> str:
    """Today's wording, which a new version starts from."""
    return next((str(a.get("wording", "")) for a in content["arms"] if a.get("control")), "")


def fractions(content: Content) -> int:
    """How many looks the draft declares."""
    looks = get(content, "analysis.looks")
    return len(looks["fractions"]) if isinstance(looks, dict) else 1
