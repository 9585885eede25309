"""Files taken in: whole or not at all, told with line and remedy, twice without harm."""

from __future__ import annotations

import gzip

import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa

from trials import files, lifecycle, registry
from trials.definition import toml
from trials.errors import Invalid, NotFound
from trials.importing import assignments, exposures, outcomes
from trials.store.tables import (
    AssignmentRow,
    CorrectionRow,
    ExposureRow,
    IdentifierRow,
    ImportRow,
    OutcomeRow,
    UnitRow,
)

KEY = "council-tax-reminder"
GOOD = "unit,arm,assigned_at,band\nA1,current,2026-04-01,D\nA2,one-thing,2026-04-01T09:30:00Z,C\n"


@pytest.fixture
def launched(store, trial):
    with store.write() as session:
        registry.add(session, trial, actor="test")
        lifecycle.launch(session, trial.key, actor="test")
    return store


@pytest.fixture
def take(launched, hasher, tmp_path):
    """Import text as a file of some name; answers the report."""

    def run(kind, text, name="file.csv", **options):
        path = tmp_path / name
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        module = {"assignments": assignments, "exposures": exposures, "outcomes": outcomes}[kind]
        return module.add(launched, KEY, path, hasher=hasher, actor="test", **options)

    run.store = launched
    return run


def rows(store, table):
    with store.read() as session:
        return session.scalar(sa.select(sa.func.count()).select_from(table))


def everything(store):
    """How many rows every table of units has: to show that a refusal changed nothing."""
    tables = (
        UnitRow,
        AssignmentRow,
        IdentifierRow,
        ExposureRow,
        OutcomeRow,
        CorrectionRow,
        ImportRow,
    )
    return [rows(store, table) for table in tables]


def refused(take, kind, text, name="file.csv"):
    before = everything(take.store)
    with pytest.raises(Invalid) as caught:
        take(kind, text, name)
    assert everything(take.store) == before, "a refused file must leave no trace"
    return caught.value.problems


def test_an_assignments_file_is_taken_and_taken_again_without_harm(take):
    report = take("assignments", GOOD)
    assert (report.rows, report.added, report.refused) == (2, 2, 0)
    again = take("assignments", GOOD)
    assert again.repeated
    assert again.unchanged == 2
    assert "nothing changed" in again.notes[0]
    assert rows(take.store, AssignmentRow) == 2


def test_the_same_units_in_another_file_change_nothing(take):
    take("assignments", GOOD)
    report = take("assignments", GOOD + "A3,current,2026-04-02,D\n", "longer.csv")
    assert (report.added, report.unchanged) == (1, 2)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", "\ufeff" + GOOD),
        ("a.csv", GOOD.replace(",", ";")),
        ("a.tsv", GOOD.replace(",", "\t")),
        ("a.csv", GOOD.replace("\n", "\r\n")),
        ("a.csv.gz", gzip.compress(GOOD.encode(), mtime=0)),
        ("a.csv", GOOD.replace("unit,arm", "Unit,ARM")),
        ("a.csv", "\n" + GOOD + "\n"),
    ],
    ids=["byte-order mark", "semicolons", "tabs", "crlf", "gzip", "case", "blank lines"],
)
def test_the_usual_dialects_are_read_alike(take, name, content):
    assert take("assignments", content, name).added == 2


def test_parquet_is_read_as_the_same_table(take, tmp_path):
    (tmp_path / "source.csv").write_text(GOOD)
    pq.write_table(pacsv.read_csv(tmp_path / "source.csv"), tmp_path / "a.parquet")
    assert take("assignments", (tmp_path / "a.parquet").read_bytes(), "b.parquet").added == 2


def test_times_are_kept_in_utc_and_london_wall_time_is_understood(take):
    take(
        "assignments",
        "unit,arm,assigned_at,band\nA,current,2026-07-01T10:00,D\nB,current,2026-07-01T10:00:00+00:00,D\n",
    )
    with take.store.read() as session:
        times = sorted(session.scalars(sa.select(AssignmentRow.assigned_at)))
    assert times == [1782896400, 1782900000], "10:00 in July is 09:00 in UTC"


BAD = [
    (
        "duplicate unit",
        "unit,arm,band\nA,current,D\nB,current,D\nA,current,D\n",
        4,
        "same unit as line 2",
    ),
    ("unit in two arms", "unit,arm,band\nA,current,D\nA,one-thing,D\n", 3, "in another arm"),
    ("unknown arm", "unit,arm,band\nA,curent,D\n", 2, "did you mean 'current'"),
    ("blank unit", "unit,arm,band\n ,current,D\n", 2, "blank"),
    ("British date", "unit,arm,assigned_at,band\nA,current,01/04/2026,D\n", 2, "year first"),
    ("no date at all", "unit,arm,assigned_at,band\nA,current,soon,D\n", 2, "not a date"),
    ("row cut short", "unit,arm,band\nA,current,D\nB,cur", 3, "cut short"),
    ("open quote", 'unit,arm,band\nA,current,"D\n', 2, "never closed"),
    ("a cell too many", "unit,arm,band\nA,current,D,x\n", 2, "quotes"),
    ("not UTF-8", "unit,arm,band\nA,current,é\n".encode("latin-1"), 2, "UTF-8"),
    ("UTF-16", "unit,arm,band\nA,current,D\n".encode("utf-16"), 1, "UTF-8"),
    ("a zero byte", b"unit,arm,band\nA,current,\x00\n", 2, "zero byte"),
    ("missing column", "unit,band\nA,D\n", 1, "'arm' is missing"),
    ("missing stratum", "unit,arm\nA,current\n", 1, "'band' is missing"),
    ("column twice", "unit,arm,band,ARM\nA,current,D,x\n", 1, "twice"),
]


@pytest.mark.parametrize(
    ("text", "line", "says"), [case[1:] for case in BAD], ids=[c[0] for c in BAD]
)
def test_a_bad_assignments_file_is_refused_with_its_line(take, text, line, says):
    problems = refused(take, "assignments", text)
    assert [p.line for p in problems] == [line]
    assert says in str(problems[0])


def test_a_compressed_line_that_would_fill_the_memory_is_refused(tmp_path):
    path = tmp_path / "small.csv.gz"
    path.write_bytes(gzip.compress(b"unit,arm\n" + b"A" * (files.MAX_LINE + 1)))
    with pytest.raises(Invalid, match="too long"), files.open_table(path) as table:
        list(table.rows)


@pytest.mark.parametrize("text", ["", "\n\n", "unit,arm,band\n"])
def test_an_empty_file_is_refused(take, text):
    (problem,) = refused(take, "assignments", text)
    assert "empty" in str(problem) or "no rows" in str(problem)


def test_a_damaged_gzip_file_is_refused(take):
    (problem,) = refused(take, "assignments", gzip.compress(GOOD.encode() * 50)[:-20], "a.csv.gz")
    assert "cut short" in str(problem)


def test_a_unit_never_moves_to_another_arm(take):
    take("assignments", GOOD)
    (problem,) = refused(take, "assignments", "unit,arm,band\nA1,one-thing,D\n")
    assert "already in arm current" in str(problem)


def test_a_cluster_split_over_arms_is_refused(store, trial, hasher, tmp_path):
    design = trial.design.model_copy(
        update={"kind": "cluster", "strata": (), "cluster": "household"}
    )
    with store.write() as session:
        registry.add(session, trial.model_copy(update={"design": design}), actor="test")
    path = tmp_path / "a.csv"
    path.write_text("unit,arm,household\nA,current,H1\nB,one-thing,H1\nC,current,H2\n")
    with pytest.raises(Invalid) as caught:
        assignments.add(store, KEY, path, hasher=hasher, actor="test")
    (problem,) = caught.value.problems
    assert (problem.line, "another arm on line 2" in str(problem)) == (3, True)


def test_good_rows_are_kept_only_when_asked_and_the_others_are_reported(take):
    text = GOOD + "A3,nonsense,2026-04-01,D\nA1,current,2026-04-01,D\n"
    refused(take, "assignments", text)
    report = take("assignments", text, keep_good_rows=True)
    assert (report.added, report.refused) == (2, 2)
    assert sorted(p.line for p in report.problems) == [4, 5]


def test_no_refusal_repeats_a_unit_or_an_identifier(take):
    text = "unit,arm,band,phone\n07700900123,curent,D,07700900123\n07700900123,current,D,07700900123\n07700900123,one-thing,D,x\n"
    for problem in refused(take, "assignments", text):
        assert "07700900123" not in str(problem)


def test_no_raw_unit_or_identifier_reaches_the_database_file(take, tmp_path):
    text = (
        "unit,arm,band,phone,email,account,uprn\n"
        "ACC-778812,current,D,07700 900123,Ann.Example@Wychbridge.example,CT-99887766,100023336956\n"
    )
    take("assignments", text)
    take("outcomes", "unit,paid\nACC-778812,1\n")
    if take.store.dialect != "sqlite":
        with take.store.read() as session:
            dump = "".join(
                str(row)
                for table in (
                    "units",
                    "identifiers",
                    "assignments",
                    "outcomes",
                    "audit_log",
                    "imports",
                )
                for row in session.execute(sa.text(f"SELECT * FROM {table}"))
            ).encode()
    else:
        dump = b"".join(p.read_bytes() for p in tmp_path.glob("signpost.db*"))
    assert rows(take.store, IdentifierRow) == 5
    for raw in (
        b"778812",
        b"900123",
        b"447700900123",
        b"Ann.Example",
        b"ann.example",
        b"99887766",
        b"100023336956",
    ):
        assert raw not in dump


def test_outcomes_are_taken_long_and_wide(take):
    take("assignments", GOOD)
    long = "unit,metric,value,observed_at\nA1,paid,1,2026-04-05\nA1,arrears,12.50,2026-04-05\n"
    assert take("outcomes", long, "long.csv").added == 2
    assert take("outcomes", "unit,paid,arrears\nA2,0,3\n", "wide.csv").added == 2


def test_a_changed_outcome_is_a_correction_and_the_old_value_is_kept(take):
    take("assignments", GOOD)
    take("outcomes", "unit,paid\nA1,0\nA2,0\n", "first.csv")
    report = take("outcomes", "unit,paid\nA1,1\nA2,0\n", "second.csv")
    assert (report.added, report.corrected, report.unchanged) == (0, 1, 1)
    with take.store.read() as session:
        kept = session.scalars(sa.select(CorrectionRow)).one()
        assert (kept.before, kept.after) == (0.0, 1.0)
        assert sorted(session.scalars(sa.select(OutcomeRow.value))) == [0.0, 1.0]


def test_a_blank_outcome_is_missing_and_never_nought(take):
    take("assignments", GOOD)
    report = take("outcomes", "unit,paid,arrears\nA1,1,\nA2,n/a,2\n")
    assert report.added == 2
    assert report.detail["blank"] == 2
    assert "never as 0" in report.notes[0]


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ("unit,paid\nA1,perhaps\n", 2, "neither 0 nor 1"),
        ("unit,paid\nA1,2\n", 2, "neither 0 nor 1"),
        ("unit,arrears\nA1,twelve\n", 2, "not a number"),
        ("unit,arrears\nA1,nan \nA2,inf\n", 3, "finite"),
        ('unit,arrears\nA1,"1,234"\n', 2, "without thousands separators"),
        ("unit,metric,value\nA1,payed,1\n", 2, "did you mean 'paid'"),
        ("unit,paid\nA9,1\n", 2, "not in this trial"),
        ("unit,metric,value,observed_at\nA1,paid,1,05/04/2026\n", 2, "year first"),
        ("unit,metric,value\nA1,paid,1\nA1,paid,0\n", 3, "another value"),
        ("person,payment\nA1,1\n", 1, "'unit' is missing"),
        ("unit,payment\nA1,1\n", 1, "one named like a metric"),
    ],
)
def test_a_bad_outcomes_file_is_refused_with_its_line(take, text, line, says):
    take("assignments", GOOD)
    problems = refused(take, "outcomes", text, "o.csv")
    assert problems[0].line == line
    assert says in str(problems[0])


def test_an_outcome_that_no_analysis_uses_is_told(store, trial_text, hasher, tmp_path):
    metric = (
        'key = "called"\ntitle = "Called"\nkind = "proportion"\nwindow = "7d"\nbetter = "lower"'
    )
    trial = toml.read(f"{trial_text}\n[[metrics]]\n{metric}\n")
    with store.write() as session:
        registry.add(session, trial, actor="test")
        lifecycle.launch(session, trial.key, actor="test")
    for name, text in {"a.csv": GOOD, "o.csv": "unit,paid,called\nA1,1,1\n"}.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    assignments.add(store, KEY, tmp_path / "a.csv", hasher=hasher, actor="test")
    report = outcomes.add(store, KEY, tmp_path / "o.csv", hasher=hasher, actor="test")
    (note,) = report.notes
    assert note.startswith("1 value of 'called' kept but not used")


def test_exposures_are_taken_once_each(take):
    take("assignments", GOOD)
    text = "unit,exposed_at,arm\nA1,2026-04-02T10:00:00Z,current\nA1,2026-04-02T10:00:00Z,current\nA2,2026-04-03,\n"
    report = take("exposures", text)
    assert (report.rows, report.added) == (3, 2)
    assert rows(take.store, ExposureRow) == 2


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("unit,exposed_at\nA1,02/04/2026\n", "year first"),
        ("unit,exposed_at,arm\nA1,2026-04-02,nobody\n", "did you mean"),
        ("unit,exposed_at\nZZ,2026-04-02\n", "not in this trial"),
        ("unit\nA1\n", "'exposed_at' is missing"),
    ],
)
def test_a_bad_exposures_file_is_refused(take, text, says):
    take("assignments", GOOD)
    assert says in str(refused(take, "exposures", text, "e.csv")[0])


def test_an_unknown_trial_names_the_nearest(launched, hasher, tmp_path):
    (tmp_path / "a.csv").write_text(GOOD)
    with pytest.raises(NotFound, match=f"did you mean '{KEY}'"):
        assignments.add(launched, "council-tax", tmp_path / "a.csv", hasher=hasher, actor="test")


def test_a_missing_file_is_one_sentence(launched, hasher, tmp_path):
    with pytest.raises(Invalid, match="there is no such file"):
        assignments.add(launched, KEY, tmp_path / "nothing.csv", hasher=hasher, actor="test")


def test_a_parquet_file_that_is_none_is_refused(take):
    assert "not a sound Parquet file" in str(refused(take, "assignments", "hello", "a.parquet")[0])


def test_numbers_in_parquet_keep_their_meaning(take, tmp_path):
    table = pa.table({"unit": [1, 2], "arm": ["current", "one-thing"], "band": ["D", None]})
    pq.write_table(table, tmp_path / "n.parquet")
    assert take("assignments", (tmp_path / "n.parquet").read_bytes(), "m.parquet").added == 2
    assert take("outcomes", "unit,paid\n1,1\n2,0\n").added == 2
