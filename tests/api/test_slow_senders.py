"""Callers who send slowly hold no more than their own places at the production server."""

from __future__ import annotations

import http.client
import io
import json
import signal
import socket
import threading

import pytest
from flask import request
from werkzeug.exceptions import HTTPException
from werkzeug.test import EnvironBuilder

from web import bodies

ASSIGN = "/api/v1/trials/website-banner/assign"
EXPOSURES = "/api/v1/trials/website-banner/exposures"


def slow(port, path, secret=None):
    """A connection whose body never comes to its end."""
    caller = socket.create_connection(("127.0.0.1", port))
    key = f"Authorization: Bearer {secret}\r\n" if secret else ""
    caller.sendall(f"POST {path} HTTP/1.1\r\nHost: h\r\n{key}Content-Length: 500\r\n"
                   "Content-Type: application/x-www-form-urlencoded\r\n\r\na=".encode())  # fmt: skip
    return caller


def told(port, method, path, body=None, secret=None):
    """Status, headers and body of one quick request."""
    asked = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    headers |= {"Authorization": f"Bearer {secret}"} if secret else {}
    asked.request(method, path, body, headers)
    said = asked.getresponse()
    try:
        return said.status, said.headers, said.read()
    finally:
        asked.close()


def test_others_are_answered_while_strangers_and_a_keys_owner_send_slowly(server, secrets):
    port, key = int(server[1].rsplit(":", 1)[1]), secrets["assign"]
    strangers = [slow(port, "/sign-in") for _ in range(40)]
    unit = json.dumps({"unit": "v-1"})
    for _ in range(3):
        assert told(port, "GET", "/healthz")[0] == 200
        assert told(port, "GET", f"{ASSIGN}?unit=v-1", secret=key)[0] == 200
        assert told(port, "POST", ASSIGN, unit, secret=key)[0] == 200
    status, headers, _ = told(port, "POST", "/sign-in", "a=b")
    assert (status, headers["Retry-After"]) == (503, "1")
    batches = [slow(port, EXPOSURES, secrets["ingest"]) for _ in range(40)]
    assert told(port, "POST", ASSIGN, unit, secret=key)[0] == 200
    owners = [slow(port, ASSIGN, key) for _ in range(40)]
    assert told(port, "GET", f"{ASSIGN}?unit=v-1", secret=key)[0] == 200
    for caller in (*strangers, *batches, *owners):
        caller.close()
    while told(port, "POST", "/sign-in", "a=b")[0] == 503:
        pass
    assert told(port, "POST", ASSIGN, unit, secret=key)[0] == 200
    last = slow(port, "/sign-in")
    server[0].send_signal(signal.SIGTERM)
    server[0].wait(timeout=120)  # for all that somebody goes on sending
    last.close()


def test_a_connection_that_says_nothing_is_closed(server):
    """A thousand of them would be all that the server holds, and nobody else got in."""
    silent = socket.create_connection(("127.0.0.1", int(server[1].rsplit(":", 1)[1])), timeout=120)
    with silent:
        assert silent.recv(1) == b""


def test_a_strangers_body_is_bounded_however_it_is_sent(app):
    read = []

    class Endless:
        def read(self, size):
            read.append(size)
            return b"x" * size

    environ = EnvironBuilder("/sign-in", method="POST").get_environ()
    environ["wsgi.input"] = Endless()
    environ["wsgi.input_terminated"] = True
    environ["wsgi.input"] = bodies.Gate(4).body(environ)
    with app.request_context(environ), pytest.raises(HTTPException) as refused:
        request.get_data()
    assert refused.value.code == 413
    assert sum(read) < 2 * bodies.LARGEST_UNKNOWN


def test_who_sends_too_slowly_is_cut_off_however_little_comes(app, monkeypatch):
    now = [0.0]
    monkeypatch.setattr(bodies.time, "monotonic", lambda: now[0])

    class Trickle:
        """A byte a second, for which a read waits until it has all it asked for."""

        def read(self, size):
            now[0] += size
            return b"x" * size

    environ = EnvironBuilder("/sign-in", method="POST").get_environ()
    environ["CONTENT_LENGTH"], environ["wsgi.input"] = "5000", Trickle()
    environ["wsgi.input"] = bodies.Gate(4).body(environ)
    with app.request_context(environ), pytest.raises(HTTPException) as refused:
        request.get_data()
    assert refused.value.code == 408
    assert now[0] < bodies.GRACE + 2


def test_no_more_is_read_than_the_length_that_is_told(app):
    environ = EnvironBuilder("/sign-in", method="POST", data=b"a=b").get_environ()
    environ["wsgi.input"] = io.BytesIO(b"a=b and what a caller sends next")
    environ["wsgi.input"] = bodies.Gate(4).body(environ)
    with app.request_context(environ):
        assert environ["wsgi.input"].read() == b"a=b"


def test_a_place_is_given_back_and_strangers_take_none_of_the_known_ones(app):
    gate, held, leave = bodies.Gate(4), threading.Event(), threading.Event()

    def wait():
        with gate.unknown:
            held.set()
            leave.wait()

    one = threading.Thread(target=wait)
    one.start()
    held.wait()
    with pytest.raises(HTTPException), gate.unknown:
        pytest.fail("two strangers at once")
    with gate.known:
        pass
    leave.set()
    one.join()
    with gate.unknown:
        pass


def test_accepted_sockets_notice_a_caller_who_lost_the_line():
    with socket.create_server(("127.0.0.1", 0)) as listens:
        bodies.notice_the_vanished()
        with socket.create_connection(listens.getsockname()):
            accepted, _ = listens.accept()
            with accepted:
                assert accepted.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
                assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 60
