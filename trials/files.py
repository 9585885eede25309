"""Reading the files people have: CSV in its usual dialects, gzip and Parquet.

A file is read as a stream of ``(line, row)``; nothing is held in memory. What cannot be read is
told with its line: a wrong encoding, a row cut short, a quote never closed, a header that repeats.
"""

from __future__ import annotations

import codecs
import csv
import gzip
import hashlib
import io
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from trials.errors import Invalid, Problem
from trials.plurals import counted

MAX_CELL = 1_000_000
MAX_COLUMNS = 2_000
MAX_LINE = 16 << 20
"""Bytes; a small compressed file can unpack to one line that fills the memory."""
_BLOCK = 1 << 20
_DELIMITERS = (",", ";", "\t")

Row = Sequence[str]


@dataclass(frozen=True, slots=True)
class Table:
    """An open table: its columns (as written, stripped) and its rows with their lines."""

    name: str
    columns: tuple[str, ...]
    rows: Iterator[tuple[int, Row]] = field(repr=False)

    def index(self, column: str) -> int | None:
        """Where a column stands, upper and lower case alike; ``None`` when it is not there."""
        wanted = column.casefold()
        for i, name in enumerate(self.columns):
            if name.casefold() == wanted:
                return i
        return None


def fingerprint(path: Path) -> str:
    """The SHA-256 of the file's bytes. Raises ``Invalid`` when it cannot be opened."""
    digest = hashlib.sha256()
    with _opened(path) as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


@contextmanager
def open_table(path: Path) -> Iterator[Table]:
    """Open ``path`` by its name's ending: ``.parquet``, ``.gz``, or anything else as text.

    Raises:
        Invalid: the file is missing, empty or no table; from the row iterator, a row is broken.
    """
    if path.name.lower().endswith(".parquet"):
        yield _parquet(path)
        return
    with _opened(path) as raw:
        stream = gzip.GzipFile(fileobj=raw) if _is_gzip(raw) else raw
        yield _delimited(path.name, stream)  # type: ignore[arg-type]


@contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    try:
        file = path.open("rb")
    except FileNotFoundError:
        raise _refused(path.name, "there is no such file", "check the name") from None
    except OSError as failure:
        raise _refused(path.name, f"cannot be read ({failure.strerror})", "check it") from None
    with file:
        yield file


def _is_gzip(file: BinaryIO) -> bool:
    magic = file.read(2)
    file.seek(0)
    return magic == b"\x1f\x8b"


def _delimited(name: str, stream: BinaryIO) -> Table:
    lines = _lines(name, stream)
    first = next(lines, "")
    while first and not first.strip():
        first = next(lines, "")
    if not first:
        raise _refused(name, "the file is empty", "export it again with its header")
    delimiter = max(_DELIMITERS, key=first.count)
    reader = csv.reader(_chained(first, lines), delimiter=delimiter, strict=True)
    csv.field_size_limit(MAX_CELL)
    rows = _rows(name, reader)
    header = next(rows, None)
    columns = tuple(cell.strip() for cell in header[1]) if header else ()
    _check_header(name, columns)
    return Table(name, columns, _whole(name, columns, rows))


def _lines(name: str, stream: BinaryIO) -> Iterator[str]:
    """The text's lines; the first that is not UTF-8 is refused by its number."""
    number = 0
    try:
        for number, raw in enumerate(iter(lambda: stream.readline(MAX_LINE + 1), b""), start=1):
            if len(raw) > MAX_LINE:
                raise _refused(name, "holds a line that is too long for a table",
                               "export it as CSV (UTF-8)", number)  # fmt: skip
            line = raw.removeprefix(codecs.BOM_UTF8) if number == 1 else raw
            if number == 1 and line.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
                raise _not_utf8(name, 1)
            if b"\x00" in line:
                raise _refused(name, "holds a zero byte, so it is no text file",
                               "export it as CSV (UTF-8)", number)  # fmt: skip
            yield line.decode("utf-8")
    except UnicodeDecodeError:
        raise _not_utf8(name, number) from None
    except (EOFError, zlib.error, gzip.BadGzipFile):
        raise _refused(name, "the compressed file is cut short or damaged",
                       "copy or export it again", number + 1) from None  # fmt: skip


def _not_utf8(name: str, line: int) -> Invalid:
    return _refused(name, "is not UTF-8 text", "save the file as 'CSV UTF-8'", line)


def _chained(first: str, rest: Iterator[str]) -> Iterator[str]:
    yield first
    yield from rest


def _rows(name: str, reader: Iterator[list[str]]) -> Iterator[tuple[int, list[str]]]:
    """Rows with the line on which each begins; blank lines are passed over."""
    begins = 1
    while True:
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as failure:
            raise _broken(name, begins, str(failure)) from None
        if row:
            yield begins, row
        begins = reader.line_num + 1  # type: ignore[attr-defined]


def _broken(name: str, line: int, says: str) -> Invalid:
    if "unexpected end of data" in says:
        return _refused(name, "a quoted cell is never closed; the file may be cut short",
                        "export it again", line)  # fmt: skip
    if "field larger" in says:
        return _refused(name, f"a cell is longer than {MAX_CELL:,} characters",
                        "look for a quote that is never closed", line)  # fmt: skip
    return _refused(name, f"the row cannot be read ({says})", "export it again as CSV", line)


def _check_header(name: str, columns: tuple[str, ...]) -> None:
    if len(columns) > MAX_COLUMNS:
        raise _refused(name, f"has {len(columns):,} columns", f"keep at most {MAX_COLUMNS:,}", 1)
    seen: set[str] = set()
    for column in columns:
        folded = column.casefold()
        if folded and folded in seen:
            raise _refused(name, f"the column {column!r} stands twice in the header",
                           "rename or remove one", 1)  # fmt: skip
        seen.add(folded)


def _whole(
    name: str, columns: tuple[str, ...], rows: Iterator[tuple[int, list[str]]]
) -> Iterator[tuple[int, list[str]]]:
    """Only rows that are as wide as the header; one that is not stops the file."""
    width = len(columns)
    for line, row in rows:
        if len(row) != width:
            kind = "short" if len(row) < width else "long"
            hint = "the file may be cut short" if kind == "short" else "a cell may need quotes"
            raise _refused(name, f"has {counted(len(row), 'cell')} where the header has {width}",
                           f"{hint}; correct the row or export the file again", line)  # fmt: skip
        yield line, row


def _parquet(path: Path) -> Table:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(path)
    except FileNotFoundError:
        raise _refused(path.name, "there is no such file", "check the name") from None
    except (pa.ArrowInvalid, OSError):
        raise _refused(path.name, "is not a sound Parquet file", "export it again") from None
    columns = tuple(name.strip() for name in file.schema_arrow.names)
    _check_header(path.name, columns)
    return Table(path.name, columns, _parquet_rows(file))


def _parquet_rows(file: object) -> Iterator[tuple[int, Row]]:
    """Parquet has no lines: rows count from 2, as they would in the CSV of the same table."""
    line = 1
    for batch in file.iter_batches(batch_size=50_000):  # type: ignore[attr-defined]
        texts = [[_text(v) for v in column.to_pylist()] for column in batch.columns]
        for row in zip(*texts, strict=True):
            line += 1
            yield line, row


def _text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "1" if value else "0"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    isoformat = getattr(value, "isoformat", None)
    return isoformat() if isoformat is not None else str(value)


def _refused(name: str, says: str, remedy: str, line: int | None = None) -> Invalid:
    return Invalid(name, [Problem(f"line {line}" if line else "", says, remedy, line)])


def in_memory(name: str, text: str) -> Table:
    """A table from text already at hand (an upload's preview, a test)."""
    return _delimited(name, io.BytesIO(text.encode()))
