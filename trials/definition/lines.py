"""Where each key of a TOML text stands, so that a problem can name its line.

The standard parser gives values without positions. This scanner follows tables, arrays of tables
and keys only; it skips over multi-line strings and arrays, and is never used to read values.
"""

from __future__ import annotations

import re

_TABLE = re.compile(r"^\s*(\[\[?)\s*([\w\-. \"']+?)\s*\]\]?\s*(?:#.*)?$")
_KEY = re.compile(r"""^\s*(?:"([^"]+)"|'([^']+)'|([\w\-]+))(\s*\.\s*[\w\-]+)*\s*=(.*)$""")

Path = tuple[str | int, ...]


def positions(text: str) -> dict[Path, int]:
    """The 1-based line of every table and key: ``("arms", 1, "weight")`` → 37."""
    found: dict[Path, int] = {}
    counts: dict[str, int] = {}
    table: Path = ()
    inside = ""
    for number, line in enumerate(text.splitlines(), start=1):
        if inside:
            inside = _closed(line, inside)
            continue
        header = _TABLE.match(line)
        if header is not None:
            table = _table(header[1], header[2], counts)
            found.setdefault(table, number)
            continue
        key = _KEY.match(line)
        if key is not None:
            found.setdefault((*table, key[1] or key[2] or key[3]), number)
            inside = _opened(key[5])
    return found


def _table(brackets: str, name: str, counts: dict[str, int]) -> Path:
    parts: tuple[str, ...] = tuple(part.strip().strip("\"'") for part in name.split("."))
    if brackets == "[[":
        index = counts.get(name, 0)
        counts[name] = index + 1
        return (*_numbered(parts[:-1], counts), parts[-1], index)
    return _numbered(parts, counts)


def _numbered(parts: tuple[str, ...], counts: dict[str, int]) -> Path:
    """Below an array of tables the path continues in its latest entry."""
    path: list[str | int] = []
    for depth, part in enumerate(parts):
        path.append(part)
        name = ".".join(parts[: depth + 1])
        if name in counts:
            path.append(counts[name] - 1)
    return tuple(path)


def _opened(rest: str) -> str:
    """What a value that goes on over the next lines waits for, if it does."""
    for quotes in ('"""', "'''"):
        if rest.count(quotes) % 2:
            return quotes
    return "]" if rest.count("[") > rest.count("]") else ""


def _closed(line: str, waiting: str) -> str:
    return "" if waiting in line else waiting


def line_of(found: dict[Path, int], path: Path) -> int | None:
    """The line of ``path``, or of the nearest table around it."""
    for end in range(len(path), 0, -1):
        if path[:end] in found:
            return found[path[:end]]
    return None
