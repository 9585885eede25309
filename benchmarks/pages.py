"""First byte and weight of every page of the demonstration, beside a bare Flask page.

Run: ``.venv/bin/python -m benchmarks.pages``. Both are served by Granian as ``signpost serve``
does, one worker each, and asked in turn over loopback by one client that keeps its connection; the
pages as an analyst sees them. A page's weight is that of its HTML without its drawings (SVG).
"""

from __future__ import annotations

import http.client
import os
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlencode

from bs4 import BeautifulSoup
from flask import Flask

KEY = "council-tax-reminder"
PAGES = (
    "/", "/drafts", "/ideas", "/calendar", "/learning", "/portfolio", "/capacity", "/assumptions",
    "/opportunities", "/schedule", "/jobs", "/feeds", "/help",
    *(f"/trials/{KEY}{part}" for part in (
        "", "/health", "/uploads", "/results", "/posterior", "/exploratory", "/case", "/decision",
        "/afterwards", "/papers")),
)  # fmt: skip
ROUNDS = 30
_DRAWING = re.compile(rb"<svg.*?</svg>", re.DOTALL)


def bare() -> Flask:
    """The peer: a page that needs nothing."""
    app = Flask("bare")
    app.add_url_rule("/", view_func=lambda: "<!doctype html><title>Bare</title>")
    return app


@contextmanager
def served(target: str, environ: dict[str, str]) -> Iterator[int]:
    """Granian on a free port, ready to answer; its port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [
        str(Path(sys.executable).with_name("granian")), "--interface", "wsgi", "--factory",
        "--host", "127.0.0.1", "--port", str(port), "--blocking-threads", "5",
        "--log-level", "error", target,
    ]  # fmt: skip
    server = subprocess.Popen(command, env={**os.environ, **environ})
    try:
        _await(port)
        yield port
    finally:
        server.terminate()
        server.wait()


def _await(port: int) -> None:
    for _ in range(600):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise TimeoutError(f"nothing answers on port {port}")


class Client:
    """A browser's worth of HTTP: one connection and its cookies."""

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        self._cookies: dict[str, str] = {}

    def get(self, path: str) -> tuple[float, int, bytes]:
        """Seconds to the first byte, the status and the body."""
        return self._send("GET", path, None)

    def post(self, path: str, fields: dict[str, str]) -> tuple[float, int, bytes]:
        """The same for a form."""
        return self._send("POST", path, urlencode(fields))

    def _send(self, method: str, path: str, body: str | None) -> tuple[float, int, bytes]:
        cookie = "; ".join(f"{name}={value}" for name, value in self._cookies.items())
        headers = {"Cookie": cookie, "Content-Type": "application/x-www-form-urlencoded"}
        began = time.perf_counter()
        self._connection.request(method, path, body, headers)
        answer = self._connection.getresponse()
        first = time.perf_counter() - began
        for value in answer.headers.get_all("Set-Cookie", []):
            name, _, rest = value.partition("=")
            self._cookies[name] = rest.split(";")[0]
        return first, answer.status, answer.read()


def signed_in(port: int, role: str) -> Client:
    """A client that came in through the demonstration's door."""
    client = Client(port)
    page = BeautifulSoup(client.get("/sign-in")[2], "html.parser")
    button = page.select_one(f"button[name=role][value={role}]")
    form = button.find_parent("form") if button else None
    if form is None:
        raise LookupError("the sign-in page offers no roles: is this the demonstration?")
    hidden = {str(i["name"]): str(i.get("value", "")) for i in form.select("input[type=hidden]")}
    client.post("/sign-in/demonstration", {**hidden, "role": role})
    return client


def main() -> None:
    """Build the demonstration, measure, print."""
    with tempfile.TemporaryDirectory() as folder:
        environ = {
            "SIGNPOST_HOME": folder, "SIGNPOST_DEMONSTRATION": "yes", "SIGNPOST_SAMPLING": "off",
            "SIGNPOST_DATABASE_URL": f"sqlite:///{Path(folder) / 'demonstration.db'}",
        }  # fmt: skip
        signpost = str(Path(sys.executable).with_name("signpost"))
        subprocess.run([signpost, "demo", "--no-serve"], env={**os.environ, **environ},
                       check=True, capture_output=True)  # fmt: skip
        with (
            served("benchmarks.pages:bare", {}) as plain,
            served("web.wsgi:application", environ) as full,
        ):
            peer, client = Client(plain), signed_in(full, "analyst")
            time.sleep(20)  # what a new server does beside answering, such as making cases
            print(f"{'page':40} {'first':>8} {'median':>8} {'p95':>8} {'bare':>8} {'KB':>7}")
            for path in PAGES:
                _measure(path, client, peer)


def _measure(path: str, client: Client, peer: Client) -> None:
    first, status, body = client.get(path)
    if status != 200:
        print(f"{path:40} answered {status}")
        return
    own, other = [], []
    for _ in range(ROUNDS):
        own.append(client.get(path)[0])
        other.append(peer.get("/")[0])
    ms = [1000 * t for t in (first, statistics.median(own), statistics.quantiles(own, n=20)[18],
                             statistics.median(other))]  # fmt: skip
    weight = len(_DRAWING.sub(b"", body)) / 1000
    print(f"{path:40} {ms[0]:8.0f} {ms[1]:8.1f} {ms[2]:8.1f} {ms[3]:8.1f} {weight:7.0f}")


if __name__ == "__main__":
    main()
