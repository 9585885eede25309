"""Files that people hand in: kept in a private folder until they have been read, then deleted.

They hold personal data, so they lie outside the database and outside whatever is served, under
random names with mode 0600, and are removed as soon as the job that reads them is over. What a
worker leaves for people to fetch (one file per arm of a list trial) lies beside them for a day.
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
import time
from pathlib import Path
from typing import IO

from trials.contacts import reading
from trials.errors import NotFound, SignpostError

KEPT_SECONDS = 24 * 3600
_PIECE = 1 << 20
_REMEDY = "split it, or import it on the server with 'signpost import'"
_SAFE = re.compile(r"[^A-Za-z0-9._-]+")
_TOKEN = re.compile(r"[0-9a-f]{32}")


def keep(home: Path, stream: IO[bytes], name: str, *, most: int = 2 << 30) -> str:
    """Write an upload to the private folder; answers the token that names it in a payload.

    Raises:
        SignpostError: it is empty, or larger than ``most`` bytes as sent or unpacked; nothing is
            kept.
    """
    token = secrets.token_hex(16)
    folder = _private(home / "uploads" / token)
    path = folder / (_SAFE.sub("-", Path(name).name).strip(".-")[-80:] or "file.csv")
    try:
        _copy(stream, path, most)
        _unpacks(path, most)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return token


def _copy(stream: IO[bytes], path: Path, most: int) -> None:
    size = 0
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as file:
        while piece := stream.read(_PIECE):
            size += len(piece)
            if size > most:
                raise SignpostError(f"the file is larger than {most >> 20:,} MB", _REMEDY)
            file.write(piece)
    if not size:
        raise SignpostError("the file is empty", "choose the file again")


def _unpacks(path: Path, most: int) -> None:
    """Raises ``SignpostError`` for a gzip of which readers would find no end."""
    with path.open("rb") as sent:
        if sent.read(2) != reading.GZIP:
            return
    size = 0
    with reading.opened(path) as stream, reading.told():
        while piece := stream.read(_PIECE):
            size += len(piece)
            if size > most:
                raise SignpostError(f"the file unpacks to more than {most >> 20:,} MB", _REMEDY)


def path_of(home: Path, token: str) -> Path:
    """The file that a token names. Raises ``NotFound`` once it has been deleted."""
    folder = home / "uploads" / token
    found = sorted(folder.iterdir()) if _TOKEN.fullmatch(token) and folder.is_dir() else []
    if not found:
        raise NotFound("the uploaded file is no longer here", "upload it again")
    return found[0]


def drop(home: Path, token: str) -> None:
    """Delete an upload; one that has gone already is no matter."""
    if _TOKEN.fullmatch(token):
        shutil.rmtree(home / "uploads" / token, ignore_errors=True)


def outbound(home: Path, job_id: int) -> Path:
    """The folder of what job ``job_id`` made for people to fetch."""
    return _private(home / "handed-out" / str(job_id))


def outbound_file(home: Path, job_id: int, name: str) -> Path:
    """One file of it. Raises ``NotFound`` for what was never made or has been deleted."""
    path = home / "handed-out" / str(job_id) / Path(name).name
    if not path.is_file():
        raise NotFound("this file is no longer here: it was deleted after a day", "run it again")
    return path


def sweep(home: Path, *, now: float | None = None) -> int:
    """Delete what has lain longer than a day; answers how many folders."""
    before = (time.time() if now is None else now) - KEPT_SECONDS
    old = [
        folder
        for part in ("uploads", "handed-out") if (home / part).is_dir()
        for folder in (home / part).iterdir() if folder.stat().st_mtime < before
    ]  # fmt: skip
    for folder in old:
        shutil.rmtree(folder, ignore_errors=True)
    return len(old)


def _private(folder: Path) -> Path:
    folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder
