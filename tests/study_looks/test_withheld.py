"""Before a declared look nothing of an effect is shown; at one, the result is of that look."""

from __future__ import annotations

import json
import re
import time

import numpy as np
import pytest
from click.testing import CliRunner

from analysis import study
from analysis.report.withhold import sentence, withheld
from trials import accounts, lifecycle, registry, sessions
from trials.definition import toml
from trials.importing import assignments, outcomes
from trials.settings import Settings
from web.app import create_app
from web.cli.main import program as signpost

KEY = "looks"
TEXT = """
[trial]
key = "looks"
title = "A trial with looks"
unit = "account"
starts = 2026-04-01
ends = 2026-06-30
[[arms]]
key = "c"
control = true
[[arms]]
key = "t"
[[metrics]]
key = "paid"
role = "primary"
kind = "proportion"
source = "outcomes"
window = "7d"
better = "higher"
absent_means = "zero"
[[metrics]]
key = "kept"
role = "guardrail"
kind = "proportion"
source = "outcomes"
window = "7d"
better = "higher"
margin = 0.05
absent_means = "zero"
[analysis]
segments = ["band"]
looks = { fractions = [0.5, 1.0] }
"""


def _files(folder):
    """Ten units a day from 1 April to 29 June: in ``t`` about 61.7% pay in time, in ``c`` 50.3%."""
    rng = np.random.default_rng(11)
    given, measured = ["unit,arm,assigned_at,band"], ["unit,metric,value,observed_at"]
    for day in range(90):
        when = np.datetime64("2026-04-01") + day
        for i in range(10):
            unit, arm = f"U{day}-{i}", "ct"[i % 2]
            given.append(f"{unit},{arm},{when},{'AB'[i % 3 == 0]}")
            for metric, share in (("paid", 0.503 if arm == "c" else 0.617), ("kept", 0.911)):
                if rng.random() < share:
                    measured.append(f"{unit},{metric},1,{when + 3}")
    paths = folder / "given.csv", folder / "measured.csv"
    for path, lines in zip(paths, (given, measured), strict=True):
        path.write_text("\n".join(lines) + "\n")
    return paths


@pytest.fixture
def live(sqlite_store, hasher, tmp_path):
    """The trial, live, with all its data in the store."""
    with sqlite_store.write() as session:
        registry.add(session, toml.read(TEXT), actor="test")
        lifecycle.launch(session, KEY, actor="test")
    given, measured = _files(tmp_path)
    assignments.add(sqlite_store, KEY, given, hasher=hasher, actor="test")
    outcomes.add(sqlite_store, KEY, measured, hasher=hasher, actor="test")
    return sqlite_store


@pytest.fixture
def client(live, tmp_path):
    made = Settings(home=tmp_path, database_url=f"sqlite:///{live.url.database}",
                    organisation="W", secret_key="s" * 64, identifier_key=b"k" * 64)  # fmt: skip
    with live.write() as session:
        user = accounts.add(
            session, "a@b.example", name="", role="analyst", password=None, actor="t"
        )
        token = sessions.begin(session, user.id)
    client = create_app(made).test_client()
    with client.session_transaction() as held:
        held.update(sid=token, seen=int(time.time()))
    return client


def analyse(store, cutoff):
    return study.analyse(store, study.Order(key=KEY, cutoff=study.cutoff_of(cutoff)))


def numbers(found):
    """Every number in a document that is no whole number."""
    if isinstance(found, dict):
        return set().union(*(numbers(v) for v in found.values()), set())
    if isinstance(found, list):
        return set().union(*(numbers(v) for v in found), set())
    return {found} if isinstance(found, float) and found != int(found) else set()


def primary(result):
    return result["metrics"][0]["contrasts"][0]


def test_no_number_of_an_effect_leaves_the_analysis_before_the_look(live, client):
    full = analyse(live, "2026-05-10")
    assert isinstance(primary(full)["difference"]["estimate"], float)
    shown = client.get(f"/api/v1/trials/{KEY}/result").get_json()
    secret = numbers(full["metrics"]) - {m.get("margin") for m in full["metrics"]}
    assert len(secret) > 40
    planned = {0.95, 0.975, 0.05}
    assert not (numbers(shown) & (secret - planned))
    assert shown["deflection"] is None
    assert {c["key"] for c in full["checks"]} - {c["key"] for c in shown["checks"]} == {
        "twyman",
        "novelty",
    }
    assert shown["units"] == full["units"]
    assert shown["plan"] == full["plan"]


def test_no_page_or_file_speaks_of_an_effect_before_the_look(live, client):
    full = analyse(live, "2026-05-10")
    estimate = primary(full)["difference"]["estimate"]
    telling = [f"{100 * estimate:.1f}", f"{1000 * estimate:.0f} more", "clear improvement",
               *(f"{100 * arm['mean']:.1f}%" for arm in full["metrics"][0]["arms"])]  # fmt: skip
    for address in ("/", f"/trials/{KEY}", f"/trials/{KEY}/report", f"/trials/{KEY}/report.html"):
        page = re.sub(
            r"<style.*?</style>", "", client.get(address).get_data(as_text=True), flags=re.DOTALL
        )
        assert "withheld until the look on 16 May 2026" in page, address
        assert not [t for t in telling if t in page], address
        assert "<svg" not in page or "sp-chart" not in page, address


def test_the_list_of_trials_says_that_results_are_withheld(live):
    full = analyse(live, "2026-05-10")
    with live.read() as session:
        summary = registry.summaries(session)[0]
    assert summary.verdict_says == sentence(full) == full["withheld"]
    assert summary.verdict_says.startswith("Results are withheld until the look on 16 May 2026; ")


def test_the_program_peeks_for_analysts_and_reports_health(live, tmp_path):
    program, url = CliRunner(), f"sqlite:///{live.url.database}"
    base = ["--database", url]
    peek = program.invoke(signpost, [*base, "analyse", KEY, "--cutoff", "2026-05-10"],
                          env={"SIGNPOST_HOME": str(tmp_path)})  # fmt: skip
    assert peek.exit_code == 0, peek.output
    assert "This is a peek" in peek.output
    out = tmp_path / "report.json"
    done = program.invoke(signpost, [*base, "report", KEY, "--format", "json", "-o", str(out)],
                          env={"SIGNPOST_HOME": str(tmp_path)})  # fmt: skip
    assert done.exit_code == 0, done.output
    told = json.loads(out.read_text())["metrics"][0]["contrasts"][0]["difference"]
    assert told["absent"] == "withheld"


def test_at_a_look_the_result_is_that_of_the_log_as_it_then_was(live, client):
    at = analyse(live, "2026-05-16")
    later = analyse(live, "2026-06-10")
    assert at["look"]["number"] == later["look"]["number"] == 1
    assert at["metrics"] == later["metrics"]
    assert later["units"]["matured"] > at["units"]["matured"]
    # 46 days by 16 May, of which those up to 9 May have lived through their seven days.
    assert at["metrics"][0]["arms"][0]["n"] + at["metrics"][0]["arms"][1]["n"] == 390
    assert withheld(later) is later
    shown = client.get(f"/api/v1/trials/{KEY}/result").get_json()
    assert shown["metrics"][0]["contrasts"][0]["difference"] == primary(later)["difference"]


def test_no_bound_crossed_extends_and_names_the_next_look(live):
    result = analyse(live, "2026-05-20")
    assert result["look"]["decision"] == "continue"
    assert result["look"]["next"] == "2026-06-30"
    assert result["verdict"]["decision"] == "extend"
    assert (
        "Look 1 of 2 crossed no bound; the next is due on 30 June 2026"
        in (result["verdict"]["reasons"][0])
    )
    assert primary(result)["difference"]["p"] is None


def test_at_the_last_look_the_estimate_allows_for_the_earlier_one(live):
    result = analyse(live, "2026-07-15")
    found, look = primary(result), result["look"]
    assert (look["number"], look["final"], look["decision"]) == (2, True, "effect")
    assert "stage-wise ordering over 2 looks" in found["difference"]["method"]
    # O'Brien-Fleming bounds at half and all of the information: 2.963 and 1.969 (gsDesign).
    # The first look had 390 of the 900 units, so its bound is spent by the calendar at one half.
    assert look["bounds"][0]["efficacy"] == pytest.approx(2.963, abs=0.02)
    assert look["bounds"][1]["efficacy"] == pytest.approx(1.969, abs=0.01)
    ordinary = found["unadjusted"]
    assert found["difference"]["estimate"] == pytest.approx(ordinary["estimate"], rel=0.05)


def test_a_failed_check_is_told_while_results_are_withheld():
    result = {
        "look": {"reached": False, "next": "2026-06-26", "kind": "group-sequential"},
        "checks": [{"key": "sample-ratio", "verdict": "fail", "says": "-"}],
    }
    assert sentence(result) == (
        "Results are withheld until the look on 26 June 2026; the check of numbers in each arm failed"
    )
    assert sentence({"checks": []}) is None
