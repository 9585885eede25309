"""Reports of totals, read from the command line and stored nowhere."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from tests.contacts.test_contact_sources import SCRIPTS
from tests.contacts.test_kpi_reconciliation import PRINTED
from web.cli.context import Context
from web.cli.main import program


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.setenv("SIGNPOST_HOME", str(tmp_path / "home"))

    def go(command, text, *options):
        file = tmp_path / "report.csv"
        file.write_text(text, encoding="utf-8")
        done = CliRunner().invoke(program, [command, str(file), *options], obj=Context())
        assert done.exit_code == 0, done.output
        assert not (tmp_path / "home").exists(), "nothing is stored"
        return done.output

    return go


def test_the_printed_table_comes_out_with_its_contradictions(run):
    told = run("reconcile", PRINTED)

    for figure in (
        "86.89%", "94.48%", "31,738", "102.17%", "12.1% of calls", "about 405,793", "86.32%",
        "97.71%", "15 working days", "beaten in every period",
    ):  # fmt: skip
        assert figure in told
    assert told.index("Contradictions") < told.index("Not explained") < told.index("Rounding")
    found = json.loads(run("reconcile", PRINTED, "--json"))["findings"]
    october = next(f for f in found if (f["period"], f["code"]) == ("Oct-22", "answered-rate"))
    assert october["published"] == 94.48
    assert october["computed"] == pytest.approx(86.887, abs=1e-3)


def test_the_menu_is_told_as_a_tree_of_who_left_where(run):
    told = run("drop-off", SCRIPTS)

    assert "Council Tax v2: 1,000 callers entered" in told
    assert "      CustomerHangUp: 440 (44.0%)" in told
    assert "Ended: not shown 20, CustomerHangUp 500, AgentAccepted 480" in told
    (script,) = json.loads(run("drop-off", SCRIPTS, "--json"))["scripts"]
    assert sum(script["endings"].values()) == script["entered"]
