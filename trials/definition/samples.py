"""Invented people to try a wording on: no real person is needed to see how it reads."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from jinja2 import nodes

from trials.definition import wording
from trials.definition.wording import syntax_tree

_KINDS: Sequence[tuple[str, tuple[str, str]]] = (
    (r"amount|balance|price|cost|owed|money", ("142.50", "12,345.67")),
    (r"deadline|date|_by$|^by$|today|_on$|day$", ("15 June 2026", "Wednesday 30 September 2026")),
    (r"_at$|time|slot", ("10.30am on Tuesday", "3.45pm on Wednesday 30 September")),
    (r"phone|number|tel", ("01632 960001", "01632 960 999, option 4")),
    (r"url|link|website", ("wychbridge.example/pay", "wychbridge.example/council-tax/what-next")),
    (r"email", ("sam@wychbridge.example", "a.very.long.name@wychbridge.example")),
    (r"postcode", ("WB1 2AB", "WB12 3CD")),
    (r"reference|^ref$|_id$", ("WB-10427", "WB/2026/0000-10427-HX")),
    (r"days|wait|minutes|count|how_many", ("5", "28")),
    (r"statutory", ("[The text that the law prescribes]", "[The text that the law prescribes]")),
    (r"worker|officer|who$", ("Jo Evans", "Oluwaseun Adebayo-Featherstonehaugh")),
    (r"name", ("Sam Patel", "Alexandria Featherstonehaugh-Oyelaran")),
    (r"area|ward|town", ("Riverside", "Upper Wychbridge and the Hamlets")),
    (
        r"address|location|place|street",
        ("Mill Lane", "the corner of Long Meadow Road and Mill Way"),
    ),
    (r"problem|reason|topic", ("a pothole", "a street light that stays on all day")),
    (r"outcome|result|recorded_as", ("not presented", "blocked by a parked vehicle")),
    (
        r"documents",
        ("your passport", "your tenancy agreement, your last two payslips and your passport"),
    ),
    (
        r"do_what|next_step|done",
        ("check the account", "look into it and write to you with a reply"),
    ),
)


@dataclass(frozen=True, slots=True)
class Sample:
    """An invented person (or case): a name for the preview and the cells by placeholder."""

    title: str
    row: Mapping[str, str]


def placeholders(text: str) -> tuple[str, ...]:
    """The columns a wording names, in order of their first appearance; none if it is unsound."""
    tree = syntax_tree(text)
    if tree is None:
        return ()
    return tuple(dict.fromkeys(name.name for name in tree.find_all(nodes.Name)))


def samples(text: str) -> tuple[Sample, ...]:
    """A usual person, one whose details are long, and one with blanks where a test looks."""
    names = placeholders(text)
    asked = _asked_about(text)
    found = [
        Sample(
            "Someone usual",
            {n: "yes" if n in asked and not _kind(n) else _value(n, 0) for n in names},
        ),
        Sample("Someone with long details", {n: _value(n, 1) for n in names}),
    ]
    if asked:
        found.append(
            Sample(
                "Someone the message treats otherwise",
                {n: "" if n in asked else _value(n, 0) for n in names},
            )
        )
    return tuple(found) if names else (Sample("Everybody", {}),)


def rendered(text: str, row: Mapping[str, str]) -> str:
    """The wording as this person would get it.

    Raises:
        Invalid: the wording cannot be used, or a cell does not fit a filter.
    """
    return wording.compile(text, tuple(row)).render(row).strip()


def _asked_about(text: str) -> frozenset[str]:
    """The columns that an ``if`` of the wording tests."""
    tree = syntax_tree(text)
    if tree is None:
        return frozenset()
    tests = [part.test for part in tree.find_all(nodes.If)]
    named = [name.name for test in tests for name in test.find_all(nodes.Name)]
    alone = [test.name for test in tests if isinstance(test, nodes.Name)]
    return frozenset([*named, *alone])


def _kind(name: str) -> tuple[str, str] | None:
    return next((values for pattern, values in _KINDS if re.search(pattern, name)), None)


def _value(name: str, which: int) -> str:
    known = _kind(name)
    return known[which] if known else f"[{name.replace('_', ' ')}]"
