"""The ``[line]`` table of an assumption file: the line of enquiry whose queue a change eases.

::

    [line]
    name = "Council Tax"
    offered = 33592        # calls offered, call-backs included
    days = 21              # open days in which they were offered
    hours = 8              # opening hours a day
    aht = 666              # average handling time, seconds
    wait = 242             # seen: average wait of answered calls, seconds
    abandoned = 0.1311     # seen: share that gave up

Instead of ``wait`` and ``abandoned``, from which agents and patience are fitted, ``agents`` and
perhaps ``patience`` may be given. ``retry``, ``shrinkage`` and ``target_wait`` come from the
register's assumptions unless the table has them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from analysis.scaling.question import CapacityRequest, Observed, check
from trials.errors import Invalid, Problem

NEEDED = ("offered", "days", "hours", "aht")
OPTIONAL = ("agents", "patience", "retry", "shrinkage", "target_wait")
SEEN = ("wait", "abandoned")
KEYS = ("name", *NEEDED, *OPTIONAL, *SEEN)


def read_line(
    table: Mapping[str, Any], place: Callable[[str], str], unknown: Callable[[str], Problem]
) -> tuple[CapacityRequest | None, list[Problem]]:
    """The question that a table puts, or every problem with it; nothing for an empty table.

    ``place`` says where a key is written; ``unknown`` words the problem of a key nobody knows.
    """
    if not table:
        return None, []
    problems = [unknown(key) for key in table if key not in KEYS]
    problems += [
        Problem(place(key), f"{key} = {table[key]!r} is not a number", "give a number")
        for key in (*NEEDED, *OPTIONAL, *SEEN)
        if key in table and not _is_number(table[key])
    ]
    problems += [
        Problem(place(""), f"line has no {key}", "give it") for key in NEEDED if key not in table
    ]
    if ("wait" in table) != ("abandoned" in table):
        problems.append(
            Problem(place("wait"), "wait and abandoned go together", "give both, or neither")
        )
    if problems:
        return None, problems
    return _checked(table, place)


def _checked(
    table: Mapping[str, Any], place: Callable[[str], str]
) -> tuple[CapacityRequest | None, list[Problem]]:
    fitted = "wait" in table
    seen = Observed(wait=table["wait"], abandoned=table["abandoned"]) if fitted else None
    figures: dict[str, Any] = {k: float(table[k]) for k in (*NEEDED, *OPTIONAL) if k in table}
    request = CapacityRequest(fit=seen, **figures)
    try:
        check(request)
    except Invalid as refused:
        return None, [Problem(place(p.place), f"{p.place} {p.says}", p.remedy)
                      for p in refused.problems]  # fmt: skip
    return request, []


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
