"""The commands that the how-to pages print, run as they are printed."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from itertools import pairwise
from pathlib import Path

import pytest

from trials import apikeys
from web.cli.main import main

ROOT = Path(__file__).parents[2]


def printed(page):
    """The blocks of shell commands of a page, in order."""
    text = (ROOT / "docs" / "how-to" / page).read_text("utf-8")
    return re.findall(r"^```sh\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


@pytest.fixture
def shell(tmp_path, monkeypatch, capsys):
    """Run lines beside the templates, with ``signpost`` on the path and a home of its own."""
    here = tmp_path / "here"
    here.mkdir()
    (here / "templates").symlink_to(ROOT / "templates")
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environ = {**os.environ, "PATH": path, "SIGNPOST_HOME": str(tmp_path)}
    environ.pop("SIGNPOST_DATABASE_URL", None)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    served = []
    monkeypatch.chdir(here)
    monkeypatch.setenv("SIGNPOST_HOME", str(tmp_path))
    monkeypatch.delenv("SIGNPOST_DATABASE_URL", raising=False)

    def signpost(line):
        """The program in this process: starting one for every line takes seconds."""
        capsys.readouterr()
        try:
            main(shlex.split(line)[1:])
        except SystemExit as leaving:
            if leaving.code:
                pytest.fail(f"{line}: {capsys.readouterr().err}")
        return capsys.readouterr().out

    def run(line, **more):
        line = line.split("  #")[0].replace(":8000", f":{port}")
        if line.startswith("export "):
            environ.update([line.removeprefix("export ").split("=", 1)])
            return ""
        if line.startswith("signpost serve"):
            served.append(subprocess.Popen(
                [*line.split(), "--no-scheduler", "--port", str(port)], cwd=here, env=environ,
                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
            ))  # fmt: skip
            return answers(f"http://127.0.0.1:{port}/healthz")
        if line.startswith("signpost "):
            return signpost(line)
        done = subprocess.run(["bash", "-ec", line], cwd=here, env={**environ, **more}, text=True,
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
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    pytest.fail("the server does not answer")


def test_the_page_on_asking_for_arms_works_as_printed(shell):
    set_up, ask = printed("assignment.md")[:2]
    said = [shell(line) for line in set_up.strip().splitlines()]
    key = next(w for w in " ".join(said).split() if w.startswith(apikeys.PREFIX))
    given = json.loads(shell(ask, KEY=key))
    assert given["arm"] in {"current", "bin-day"}
    assert given["trial"] == "website-banner"


def lines(block):
    """The commands of a block, one a line unless a line goes on."""
    return block.replace("\\\n", "").strip().splitlines()


def test_the_page_on_telephones_works_as_printed(shell, tmp_path):
    ask, digits, clock = printed("telephone.md")[1:]
    set_up = printed("telephone.md")[0]
    key = next(w for w in " ".join(map(shell, lines(set_up))).split()
               if w.startswith(apikeys.PREFIX))  # fmt: skip
    given = json.loads(shell(ask, KEY=key))
    assert given["arm"] in {"current", "short"}
    assert all(isinstance(value, str) for value in given.values())
    for line in [*lines(digits), *lines(clock)]:
        shell(line)
    here = tmp_path / "here"
    assert (here / "by-digit.csv").read_text().splitlines()[1:] == [
        "07700900121,short,2026-04-01T09:00,07700900121",
        "07700900122,current,2026-04-01T09:02,07700900122",
        "07700900124,current,2026-04-01T09:05,07700900124",
    ]
    result = json.loads(shell("signpost analyse phone-digits --school frequentist --json"))
    assert result["units"]["by_arm"] == {"current": 2, "short": 1}
    periods = (here / "line.csv").read_text().splitlines()[1:]
    rows = [line.split(",") for line in periods]  # number, day, weekday, from, to, counted, arm
    starts = [now for before, now in pairwise([[""] * 7, *rows])
              if (before[1], before[4], before[6]) != (now[1], now[3], now[6])]  # fmt: skip
    assert (here / "line.ics").read_text().count("BEGIN:VEVENT") == len(starts)


def test_the_page_on_websites_works_as_printed(shell):
    said = [shell(line) for line in lines(printed("website.md")[0])]
    assert json.loads(said[-1])["arm"] in {"current", "bin-day"}
