"""What people choose from: the shared measures and the advice for each channel.

Both are data (``templates/reference/metrics.toml`` and ``channels.toml``), so that a council can
add its own. A trial copies what it chooses; nothing here changes a plan that has been written.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache
from types import MappingProxyType
from typing import Any

from pydantic import Field

from trials.definition.model import Metric, Part
from trials.resources import folder


class Measure(Part):
    """A measure of the catalogue: the metric a plan copies, and what people read about it.

    ``baseline`` (with ``sd`` for a mean or count) is a starting point for sizing; ``main`` says
    whether it can stand as the one that decides.
    """

    metric: Metric
    says: str
    baseline: float | None = None
    sd: float | None = None
    spread_says: str = ""
    main: bool = False

    @property
    def key(self) -> str:
        """The metric's key."""
        return self.metric.key


class Advice(Part):
    """What to draw by on a channel, why, and what goes wrong there."""

    unit: str
    design: str
    cluster: str | None = None
    says: str
    traps: tuple[str, ...] = Field(default=(), strict=False)


_OWN = ("says", "baseline", "sd", "spread_says", "main")


@cache
def measures() -> Mapping[str, Measure]:
    """The shared measures by key, in the order of the file."""
    entries = _read("metrics.toml")["metrics"]
    return MappingProxyType({entry["key"]: _measure(entry) for entry in entries})


@cache
def advice() -> Mapping[str, Advice]:
    """The advice by channel."""
    found = _read("channels.toml")
    return MappingProxyType({name: Advice.model_validate(entry) for name, entry in found.items()})


def _measure(entry: Mapping[str, Any]) -> Measure:
    own = {name: entry[name] for name in _OWN if name in entry}
    own |= {name: float(own[name]) for name in ("baseline", "sd") if name in own}
    metric = {name: value for name, value in entry.items() if name not in _OWN}
    return Measure(metric=Metric.model_validate(metric), **own)


def _read(name: str) -> dict[str, Any]:
    path = folder("templates") / "reference" / name
    return tomllib.loads(path.read_text("utf-8"))
