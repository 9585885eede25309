"""Files become rows: every usual dialect, every damaged row with its line, nothing else raised."""

import gzip
import io
import zipfile
from datetime import datetime, timedelta

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trials.contacts import workbooks
from trials.contacts.json_values import objects
from trials.contacts.reading import opened, sheet
from trials.contacts.record import Refused
from trials.contacts.sheets import Layout
from trials.errors import Invalid, SignpostError, Unavailable


def rows_of(data, layout=None):
    with opened(io.BytesIO(data)) as stream:
        table = sheet(stream, layout) if layout else sheet(stream)
        return table.header, list(table.rows)


@pytest.mark.parametrize(
    "data",
    [b"a,b\n1,x y\n", b"\xef\xbb\xbfa,b\r\n1,x y\r\n", b"a;b\n1;x y\n", b"a\tb\n1\tx y", b"a,b\r1,x y\r",
     b'sep=;\na;b\n1;"x y"\n', gzip.compress(b"a,b\n1,x y\n", mtime=0), "a\tb\n1\tx y\n".encode("utf-16"),
     b'"a","b"\n"1","x y"\n'],
)  # fmt: skip
def test_every_dialect_of_csv_gives_the_same_table(data):
    header, rows = rows_of(data)
    assert header == ("a", "b")
    assert [cells for _, cells in rows] == [["1", "x y"]]


def test_lines_are_counted_as_a_text_editor_counts_them():
    data = b'a,b\n1,"two\nlines"\n\n2,x\n3\n4,y,z\n5,"open"quote\n6,z\n'
    _, rows = rows_of(data)
    assert [r.file_line if isinstance(r, Refused) else r[0] for r in rows] == [2, 5, 6, 7, 8, 9]
    says = {r.file_line: r.says for r in rows if isinstance(r, Refused)}
    assert says[6] == "has 1 field where the header has 2"
    assert says[7] == "has 3 fields where the header has 2"
    assert "quotation marks" in says[8]


def test_a_missing_closing_quote_costs_a_stretch_and_is_named():
    _, rows = rows_of(b'a,b\n1,x\n2,"never closed\n3,y\n')
    assert rows[0] == (2, ["1", "x"])
    assert [(r.file_line, r.says) for r in rows[1:]] == [
        (3, "the file ends within quotation marks")
    ]


def test_windows_1252_is_refused_by_line_unless_the_mapping_says_so():
    data = "a,b\n1,Siân\n2,Ann\n".encode("cp1252")
    _, rows = rows_of(data)
    assert isinstance(rows[0], Refused)
    assert "not UTF-8" in rows[0].says
    assert rows[1] == (3, ["2", "Ann"])
    _, rows = rows_of(data, Layout(encoding="cp1252"))
    assert rows[0] == (2, ["1", "Siân"])


@pytest.mark.parametrize("data", [b"", b"\n\n", b",,\n1,2,3\n", b"a,b,A\n1,2,3\n"])
def test_a_file_without_a_usable_header_is_refused_whole(data):
    with pytest.raises(Invalid):
        rows_of(data)


def test_damaged_gzip_is_told_as_such():
    good = gzip.compress(b"a,b\n" + b"1,2\n" * 50_000)
    for bad in (good[: len(good) // 2], good[:40] + b"\x00" * 40 + good[80:]):
        with pytest.raises(SignpostError, match="gzip"):
            rows_of(bad)


def test_a_missing_file_is_unavailable(tmp_path):
    with pytest.raises(Unavailable), opened(tmp_path / "none.csv"):
        pass


def workbook_bytes(rows, title="Data"):
    book = openpyxl.Workbook()
    page = book.active
    page.title = title
    for row in rows:
        page.append(row)
    page["C2"].number_format = "0.00%"
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def test_a_workbook_reads_like_the_csv_of_the_same_sheet():
    data = workbook_bytes(
        [["Ref", "When", "Rate", "Long", "Ok"],
         [12.0, datetime(2022, 7, 4, 9, 30), 0.8525, timedelta(hours=26, minutes=5), True],
         [],
         ["#####", None, "n/a"]]
    )  # fmt: skip
    header, rows = rows_of(data)
    assert header == ("Ref", "When", "Rate", "Long", "Ok")
    assert rows[0] == (2, ["12", "2022-07-04 09:30:00", "85.25%", "26:05:00", "yes"])
    assert rows[1] == (4, ["#####", "", "n/a", "", ""])


def test_a_named_sheet_and_a_damaged_workbook():
    data = workbook_bytes([["a", "b", "c"], [1, 2, 3]], title="Calls")
    assert rows_of(data, Layout(sheet="Calls"))[0] == ("a", "b", "c")
    with pytest.raises(SignpostError, match="no sheet"):
        rows_of(data, Layout(sheet="Other"))
    with pytest.raises(SignpostError):
        rows_of(data[:200])


@pytest.mark.parametrize(
    ("trouble", "says"),
    [(lambda sheet: sheet.merge_cells("A3:A4"), "rows 3 to 4 have a merged cell"),
     (lambda sheet: sheet.__setitem__("B3", "=1+1"), "never computed"),
     (lambda sheet: sheet.merge_cells("A1:B1"), None),
     (lambda sheet: setattr(sheet.parent.create_sheet("Notes", 0), "sheet_state", "hidden"), None)],
    ids=["rows merged", "formula", "title merged", "hidden sheet"],
)  # fmt: skip
def test_a_cell_that_only_seems_blank_is_told_and_hidden_sheets_are_not_read(trouble, says):
    book = openpyxl.Workbook()
    for row in (["My cases", None], ["id", "n"], ["1", 5], ["2", 6]):
        book.active.append(row)
    trouble(book["Sheet"])
    out = io.BytesIO()
    book.save(out)
    if says is None:
        made = sheet(io.BytesIO(out.getvalue()), Layout(skip_lines=1))
        assert (made.header, list(made.rows)) == (("id", "n"), [(3, ["1", "5"]), (4, ["2", "6"])])
        return
    with pytest.raises(SignpostError, match=says):
        sheet(io.BytesIO(out.getvalue()), Layout(skip_lines=1))


def test_parquet_reads_like_the_csv_of_the_same_table():
    table = pa.table(
        {"id": [1, 2], "when": pa.array([1656927000, None], pa.timestamp("s", "UTC")),
         "ok": [True, None], "x": ["a", None]}
    )  # fmt: skip
    out = io.BytesIO()
    pq.write_table(table, out)
    header, rows = rows_of(out.getvalue())
    assert header == ("id", "when", "ok", "x")
    assert rows == [(2, ["1", "2022-07-04 09:30:00+00:00", "yes", "a"]), (3, ["2", "", "", ""])]
    with pytest.raises(SignpostError):
        rows_of(out.getvalue()[:60])


def found(data):
    return [
        "broken" if isinstance(item, Refused) else item[1] for item in objects(io.BytesIO(data))
    ]


@pytest.mark.parametrize(
    ("data", "wanted"),
    [(b'{"a":1}\n{"a":2}\n', [{"a": 1}, {"a": 2}]),
     (b'{"a":1}{"a":2}', [{"a": 1}, {"a": 2}]),                       # Firehose: no separators
     (b'[\n {"a":1},\n {"a":\n 2}\n]\n', [{"a": 1}, {"a": 2}]),        # a pretty-printed array
     (b'{"page":[\n{"a":1},\n{"b":2}\n]}', [{"page": [{"a": 1}, {"b": 2}]}]),
     (b'{"a":"}{\\"}{"}\n', [{"a": '}{"}{'}]),
     (b'{"a": {\n{"b":1}\n', ["broken", {"b": 1}]),
     (b'{"c":"cut\n{"d":4}\n', ["broken", {"d": 4}]),
     (b'junk\n{"a":1}\n7\n{"a":NaN}\n{"a"', ["broken", {"a": 1}, "broken", "broken", "broken"])],
)  # fmt: skip
def test_json_objects_are_found_however_they_are_delivered(data, wanted):
    assert found(data) == wanted


@given(st.lists(st.dictionaries(st.text(max_size=5), st.text(max_size=20), max_size=4), max_size=6))
@settings(max_examples=200)
def test_json_objects_run_together_are_cut_apart_exactly(values):
    import json

    assert found("".join(json.dumps(v, ensure_ascii=False) for v in values).encode()) == values


@given(st.binary(max_size=400))
@settings(max_examples=600, deadline=None)
def test_any_bytes_are_a_table_or_a_sentence(data):
    for prefix in (b"", b"a,b\n", b"\x1f\x8b", b"PK\x03\x04", b"PAR1", b"\xff\xfe", b"{"):
        try:
            rows_of(prefix + data)
            list(objects(io.BytesIO(prefix + data)))
        except SignpostError:
            pass


@pytest.mark.parametrize(("part", "mb"), [("xl/worksheets/sheet1.xml", 513),
                                          ("xl/sharedStrings.xml", 129)])  # fmt: skip
def test_a_workbook_that_unpacks_to_too_much_is_refused_before_it_is_opened(part, mb):
    """Zeros pack a thousandfold: half a megabyte on the wire."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as package:
        package.writestr("[Content_Types].xml", "<Types/>")
        with package.open(part, "w", force_zip64=True) as out:
            for _ in range(mb):
                out.write(bytes(1 << 20))
    packed.seek(0)
    with pytest.raises(SignpostError, match="unpacks to more than 512 MB, or to more than 128 MB"):
        sheet(packed)


def tampered(part, sent):
    """A sound workbook, one part of which is another."""
    packed = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(workbook_bytes([["a", "b", "c"]]))) as sound,
        zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as package,
    ):
        for name in sound.namelist():
            package.writestr(name, sent if name == part else sound.read(name))
    return packed.getvalue()


SHEET = '<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>'
HEAD = '<row><c t="inlineStr"><is><t>a</t></is></c></row>'


def test_a_row_with_a_number_beyond_any_sheet_is_not_counted_up_to():
    far = f'{SHEET}{HEAD}<row r="2000000"><c><v>1</v></c></row></sheetData></worksheet>'
    with pytest.raises(SignpostError, match="damaged"):
        rows_of(tampered("xl/worksheets/sheet1.xml", far))


@pytest.mark.parametrize("part", ["xl/worksheets/sheet1.xml", "xl/styles.xml"])
def test_a_workbook_small_on_the_wire_does_not_fill_the_memory(part):
    """Two million cells of one row, or as many styles, would all be held at once."""
    cells = f"{SHEET}{HEAD}<row>{'<c/>' * 2_100_000}</row></sheetData></worksheet>"
    with pytest.raises(SignpostError, match="unpacks to more"):
        rows_of(tampered(part, cells))


def test_ordinary_rows_are_read_however_many(monkeypatch):
    monkeypatch.setattr(workbooks, "_HARMLESS", 100)
    monkeypatch.setattr(workbooks, "MOST_TAGS", 50)
    rows = "<row><c><v>1</v></c></row>" * 500
    sent = tampered("xl/worksheets/sheet1.xml", f"{SHEET}{HEAD}{rows}</sheetData></worksheet>")
    with pytest.raises(SignpostError, match="unpacks to more"):  # its styles have no rows
        rows_of(sent)
    monkeypatch.setattr(workbooks, "MOST_TAGS", 500)
    assert rows_of(sent)[1][-1] == (501, ["1"])
