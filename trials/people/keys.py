"""The keys of the installation: one for identifiers, later ones over it, and one for each trial.

None of them is in the database. The identifier key can be changed without the raw identifiers:
a new key is laid over the stored hashes, ``HMAC(new, HMAC(old, …))``, so that whoever learned the
old key alone can no longer go back from a hash to a number (:mod:`trials.people.rekeying`).

Each trial's (or namespace's) units have a key of their own, made when the first unit is hashed. It
is destroyed with the trial's units: backups then hold hashes that nobody can match to a list.
"""

from __future__ import annotations

import os
import secrets
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from trials.errors import Conflict, Unavailable

GONE: Final = "destroyed"
OWN_PURPOSE: Final = frozenset({"", "row", "row-content", "batch", "notification"})
"""Scopes that belong to no trial."""


@dataclass(frozen=True, slots=True)
class Keys:
    """The identifier key, the keys laid over it in order, and the folder of the trials' keys."""

    base: bytes = field(repr=False)
    over: tuple[bytes, ...] = field(default=(), repr=False)
    trials: Path | None = None

    @classmethod
    def of(cls, text: str, trials: Path | None = None) -> Keys:
        """The keys in a key file: the first line's, then one a line that was laid over it."""
        base, *over = (line.strip().encode() for line in text.strip().splitlines() if line.strip())
        return cls(base, tuple(over), trials)


class TrialKeys:
    """Keys by trial or namespace, one file each; made once, read once, destroyed for good."""

    __slots__ = ("_folder", "_known")

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._known: dict[str, str] = {}

    def of(self, scope: str) -> str:
        """The key of a scope in hexadecimal; made if it is the first use.

        Raises:
            Conflict: the key was destroyed with the trial's units.
            Unavailable: the folder cannot be written or read.
        """
        known = self._known.get(scope)
        if known is None:
            known = self._known[scope] = self._read(scope)
        return known

    def destroy(self, scope: str) -> None:
        """Overwrite the key's file with a note that it is gone."""
        path = self._folder / f"{scope}.key"
        self._known.pop(scope, None)
        if not path.exists() or path.read_text(encoding="utf-8").startswith(GONE):
            return
        with path.open("r+b") as file:
            size = len(file.read())
            file.seek(0)
            file.write(secrets.token_bytes(size))
            file.flush()
            os.fsync(file.fileno())
        note = path.with_suffix(".gone")
        note.write_text(f"{GONE} {datetime.now(UTC).date().isoformat()}\n", encoding="utf-8")
        note.replace(path)

    def _read(self, scope: str) -> str:
        path = self._folder / f"{scope}.key"
        try:
            if not path.exists():
                make_once(path)
            text = path.read_text(encoding="utf-8").strip()
        except OSError as failure:
            raise Unavailable(
                f"the key of trial {scope!r} cannot be read ({failure.strerror})",
                "check the folder trial-keys in SIGNPOST_HOME and its permissions",
            ) from None
        if text.startswith(GONE):
            raise Conflict(
                f"the key of trial {scope!r} was {text}: its units cannot be recognised any more",
                "give a new trial a new key",
            )
        return text


def make_once(path: Path) -> None:
    """Create a file with 256 random bits; of two processes racing, both keep the first one's."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(secrets.token_hex(32))
    try:
        path.hardlink_to(draft)
    except FileExistsError:
        pass
    finally:
        draft.unlink()
