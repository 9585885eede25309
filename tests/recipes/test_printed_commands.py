"""The commands that the how-to pages print, run as they are printed."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from trials import apikeys

ROOT = Path(__file__).parents[2]


def printed(page):
    """The blocks of shell commands of a page, in order."""
    text = (ROOT / "docs" / "how-to" / page).read_text("utf-8")
    return re.findall(r"^```sh\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


@pytest.fixture
def shell(tmp_path):
    """Run lines in the repository's folder, with ``signpost`` on the path and a home of its own."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environ = {**os.environ, "PATH": path, "SIGNPOST_HOME": str(tmp_path)}
    environ.pop("SIGNPOST_DATABASE_URL", None)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    served = []

    def run(line, **more):
        line = line.split("  #")[0].replace(":8000", f":{port}")
        if line.startswith("signpost serve"):
            served.append(subprocess.Popen(
                [*line.split(), "--port", str(port)], cwd=ROOT, env=environ,
                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
            ))  # fmt: skip
            return answers(f"http://127.0.0.1:{port}/healthz")
        done = subprocess.run(["bash", "-ec", line], cwd=ROOT, env={**environ, **more}, text=True,
                              capture_output=True, timeout=120, check=False)  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout

    yield run
    for server in served:
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()


def answers(address):
    for _ in range(600):
        try:
            with urllib.request.urlopen(address, timeout=1) as said:
                return said.read().decode()
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.1)
    pytest.fail("the server does not answer")


def test_the_page_on_asking_for_arms_works_as_printed(shell):
    set_up, ask = printed("assignment.md")[:2]
    said = [shell(line) for line in set_up.strip().splitlines()]
    key = next(w for w in " ".join(said).split() if w.startswith(apikeys.PREFIX))
    given = json.loads(shell(ask, KEY=key))
    assert given["arm"] in {"current", "bin-day"}
    assert given["trial"] == "website-banner"
