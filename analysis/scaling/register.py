"""The register of assumptions: what was given, what is a default, and what is missing."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from typing import Any

import numpy as np

from analysis.scaling.assumption import Assumption
from analysis.scaling.mechanism import Mechanism
from analysis.scaling.question import CapacityRequest
from analysis.scaling.specs import SPECS
from analysis.tables import Floats
from trials.errors import Invalid, Problem


@dataclass(frozen=True, slots=True, kw_only=True)
class Register:
    """Assumptions by name.

    ``given`` wins over ``fallbacks`` (defaults of this case alone, such as the optimism bias of
    its evidence grade), and these over the defaults of the product.
    ``mechanism`` says how, if at all, avoided work becomes cash; ``line`` describes the line of
    enquiry whose queue is modelled, if any.
    """

    given: Mapping[str, Assumption] = field(default_factory=dict)
    fallbacks: Mapping[str, Assumption] = field(default_factory=dict)
    mechanism: Mechanism = field(default_factory=Mechanism)
    line: CapacityRequest | None = None

    def find(self, name: str) -> Assumption | None:
        """The assumption of that name, or ``None`` where there is neither figure nor default."""
        found = self.given.get(name) or self.fallbacks.get(name)
        return found or SPECS[name].default

    def resolve(self, names: Iterable[str]) -> dict[str, Assumption]:
        """The assumptions a case needs; :class:`~trials.errors.Invalid` names all missing ones."""
        found = {name: self.find(name) for name in names}
        missing = [missing_problem(name) for name, value in found.items() if value is None]
        if missing:
            raise Invalid("the assumptions", missing)
        return {name: value for name, value in found.items() if value is not None}

    def fallback(self, *assumptions: Assumption) -> Register:
        """The register with further defaults that hold for one case."""
        return replace(self, fallbacks={**self.fallbacks, **{a.name: a for a in assumptions}})

    @property
    def queue(self) -> CapacityRequest | None:
        """The line with what the register knows of call-backs, shrinkage and the target wait."""
        if self.line is None:
            return None
        own = {"retry": self.line.retry, "shrinkage": self.line.shrinkage,
               "target_wait": self.line.target_wait}  # fmt: skip
        names = {"target_wait": "target_wait_seconds"}
        given = {key: self.given.get(names.get(key, key)) for key, value in own.items()
                 if value is None}  # fmt: skip
        known: dict[str, Any] = {k: a.value for k, a in given.items() if a is not None}
        return replace(self.line, **known)

    def with_given(self, *assumptions: Assumption) -> Register:
        """The register with these figures in place of what it held."""
        return replace(self, given={**self.given, **{a.name: a for a in assumptions}})


def missing_problem(name: str) -> Problem:
    """Says that a name without a default was not given."""
    spec = SPECS[name]
    return Problem(
        f"[assumptions.{name}]",
        f"{spec.meaning} ({spec.unit}) is not given and has no default",
        "give its value, source and date",
    )


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name closest in spelling, if any is close."""
    found = get_close_matches(name, list(known), n=1, cutoff=0.5)
    return found[0] if found else None


def draw(assumptions: Mapping[str, Assumption], *, size: int, seed: int) -> dict[str, Floats]:
    """Independent draws of each assumption, ``size`` long.

    Each name has its own stream, so changing one assumption leaves the draws of the others alone
    and two cases can be compared draw by draw.
    """
    return {
        name: assumption.draws(size, np.random.default_rng([seed, zlib.crc32(name.encode())]))
        for name, assumption in assumptions.items()
    }


def central(assumptions: Mapping[str, Assumption]) -> dict[str, Floats]:
    """Each assumption at its central value, as an array of one."""
    return {name: np.array([float(a.value)]) for name, a in assumptions.items()}


def changed(before: Register, after: Register) -> tuple[str, ...]:
    """Names whose figures differ between two registers, alphabetically."""
    return tuple(
        name for name in sorted(SPECS) if _figures(before.find(name)) != _figures(after.find(name))
    )


def _figures(a: Assumption | None) -> tuple[float, float | None, float | None, str] | None:
    return None if a is None else (a.value, a.low, a.high, a.shape)
