"""The fast way in gives what the streaming reader gives, whatever the file."""

import gzip
import io
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from trials.contacts import fast, intake
from trials.contacts.reading import opened
from trials.contacts.sources import plain
from trials.contacts.textcheck import is_regular
from trials.errors import SignpostError
from trials.people.identifiers import KINDS, Hasher, normalise

HASHER = Hasher(bytes(range(32)))
HEADER = ("contact_id,occurred_at,channel,line,reason,outcome,handled,wait_seconds,handle_seconds,"
          "resolved,satisfaction,cost,arm,unit,phone,email,account,uprn")  # fmt: skip


def collected(batches):
    batches = list(batches)
    tables = [b.contacts for b in batches]
    table = (
        pa.Table.from_batches(tables, schema=intake.SCHEMA)
        if tables
        else intake.SCHEMA.empty_table()
    )
    refused = sorted(
        (r.file_line, r.says, r.remedy, r.left_out) for b in batches for r in b.refused
    )
    return table.sort_by("file_line").to_pylist(), refused


def streamed(data):
    with opened(io.BytesIO(data)) as stream:
        return collected(intake.batches(plain.read(stream), HASHER, unit_scope="tax"))


def quick(path, data):
    path.write_bytes(data)
    return collected(fast.read(path, HASHER, unit_scope="tax"))


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return tmp_path_factory.mktemp("fast") / "contacts.csv"


ROWS = [
    "c1,2022-07-04 09:30:00,phone,Council Tax,Bill,handled,,134,00:11:06,yes,4,£5.88,b,U1,07700900123,,ct-1,100",
    "c2,2022-07-04T09:30:00Z,Chat,Waste,,abandoned-in-queue,no,,,,,,a,,Withheld,Jo@Example.uk,,",
    "c3,04/07/2022 09:31:00,fone,,,handled,no,x,-1,maybe,,,,,2045,bad,,x",
    "c4,2022-03-27 01:30:00,,,,other,,,,,,,,,+447700900123,,,0001",
    "c5,2022-02-30 01:30:00,phone,,,,,,,,,,,,07700900999,,,",
    "07700900123-1,2022-07-04 09:30:00,phone,,,,,,,,,,,,07700 900123,,,",
    '" padded ",2022-07-04 09:30,phone,"a, b",,,,,,,,,,,7700900123,,,',
    "jo@example.uk,2022-07-04 09:30:00,phone,,,,,,,,,,,,,JO@example.uk,,",
    ",2022-07-04 09:30:00,phone,,,,,,,,,,,,,,a1,",
    "c1,1656927000,phone,Siân’s line,Ring 07700 900123,callback,yes,1.5,90,,,,,,,,000,",
]


def test_a_mixed_file_comes_out_the_same_both_ways(path):
    data = "\n".join([HEADER, *ROWS, ""]).encode()
    rows, refused = quick(path, data)
    assert fast.plan(path) is not None
    assert (rows, refused) == streamed(data)
    assert [r["contact_id"] for r in rows] == ["c1", "c2", "c4", "padded"]
    assert {line for line, *_ in refused} == {4, 6, 7, 9, 10, 11}
    assert rows[0]["phone"] == HASHER.digest("phone", "+447700900123")
    assert rows[0]["unit"] == HASHER.unit("tax", "U1")
    assert rows[1]["unusable"] == "phone:withheld"


def test_a_year_with_both_passes_of_october_comes_out_the_same_and_exact(path):
    start = datetime(2022, 10, 28, tzinfo=UTC)
    moments = [start + timedelta(minutes=7 * i) for i in range(900)]
    walls = [m.astimezone(ZoneInfo("Europe/London")) for m in moments]
    for order in (1, -1):
        lines = [f"c{i},{w:%Y-%m-%d %H:%M:%S},07700900123" for i, w in enumerate(walls)][::order]
        data = "\n".join(["contact_id,occurred_at,phone", *lines, ""]).encode()
        rows, refused = quick(path, data)
        assert not refused
        assert (rows, refused) == streamed(data)
        wanted = [int(m.timestamp()) for m in moments][::order]
        assert [r["occurred_at"] for r in rows] == wanted


@pytest.mark.parametrize(
    "data",
    [b"contact_id,occurred_at,phone\r\nc1,2022-07-04 09:30:00,07700900123\r\n",
     b"contact_id;occurred_at;phone\nc1;2022-07-04 09:30:00;07700900123",
     b"\xef\xbb\xbfcontact_id\toccurred_at\tphone\nc1\t2022-07-04 09:30:00\t07700900123\n",
     gzip.compress(b"contact_id,occurred_at,phone\nc1,2022-07-04 09:30:00,07700900123\n", mtime=0),
     b'"contact_id","occurred_at","phone"\n"c""1","2022-07-04 09:30:00","07700900123"\n'],
)  # fmt: skip
def test_every_dialect_is_read_fast(path, data):
    assert quick(path, data) == streamed(data)
    assert fast.plan(path) is not None


@pytest.mark.parametrize(
    "rows",
    [b'c1,2022-07-04 09:30:00,"07700\n900123"\nc2,x,y\n', b"c1,2022-07-04 09:30:00,1\n\nc2,x,y\n",
     b"c1,2022-07-04 09:30:00,Si\xe2n\n", b"c1,2022-07-04 09:30:00,1\r\nc2,x,y\n", b"c1,2022\x00,1\n",
     b"c1,2022-07-04 09:30:00,1\rc2,2022-07-04 09:30:00,2\n"],
)  # fmt: skip
def test_an_irregular_file_is_streamed_with_the_right_lines(path, rows):
    data = b"contact_id,occurred_at,phone\n" + rows
    assert quick(path, data) == streamed(data)
    assert fast.plan(path) is None


def test_where_duckdb_gives_up_the_streaming_reader_takes_over(path):
    good = [f"c{i},2022-07-04 09:{i % 60:02}:00,0770090{i:04}" for i in range(2000)]
    for bad in ("c,2022-07-04 09:30:00", "c,2022-07-04 09:30:00,1,2", 'c,"x"y,1', 'c,"open,1'):
        lines = [*good[:1500], bad, *good[1500:]]
        data = "\n".join(["contact_id,occurred_at,phone", *lines, ""]).encode()
        assert quick(path, data) == streamed(data)


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_long_file_crosses_batches_without_a_seam(path, end):
    lines = [f"c{i},2022-07-04 09:{i % 60:02}:00,{'nonsense' if i % 40_000 == 7 else 'phone'},07{i:09}"
             for i in range(230_000)]  # fmt: skip
    data = end.join(["contact_id,occurred_at,channel,phone", *lines, ""]).encode()
    path.write_bytes(data)
    batches = list(fast.read(path, HASHER))
    assert sum(b.contacts.num_rows for b in batches) == 230_000 - 6
    assert [r.file_line for b in batches for r in b.refused] == [9 + 40_000 * i for i in range(6)]
    numbers = [n for b in batches for n in b.contacts["file_line"].to_pylist()]
    assert numbers == sorted(set(range(2, 230_002)) - {9 + 40_000 * i for i in range(6)})


def test_the_wanted_columns_must_be_there_either_way(path):
    path.write_bytes(b"contact_id,channel\n1,phone\n")
    with pytest.raises(SignpostError):
        list(fast.read(path, HASHER))


def test_regular_text_is_known_by_its_bytes():
    for data in (b"a\nb\n", b"a\r\nb\r\n", b"a\nb", b'a\n"x""y",z\n'):
        assert is_regular(io.BytesIO(data)), data
    for data in (
        b"a\r\nb\n",
        b"a\nb\r\n",
        b"a\rb\n",
        b'a\n"x\ny"\n',
        b"a",
        b"",
        b"a\n\nb\n",
        b"a\n\xff\n",
    ):
        assert not is_regular(io.BytesIO(data)), data


CELLS = {
    "contact_id": ["c1", "c2", " c3", "", "x" * 201, "07700900123-9", "jo@example.uk", "é", "a b", "900123"],
    "occurred_at": ["2022-07-04 09:30:00", "2022-07-04T09:30:00Z", "04/07/2022 09:30:00", "2022-10-30 01:30:00",
                    "2022-10-30 01:10:00", "2022-10-30 00:59:59", "2022-10-30 02:00:00", "2022-03-27 01:59:59",
                    "2022-03-27 02:00:00", "1980-01-01 00:00:00", "2022-02-29 00:00:00", "", "soon", "1656927000",
                    "2022-07-04 24:00:00", "2999-01-01 00:00:00", "04/07/2022", "30/10/2022 01:20:00"],
    "channel": ["phone", "PHONE", "Chat", "", "-", "nonsense", "face to face"],
    "reason": ["Bill", "  two  words ", "#####", "ring 07700 900123", "see jo@example.uk", "", "é",
               "as 07777777777", "of (020) 7946 0000", "account CT1001"],
    "line": ["Tax", "", "02079460000", "07700900123", "0300 131 6000"],
    "account": ["", "CT-1001", "ct 1001", "-"],
    "outcome": ["handled", "abandoned", "ended-in-ivr", "", "other", "zzz", "call-back"],
    "handled": ["", "yes", "no", "1", "perhaps", "N/A"],
    "wait_seconds": ["", "12", "00:01:00", "-", "x", "1e9", "99999999"],
    "phone": ["07700900123", "+447700900123", "", "-", "Withheld", "2045", "07777777777", "07700 900 123",
              "(020) 7946 0000", "nonsense", "+1 212 555 0123", "٠٧٧٠٠٩٠٠١٢٣", "07700/900123", "000000000"],
    "email": ["", "jo@example.uk", "JO@EXAMPLE.UK ", "jo", "n/a", "longer text without at"],
    "unit": ["", "U1", " U1", "n/a", "u" * 201],
}  # fmt: skip


@st.composite
def files(draw):
    names = ["contact_id", "occurred_at", *draw(st.permutations(list(CELLS)[2:]))]
    names = names[: draw(st.integers(3, len(names)))]
    if not {"phone", "email", "unit"} & set(names):
        names.append("phone")
    rows = draw(
        st.lists(st.tuples(*(st.sampled_from(CELLS[n]) for n in names)), min_size=0, max_size=12)
    )
    lines = [",".join(names), *(",".join(r) for r in rows)]
    end = draw(st.sampled_from(["\n", "\r\n"]))
    data = bytearray(end.join([*lines, ""]).encode())
    for _ in range(draw(st.sampled_from([0, 0, 0, 1, 2]))):
        at = draw(st.integers(0, len(data)))
        data[at:at] = draw(
            st.sampled_from([b'"', b",", b"\n", b"\r\n", b"\xff", b'""', b" ", b"#", b";"])
        )
    return bytes(data)


@given(data=files())
@settings(
    max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_any_file_comes_out_the_same_both_ways_or_is_refused_both_ways(path, data):
    try:
        wanted = streamed(data)
    except SignpostError as failure:
        with pytest.raises(type(failure)):
            quick(path, data)
        return
    assert quick(path, data) == wanted


def test_nothing_but_digests_leaves(path):
    """The bytes of the batches hold none of the identifiers of the file."""
    data = "\n".join([HEADER, ROWS[0], ROWS[1], ""]).encode()
    path.write_bytes(data)
    for batches in (
        fast.read(path, HASHER, unit_scope="t"),
        intake.batches(plain.read(io.BytesIO(data)), HASHER, unit_scope="t"),
    ):
        sink = io.BytesIO()
        with pa.ipc.new_stream(sink, intake.SCHEMA) as writer:
            for batch in batches:
                writer.write_batch(batch.contacts)
        stored = sink.getvalue()
        assert len(stored) > 1000
        for private in (b"7700900123", b"example.uk", b"Example", b"CT1", b"U1"):
            assert private not in stored


def test_rows_without_ids_get_the_same_ids_again_and_equal_rows_stay_two():
    from trials.contacts import mapping

    saved = mapping.of(
        {"name": "x", "derive_ids": True, "columns": {"occurred_at": "when", "phone": "phone"}}
    )
    data = b"when,phone\n2022-07-04 09:30,07700900123\n2022-07-04 09:30,07700900123\n2022-07-04 09:31,\n"

    def ids():
        done = collected(intake.batches(mapping.read(io.BytesIO(data), saved), HASHER))
        return [r["contact_id"] for r in done[0]]

    assert ids() == ids()
    assert len(set(ids())) == 3
    assert not any("7700900123" in i for i in ids())


def test_the_short_cut_for_plain_numbers_does_not_change_what_a_number_is():
    for raw in (
        "07777777777",
        "0123456789",
        "07700900123",
        "+441296395000",
        "01222222222",
        "0222222222",
    ):
        with_space = normalise("phone", raw[:5] + " " + raw[5:])
        assert normalise("phone", raw) == with_space
    assert set(KINDS) <= set(intake.SCHEMA.names)
