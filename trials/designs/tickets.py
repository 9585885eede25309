"""Chance for the draws: hash tickets that anybody can recompute, or a generator for redraws.

A *ticket* is the SHA-256 digest of the UTF-8 text ::

    signpost-1|SEED|TRIAL|PURPOSE|KEY

with SEED a decimal whole number, TRIAL the trial's key, PURPOSE one of the words named by the
design and KEY the unit, cluster or stratum it is for. A ticket is used in two ways only:

* as an *order*: keys are sorted by their tickets, ascending, byte by byte (the first 16 bytes
  are compared, which for any list decides);
* as a *number below m*: the first 8 bytes as a big-endian whole number, modulo ``m``.

Nothing depends on the order of a file or on a programming language's own random numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import islice
from typing import Any, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

Ints: TypeAlias = npt.NDArray[np.int64]
Floats: TypeAlias = npt.NDArray[np.float64]
Flags: TypeAlias = npt.NDArray[np.bool_]
Noise: TypeAlias = tuple[npt.NDArray[Any], ...]
"""Sort keys for ``numpy.lexsort``: the last one weighs most."""

SCHEME = "signpost-1"
_CHUNK = 100_000


class Chance(Protocol):
    """Where a draw's randomness comes from."""

    def noise(self, purpose: str, keys: Sequence[str] | range) -> Noise:
        """Sort keys that put ``keys`` in random order."""

    def below(self, purpose: str, keys: Sequence[str] | range, bound: int) -> Ints:
        """For each key a whole number in 0 … ``bound`` - 1, all equally likely."""


@dataclass(frozen=True, slots=True)
class Tickets:
    """Chance from SHA-256 tickets: a pure function of the seed, the trial and the keys."""

    seed: int
    trial: str

    def message(self, purpose: str, key: str) -> bytes:
        """The text whose digest is the ticket."""
        return f"{SCHEME}|{self.seed}|{self.trial}|{purpose}|{key}".encode()

    def digest(self, purpose: str, key: str) -> bytes:
        """The 32 bytes of one ticket."""
        return sha256(self.message(purpose, key)).digest()

    def number(self, purpose: str, key: str, bound: int) -> int:
        """One ticket as a whole number below ``bound``."""
        return int.from_bytes(self.digest(purpose, key)[:8]) % bound

    def noise(self, purpose: str, keys: Sequence[str] | range) -> Noise:
        """The first 16 bytes of every ticket as two big-endian words."""
        words = self._words(purpose, keys)
        return words[:, 1], words[:, 0]

    def below(self, purpose: str, keys: Sequence[str] | range, bound: int) -> Ints:
        """The first 8 bytes of every ticket, modulo ``bound``."""
        return (self._words(purpose, keys)[:, 0] % np.uint64(bound)).astype(np.int64)

    def _words(self, purpose: str, keys: Sequence[str] | range) -> npt.NDArray[np.uint64]:
        prefix = self.message(purpose, "")
        words = np.empty((len(keys), 2), np.uint64)
        rest, start = iter(keys), 0
        while chunk := list(islice(rest, _CHUNK)):
            digests = b"".join([sha256(prefix + str(k).encode()).digest()[:16] for k in chunk])
            words[start : start + len(chunk)] = np.frombuffer(digests, ">u8").reshape(-1, 2)
            start += len(chunk)
        return words


@dataclass(frozen=True, slots=True)
class Generator:
    """Chance from a NumPy generator: fresh at every call, for redraws and simulation."""

    rng: np.random.Generator

    def noise(self, purpose: str, keys: Sequence[str] | range) -> Noise:  # noqa: ARG002 - Chance
        """Uniform numbers, one for each key."""
        return (self.rng.random(len(keys)),)

    def below(
        self,
        purpose: str,  # noqa: ARG002 - part of Chance
        keys: Sequence[str] | range,
        bound: int,
    ) -> Ints:
        """Uniform whole numbers, one for each key."""
        return self.rng.integers(bound, size=len(keys), dtype=np.int64)
