"""Namespaces: trials that must never share a unit divide its units among them.

A namespace has 4,096 segments; a unit's segment is the first three hexadecimal digits of its
namespace bucket (:mod:`trials.designs.bucketing`). A trial claims as many as its share, drawn at
random from those that are free, so that whoever held them before leaves no pattern (Bakshy,
Eckles & Bernstein 2014, "Designing and deploying online field experiments", section 4).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from hashlib import sha256

from trials.designs.bucketing import ALGORITHM
from trials.errors import Conflict, NotFound

SEGMENTS = 4096


@dataclass(frozen=True, slots=True)
class Claim:
    """The segments a trial holds."""

    trial: str
    segments: frozenset[int]


@dataclass(frozen=True, slots=True)
class Namespace:
    """A set of units divided among trials. Every change gives a new one; none moves a unit."""

    key: str
    epoch: int = 1
    claims: tuple[Claim, ...] = ()

    @property
    def free(self) -> frozenset[int]:
        """Segments that no trial holds."""
        held = frozenset().union(*(claim.segments for claim in self.claims))
        return frozenset(range(SEGMENTS)) - held

    def segment(self, unit: str) -> int:
        """The segment of ``unit``."""
        message = f"{ALGORITHM}|{self.key}|{self.epoch}|namespace|{unit}"
        return int(sha256(message.encode()).hexdigest()[:3], 16)

    def trial_of(self, unit: str) -> str | None:
        """The one trial ``unit`` can be in, if any."""
        segment = self.segment(unit)
        return next((c.trial for c in self.claims if segment in c.segments), None)

    def held_by(self, trial: str) -> tuple[str, int, frozenset[int]]:
        """What a split needs to know.

        Raises:
            NotFound: the trial holds nothing here.
        """
        for claim in self.claims:
            if claim.trial == trial:
                return self.key, self.epoch, claim.segments
        raise NotFound(f"trial {trial} has no share of the namespace {self.key}", "claim one first")

    def claim(self, trial: str, share: float) -> Namespace:
        """The namespace with ``trial`` holding ``share`` of it; what it held it keeps.

        Raises:
            Conflict: less than that is free, or the trial already holds more.
        """
        held = next((c.segments for c in self.claims if c.trial == trial), frozenset[int]())
        wanted = round(share * SEGMENTS)
        if wanted < max(len(held), 1):
            now = len(held) / SEGMENTS
            raise Conflict(
                f"{share:.1%} is not more than trial {trial} holds of {self.key} ({now:.1%})",
                "a share can only grow; release it to give it up",
            )
        if wanted - len(held) > len(self.free):
            others = ", ".join(c.trial for c in self.claims if c.trial != trial) or "nobody"
            raise Conflict(
                f"only {len(self.free) / SEGMENTS:.1%} of the namespace {self.key} is free",
                f"the rest is held by {others}; end one of them or claim less",
            )
        more = sorted(self.free, key=lambda s: self._ticket(trial, s))[: wanted - len(held)]
        others_kept = tuple(c for c in self.claims if c.trial != trial)
        return replace(self, claims=(*others_kept, Claim(trial, held | frozenset(more))))

    def release(self, trial: str) -> Namespace:
        """The namespace with the segments of ``trial`` free again."""
        return replace(self, claims=tuple(c for c in self.claims if c.trial != trial))

    def _ticket(self, trial: str, segment: int) -> bytes:
        text = f"{ALGORITHM}|{self.key}|{self.epoch}|segment.{trial}|{segment}"
        return sha256(text.encode()).digest()
