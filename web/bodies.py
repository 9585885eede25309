"""Taking in what callers send, so that those who send slowly never hold every thread.

The server waits for a body as long as its sender likes, with a thread for each. So only some of the
threads may wait at a time: a quarter for callers who are not known, most of the others for keys and
for people who are signed in, and two for nobody, which answer whatever has no body. Who finds no
place is told to come back, and everybody else is answered as before.
"""

from __future__ import annotations

import io
import os
import socket
import stat
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import SpooledTemporaryFile
from typing import IO

from flask import g
from werkzeug.exceptions import RequestEntityTooLarge, ServiceUnavailable

from web.access import has_session

LARGEST = 256 * 1024 * 1024
"""Bytes that a caller who is known may send; uploads are checked further where they arrive."""
LARGEST_UNKNOWN = 1024 * 1024
"""Bytes that anybody else may: the forms for signing in hold some hundreds."""
_CHUNK, _IN_MEMORY = 64 * 1024, 1024 * 1024
_PATIENCE = 0.25
"""Seconds that one who is known waits for a place: under load many read for a moment."""
_FREE = 2
_ASKING = (("TCP_KEEPIDLE", 60), ("TCP_KEEPINTVL", 15), ("TCP_KEEPCNT", 4))


def threads() -> int:
    """How many threads a server process answers with: more than are busy, as some only wait."""
    return max(12, min(16, 4 * (os.cpu_count() or 1)))


class Gate:
    """The places of those whose bodies are awaited."""

    def __init__(self, of: int) -> None:
        unknown = max(1, of // 4)
        self._unknown = threading.Semaphore(unknown)
        self._known = threading.Semaphore(max(1, of - unknown - _FREE))
        self._begun = False

    @contextmanager
    def place(self, *, known: bool) -> Iterator[None]:
        """A place while a body is read. Raises ``ServiceUnavailable`` where all are taken."""
        if not self._begun:
            self._begun = True
            notice_the_vanished()
        places = self._known if known else self._unknown
        # A stranger does not wait, which would hold the thread that the place is to spare.
        if not (places.acquire(timeout=_PATIENCE) if known else places.acquire(blocking=False)):
            raise ServiceUnavailable("Too many are sending at once. Try again in a moment.",
                                     retry_after=1)  # fmt: skip
        try:
            yield
        finally:
            places.release()


class Body(io.RawIOBase):
    """A request's body, taken in whole when the application first reads it."""

    def __init__(self, sent: IO[bytes], gate: Gate) -> None:
        super().__init__()
        self._sent, self._gate = sent, gate
        self._kept: IO[bytes] | None = None

    def readable(self) -> bool:
        """It can be read."""
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        """Fill ``buffer``.

        Raises:
            ServiceUnavailable: too many are sending.
            RequestEntityTooLarge: there is more than this caller may send.
        """
        if self._kept is None:
            self._kept = self._whole()
        found = self._kept.read(len(buffer))
        buffer[: len(found)] = found
        return len(found)

    def close(self) -> None:
        """Give up what was kept."""
        if self._kept is not None:
            self._kept.close()
        super().close()

    def _whole(self) -> IO[bytes]:
        known = "key" in g or has_session()
        most = LARGEST if known else LARGEST_UNKNOWN
        kept: IO[bytes] = SpooledTemporaryFile(_IN_MEMORY)  # noqa: SIM115 - closed with the body
        with self._gate.place(known=known):
            while chunk := self._sent.read(_CHUNK):
                kept.write(chunk)
                if kept.tell() > most:
                    kept.close()
                    raise RequestEntityTooLarge
        kept.seek(0)
        return kept


def notice_the_vanished() -> None:
    """Have the system ask after silent callers, so that one who has lost the line frees its place.

    The server leaves this off. Whatever a listening socket accepts has what that socket has (Linux;
    elsewhere the system's own patience holds).
    """
    folder = Path("/proc/self/fd")
    for number in [int(entry.name) for entry in folder.iterdir()] if folder.is_dir() else []:
        with suppress(OSError):
            if not stat.S_ISSOCK(os.fstat(number).st_mode):
                continue
            with socket.socket(fileno=os.dup(number)) as found:
                if found.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
                    found.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
                    for option, seconds in _ASKING:
                        found.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), seconds)
