"""The how-to on deflection does what it says: its commands are run as they are printed."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
from pathlib import Path

from web.cli.main import main

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs/how-to/deflection.md"
CHART = "Contacts really saved"


def follow(place: Path) -> None:
    """Follow the page in an empty folder, command by command."""
    (place / "templates").symlink_to(ROOT / "templates")
    for block in re.findall(r"```sh\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL):
        for line in block.splitlines():
            command, *words = shlex.split(line)
            if command == "signpost":
                main(words)
            else:
                subprocess.run([command, *words], check=True)


def test_the_page_leads_from_the_export_to_the_planted_figure(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SIGNPOST_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("SIGNPOST_DATABASE_URL", raising=False)
    follow(tmp_path)

    result = json.loads((tmp_path / "result.json").read_text("utf-8"))
    truth = json.loads((tmp_path / "rehearsal/truth.json").read_text("utf-8"))
    wanted = {c["arm"]: c["recorded"] for c in truth["contrasts"]}
    found = {c["arm"]: c for c in result["deflection"]["contrasts"]}
    assert found.keys() == wanted.keys()
    for arm, contrast in found.items():
        for figure in ("gross", "net"):
            seen = contrast[figure]
            # Four standard errors: not the draw of the day, but the right figure of the right sign.
            off = abs(seen["estimate"] - 1000 * wanted[arm][figure])
            assert off < 4 * seen["se"], (arm, figure)
        assert "estimate" in contrast["avoidable"], "the wrap codes found their meanings"
    assert found["short-link"]["gross"]["low"] > 0
    assert CHART in PAGE.read_text("utf-8")
    assert CHART in (tmp_path / "report.html").read_text("utf-8")
