"""What a draft holds: a trial file in the making, and the workshop notes around it.

The content is plain data: the tables of the trial file (``trial``, ``design``, ``arms``,
``metrics``, ``analysis``; dates as text) and ``workshop``, which the plan does not need and its
approval does: sizing, screening, forecasts, notes. A place in it is a dotted path; entries of
lists are named by their keys, as in ``arms.one-thing.wording``.
"""

from __future__ import annotations

import copy
import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any, TypeAlias

from trials import registry
from trials.definition import toml
from trials.definition.model import Trial
from trials.errors import Invalid, Problem

Content: TypeAlias = dict[str, Any]
TABLES = ("trial", "design", "arms", "metrics", "analysis")
_DATES = ("starts", "ends")
_AGREED = ("screening", "data", "equality")


def blank(key: str, title: str, owner: str) -> Content:
    """A draft with nothing decided but its name, and a control that is as things are today."""
    today = {"key": "current", "title": "As it is today", "control": True}
    return {
        "trial": {"key": key, "title": title, "owner": owner},
        "design": {},
        "arms": [today],
        "metrics": [],
        "analysis": {},
        "workshop": {},
    }


def from_trial(trial: Trial) -> Content:
    """A draft that says what ``trial`` says."""
    return {**registry.stored(trial), "workshop": {}}


def trial_of(content: Content, name: str = "the draft") -> Trial:
    """The trial that the draft defines.

    Raises:
        Invalid: something is missing or broken; every problem is listed.
    """
    about = dict(content["trial"])
    for field in _DATES:
        if isinstance(about.get(field), str):
            about[field] = date.fromisoformat(about[field])
    data = {table: content.get(table) or {} for table in TABLES}
    data |= {"trial": about, "arms": content["arms"], "metrics": content["metrics"]}
    return toml.from_data(data, name=name)


def problems(content: Content) -> tuple[Problem, ...]:
    """What keeps the draft from being a trial; empty when nothing does."""
    try:
        trial_of(content)
    except Invalid as broken:
        return broken.problems
    return ()


def get(content: Content, path: str) -> Any:
    """What is at ``path``; ``None`` where nothing is."""
    place: Any = content
    for name in path.split("."):
        place = _step(place, name)
        if place is None:
            return None
    return place


def put(content: Content, path: str, value: Any) -> None:
    """Set ``path`` to ``value``; ``None`` and the empty text remove it."""
    *above, last = path.split(".")
    place: Any = content
    for name in above:
        place = _opened(place, name)
    if isinstance(place, list):
        _put_entry(place, last, value)
    elif value is None or value in ("", [], {}):
        place.pop(last, None)
    else:
        place[last] = value


def changed(content: Content, values: Mapping[str, Any]) -> Content:
    """A copy with every path of ``values`` set."""
    after = copy.deepcopy(content)
    for path, value in values.items():
        put(after, path, value)
    return after


def agreed_hash(content: Content) -> str:
    """The hash of what people agree to: the whole trial and its screening.

    Notes, forecasts and the figures behind the size are left out: adding a comment of the panel
    does not take anybody's agreement back.
    """
    workshop = content.get("workshop", {})
    agreed = {name: content.get(name) for name in TABLES} | {
        name: workshop.get(name) for name in _AGREED
    }
    text = json.dumps(agreed, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()


def new_key(title: str, taken: set[str]) -> str:
    """A key made of a title, unlike those taken: ``Bin day text`` is ``bin-day-text``."""
    plain = re.sub(r"[^a-z0-9]+", "-", title.lower().replace("’", "").replace("'", "")).strip("-")
    base = plain[:56].strip("-") or "trial"
    return next(k for k in _numbered(base) if k not in taken)


def _numbered(base: str) -> Iterator[str]:
    yield base
    number = 2
    while True:
        yield f"{base}-{number}"
        number += 1


def _step(place: Any, name: str) -> Any:
    if isinstance(place, list):
        return next((entry for entry in place if entry.get("key") == name), None)
    return place.get(name) if isinstance(place, dict) else None


def _opened(place: Any, name: str) -> Any:
    if isinstance(place, list):
        found = _step(place, name)
        if found is None:
            found = {"key": name}
            place.append(found)
        return found
    return place.setdefault(name, {})


def _put_entry(entries: list[Any], key: str, value: Any) -> None:
    at = next((i for i, entry in enumerate(entries) if entry.get("key") == key), None)
    if value is None:
        if at is not None:
            entries.pop(at)
    elif at is None:
        entries.append({"key": key, **value})
    else:
        entries[at] = {"key": key, **value}
