"""Whether a text file is so regular that records and lines are the same thing.

The fast reader counts records; people are told lines. The two agree when no field spans lines, no
line is blank, all lines end alike and every byte is UTF-8. One pass over the bytes finds out.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import IO, Final

import numpy as np

from trials.contacts.reading import LONGEST_LINE, told

BLOCK: Final = 1 << 18


def is_regular(stream: IO[bytes]) -> bool:
    """Whether the text has the properties that the module names.

    The stream is left at its start.
    """
    with told():
        first = stream.readline(LONGEST_LINE)
        end = b"\r\n" if first.endswith(b"\r\n") else b"\n"
        stream.seek(0)
        regular = first.endswith(end) and all(_is_regular(b, end) for b in _blocks(stream))
        stream.seek(0)
    return regular


def _blocks(stream: IO[bytes]) -> Iterator[bytes]:
    """The file in blocks of whole lines."""
    while block := stream.read(BLOCK):
        yield block + stream.readline(LONGEST_LINE)


def _is_regular(block: bytes, end: bytes) -> bool:
    returns = block.count(b"\r") if b"\r" in block else 0
    ends_alike = returns == (block.count(b"\n") if end == b"\r\n" else 0)
    if not ends_alike or (returns and block.count(end) != returns):
        return False
    if block.startswith(end) or end + end in block or b"\0" in block:
        return False
    try:
        block.isascii() or block.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return b'"' not in block or not _quotes_a_line_end(block)


def _quotes_a_line_end(block: bytes) -> bool:
    """Whether a line end stands within quotation marks, the block starting outside them."""
    data = np.frombuffer(block, dtype=np.uint8)
    quotes = np.flatnonzero(data == 0x22)
    ends = np.flatnonzero(data == 0x0A)
    before = np.searchsorted(quotes, ends)
    return bool((before % 2).any()) or len(quotes) % 2 == 1
