"""The plan and its hash.

The plan is everything of a definition that the analysis depends on, in one canonical form:
defaults filled in, durations in seconds, numbers as floats, keys sorted. Its SHA-256 is printed
on every result. Names for people (titles, the owner) are left out: correcting a typing error in a
title does not make another plan.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from datetime import date
from typing import Any

from trials.definition.model import Trial

FORMAT = 1
_FOR_PEOPLE = {"title", "owner"}
_LATER: dict[str, Any] = {
    "quantiles": (), "equivalence": None, "missing": "complete", "futility": None,
    "interval": "robust", "few_clusters": "cr2", "uptake": None,
    "namespace_share": None, "coverage": 1.0, "adaptive": None, "levels": {},
}  # fmt: skip
"""Keys that came after the first plans were locked: left out where they say what was so before,
so that those plans keep their hash."""


def document(trial: Trial) -> dict[str, Any]:
    """The plan as JSON-ready data."""
    data = trial.model_dump()
    return {"format": FORMAT, **{name: _canonical(value) for name, value in data.items()}}


def canonical(trial: Trial) -> str:
    """The plan as the one text that is hashed."""
    return json.dumps(document(trial), sort_keys=True, ensure_ascii=False, separators=(",", ":"))


def plan_hash(trial: Trial) -> str:
    """``sha256:`` and 64 hexadecimal digits."""
    return "sha256:" + hashlib.sha256(canonical(trial).encode()).hexdigest()


def changes(before: dict[str, Any], after: dict[str, Any]) -> list[dict[str, Any]]:
    """What differs between two plan documents: ``{"what", "before", "after"}`` each."""
    old, new = dict(_leaves(before)), dict(_leaves(after))
    names = sorted(set(old) | set(new))
    return [
        {"what": name, "before": old.get(name), "after": new.get(name)}
        for name in names
        if old.get(name) != new.get(name)
    ]


def _canonical(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _canonical(v) for k, v in value.items()
                if k not in _FOR_PEOPLE and not (k in _LATER and v == _LATER[k])}  # fmt: skip
    if isinstance(value, list | tuple):
        return [_canonical(item) for item in value]
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**53:
        return float(value)
    return value


def _leaves(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _leaves(inner, f"{name}.{key}" if name else str(key))
    elif isinstance(value, list) and any(isinstance(item, dict) for item in value):
        for i, inner in enumerate(value):
            label = inner.get("key", i) if isinstance(inner, dict) else i
            yield from _leaves(inner, f"{name}[{label}]")
    else:
        yield name, value
