"""Draws that anybody can check: a commitment before, the seed after, every unit recomputed.

At launch the trial publishes the SHA-256 of ``TRIAL|SEED|NONCE``: it binds the seed before the
list of units exists, and the nonce (128 random bits) keeps a short seed from being guessed. At the
end seed and nonce are revealed; whoever holds the list draws again and compares.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256

from trials.designs.base import HELD_OUT, ListDesign, Roster


def new_nonce() -> str:
    """128 fresh random bits, in hexadecimal."""
    return secrets.token_hex(16)


def commit(seed: int, nonce: str, trial: str) -> str:
    """What is published at launch: ``sha256:`` and the digest of ``TRIAL|SEED|NONCE``."""
    return f"sha256:{sha256(f'{trial}|{seed}|{nonce}'.encode()).hexdigest()}"


def holds(commitment: str, *, seed: int, nonce: str, trial: str) -> bool:
    """Whether the revealed seed is the one committed to."""
    return hmac.compare_digest(commitment, commit(seed, nonce, trial))


@dataclass(frozen=True, slots=True)
class Difference:
    """A unit whose recorded arm is not the one drawn. None: not on that side's list.

    The holdout is the arm ``""``.
    """

    unit: str
    drawn: str | None
    recorded: str | None


def differences(
    design: ListDesign, roster: Roster, recorded: Mapping[str, str], *, seed: int, trial: str
) -> list[Difference]:
    """Every unit whose recorded arm differs from a fresh draw of ``roster``; empty when it holds.

    Args:
        design: the trial's design.
        roster: the eligible units, in any order.
        recorded: arm key by unit; ``""`` for the holdout.
        seed: the revealed seed.
        trial: the trial's key.
    """
    allocation = design.draw(roster, seed=seed, trial=trial)
    names = [*allocation.arms, ""]
    drawn = {
        unit: names[code] for unit, code in zip(roster.keys, allocation.arm.tolist(), strict=True)
    }
    assert names[HELD_OUT] == ""
    return [
        Difference(unit, drawn.get(unit), recorded.get(unit))
        for unit in (*roster.keys, *(u for u in recorded if u not in drawn))
        if drawn.get(unit) != recorded.get(unit)
    ]
