"""XLSX workbooks and Parquet files as rows of text, written as a CSV export would write them."""

from __future__ import annotations

import itertools
import json
import re
import warnings
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import IO, Any, Final

from trials.contacts.record import Fault, Refused
from trials.contacts.sheets import Layout, Row, Sheet, unreadable
from trials.errors import SignpostError
from trials.plurals import counted

_NOT_COMPUTED: Final = re.compile(
    rb"<c( [^<>]*)><f(?:[^<>]*/>|[^<>]*>[^<]*</f>)(?:<v ?/>|<v></v>)?</c>"
)
_MERGED: Final = re.compile(rb'<mergeCell ref="[A-Z]+(\d+):[A-Z]+(\d+)"')
_OVERLAP: Final = 10_000

LARGEST_UNPACKED: Final = 512 << 20
"""A workbook that unpacks to more than this is refused before it is opened."""

LARGEST_TEXTS: Final = 128 << 20
"""The same for its table of shared texts, which is held in memory, several times over."""

MOST_ROWS: Final = 1 << 20
"""As many as a sheet can have: a number beyond would be counted up to through empty rows."""

MOST_TAGS: Final = 1_000_000
"""So many between two ends of rows or of shared texts: all of them are held in memory at once."""

_HARMLESS: Final = 8 << 20
_BLOCK: Final = 1 << 20
_LONGEST_END: Final = 64
_END: Final = re.compile(rb"</(?:[\w.-]+:)?(?:row|(si))>")


def workbook(stream: IO[bytes], layout: Layout) -> Sheet:
    """The first visible worksheet (or ``layout.sheet``) with its first non-empty row as the header.

    Raises:
        SignpostError: it is not a workbook, is damaged, or has no such sheet.
    """
    _check_size(stream)
    page = _page(stream, layout.sheet)
    rows = _numbered(_cells(page))
    first = next(itertools.islice(rows, layout.skip_lines, None), None)
    if first is not None:
        _check_sheet(stream, page, first[0])
    header = tuple(" ".join(cell.split()) for cell in first[1]) if first else ()
    while header and not header[-1]:
        header = header[:-1]
    return Sheet(header, _fitted(rows, len(header)), place="row")


def _check_size(stream: IO[bytes]) -> None:
    try:
        with zipfile.ZipFile(stream) as package:
            parts = package.infolist()
            fits = sum(part.file_size for part in parts) <= LARGEST_UNPACKED and all(
                _fits(package, part) for part in parts if part.file_size > _HARMLESS
            )
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, NotImplementedError):
        raise _damaged() from None
    stream.seek(0)
    if not fits:
        raise SignpostError(f"the workbook unpacks to more than {LARGEST_UNPACKED >> 20} MB, or to "
                            f"more than {LARGEST_TEXTS >> 20} MB of texts",
                            "export it as CSV, which may be of any size")  # fmt: skip


def _fits(package: zipfile.ZipFile, entry: zipfile.ZipInfo) -> bool:
    """Whether a part of the workbook can be read a row, or a text, at a time; any name may lie."""
    many = entry.file_size > LARGEST_TEXTS
    if many and "sharedstrings" in entry.filename.lower():
        return False
    tags, rest = 0, b""
    with package.open(entry) as part:
        while block := part.read(_BLOCK):
            begun, at = rest + block, len(rest)
            for end in _END.finditer(begun):
                if end[1] and many:
                    return False
                tags, at = 0, end.end()
            tags += begun.count(b"<", at)
            if tags > MOST_TAGS:
                return False
            rest = begun[-_LONGEST_END:]
    return True


def _damaged() -> SignpostError:
    return SignpostError("the workbook is damaged or not an XLSX file", "save it again as XLSX")


def _page(stream: IO[bytes], name: str | None) -> Any:
    """The sheet to read. Whatever the XML makes openpyxl raise means a damaged workbook."""
    from openpyxl import load_workbook

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            book = load_workbook(stream, read_only=True, data_only=True)
        page = _first(book) if name is None or name not in book.sheetnames else book[name]
        page.reset_dimensions()
    except Exception:  # noqa: BLE001 - openpyxl passes on whatever a damaged part raises
        raise _damaged() from None
    if name is not None and page.title != name:
        raise SignpostError("the workbook has no sheet of the name the mapping gives",
                            "correct sheet in the mapping")  # fmt: skip
    return page


def _cells(page: Any) -> Iterator[list[str]]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for row in page.rows:
                yield [_text(cell.value, cell.number_format) for cell in row]
    except Exception:  # noqa: BLE001 - as above
        raise _damaged() from None


def _check_sheet(stream: IO[bytes], page: Any, header: int) -> None:
    """Refuse what reads as a blank cell and is none: formulas never computed, merged rows.

    openpyxl tells neither when it reads row by row, so the sheet's XML is looked through.
    """
    with zipfile.ZipFile(stream) as package, package.open(page._worksheet_path) as part:  # noqa: SLF001 - the only name that openpyxl has for it
        tail = b""
        while block := part.read(1 << 20):
            text = tail + block
            if any(b't="str"' not in cell[1] for cell in _NOT_COMPUTED.finditer(text)):
                raise SignpostError("the workbook has formulas whose values were never computed",
                                    "open it, save it again and then hand it in")  # fmt: skip
            for merged in _MERGED.finditer(text):
                if header < int(merged[1]) < int(merged[2]):
                    says = f"the rows {int(merged[1])} to {int(merged[2])} have a merged cell"
                    raise SignpostError(says, "unmerge it and fill each of the rows")
            tail = text[-_OVERLAP:]


def _first(book: Any) -> Any:
    """The first sheet that somebody sees who opens the workbook."""
    seen = [page for page in book.worksheets if page.sheet_state == "visible"]
    return (seen or book.worksheets)[0]


def _numbered(rows: Iterable[list[str]]) -> Iterator[Row]:
    for number, cells in enumerate(rows, start=1):
        if number > MOST_ROWS:
            raise _damaged()
        if any(cell.strip() for cell in cells):
            yield number, cells


def _fitted(rows: Iterator[Row], width: int) -> Iterator[Row | Refused]:
    for number, cells in rows:
        if any(cells[width:]):
            says = f"has cells beyond the {counted(width, 'named column')}"
            yield Refused(number, says, "name their columns or clear them", place="row")
            continue
        fitted = [*cells[:width], *[""] * (width - len(cells))]
        fault = unreadable(fitted)
        yield (number, fitted) if fault is None else _refused(number, fault)


def _refused(number: int, fault: Fault) -> Refused:
    return Refused(number, fault.says, fault.remedy, place="row")


def _text(value: Any, number_format: str | None = None) -> str:
    """A cell as a CSV export would show it, whole seconds and all digits kept."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float | int):
        return _number(value, number_format or "")
    if isinstance(value, datetime):
        return value.isoformat(sep=" ", timespec="seconds")
    if isinstance(value, timedelta):
        return _clock(value)
    return "" if value is None else str(value)


def _number(value: float, number_format: str) -> str:
    if "%" in number_format:
        return f"{value * 100:.10g}%"
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    return str(value)


def _clock(value: timedelta) -> str:
    seconds = round(value.total_seconds())
    sign = "-" if seconds < 0 else ""
    minutes, rest = divmod(abs(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{sign}{hours}:{minutes:02}:{rest:02}"


def parquet(stream: IO[bytes]) -> Sheet:
    """The rows of a Parquet file; times with a zone are written in UTC, nested values as JSON.

    Raises:
        SignpostError: the file is damaged.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(stream)
        header = tuple(file.schema_arrow.names)
    except (pa.ArrowException, OSError, ValueError):
        raise SignpostError("the Parquet file is damaged", "export it again") from None
    return Sheet(header, _parquet_rows(file), place="row")


def _parquet_rows(file: Any) -> Iterator[Row | Refused]:
    import pyarrow as pa

    number = 1  # as in the CSV of the same table, whose first line is the header
    try:
        for batch in file.iter_batches(batch_size=8192):
            columns = [column.to_pylist() for column in batch.columns]
            for values in zip(*columns, strict=True):
                number += 1
                cells = [_parquet_text(value) for value in values]
                fault = unreadable(cells)
                yield (number, cells) if fault is None else _refused(number, fault)
    except (pa.ArrowException, OSError, ValueError, OverflowError):
        raise SignpostError("the Parquet file is damaged", "export it again") from None


def _parquet_text(value: Any) -> str:
    if isinstance(value, list | dict):
        return json.dumps(value, default=str, ensure_ascii=False)
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return _text(value)
