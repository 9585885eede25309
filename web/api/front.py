"""The two questions that platforms ask while somebody waits, answered in front of the framework.

Six sevenths of the time of ``assign``, posted or flat, and of OFREP's evaluation were the
framework's: routing, hooks, headers, a context for each request. What can be answered at once is
answered here, by the same functions as the views'. Everything else (a key not known, a body that
cannot be used, a trial that is not there, a caller who asks too often) goes on to the views as if
nothing had been here, so that there is one place where errors are told.
"""

from __future__ import annotations

import io
import re
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from string import printable
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from flask import Flask
from prometheus_client import Counter, Histogram

from trials.online.service import Answer, Ask, Online
from web import security
from web.api import assign, ofrep
from web.api.door import ADMITTED, secret_of
from web.api.limits import Limiter
from web.bodies import Gate

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

LARGEST = 64 * 1024
"""Bytes of a body that is read here; a larger one is the views' matter."""
_PATH = re.compile(r"/(api/v1/trials|ofrep/v1/evaluate/flags)/([a-z0-9-]+)(/assign)?")
_ASKING = frozenset({"GET", "POST"})


@dataclass(frozen=True, slots=True)
class _Road:
    """One way to ask: what is read, how it is answered, and where it is counted."""

    sent: Callable[[WSGIEnvironment], bytes | None]
    ask: Callable[[bytes], Ask]
    told: Callable[[Answer], dict[str, Any]]
    requests: Counter
    seconds: Histogram


class Front:
    """A WSGI application in front of ``inner``, for the service that ``app`` holds."""

    def __init__(self, app: Flask, inner: WSGIApplication) -> None:
        self._inner, self._json = inner, app.json.dumps
        self._online: Online = app.extensions["online"]
        self._limiter: Limiter = app.extensions["limiter"]
        self._gate = Gate()
        meters = app.extensions["meters"]
        trials, flags = ("api/v1/trials", "/assign"), ("ofrep/v1/evaluate/flags", None)
        body = self._body
        views = (
            ("POST", trials, body, assign.asked, assign.document, "/api/v1/trials/<key>/assign"),
            ("GET", trials, _query, assign.asked_flat,
             lambda given: assign.flat(given, self._json), "/api/v1/trials/<key>/assign"),
            ("POST", flags, body, ofrep.asked, ofrep.success, "/ofrep/v1/evaluate/flags/<key>"),
        )  # fmt: skip
        self._roads = {
            (method, *ends): _Road(
                sent, ask, told, meters.requests.labels(method, rule, "200"),
                meters.seconds.labels(rule),
            )
            for method, ends, sent, ask, told, rule in views
        }  # fmt: skip
        plain = {**security.HEADERS, "Content-Security-Policy": security.policy(),
                 "Cache-Control": "no-store", "Content-Type": "application/json"}  # fmt: skip
        self._headers = list(plain.items())

    def __call__(self, environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        """Answer, or hand on to the framework."""
        body = self._answer(environ) if environ["REQUEST_METHOD"] in _ASKING else None
        if body is None:
            query: str = environ.get("QUERY_STRING", "")
            if not query.isascii():  # the framework fails at bytes that are no text
                environ["QUERY_STRING"] = quote(query, safe=printable, encoding="latin-1")
            if not isinstance(environ["wsgi.input"], io.BytesIO):  # else it has been taken in
                environ["wsgi.input"] = self._gate.body(environ)
            return self._inner(environ, start)
        headers = [*self._headers, ("Content-Length", str(len(body)))]
        if environ["wsgi.url_scheme"] == "https":
            headers.append(security.HTTPS_ONLY)
        start("200 OK", headers)
        return [body]  # a list is sent at once; anything else the server sends piece by piece

    def _answer(self, environ: WSGIEnvironment) -> bytes | None:
        """The body of the answer; ``None`` for what the views answer."""
        began = time.perf_counter()
        named = _PATH.fullmatch(environ.get("PATH_INFO", ""))
        road = named and self._roads.get((environ["REQUEST_METHOD"], named[1], named[3]))
        if not named or not road:
            return None
        try:
            sent = road.sent(environ) if self._admits(environ) else None
            if sent is None:
                return None
            given = self._online.assign(named[2], road.ask(sent))
        except Exception:  # noqa: BLE001 - whatever fails here is asked of the views, who tell it
            return None
        said = self._json(road.told(given)).encode()
        road.requests.inc()
        road.seconds.observe(time.perf_counter() - began)
        return said

    def _admits(self, environ: WSGIEnvironment) -> bool:
        """Whether who calls may ask now. It is noted for the views, who would count it again."""
        secret = secret_of(environ.get("HTTP_AUTHORIZATION", ""))
        key = self._online.key(secret) if secret else None
        if key is None or "assign" not in key.scopes or self._limiter.wait(key.id):
            return False
        environ[ADMITTED] = key
        return True

    def _body(self, environ: WSGIEnvironment) -> bytes | None:
        """The body, which the views can still read; ``None`` if its length is not told or large."""
        length = environ.get("CONTENT_LENGTH") or ""
        if not length.isdecimal() or int(length) > LARGEST:
            return None
        with self._gate.asking:
            sent: bytes = environ["wsgi.input"].read(int(length))
        environ["wsgi.input"] = io.BytesIO(sent)
        return sent


def _query(environ: WSGIEnvironment) -> bytes:
    """The query of the address, as it was sent."""
    query: str = environ.get("QUERY_STRING", "")
    return query.encode("latin-1")
