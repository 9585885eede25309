"""The questions of the wizard: a field for each place in the draft, and how it is read and shown.

A form sends every field of its page. What is saved is only what differs from the version that the
page showed, so that two people who change different things do not meet.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal

from trials.definition import hours
from trials.definition.model import seconds
from trials.drafting.content import Content, get

Kind = Literal[
    "text",
    "textarea",
    "wording",
    "radios",
    "select",
    "checkboxes",
    "list",
    "number",
    "percent",
    "whole",
    "date",
    "length",
    "hours",
    "levels",
]
Options = tuple[tuple[str, str, str], ...]
_TIMES = {"percent": 100.0, "number": 1.0, "whole": 1.0}
_ASKS_FOR = {
    "percent": "a number between 0 and 100, as in 17.3",
    "number": "a number, as in 350",
    "whole": "a whole number, as in 5",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """A question: where its answer goes (``path``), how it is asked, a number's ``span``."""

    path: str
    label: str
    hint: str = ""
    kind: Kind = "text"
    options: Options = ()
    width: str = ""
    rows: int = 4
    heading: str = ""
    span: tuple[float, float] | None = None

    @property
    def name(self) -> str:
        """Its name in the form, which is its anchor too."""
        return self.path.replace(".", "-")


def shown(field: Field, content: Content) -> str | list[str]:
    """The answer in ``content`` as the form shows it."""
    value = get(content, field.path)
    if field.kind == "checkboxes":
        return [str(v) for v in value or ()]
    if value is None:
        return ""
    return _SHOWN.get(field.kind, _as_it_is)(field, value)


def _as_it_is(_: Field, answer: Any) -> str:
    return str(answer)


def _listed(field: Field, answer: Any) -> str:
    return ("\n" if field.kind == "hours" else ", ").join(str(v) for v in answer)


def _counted(field: Field, answer: Any) -> str:
    return f"{float(answer) * _TIMES[field.kind]:.10g}"


def _dated(_: Field, answer: Any) -> str:
    year, month, day = str(answer)[:10].split("-")
    return f"{int(day)}/{int(month)}/{year}"


def _leveled(_: Field, answer: Any) -> str:
    return ", ".join(f"{factor}: {level}" for factor, level in answer.items())


_SHOWN: Mapping[str, Callable[[Field, Any], str]] = {
    "list": _listed,
    "hours": _listed,
    "percent": _counted,
    "number": _counted,
    "whole": _counted,
    "date": _dated,
    "levels": _leveled,
}


def typed(field: Field, form: Any) -> str | list[str]:
    """What the form holds for a field."""
    if field.kind == "checkboxes":
        return [str(v) for v in form.getlist(field.name)]
    if field.kind == "date":
        parts = [form.get(f"{field.name}-{part}", "").strip() for part in ("day", "month", "year")]
        return "/".join(parts) if any(parts) else ""
    return str(form.get(field.name, "")).replace("\r\n", "\n").strip()


def value(field: Field, answer: str | list[str]) -> Any:
    """The answer as the draft keeps it; ``None`` where nothing was answered.

    Raises:
        ValueError: it cannot be read; the words say what to write.
    """
    if isinstance(answer, list):
        return [v for v in answer if v in {o[0] for o in field.options}] or None
    if not answer:
        return None
    if field.kind in ("radios", "select"):
        if answer not in {o[0] for o in field.options}:
            raise ValueError(f"Choose one of the answers to “{field.label}”")
        return answer
    reader: Callable[[Field, str], Any] = _READERS.get(field.kind, _plain)
    return reader(field, answer)


def changes(
    fields: Sequence[Field], was: Content, form: Any
) -> tuple[dict[str, Any], dict[str, str]]:
    """What the form changes of ``was``, by path; and what is wrong with it, by the field's name."""
    found: dict[str, Any] = {}
    wrong: dict[str, str] = {}
    for field in fields:
        answer = typed(field, form)
        if answer == shown(field, was):
            continue
        try:
            found[field.path] = value(field, answer)
        except ValueError as failure:
            wrong[field.name] = str(failure)
    return found, wrong


def answers(fields: Sequence[Field], content: Content) -> Mapping[str, str | list[str]]:
    """Every answer by the field's name."""
    return {field.name: shown(field, content) for field in fields}


def _plain(_: Field, answer: str) -> str:
    return answer


def _number(field: Field, answer: str) -> float:
    try:
        number = float(answer.replace(",", "").removesuffix("%").strip())
    except ValueError:
        number = float("nan")
    if not 0 <= number < 1e12 or (field.kind == "percent" and number > 100):
        raise ValueError(f"{field.label} must be {_ASKS_FOR[field.kind]}")
    if field.kind == "whole" and number != int(number):
        raise ValueError(f"{field.label} must be {_ASKS_FOR[field.kind]}")
    if field.span and not field.span[0] <= number <= field.span[1]:
        raise ValueError(_outside(field, *field.span))
    return int(number) if field.kind == "whole" else number / _TIMES[field.kind]


def _outside(field: Field, least: float, most: float) -> str:
    if math.isinf(most):
        return f"{field.label} must be {least:g} or more"
    return f"{field.label} must be from {least:g} to {most:g}"


def _length(field: Field, answer: str) -> str:
    try:
        seconds(answer)
    except ValueError as unread:
        raise ValueError(f"{field.label} {unread}") from None
    return answer


def _hours(field: Field, answer: str) -> list[str]:
    lines = [line.strip() for line in answer.splitlines() if line.strip()]
    try:
        hours.parse(lines)
    except ValueError as unread:
        raise ValueError(f"{field.label}: {unread}") from None
    return lines


def _date(field: Field, answer: str) -> str:
    try:
        day, month, year = (int(part) for part in answer.split("/"))
        return date(year, month, day).isoformat()
    except ValueError:
        raise ValueError(
            f"{field.label} must be a real date with day, month and year, as in 27 3 2027"
        ) from None


def _list(_: Field, answer: str) -> list[str]:
    return [part.strip() for part in answer.split(",") if part.strip()]


def _levels(field: Field, answer: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for part in filter(None, (p.strip() for p in re.split(r"[,\n]", answer))):
        factor, _, level = (_plain_key(text) for text in part.partition(":"))
        if not (factor and level) or factor in found:
            raise ValueError(
                f"{field.label}: write each change once, with what this version has, "
                "as in tone: warm, link: code"
            )
        found[factor] = level
    return found


def _plain_key(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:64]


_READERS: Mapping[str, Callable[[Field, str], Any]] = {
    "number": _number,
    "percent": _number,
    "whole": _number,
    "date": _date,
    "length": _length,
    "hours": _hours,
    "levels": _levels,
    "list": _list,
}
