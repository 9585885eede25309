"""Assumptions as pages show them: the register's list, one figure, its history, its form."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from analysis.casework.register import Entry
from analysis.report import figures
from analysis.scaling import words
from analysis.scaling.assumption import Assumption
from analysis.scaling.assumptions import checked
from analysis.scaling.shared import Moved
from analysis.scaling.specs import SPECS, Spec
from trials import audit
from trials.errors import Invalid, SignpostError
from web.filled import Filled
from web.present import State

GROUPS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("Whom it reaches, and for how long", (
        "eligible_volume", "reach", "fidelity", "transfer", "persistence_half_life_months")),
    ("What a contact costs", (
        *(n for n in SPECS if n.startswith("cost_per_contact")), "annual_pay", "on_cost_rate",
        "telephony_cost_per_contact")),
    ("The work a contact takes", (
        "aht_seconds", "contract_hours", "shrinkage", "occupancy", "working_days_per_year")),
    ("What the change costs", ("setup_cost", "running_cost_per_year", "weekly_trial_cost")),
    ("Other purses", (
        "back_office_saving_per_contact", "other_public_saving_per_contact",
        "customer_minutes_per_contact", "value_of_customer_time")),
    ("How it becomes cash", (
        "posts_deleted", "post_cost", "agency_shift_hours", "agency_shift_cost",
        "contract_price_per_contact")),
    ("Appraisal", (
        "horizon_years", "discount_rate", "optimism_bias_benefits", "optimism_bias_costs")),
    ("Safeguards and service", (
        "equity_harm_margin", "small_cell_minimum", "target_wait_seconds", "retry")),
)  # fmt: skip
"""The register in the order in which a finance officer reads it."""

_STATES = {
    "default": State("default", "Default", "yellow"),
    "council": State("council", "Council’s own", "green"),
    "none": State("none", "No figure", "grey"),
}
_FIELDS = ("value", "low", "high")
_TEXTS = ("source", "date", "owner", "agreed_by")
_INFINITE = frozenset({"endless", "infinite", "never"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One figure of the register."""

    name: str
    meaning: str
    value: str
    spread: str
    origin: str
    agreed: str
    state: State


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One state a figure had."""

    at: str
    who: str
    figure: str
    source: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FigurePage:
    """The page of one figure: what it is, what holds now, its form and its history."""

    name: str
    label: str
    meaning: str
    unit: str
    percent: bool
    may_vary: bool
    now: Line
    history: tuple[Change, ...]
    number: int
    kept: bool


def register(find: Mapping[str, Assumption | None]) -> tuple[tuple[str, tuple[Line, ...]], ...]:
    """The whole register by group."""
    return tuple(
        (title, tuple(line(name, find[name]) for name in names)) for title, names in GROUPS
    )


def line(name: str, a: Assumption | None) -> Line:
    """One figure, or that there is none."""
    spec = SPECS[name]
    if a is None:
        return Line(name=name, meaning=figures.capital(spec.label), value="Not given", spread="",
                    origin="It has no default: a case that needs it asks for it", agreed="",
                    state=_STATES["none"])  # fmt: skip
    agreed = ", ".join(x for x in (
        f"agreed by {a.agreed_by}" if a.agreed_by else "", f"kept by {a.owner}" if a.owner else "",
    ) if x)  # fmt: skip
    return Line(
        name=name, meaning=figures.capital(spec.label), value=words.figure_of(a),
        spread=words.range_of(a), origin=words.origin_of(a), agreed=figures.capital(agreed),
        state=_STATES["default" if a.is_default else "council"],
    )  # fmt: skip


def figure(name: str, now: Assumption | None, history: Sequence[Entry]) -> FigurePage:
    """The page of one figure."""
    spec = SPECS[name]
    return FigurePage(
        name=name, label=figures.capital(spec.label), meaning=figures.capital(spec.meaning),
        unit=spec.unit,
        percent=_percent(spec), may_vary=spec.may_vary, now=line(name, now),
        history=tuple(change(e) for e in history),
        number=history[0].number if history else 0,
        kept=bool(history) and not history[0].withdrawn,
    )  # fmt: skip


def change(entry: Entry) -> Change:
    """One state of a figure, in words."""
    a = entry.assumption
    spread = words.range_of(a)
    said = words.figure_of(a) + (f" ({spread})" if spread else "")
    return Change(at=figures.moment(entry.at), who=audit.name(entry.actor),
                  figure="Given up" if entry.withdrawn else said,
                  source="" if entry.withdrawn else words.origin_of(a), why=entry.why)  # fmt: skip


def filled_from(name: str, now: Assumption | None) -> Filled:
    """The form as it stands before anybody types: what holds today."""
    if now is None:
        return Filled()
    spec = SPECS[name]
    ends = {"value": now.value, "low": now.low, "high": now.high}
    typed = {key: _typed(spec, value) for key, value in ends.items() if value is not None}
    if now.is_default:
        return Filled(typed)
    return Filled({**typed, "source": now.source, "date": now.dated, "owner": now.owner,
                   "agreed_by": now.agreed_by})  # fmt: skip


def table_of(name: str, filled: Filled) -> tuple[dict[str, Any], Filled]:
    """The keys of an assumption's table as the form has them, and the form with what is wrong."""
    spec = SPECS[name]
    table: dict[str, Any] = {key: filled[key] for key in _TEXTS if filled[key]}
    for key in _FIELDS:
        if not filled[key]:
            continue
        number = parsed(filled[key])
        if number is None:
            filled = filled.wrong(key, "Give a number, such as 1,200 or 0.5.")
        else:
            table[key] = number / 100 if _percent(spec) and math.isfinite(number) else number
    if not filled.problems:
        filled = _checked(name, table, filled)
    if not filled["why"]:
        filled = filled.wrong("why", "Say why the figure changes.")
    return table, filled


def parsed(text: str) -> float | None:
    """``£1,200``, ``35%``, ``0.5`` or ``endless`` as a number; ``None`` where it is none."""
    bare = re.sub(r"[£,%\s]", "", text.lower())
    if bare in _INFINITE:
        return math.inf
    try:
        found = float(bare)
    except ValueError:
        return None
    return found if math.isfinite(found) else None


def _checked(name: str, table: Mapping[str, Any], filled: Filled) -> Filled:
    try:
        checked(name, table)
    except Invalid as refused:
        for problem in refused.problems:
            text = f"{figures.capital(_plain(name, problem.says))}: {problem.remedy}."
            filled = filled.wrong(_field(name, problem.says), text)
    return filled


def _plain(name: str, says: str) -> str:
    """The problem without the name a file has for the figure."""
    return says.removeprefix(f"{name} ")


def _field(name: str, says: str) -> str:
    said = _plain(name, says)
    for key in ("source", "date", "owner", "agreed_by", "low", "high"):
        if re.match(rf"(has no |has )?{key}\b", said):
            return key
    return "low" if said.startswith(("is out of order", "cannot have a range")) else "value"


def number_of(name: str, text: str) -> float:
    """A figure as somebody typed it, in its own unit. Raises ``SignpostError`` if it is none."""
    number = parsed(text)
    if number is None:
        raise SignpostError(f"{text!r} is not a number", "give one, such as 1,200 or 0.5")
    return number / 100 if _percent(SPECS[name]) and math.isfinite(number) else number


def choices(found: Iterable[Assumption]) -> list[tuple[str, str]]:
    """The figures of a case to choose one from."""
    return [
        (a.name, f"{words.input_name(a.name)}: now {words.figure_of(a)}") for a in found
    ]  # fmt: skip


def moved(found: Iterable[Moved]) -> tuple[tuple[str, ...], ...]:
    """What a change does to each case that rests on the figure."""
    rows = []
    for m in found:
        before, after = (words.spread(npv, money=True) for npv in (m.npv_before, m.npv_after))
        same = m.decision_before == m.decision_after
        advice = "Stays" if same else f"{m.decision_before} becomes {m.decision_after}"
        rows.append((m.trial, before, after, figures.capital(advice.replace("-", " "))))
    return tuple(rows)


def _percent(spec: Spec) -> bool:
    return spec.unit.startswith("share")


def _typed(spec: Spec, value: float) -> str:
    if not math.isfinite(value):
        return "endless"
    return f"{round(value * 100, 6) if _percent(spec) else value:g}" if abs(value) < 1e6 else (
        f"{value:.0f}"
    )  # fmt: skip
