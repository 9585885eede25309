"""The program as people and scripts run it: documents, errors in a sentence, exit codes."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from web.cli.main import COMMANDS, main

KEY = "council-tax-reminder"


@pytest.fixture
def signpost(tmp_path, monkeypatch, capsys):
    """Run the program in process: exit code, standard output, standard error."""
    monkeypatch.setenv("SIGNPOST_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("SIGNPOST_DATABASE_URL", raising=False)

    def run(*arguments):
        code = 0
        try:
            main([str(a) for a in arguments])
        except SystemExit as leaving:
            code = int(leaving.code or 0)
        out = capsys.readouterr()
        return code, out.out, out.err

    return run


@pytest.fixture
def files(tmp_path, trial_text):
    """A trial file and a list of units."""
    (tmp_path / "trial.toml").write_text(trial_text, encoding="utf-8")
    rows = "".join(f"U{i},{'ABCD'[i % 4]},Resident {i},{100 + i}\n" for i in range(80))
    (tmp_path / "list.csv").write_text(f"unit,band,name,amount\n{rows}", encoding="utf-8")
    paid = "".join(f"U{i},{int(i % 3 == 0)},{i}\n" for i in range(80))
    (tmp_path / "paid.csv").write_text(f"unit,paid,arrears\n{paid}", encoding="utf-8")
    return tmp_path


def test_a_trial_is_led_through_its_whole_life(signpost, files):
    assert signpost("trial", "check", files / "trial.toml")[0] == 0
    assert signpost("trial", "add", files / "trial.toml")[0] == 0
    code, out, _ = signpost("trial", "launch", KEY, "--json")
    launched = json.loads(out)
    assert (code, launched["state"], launched["seed"]) == (0, "live", None)
    assert launched["seed_commitment"].startswith("sha256:")
    code, out, _ = signpost(
        "units", "add", KEY, files / "list.csv", "--out", files / "out", "--json"
    )
    enrolled = json.loads(out)
    assert enrolled["arms"] == {"current": 40, "one-thing": 40}
    assert len(enrolled["files"]) == 2
    assert signpost("import", "outcomes", KEY, files / "paid.csv")[0] == 0
    for act in ("pause", "resume", "stop"):
        assert signpost("trial", act, KEY)[0] == 0
    code, out, _ = signpost("analyse", KEY, "--json")
    result = json.loads(out)
    assert (code, result["locked"], result["plan_hash"]) == (0, True, launched["plan_hash"])
    code, out, _ = signpost(
        "trial", "decide", KEY, "extend", "--reason", "too few to tell", "--json"
    )
    decided = json.loads(out)
    assert (decided["state"], decided["decision"], decided["seed"]) == (
        "decided",
        "extend",
        20260401,
    )
    page = files / "report.html"
    assert signpost("report", KEY, "--format", "html", "-o", page)[0] == 0
    assert launched["plan_hash"] in page.read_text("utf-8")
    assert signpost("report", KEY, "--format", "json", "-o", files / "r.json")[0] == 0
    assert json.loads((files / "r.json").read_text("utf-8"))["run"] == result["run"]
    assert signpost("db", "check")[0] == 0


def test_an_exported_trial_is_the_same_plan_on_another_database(signpost, files):
    signpost("trial", "add", files / "trial.toml")
    assert signpost("trial", "export", KEY, "-o", files / "again.toml")[0] == 0
    first = json.loads(signpost("trial", "show", KEY, "--json")[1])["plan_hash"]
    other = f"sqlite:///{files / 'other.db'}"
    added = json.loads(
        signpost("--database", other, "--json", "trial", "add", files / "again.toml")[1]
    )
    assert added["plan_hash"] == first


def test_adding_the_same_file_twice_changes_nothing_and_says_so(signpost, files):
    signpost("trial", "add", files / "trial.toml")
    _, out, _ = signpost("trial", "add", files / "trial.toml", "--json")
    assert json.loads(out)["outcome"] == "unchanged"


def test_a_locked_plan_changes_only_by_an_amendment_that_the_report_shows(
    signpost, files, trial_text
):
    signpost("trial", "add", files / "trial.toml")
    signpost("trial", "launch", KEY)
    (files / "new.toml").write_text(
        trial_text.replace("mde = 0.02", "mde = 0.03"), encoding="utf-8"
    )
    code, _, err = signpost("trial", "add", files / "new.toml")
    assert (code, "signpost trial amend" in err) == (1, True)
    code, out, _ = signpost(
        "trial", "amend", KEY, files / "new.toml", "--reason", "a slip", "--json"
    )
    (amendment,) = json.loads(out)["amendments"]
    assert amendment["before_first_outcome"] is True
    assert amendment["changes"] == [{"what": "metrics[paid].mde", "before": 0.02, "after": 0.03}]


def test_an_amendment_cannot_touch_what_people_were_given(signpost, files, trial_text):
    signpost("trial", "add", files / "trial.toml")
    signpost("trial", "launch", KEY)
    signpost("units", "add", KEY, files / "list.csv")
    changed = trial_text.replace('key = "one-thing"', 'key = "one-thing"\nweight = 3')
    (files / "new.toml").write_text(changed, encoding="utf-8")
    code, _, err = signpost("trial", "amend", KEY, files / "new.toml", "--reason", "why not")
    assert (code, "cannot change once people have been assigned" in err) == (1, True)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("trial", "show", "nothing"), "there is no trial called 'nothing'"),
        (("trial", "add", "nothing.toml"), "there is no file nothing.toml"),
        (("analyse", "nothing"), "there is no trial called"),
        (("import", "outcomes", "nothing", "x.csv"), "there is no"),
        (("--database", "nonsense", "trial", "list"), "cannot be understood"),
        (("user", "add", "not-an-address"), "not one"),
        (("analyse", "x", "--cutoff", "01/04/2026"), "year first"),
        (("scale", "nothing"), "there is no trial called"),
    ],
)
def test_a_refusal_is_one_line_and_exit_code_1(signpost, arguments, says):
    code, out, err = signpost(*arguments)
    assert (code, out) == (1, "")
    assert says in err
    assert len([line for line in err.splitlines() if line.startswith("error: ")]) == 1
    assert "Traceback" not in err


@pytest.mark.parametrize(
    "arguments",
    [("trail", "list"), ("trial", "launch"), ("trial", "decide", "x", "perhaps", "--reason", "y")],
)
def test_wrong_usage_is_exit_code_2(signpost, arguments):
    code, out, err = signpost(*arguments)
    assert (code, out) == (2, "")
    assert "Traceback" not in err


def test_a_mistyped_command_names_the_nearest(signpost):
    assert "Did you mean 'trial'" in signpost("trail", "list")[2]


def test_a_worker_that_does_what_is_due_tells_it_in_one_document(signpost):
    assert json.loads(signpost("worker", "--once", "--json")[1]) == {"jobs": 0}
    assert json.loads(signpost("--json", "worker", "--once")[1]) == {"jobs": 0}


@pytest.mark.parametrize("name", ["serve", "worker", "scheduler", "demo"])
def test_what_goes_on_until_it_is_stopped_takes_json_too(signpost, name):
    assert "--json" in signpost(name, "--help")[1]


def test_with_json_a_refusal_is_a_document_too(signpost, files):
    (files / "bad.toml").write_text("[trial]\nkey = 1\ntitel = 2\n", encoding="utf-8")
    code, out, err = signpost("trial", "check", files / "bad.toml", "--json")
    document = json.loads(out)["error"]
    assert (code, document["code"]) == (1, "invalid")
    assert {p["line"] for p in document["problems"]} >= {2, 3}
    assert "error: " in err


def test_the_first_broken_link_of_the_audit_log_is_named(signpost, files):
    import sqlite3

    signpost("trial", "add", files / "trial.toml")
    signpost("trial", "launch", KEY)
    with sqlite3.connect(files / "home" / "signpost.db") as raw:
        raw.execute("DROP TRIGGER audit_log_update")
        raw.execute("UPDATE audit_log SET actor = 'nobody' WHERE id = 2")
    raw.close()
    code, _, err = signpost("db", "check")
    assert (code, "broken at entry 2" in err) == (1, True)


def test_a_backup_brings_back_what_was_there(signpost, files):
    signpost("trial", "add", files / "trial.toml")
    assert signpost("db", "backup", files / "b.db")[0] == 0
    signpost("trial", "launch", KEY)
    assert signpost("db", "restore", files / "b.db", "--yes")[0] == 0
    assert json.loads(signpost("trial", "show", KEY, "--json")[1])["state"] == "ready"


def test_accounts_are_opened_listed_and_closed(signpost):
    assert signpost("user", "add", "Ann@Wychbridge.example", "--role", "officer")[0] == 0
    assert signpost("user", "add", "ann@wychbridge.example")[0] == 1
    assert signpost("user", "set-role", "ann@wychbridge.example", "analyst")[0] == 0
    assert signpost("user", "disable", "ann@wychbridge.example")[0] == 0
    (user,) = json.loads(signpost("user", "list", "--json")[1])["users"]
    assert user == {
        "email": "ann@wychbridge.example",
        "name": "ann",
        "role": "analyst",
        "disabled": True,
    }


def test_per_arm_files_in_the_form_of_notify(signpost, files, trial_text):
    (files / "trial.toml").write_text(trial_text, encoding="utf-8")
    rows = "".join(
        f"U{i},{'ABCD'[i % 4]},Resident {i},{100 + i},1 High Street,Wychbridge,HP20 1UA\n"
        for i in range(8)
    )
    header = "unit,band,name,amount,address line 1,address line 2,postcode\n"
    (files / "letters.csv").write_text(header + rows, encoding="utf-8")
    signpost("trial", "add", files / "trial.toml")
    signpost("trial", "launch", KEY)
    code, _, err = signpost(
        "units", "add", KEY, files / "letters.csv", "--out", files / "n", "--format", "notify"
    )
    assert code == 0, err
    header = (files / "n" / "current.csv").read_text("utf-8").splitlines()[0].lower()
    assert "address line 1" in header
    assert "((name))" in (files / "n" / "current-template.txt").read_text("utf-8")


def test_every_command_explains_itself(signpost):
    for name in COMMANDS:
        code, out, _ = signpost(name, "--help")
        assert (code, "Usage:" in out) == (0, True)


def test_help_does_not_load_the_statistics(tmp_path):
    code = "import sys, web.cli.main; sys.exit(any(m in sys.modules for m in ('scipy', 'pymc', 'ibis')))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_installed_program_runs_and_hides_tracebacks(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "web.cli", "--database", f"sqlite:///{tmp_path / 's.db'}", "trial", "show", "x"],
        capture_output=True, text=True, check=False, env={"SIGNPOST_HOME": str(tmp_path), "PATH": "/usr/bin"},
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.startswith("error: ")
