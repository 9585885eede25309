"""Two codings of one sample, compared from the command line."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from trials.errors import Invalid
from web.cli.context import Context
from web.cli.main import program

HEADER = "first,second,arm\n"


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.setenv("SIGNPOST_HOME", str(tmp_path / "home"))

    def go(text, *options):
        file = tmp_path / "twice.csv"
        file.write_text(text, encoding="utf-8")
        done = CliRunner().invoke(program, ["coding", str(file), *options], obj=Context(),
                                  catch_exceptions=False)  # fmt: skip
        assert done.exit_code == 0, done.output
        return done.output

    return go


def sample(both, first, second, neither, arm="t"):
    """So many contacts: avoidable by both, by the first or second coder alone, by neither."""
    rows = [("clarification", "clarification")] * both + [("clarification", "value")] * first
    rows += [("value", "clarification")] * second + [("value", "value")] * neither
    return "".join(f"{a},{b},{arm}\n" for a, b in rows)


def test_kappa_and_the_corrected_share_are_those_worked_by_hand(run):
    found = json.loads(run(HEADER + sample(40, 10, 10, 40), "--avoidable", "450",
                           "--contacts", "1000", "--json"))  # fmt: skip

    # 80 of 100 alike, half expected by chance: (0.8 - 0.5) / (1 - 0.5).
    assert found["kappa"]["estimate"] == pytest.approx(0.6)
    assert (found["sensitivity"], found["specificity"]) == (0.8, 0.8)
    # (0.45 + 0.8 - 1) / (0.8 + 0.8 - 1).
    assert found["corrected"]["estimate"] == pytest.approx(0.25 / 0.6)
    assert found["corrected"]["low"] < 0.25 / 0.6 < found["corrected"]["high"]


def test_arms_are_told_apart(run):
    told = run(HEADER + sample(40, 10, 10, 40, "current") + sample(50, 0, 0, 50, "new"))

    assert "Arm current: 100 coded twice, 80 alike; kappa 0.60" in told
    assert "Arm new: 100 coded twice, 100 alike; kappa 1.00" in told


def test_wrap_codes_are_read_by_the_imported_reasons(run, tmp_path):
    reasons = tmp_path / "reasons.csv"
    reasons.write_text("source,code,reason,category\n8x8,Chase,Chasing,progress-chasing\n"
                       "8x8,Pay,Paying,value\n")  # fmt: skip
    CliRunner().invoke(program, ["import", "reasons", str(reasons)], obj=Context(),
                       catch_exceptions=False)  # fmt: skip
    found = json.loads(run("first,second\nChase,Chase\nPay,Pay\nPay,Chase\n", "--source", "8x8",
                           "--json"))  # fmt: skip
    assert (found["contacts"], found["agreed"], found["sensitivity"]) == (3, 2, 0.5)


def test_a_code_that_is_not_known_is_named_with_its_line(run):
    with pytest.raises(Invalid, match="twice") as refused:
        run(HEADER + "clarification,chasing,t\n")
    assert "'chasing'" in str(refused.value.problems[0])
    assert refused.value.problems[0].line == 2
