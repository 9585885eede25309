"""Requests a second and p99 of ``assign`` and OFREP under load, beside an empty Flask route.

Run ``python -m benchmarks.http``; it needs ``wrk``. Both routes and the empty one are served by the
product's own server (Granian, one worker), one process after another in turns, so that a busy
machine slows all of them alike: read the ratios, not the seconds.
"""

from __future__ import annotations

import os
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from trials import apikeys, lifecycle, registry, resources
from trials.definition import toml
from trials.store import migrate
from trials.store.engine import Store

ROUNDS, SECONDS, CONNECTIONS = 3, 5, 16
EMPTY = """
from flask import Flask
def application():
    app = Flask("empty")
    app.add_url_rule("/healthz", view_func=lambda: "", methods=["GET", "POST"])
    return app
"""
SERVE = """
import sys
from granian import Granian
from granian.constants import HTTPModes, Interfaces
from granian.log import LogLevels
from web.bodies import THREADS
Granian(sys.argv[1], address="127.0.0.1", port=int(sys.argv[2]), interface=Interfaces.WSGI, workers=1,
        http=HTTPModes.http1, blocking_threads=THREADS, factory=True, log_level=LogLevels.error).serve()
"""
UNITS = """
local n = 0
request = function()
  n = n + 1
  wrk.headers["Authorization"] = "Bearer {key}"
  wrk.headers["Content-Type"] = "application/json"
  return wrk.format("POST", "{path}", nil, string.format('{body}', n % 20000))
end
"""
ROUTES = {
    "empty Flask route": ("/healthz", "{{}}"),
    "assign": ("/api/v1/trials/website-banner/assign", '{{"unit": "v-%d"}}'),
    "OFREP": (
        "/ofrep/v1/evaluate/flags/website-banner",
        '{{"context": {{"targetingKey": "v-%d"}}}}',
    ),
}


@contextmanager
def served(target: str, folder: Path, environ: dict[str, str]) -> Iterator[str]:
    """A server of ``target`` on a free port: its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    running = subprocess.Popen(
        [sys.executable, "-c", SERVE, target, str(port)], cwd=folder,
        env={**os.environ, **environ, "PYTHONPATH": f"{folder}{os.pathsep}{Path.cwd()}"},
    )  # fmt: skip
    address = f"http://127.0.0.1:{port}"
    try:
        for _ in range(600):
            try:
                urllib.request.urlopen(f"{address}/healthz", timeout=5).close()
                break
            except (urllib.error.URLError, OSError):
                time.sleep(0.1)
        yield address
    finally:
        running.terminate()
        running.wait()


def load(address: str, script: Path, seconds: int = SECONDS) -> tuple[float, float]:
    """Requests a second and the 99th percentile in milliseconds; refuses answers that are errors."""
    said = subprocess.run(
        ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "--latency", "-s", str(script), address],
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    if "Non-2xx" in said:
        raise SystemExit(f"the route answers with errors:\n{said}")
    rate = float(re.search(r"Requests/sec:\s+([\d.]+)", said)[1])  # type: ignore[index]
    p99, unit = re.search(r"99%\s+([\d.]+)(us|ms|s)", said).groups()  # type: ignore[union-attr]
    return rate, float(p99) * {"us": 0.001, "ms": 1.0, "s": 1000.0}[unit]


def council(folder: Path) -> tuple[str, str]:
    """A database with a live trial: its address, and a key that may ask."""
    url = f"sqlite:///{folder / 'signpost.db'}"
    store = Store.open(url)
    migrate.upgrade(store)
    text = (resources.folder("templates") / "examples" / "website-banner.toml").read_text("utf-8")
    with store.write() as session:
        registry.add(session, toml.read(text), actor="benchmark")
        lifecycle.launch(session, "website-banner", actor="benchmark")
        key = apikeys.add(session, "benchmark", ["assign"], actor="benchmark")[1]
    store.close()
    return url, key


def main() -> None:
    """Print each route's rate and p99, and their ratios to the empty route's."""
    if shutil.which("wrk") is None:
        raise SystemExit("wrk is not installed (Debian: apt-get install wrk)")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "empty.py").write_text(EMPTY)
        url, key = council(folder)
        environ = {"SIGNPOST_HOME": name, "SIGNPOST_DATABASE_URL": url}
        found: dict[str, list[tuple[float, float]]] = {route: [] for route in ROUTES}
        with (
            served("empty:application", folder, {}) as empty,
            served("web.wsgi:application", folder, environ) as ours,
        ):
            for turn in range(ROUNDS + 1):
                for route, (path, body) in ROUTES.items():
                    script = folder / "ask.lua"
                    script.write_text(UNITS.format(key=key, path=path, body=body.format()))
                    at = empty if route == "empty Flask route" else ours
                    taken = load(at, script, seconds=SECONDS if turn else 2)
                    if turn:
                        found[route].append(taken)
    load_ = os.getloadavg()[0]
    print(f"wrk, {CONNECTIONS} connections, {SECONDS} s, median of {ROUNDS}; load {load_:.1f}")
    base = [statistics.median(values) for values in zip(*found["empty Flask route"], strict=True)]
    for route, pairs in found.items():
        rate, p99 = (statistics.median(values) for values in zip(*pairs, strict=True))
        print(f"{route:<20}{rate:>10,.0f}/s {p99:>8.1f} ms   {rate / base[0]:5.2f} x its rate, "
              f"{p99 / base[1]:5.2f} x its p99")  # fmt: skip


if __name__ == "__main__":
    main()
