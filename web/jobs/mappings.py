"""Saved column mappings, a small file each beside the uploads, where the worker finds them."""

from __future__ import annotations

import re
from pathlib import Path

from trials.contacts import mapping
from trials.contacts.cells import fold
from trials.contacts.mapping import ColumnMapping
from trials.contacts.sources import TITLES
from trials.errors import Conflict, NotFound, SignpostError

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")


def save(home: Path, made: ColumnMapping) -> None:
    """Keep a mapping under its name; the same one again changes nothing.

    Raises:
        Conflict: the name is another mapping's, or a known system's.
    """
    text, path = mapping.dumps(made), _path(home, made.name)
    if made.name in TITLES or (path.exists() and path.read_text("utf-8") != text):
        raise Conflict(f"the name {made.name!r} is taken", "choose another name")
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    half = path.with_suffix(".part")
    half.write_text(text, "utf-8")
    half.replace(path)


def load(home: Path, name: str) -> ColumnMapping:
    """The mapping of a name. Raises ``NotFound``."""
    path = _path(home, name)
    if not path.is_file():
        raise NotFound(f"there is no saved mapping called {name!r}", "map the columns again")
    return mapping.load(path)


def path_of(home: Path, name: str) -> Path:
    """Where a mapping lies, for the import. Raises ``NotFound``."""
    load(home, name)
    return _path(home, name)


def fitting(home: Path, header: tuple[str, ...]) -> list[str]:
    """The saved mappings whose columns are all in ``header``."""
    present = {fold(name) for name in header}
    folder = home / "mappings"
    names = sorted(p.stem for p in folder.glob("*.toml")) if folder.is_dir() else []
    found = []
    for name in names:
        wanted = {fold(c) for columns in load(home, name).columns.values() for c in columns}
        if wanted <= present:
            found.append(name)
    return found


def _path(home: Path, name: str) -> Path:
    if not _NAME.fullmatch(name):
        raise SignpostError(
            "a mapping's name is made of small letters, digits and dashes", "for example front-desk"
        )
    return home / "mappings" / f"{name}.toml"
