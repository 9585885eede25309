"""Contact imports that are killed, that meet each other, and what they must never leave behind."""

from __future__ import annotations

import io
import json
import signal
import subprocess
import sys
from pathlib import Path

import openpyxl
import pytest
import sqlalchemy as sa
from click.testing import CliRunner

from tests.contacts.test_contact_sources import SAMPLES, SAVED
from trials.contacts import load
from trials.store.base import Base
from trials.store.tables import ContactRow, ImportRow
from web.cli.context import Context
from web.cli.main import program

CONTACTS = 400
HEADER = "contact_id,occurred_at,channel,reason,outcome,handle_seconds,phone\n"


def log(path, first, last, seconds=60):
    """A contact log of the contacts from ``first`` up to ``last``."""
    rows = (f"c{i},2026-04-{i % 28 + 1:02}T10:00:00Z,phone,Bill,handled,{seconds},"
            f"0207946{i % 90:04}\n" for i in range(first, last))  # fmt: skip
    path.write_text(HEADER + "".join(rows), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def importing():
    """Import files, each in a process of its own and all at once; answers status and counts."""
    words = [sys.executable, str(Path(__file__).with_name("forking.py"))]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as one:

        def go(*jobs):
            one.stdin.write(json.dumps(jobs) + "\n")
            one.stdin.flush()
            return json.loads(one.stdout.readline())

        yield go
        one.stdin.close()


def state(store):
    """Contacts in the log, and files noted as taken in."""
    with store.read() as session:
        return tuple(session.scalar(sa.select(sa.func.count()).select_from(table))
                     for table in (ContactRow, ImportRow))  # fmt: skip


def test_a_contact_import_killed_anywhere_leaves_nothing_or_everything(
    store, database_url, hasher, tmp_path, importing
):
    path = log(tmp_path / "log.csv", 0, CONTACTS)
    seen = []
    for place, number in (("after_cursor_execute", 4), *(("commit", n) for n in range(1, 8))):
        ((status, _),) = importing([database_url, str(path), place, number])
        assert status in {0, -signal.SIGKILL}
        seen.append(state(store))
        if seen[-1] != (0, 0):
            break
    assert seen[-1] == (CONTACTS, 1)
    assert len(seen) > 1, "no kill came before the import was whole"
    load.add(store, path, hasher=hasher, actor="t")
    assert state(store) == (CONTACTS, 1)


def test_imports_at_once_neither_lose_nor_duplicate_nor_corrupt(
    store, database_url, tmp_path, importing
):
    """Three processes: two files that overlap, and the first of them once more."""
    files = [log(tmp_path / "a.csv", 0, 300), log(tmp_path / "b.csv", 100, CONTACTS)]
    told = importing(*([database_url, str(path), "commit", 0] for path in (*files, files[0])))

    assert [status for status, _ in told] == [0, 0, 0]
    assert sum(added for _, (added, _, _) in told) == CONTACTS
    assert sum(corrected for _, (_, _, corrected) in told) == 0
    with store.read() as session:
        digests = session.scalars(sa.select(ContactRow.digest)).all()
        assert len(digests) == len(set(digests)) == CONTACTS
        if store.dialect == "sqlite":
            assert session.scalar(sa.text("PRAGMA integrity_check")) == "ok"


TRIAL = """
[trial]
key = "calls"
title = "Fewer calls"
unit = "person"
[[arms]]
key = "a"
control = true
[[arms]]
key = "b"
[[metrics]]
key = "call"
role = "primary"
kind = "proportion"
source = "contacts"
window = "7d"
better = "lower"
"""
PEOPLE = (
    "unit,arm,assigned_at,phone,email,account,uprn,session\n"
    "ACC-778812,a,2022-07-01,07700 900123,Jo@Example.uk,CT-99887766,100023336956,123.4567891\n"
    "ACC-778813,b,2022-07-01,07700 900124,a@b.uk,CT-99887767,100023336957,123.4567892\n"
)
EXPOSED = (
    "event_name,event_timestamp,user_pseudo_id,exp_variant_string\n"
    "experience_impression,1656927000123456,123.4567891,SPST-calls-a\n"
)
NOTIFIED = (
    "Row number,Recipient,Reference,Template,Type,Job,Status,Time\n"
    "1,07700900123,,Reminder,sms,x.csv,Delivered,04/07/2022 10:30\n"
)
PRIVATE = (
    "7700900123", "7700 900123", "900 123", "jo%40example", "7700900124", "7700 900124", "jo@example", "a@b.uk", "778812",
    "778813", "99887766", "99887767", "100023336956", "100023336957", "4567891", "4567892",
    "j smith",
)  # fmt: skip
"""What the files say of people, in lower case."""


def workbook():
    """The export of a CRM as a workbook, for the saved mapping."""
    book = openpyxl.Workbook()
    for row in (["Day", "Time", "Service", "Reason", "Detail", "Talk", "Wrap", "CLI", "Direction"],
                ["04/07/2022", "09:30", "CTAX", "Bill", "Query", 10, 1.1, 7700900123, "In"]):  # fmt: skip
        book.active.append(row)
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


@pytest.fixture
def run(store, database_url, tmp_path, monkeypatch):
    """The program over a home of its own; all that it prints is kept in that home."""
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("SIGNPOST_HOME", str(home))

    def go(*words, fails=False):
        done = CliRunner().invoke(program, ["--database", database_url, *map(str, words)],
                                  obj=Context())  # fmt: skip
        with (home / "printed.log").open("a", encoding="utf-8") as kept:
            kept.write(done.output)
        assert fails or done.exit_code == 0, done.output
        return done

    return go


def kept_bytes(store, home, tmp_path):
    """Every byte of the database, its write-ahead log, and all that was printed and exported."""
    parts = [path.read_bytes() for path in home.rglob("*") if path.is_file()]
    if store.dialect == "sqlite":
        return b"\n".join([*parts, *(p.read_bytes() for p in tmp_path.glob("signpost.db*"))])
    with store.read() as session:
        for table in Base.metadata.sorted_tables:
            parts += [repr(tuple(row)).encode() for row in session.execute(sa.select(table))]
    return b"\n".join(parts)


def test_no_raw_identifier_is_left_by_any_importer_in_database_logs_or_exports(
    store, run, tmp_path
):
    source = tmp_path / "source"
    source.mkdir()

    def put(name, content):
        path = source / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    run("trial", "add", put("trial.toml", TRIAL))
    run("trial", "launch", "calls")
    run("import", "assignments", "calls", put("people.csv", PEOPLE))
    for name, data in SAMPLES.items():
        wrong = ["--keep-good-rows"] if name == "contacts" else []
        run("import", "contacts", put(f"{name}.txt", data), "--source", name, *wrong)
    mapping = put("crm.toml", SAVED)
    run("import", "contacts", put("crm.xlsx", workbook()), "--source", mapping)
    run("import", "exposures", "calls", put("ga4.csv", EXPOSED), "--source", "ga4")
    run("import", "deliveries", "calls", put("notify.csv", NOTIFIED), fails=True)
    run("import", "contacts", put("bad.csv", "contact_id,occurred_at,phone,email\n"
        "x,never,07700 900123,Jo@Example.uk\n07700900123-1,2022-07-04,07700900123,\n"),
        fails=True)  # fmt: skip
    run("import", "contacts", put("labels.csv", "contact_id,occurred_at,line,reason,account\n"
        "1,2022-07-04,07700 900123,Bill,\n2,2022-07-04,,of CT99887766,CT-99887766\n"
        "3,2022-07-04,,on (07700) 900 123,\n4,2022-07-04,,?e=jo%40example.uk,\n"
        "5,2022-07-04,Tax,Bill,CT-99887766\n"), "--keep-good-rows")  # fmt: skip
    run("import", "bulk-callers", put("bulk.csv", "phone,note\n07700 900124,Switchboard\n"
        "07700 900123,rings from (07700) 900 123\n"), "--keep-good-rows")  # fmt: skip
    home = tmp_path / "home"
    run("analyse", "calls", "--school", "frequentist", "--cutoff", "2022-08-01", "--json")
    for form in ("html", "csv", "json"):
        run("report", "calls", "--format", form, "-o", home / f"report.{form}")
    run("trial", "export", "calls")

    stored = kept_bytes(store, home, tmp_path).lower()

    assert state(store)[0] >= len(SAMPLES)
    assert b"council tax" in stored, "the log itself was not searched"
    assert [word for word in PRIVATE if word.encode() in stored] == []
