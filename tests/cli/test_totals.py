"""Reports of totals, read from the command line; only what somebody decides is stored."""

from __future__ import annotations

import json

import pytest
import sqlalchemy as sa
from click.testing import CliRunner

from tests.contacts.test_contact_sources import SCRIPTS
from tests.contacts.test_kpi_reconciliation import PRINTED
from trials.store.tables import StatementRow
from web.cli.context import Context
from web.cli.main import program


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.setenv("SIGNPOST_HOME", str(tmp_path / "home"))

    def go(command, text, *options, stored=False):
        file = tmp_path / "report.csv"
        file.write_text(text, encoding="utf-8")
        done = CliRunner().invoke(program, [command, str(file), *options], obj=Context())
        assert done.exit_code == 0, done.output
        assert stored or not (tmp_path / "home").exists(), "nothing is stored"
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


OCTOBER = ("--use", "Oct-22:answered-rate=computed", "--because", "The counts are the system's own")


def test_a_choice_between_two_values_is_kept_with_its_reason_and_both_values(run):
    told = run("reconcile", PRINTED, *OCTOBER, stored=True)
    again = json.loads(run("reconcile", PRINTED, "--json", stored=True))

    assert "Oct-22: % answered 86.89 (computed) is used, not 94.48 (published)" in told
    (one,) = again["settled"]
    assert (one["use"], one["published"], one["why"]) == ("computed", 94.48, OCTOBER[-1])
    assert one["value"] == one["computed"] == pytest.approx(86.887, abs=1e-3)
    assert one["by"].startswith("cli:")
    # Both values stay in the findings, and another edition of the table has no choice yet.
    assert any((f["period"], f["published"]) == ("Oct-22", 94.48) for f in again["findings"])
    other = PRINTED.replace("94.48%", "94.49%")
    assert json.loads(run("reconcile", other, "--json", stored=True))["settled"] == []


def test_a_later_choice_takes_the_earlier_ones_place_and_both_are_in_the_record(run):
    run("reconcile", PRINTED, *OCTOBER, stored=True)
    later = ("--use", "Oct-22:answered-rate=published", "--because", "The counts miss a line")
    (one,) = json.loads(run("reconcile", PRINTED, *later, "--json", stored=True))["settled"]

    assert (one["use"], one["value"]) == ("published", 94.48)
    with Context().store.read() as session:
        document = session.scalar(sa.select(StatementRow.document))
    assert [old["why"] for old in document["earlier"]] == [OCTOBER[-1]]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (OCTOBER[:2], "go together"),
        (("--use", "Oct-22:answered-rate=both", "--because", "x"), "published or computed"),
        (("--use", "Oct-22:answerd=computed", "--because", "x"), "indicators are"),
        (("--use", "Jul-22:wait=computed", "--because", "x"), "is open to decide"),
    ],
)
def test_a_choice_about_nothing_is_refused(tmp_path, monkeypatch, options, says):
    monkeypatch.setenv("SIGNPOST_HOME", str(tmp_path / "home"))
    file = tmp_path / "report.csv"
    file.write_text(PRINTED, encoding="utf-8")
    done = CliRunner().invoke(program, ["reconcile", str(file), *options], obj=Context())
    assert done.exit_code in {1, 2}
    assert says in done.output + str(done.exception)


def test_the_menu_is_told_as_a_tree_of_who_left_where(run):
    told = run("drop-off", SCRIPTS)

    assert "Council Tax v2: 1,000 callers entered" in told
    assert "      CustomerHangUp: 440 (44.0%)" in told
    assert "Ended: not shown 20, CustomerHangUp 500, AgentAccepted 480" in told
    (script,) = json.loads(run("drop-off", SCRIPTS, "--json"))["scripts"]
    assert sum(script["endings"].values()) == script["entered"]
