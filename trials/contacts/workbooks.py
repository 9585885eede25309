"""XLSX workbooks and Parquet files as rows of text, written as a CSV export would write them."""

from __future__ import annotations

import itertools
import json
import warnings
import zipfile
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import IO, Any, Final

from trials.contacts.record import Refused
from trials.contacts.sheets import Layout, Row, Sheet, unreadable
from trials.errors import SignpostError

LARGEST_UNPACKED: Final = 512 << 20
"""A workbook that unpacks to more than this is refused before it is opened."""

LARGEST_TEXTS: Final = 128 << 20
"""The same for its table of shared texts, which is held in memory, several times over."""


def workbook(stream: IO[bytes], layout: Layout) -> Sheet:
    """The first worksheet (or ``layout.sheet``) with its first non-empty row as the header.

    Raises:
        SignpostError: it is not a workbook, is damaged, or has no such sheet.
    """
    _check_size(stream)
    rows = _numbered(_cells(stream, layout.sheet))
    first = next(itertools.islice(rows, layout.skip_lines, None), None)
    header = tuple(" ".join(cell.split()) for cell in first[1]) if first else ()
    while header and not header[-1]:
        header = header[:-1]
    return Sheet(header, _fitted(rows, len(header)), place="row")


def _check_size(stream: IO[bytes]) -> None:
    try:
        with zipfile.ZipFile(stream) as package:
            sizes = [(entry.filename, entry.file_size) for entry in package.infolist()]
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        raise _damaged() from None
    stream.seek(0)
    texts = max((n for name, n in sizes if "sharedstrings" in name.lower()), default=0)
    if sum(n for _, n in sizes) > LARGEST_UNPACKED or texts > LARGEST_TEXTS:
        raise SignpostError(f"the workbook unpacks to more than {LARGEST_UNPACKED >> 20} MB, or to "
                            f"more than {LARGEST_TEXTS >> 20} MB of texts",
                            "export it as CSV, which may be of any size")  # fmt: skip


def _damaged() -> SignpostError:
    return SignpostError("the workbook is damaged or not an XLSX file", "save it again as XLSX")


def _cells(stream: IO[bytes], name: str | None) -> Iterator[list[str]]:
    """Rows of texts. Whatever the XML inside makes openpyxl raise means a damaged workbook."""
    from openpyxl import load_workbook

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            book = load_workbook(stream, read_only=True, data_only=True)
        except Exception:  # noqa: BLE001 - openpyxl passes on whatever a damaged part raises
            raise _damaged() from None
        if name is not None and name not in book.sheetnames:
            raise SignpostError("the workbook has no sheet of the name the mapping gives")
        try:
            page = book[name] if name is not None else book.worksheets[0]
            page.reset_dimensions()
            for row in page.rows:
                yield [_text(cell.value, cell.number_format) for cell in row]
        except Exception:  # noqa: BLE001 - as above
            raise _damaged() from None


def _numbered(rows: Iterable[list[str]]) -> Iterator[Row]:
    for number, cells in enumerate(rows, start=1):
        if any(cell.strip() for cell in cells):
            yield number, cells


def _fitted(rows: Iterator[Row], width: int) -> Iterator[Row | Refused]:
    for number, cells in rows:
        if any(cells[width:]):
            yield Refused(number, f"has cells beyond the {width} named columns", place="row")
            continue
        fitted = [*cells[:width], *[""] * (width - len(cells))]
        fault = unreadable(fitted)
        yield (number, fitted) if fault is None else Refused(number, fault, place="row")


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
                yield (number, cells) if fault is None else Refused(number, fault, place="row")
    except (pa.ArrowException, OSError, ValueError, OverflowError):
        raise SignpostError("the Parquet file is damaged", "export it again") from None


def _parquet_text(value: Any) -> str:
    if isinstance(value, list | dict):
        return json.dumps(value, default=str, ensure_ascii=False)
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return _text(value)
