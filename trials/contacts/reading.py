"""Files as rows of text: CSV (comma, semicolon, tab), XLSX and Parquet, each also gzipped.

The kind of file is told from its first bytes, not from its name. Rows come one by one with the
line they start on; a row that cannot be read comes as a
:class:`~trials.contacts.record.Refused`. Only a file that cannot be read at all raises.
"""

from __future__ import annotations

import csv
import gzip
import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Final, Literal

from trials.contacts.cells import fold
from trials.contacts.record import Refused
from trials.contacts.sheets import AS_SEEN, Layout, Row, Sheet, unreadable
from trials.contacts.workbooks import parquet, workbook
from trials.errors import Invalid, Problem, SignpostError, Unavailable
from trials.plurals import counted

Shape = Literal["text", "xlsx", "parquet"]

READ_FAILURES: Final = (EOFError, zlib.error, OSError)
"""What reading a damaged file or a failing disk raises (a bad gzip is an ``OSError``)."""
LONGEST_LINE: Final = 1 << 20
GZIP: Final = b"\x1f\x8b"
_ZIP, _PARQUET = b"PK\x03\x04", b"PAR1"
_WIDE: Final = {b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}


@contextmanager
def opened(source: Path | IO[bytes]) -> Iterator[IO[bytes]]:
    """``source`` as a seekable stream of bytes, gzip undone.

    Raises:
        Unavailable: the file cannot be opened.
    """
    if not isinstance(source, Path):
        yield _unzipped(source if source.seekable() else io.BytesIO(source.read()))
        return
    try:
        stream = source.open("rb")
    except OSError as failure:
        raise Unavailable(
            f"{source.name} cannot be opened ({failure.strerror})", "check the path and permissions"
        ) from None
    with stream:
        yield _unzipped(stream)


def _unzipped(stream: IO[bytes]) -> IO[bytes]:
    start = stream.tell()
    head = stream.read(2)
    stream.seek(start)
    return gzip.GzipFile(fileobj=stream) if head == GZIP else stream  # type: ignore[return-value]


def shape(stream: IO[bytes]) -> Shape:
    """What the first bytes say the stream is; the stream is left at its start."""
    with told():
        head = stream.read(4)
        stream.seek(0)
    if head == _ZIP:
        return "xlsx"
    return "parquet" if head == _PARQUET else "text"


@contextmanager
def told() -> Iterator[None]:
    """Turn what a damaged file raises while it is read into a sentence."""
    try:
        yield
    except READ_FAILURES as failure:
        raise _sentence(failure) from None


def _sentence(failure: Exception) -> SignpostError:
    if isinstance(failure, gzip.BadGzipFile | EOFError | zlib.error):
        return SignpostError("the gzip file is damaged or cut short", "copy or export it again")
    says = getattr(failure, "strerror", None) or "the device failed"
    return Unavailable(f"the file cannot be read ({says})", "try again")


def sheet(stream: IO[bytes], layout: Layout = AS_SEEN) -> Sheet:
    """The rows of ``stream``, whatever its kind.

    Raises:
        Invalid: there is no header, or a column name comes twice.
        SignpostError: the file is damaged or not of a kind that can be read.
    """
    kind = shape(stream)
    if kind == "xlsx":
        return checked(workbook(stream, layout))
    if kind == "parquet":
        return checked(parquet(stream))
    return checked(delimited(stream, layout))


def checked(made: Sheet) -> Sheet:
    """``made``, if its header can be used.

    Raises:
        Invalid: no header, or one column twice.
    """
    names = [fold(name) for name in made.header if fold(name)]
    if not names:
        says, remedy = "there is no header row", "export it again with the names of its columns"
        raise Invalid("the file", [Problem("header", says, remedy, 1)])
    twice = sorted({position for position, n in enumerate(names) if names.index(n) != position})
    if twice:
        says = f"the column in position {twice[0] + 1} has the name of an earlier one"
        raise Invalid("the file", [Problem("header", says, "rename or remove it", 1)])
    return made


def delimited(stream: IO[bytes], layout: Layout) -> Sheet:
    """A CSV file (RFC 4180; ``;`` and tab too) with a header in its first line."""
    with told():
        head = stream.read(2)
        stream.seek(0)
    encoding = _WIDE.get(head, "utf-8-sig" if layout.encoding == "utf-8" else layout.encoding)
    try:
        text = io.TextIOWrapper(stream, encoding=encoding, errors="surrogateescape", newline="")
    except LookupError:
        raise SignpostError("the mapping's encoding is not known", "use utf-8 or cp1252") from None
    lines = _Lines(text, layout.skip_lines)
    first = lines.peek_header()
    delimiter = layout.delimiter or _delimiter(first)
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    try:
        header = next(reader, [])
    except csv.Error:
        raise Invalid(
            "the file",
            [Problem("header", "the header row cannot be read as CSV", "export it again", 1)],
        ) from None
    names = tuple(_clean(name) for name in header)
    if any("\0" in name for name in names):
        says = "the file is not UTF-8 text (UTF-16 without its mark, perhaps)"
        raise SignpostError(says, "save it as CSV UTF-8")
    return Sheet(names, _records(reader, lines, width=len(names)))


def _clean(name: str) -> str:
    return " ".join(name.replace("\ufeff", "").split())


def _delimiter(first: str) -> str:
    """The most frequent of comma, semicolon and tab outside quotes in the header."""
    outside = "".join(first.split('"')[::2])
    return max(",;\t", key=outside.count)


class _Lines:
    """The physical lines of a text, bounded in length, with a count of those handed out."""

    def __init__(self, text: io.TextIOWrapper, skip: int) -> None:
        self._text = text
        self._held: str | None = None
        self.number = 0
        for _ in range(skip):
            self._read()

    def __del__(self) -> None:
        with suppress(ValueError):  # the stream belongs to the caller and is not ours to close
            self._text.detach()

    def _read(self) -> str:
        try:
            line = self._text.readline(LONGEST_LINE)
        except UnicodeError:
            raise SignpostError(
                "the file is not text in the encoding that its first bytes announce",
                "save it as CSV UTF-8",
            ) from None
        except READ_FAILURES as failure:
            raise _sentence(failure) from None
        if len(line) >= LONGEST_LINE:
            raise Invalid("the file", [_too_long(self.number + 1)])
        self.number += bool(line)
        return line

    def peek_header(self) -> str:
        """The header line, held back for the reader; blank lines and ``sep=`` are passed over."""
        line = self._read()
        while line and (not line.strip("\r\n\ufeff ") or line.lstrip("\ufeff").startswith("sep=")):
            line = self._read()
        self._held = line
        return line

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        line, self._held = (self._held, None) if self._held is not None else (self._read(), None)
        if not line:
            raise StopIteration
        return line


def _too_long(number: int) -> Problem:
    return Problem(
        f"line {number}", "longer than a million characters", "is this a CSV file?", number
    )


def _records(reader: Iterator[list[str]], lines: _Lines, *, width: int) -> Iterator[Row | Refused]:
    while True:
        start = lines.number + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as failure:
            yield Refused(start, *_csv_says(str(failure)))
            continue
        if cells:
            yield _record(start, cells, width)


def _csv_says(failure: str) -> tuple[str, str]:
    if "field limit" in failure:
        return "a field is too long", "look for a closing quotation mark that is missing"
    if "end of data" in failure:
        return "the file ends within quotation marks", "close them, or export the file again"
    return "quotation marks are not as CSV wants them", "double those within a cell"


def _record(start: int, cells: list[str], width: int) -> Row | Refused:
    if len(cells) != width:
        if len(cells) < width or any(cells[width:]):
            says = f"has {counted(len(cells), 'field')} where the header has {width}"
            return Refused(start, says, "put quotes around cells that hold the separator, or "
                           "export the file again if it was cut short")  # fmt: skip
        del cells[width:]
    fault = unreadable(cells)
    return (start, cells) if fault is None else Refused(start, fault.says, fault.remedy)
