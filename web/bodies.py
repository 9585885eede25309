"""Taking in what callers send, so that those who send slowly never hold every thread.

The server waits for a body as long as its sender likes, with a thread for each, and cannot be told
otherwise: a read ends when something has come, and never before. So only some of the
threads may wait at a time: a quarter for callers who are not known, a quarter for keys and people
who are signed in, a quarter for platforms that ask for an arm, so that no upload holds up a
telephone, and the last for nobody: it answers whatever has no body. Who finds no place soon is told
to come back, and everybody else is answered as before. Who sends slower than a bad telephone line
is cut off; only who sends nothing at all, and answers the system's probes, keeps a place.
"""

from __future__ import annotations

import io
import os
import socket
import stat
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from queue import Empty, SimpleQueue
from tempfile import SpooledTemporaryFile
from typing import IO, TYPE_CHECKING

from flask import g
from werkzeug.exceptions import RequestEntityTooLarge, RequestTimeout, ServiceUnavailable

from web.access import has_session

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

LARGEST = 256 * 1024 * 1024
"""Bytes that a caller who is known may send; uploads are checked further where they arrive."""
LARGEST_UNKNOWN = 1024 * 1024
"""Bytes that anybody else may: the forms for signing in hold some hundreds."""
_CHUNK, _IN_MEMORY = 64 * 1024, 1024 * 1024
GRACE, SLOWEST = 20.0, 16 * 1024
"""Seconds that any sender has, and the bytes a second that it must keep up with afterwards."""
_QUICK = 0.02
"""Seconds within which what had come already is read."""
_PATIENCE = 0.25
"""Seconds that one waits for a place: under load many read for a moment."""
THREADS = 8
"""How many threads a server process answers with. Few: they share Python's lock, but wait for one
commit together, and for slow senders."""
_ASKING = (("TCP_KEEPIDLE", 60), ("TCP_KEEPINTVL", 15), ("TCP_KEEPCNT", 4))


class Places:
    """So many places, each held for the length of a ``with``.

    Raises:
        ServiceUnavailable: all are taken, and none became free soon.
    """

    def __init__(self, number: int) -> None:
        self._free: SimpleQueue[None] = SimpleQueue()  # quicker than a semaphore: it is asked often
        for _ in range(number):
            self._free.put(None)

    def __enter__(self) -> None:
        try:
            self._free.get_nowait()
        except Empty:
            self._wait()

    def __exit__(self, *_: object) -> None:
        self._free.put(None)

    def _wait(self) -> None:
        try:
            self._free.get(timeout=_PATIENCE)
        except Empty:
            raise _full() from None


def _full() -> ServiceUnavailable:
    says = "Too many are sending at once. Try again in a moment."
    return ServiceUnavailable(says, retry_after=1)


class _Strangers(Places):
    """The same for strangers, only one of whom waits: more would hold what is to be spared."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self._next = threading.Lock()

    def _wait(self) -> None:
        if not self._next.acquire(blocking=False):
            raise _full()
        try:
            super()._wait()
        finally:
            self._next.release()


class Gate:
    """The places of those whose bodies are awaited, where so many threads answer."""

    def __init__(self, of: int = THREADS) -> None:
        each = max(1, of // 4)
        self.unknown, self.known, self.asking = _Strangers(each), Places(each), Places(each)
        self._begun = False

    def body(self, environ: WSGIEnvironment) -> Body:
        """What a request sends, to be read through the gate."""
        if not self._begun:
            self._begun = True
            notice_the_vanished()
        told = environ.get("CONTENT_LENGTH") or ""
        # Of a body whose length is not told, only the server knows where it ends.
        return Body(environ["wsgi.input"], self, int(told) if told.isdecimal() else sys.maxsize)


class Body(io.RawIOBase):
    """A request's body of ``length`` bytes, taken in whole when the application first reads it."""

    def __init__(self, sent: IO[bytes], gate: Gate, length: int) -> None:
        super().__init__()
        self._sent, self._gate, self._left = sent, gate, length
        self._kept: IO[bytes] | None = None

    def readable(self) -> bool:
        """It can be read."""
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        """Fill ``buffer``.

        Raises:
            ServiceUnavailable: too many are sending.
            RequestTimeout: it comes too slowly.
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
        with self._gate.known if known else self._gate.unknown:
            for chunk in self._chunks():
                kept.write(chunk)
                if kept.tell() > most:
                    kept.close()
                    raise RequestEntityTooLarge
        kept.seek(0)
        return kept

    def _chunks(self) -> Iterator[bytes]:
        """What comes: a byte at a time while it is waited for, as a read waits for all it asked."""
        began = last = time.monotonic()
        size, got = 1, 0
        while chunk := self._sent.read(min(size, self._left)):
            now = time.monotonic()
            self._left -= len(chunk)
            got += len(chunk)
            if now - began > GRACE + got / SLOWEST:
                raise RequestTimeout("The request came too slowly. Send it again.")
            size = min(2 * size, _CHUNK) if now - last < _QUICK else 1
            last = now
            yield chunk


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
