"""JSON as systems deliver it: one value a line, values without separators, arrays, whole pages.

Firehose writes records one after the other without a line break; an API page is one object; a
saved export may be pretty-printed. All are read as a stream of objects, with the line each
starts on, and a broken one costs that one alone.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import IO, Any, Final

from trials.contacts.reading import told
from trials.contacts.record import Refused
from trials.errors import Invalid, Problem

LARGEST_VALUE: Final = 64 << 20
_MARK = re.compile(rb'["{}\\\n]')
_BETWEEN: Final = b" \t\r\n,[]\xef\xbb\xbf\x1e\x00"

Value = tuple[int, dict[str, Any]]


def objects(stream: IO[bytes]) -> Iterator[Value | Refused]:
    """The JSON objects of ``stream`` in order.

    Raises:
        Invalid: an object is larger than 64 MB, so that this is no log of records.
    """
    for line, text in _texts(stream):
        yield _loaded(line, text)


def _loaded(line: int, text: bytes) -> Value | Refused:
    try:
        value = json.loads(text, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        return Refused(line, "not valid JSON", "export it again; the record may be cut short")
    if isinstance(value, dict):
        return line, value
    return Refused(line, "not a JSON object", "give one object for each record")


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _texts(stream: IO[bytes]) -> Iterator[tuple[int, bytes]]:
    """The text of each object: whole lines where a line is one, brace counting where not."""
    counter = _Braces()
    number = 0
    while True:
        with told():
            raw = stream.readline(LARGEST_VALUE)
        if not raw:
            yield from counter.rest()
            return
        number += 1
        yield from counter.feed(raw, number)


class _Braces:
    """Cuts a stream of bytes into objects by counting braces outside strings."""

    def __init__(self) -> None:
        self._held = bytearray()
        self._depth = 0
        self._quoted = False
        self._start = 1

    def feed(self, raw: bytes, number: int) -> Iterator[tuple[int, bytes]]:
        """The objects (or broken pieces) that end in the physical line ``raw``."""
        if self._is_cut_short(raw):
            yield self._start, bytes(self._held)
            self._reset()
        if not self._depth:
            stripped = raw.strip(_BETWEEN)
            if not stripped:
                return
            self._start = number
        yield from self._scan(raw, number)
        if len(self._held) > LARGEST_VALUE:
            says = "one record is larger than 64 MB"
            raise Invalid(
                "the file",
                [
                    Problem(
                        f"line {self._start}", says, "export records, not one document", self._start
                    )
                ],
            )

    def _is_cut_short(self, raw: bytes) -> bool:
        """Whether ``raw`` starts a new record although the last one has not ended.

        A string never spans lines; and a line that opens an object in the middle of another one,
        but not as an element of its array, is the next record.
        """
        if not self._depth:
            return False
        return self._quoted or (
            raw.startswith(b"{") and not self._held.rstrip().endswith((b"[", b",", b":"))
        )

    def _scan(self, raw: bytes, number: int) -> Iterator[tuple[int, bytes]]:
        begin, at = 0, 0
        while (mark := _MARK.search(raw, at)) is not None:
            at = mark.end()
            sign = mark[0]
            if self._quoted:
                at += sign == b"\\"
                self._quoted = sign != b'"'
                continue
            if sign == b'"':
                self._quoted = self._depth > 0
            elif sign == b"{":
                if not self._depth:
                    yield from _stray(raw[begin : at - 1], number)
                    begin = at - 1
                self._depth += 1
            elif sign == b"}" and self._depth:
                self._depth -= 1
                if not self._depth:
                    yield self._start, bytes(self._held) + raw[begin:at]
                    self._held.clear()
                    begin, self._start = at, number
        self._keep(raw[begin:])
        if not self._depth:
            yield from _stray(bytes(self._held), number)
            self._held.clear()

    def _keep(self, rest: bytes) -> None:
        self._held += rest

    def rest(self) -> Iterator[tuple[int, bytes]]:
        """What is left at the end of the stream: an object cut short."""
        if self._held.strip(_BETWEEN):
            yield self._start, bytes(self._held)
        self._reset()

    def _reset(self) -> None:
        self._held.clear()
        self._depth = 0
        self._quoted = False


def _stray(text: bytes, number: int) -> Iterator[tuple[int, bytes]]:
    if bare := text.strip(_BETWEEN):
        yield number, bare
