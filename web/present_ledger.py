"""How a saving becomes cash, and the line it eases, as a form: from the page to the register."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from analysis.report import figures
from analysis.scaling.line_table import NEEDED, OPTIONAL, SEEN
from analysis.scaling.mechanism import KINDS
from trials.errors import Invalid
from web.filled import Filled
from web.present_figures import parsed

MECHANISMS = (
    ("none", "Nothing: it is officers’ time only", "No budget falls."),
    ("post-deleted", "Whole posts are deleted", "Needs the number of posts and the cost of one."),
    ("agency-shift-cancelled",
     "Agency shifts are cancelled", "Needs the length and the invoice of a shift."),
    ("contract-price",
     "The supplier is paid by the contact", "Needs the contract’s price of a contact."),
)  # fmt: skip
_SHARES = frozenset({"retry", "shrinkage", "abandoned"})
_NUMBERS = (*NEEDED, *OPTIONAL, *SEEN)


def filled_from(held: Mapping[str, Any]) -> Filled:
    """The form as the register has it."""
    mechanism, line = held.get("mechanism", {}), held.get("line", {})
    typed = {
        key: f"{round(100 * value, 6) if key in _SHARES else value:.10g}"
        for key, value in line.items() if key in _NUMBERS
    }  # fmt: skip
    return Filled({
        "kind": mechanism.get("kind", "none"), "budget_line": mechanism.get("budget_line", ""),
        "agreed_by": mechanism.get("agreed_by", ""), "name": line.get("name", ""), **typed,
    })  # fmt: skip


def document_of(filled: Filled) -> tuple[dict[str, Any], Filled]:
    """The tables that the form describes, and the form with what is wrong."""
    document: dict[str, Any] = {}
    if filled["kind"] not in KINDS:
        filled = filled.wrong("kind", "Choose how the saving becomes cash.")
    elif filled["kind"] != "none":
        texts = {key: filled[key] for key in ("budget_line", "agreed_by") if filled[key]}
        document["mechanism"] = {"kind": filled["kind"], **texts}
    line: dict[str, Any] = {}
    for key in (key for key in _NUMBERS if filled[key]):
        number = parsed(filled[key])
        if number is None:
            filled = filled.wrong(key, "Give a number.")
        else:
            line[key] = number / 100 if key in _SHARES else number
    if line and filled["name"]:
        line["name"] = filled["name"]
    if line:
        document["line"] = line
    return document, filled


def refused(filled: Filled, failure: Invalid) -> Filled:
    """The form with each problem at its field."""
    for problem in failure.problems:
        words = problem.place.split()
        name = words[-1] if words and words[-1] in {*_NUMBERS, "name"} else ""
        if not name:
            name = next((k for k in _NUMBERS if problem.says.endswith(f"no {k}")), "")
        if not name and problem.place == "mechanism":
            name = "kind"
        text = figures.sentence(
            f"{problem.says}; {problem.remedy}" if problem.remedy else problem.says
        )
        filled = filled.wrong(name, figures.sentence(text))
    return filled
