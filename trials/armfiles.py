"""One file per arm, for whoever prints, posts or sends: written in a stream, all or nothing.

``csv``: the list's own columns, then ``arm`` and ``wording`` (rendered for the unit). ``notify``:
Notify's recipient columns, one column per placeholder and the reference that finds the unit again,
in parts of at most 100,000 rows, with the arm's template text beside them. Files are UTF-8 without
a byte-order mark and lines end as RFC 4180 says. They are written under temporary names and moved
into place together at the end; if anything goes wrong the folder is as it was.
"""

from __future__ import annotations

import csv
import errno
import os
import secrets
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Literal, NamedTuple

from trials import notify
from trials.csvsafe import guard, guard_row
from trials.definition import wording
from trials.definition.model import Arm
from trials.errors import Invalid, Problem, Unavailable

Format = Literal["csv", "notify"]
Row = Mapping[str, str]
Cells = Callable[[Row], list[str]]

MOST_PROBLEMS = 200
"""Rows refused before the writing stops."""


@dataclass(slots=True)
class _Sheet:
    """One arm's file, or the parts of it."""

    stem: str
    header: list[str]
    cells: Cells
    folder: Path
    most: int | None
    rows: int = 0
    parts: list[Path] = field(default_factory=list)
    _file: IO[str] | None = None
    _writer: Any = None

    def write(self, row: Row) -> None:
        """Add a row, beginning a new part where the last one is full."""
        cells = self.cells(row)
        if not self.parts or (self.most and self.rows and self.rows % self.most == 0):
            self.begin()
        self._writer.writerow(cells)
        self.rows += 1

    def begin(self) -> None:
        """Open the next part."""
        self.close()
        path = self.folder / f"{self.stem}-{len(self.parts) + 1}"
        self._file = path.open("w", encoding="utf-8", newline="")
        self._writer = csv.writer(self._file)
        self._writer.writerow(self.header)
        self.parts.append(path)

    def close(self) -> None:
        """Flush the open part to the disk."""
        if self._file is not None:
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
            self._file = None

    def named(self) -> Iterator[tuple[Path, str]]:
        """Each part and its final name; a number only where there is more than one."""
        for i, path in enumerate(self.parts, 1):
            yield path, f"{self.stem}-{i}.csv" if len(self.parts) > 1 else f"{self.stem}.csv"


@dataclass(slots=True)
class ArmFiles:
    """The open files. ``paths`` are filled in once all are in place."""

    directory: Path
    sheets: list[_Sheet]
    paths: list[Path] = field(default_factory=list)
    held_out: int = 0
    problems: list[Problem] = field(default_factory=list)
    _line: int = 1

    def write(self, arm: int, row: Row, *, line: int | None = None) -> None:
        """Write one unit to its arm's file; -1 is the holdout, who get nothing.

        A row that cannot be written is noted under its ``line`` (counted from the header where
        not given); the files are then refused at the end, with every such row listed.
        """
        self._line = self._line + 1 if line is None else line
        if arm < 0:
            self.held_out += 1
            return
        try:
            self.sheets[arm].write(row)
        except Invalid as refusal:
            self.problems += [_at(self._line, problem) for problem in refusal.problems]
            if len(self.problems) >= MOST_PROBLEMS:
                self.refuse()
        except OSError as error:
            raise _unwritable(self.directory, error) from error

    def rows(self) -> dict[str, int]:
        """Rows written for each arm."""
        return {sheet.stem: sheet.rows for sheet in self.sheets}

    def refuse(self) -> None:
        """Raise what was noted, if anything was."""
        if self.problems:
            raise Invalid("the arm files cannot be written", self.problems)


def _at(line: int, problem: Problem) -> Problem:
    says = f"{problem.place} {problem.says}" if problem.place else problem.says
    return Problem(f"line {line}", says, problem.remedy, line)


@contextmanager
def open_arm_files(
    directory: Path,
    arms: Sequence[Arm],
    columns: Sequence[str],
    fmt: Format = "csv",
    *,
    channel: str | None = None,
    reference: str | None = None,
) -> Iterator[ArmFiles]:
    """Files for every arm in ``directory``, in place only if the block ends without an error.

    Args:
        directory: made if it is not there.
        arms: in the order of the arm codes; each must have a usable wording, or none.
        columns: of the list of units, in order.
        fmt: ``csv`` or ``notify``.
        channel: the trial's channel; tells ``notify`` what is sent where the list allows several.
        reference: the key under which a row carries the reference of its unit, for ``notify``.

    Raises:
        Invalid: a wording or a column cannot be used (before anything is written), or rows could
            not be written (then nothing is).
        Unavailable: the folder cannot be written.
    """
    makers = _makers(arms, columns, fmt, channel, reference)
    most = notify.MOST_ROWS if fmt == "notify" else None
    staging = directory / f".signpost-{secrets.token_hex(6)}"
    files = ArmFiles(directory, [])
    try:
        with _told(directory):
            staging.mkdir(parents=True)
        files.sheets = [
            _Sheet(arm.key, maker.header, maker.cells, staging, most)
            for arm, maker in zip(arms, makers, strict=True)
        ]
        yield files
        files.refuse()
        templates = {a.key: m.template for a, m in zip(arms, makers, strict=True) if m.template}
        with _told(directory):
            files.paths = _finish(staging, directory, files.sheets, templates)
    finally:
        for sheet in files.sheets:
            sheet.close()
        shutil.rmtree(staging, ignore_errors=True)


@contextmanager
def _told(directory: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise _unwritable(directory, error) from error


def _unwritable(directory: Path, error: OSError) -> Unavailable:
    remedy = "choose a folder that can be written, with room on its disk"
    return Unavailable(f"cannot write to {directory}: {error.strerror}", remedy)


class _Maker(NamedTuple):
    """What an arm's file is made of; ``template`` is its Notify text, if it has one."""

    header: list[str]
    cells: Cells
    template: str | None


def _makers(
    arms: Sequence[Arm], columns: Sequence[str], fmt: Format, channel: str | None,
    reference: str | None,
) -> list[_Maker]:  # fmt: skip
    """For each arm its header, what makes its cells and its template text; all problems at once."""
    made: list[_Maker] = []
    problems: list[Problem] = []
    for arm in arms:
        try:
            if fmt == "notify":
                made.append(_notify(arm, columns, channel, reference))
            else:
                made.append(_plain(arm, columns))
        except Invalid as refusal:
            problems += [
                Problem(f"arm {arm.key}, {p.place}", p.says, p.remedy, p.line)
                for p in refusal.problems
            ]
    if problems:
        raise Invalid("the arm files cannot be written", problems)
    return made


def _plain(arm: Arm, columns: Sequence[str]) -> _Maker:
    taken = [c for c in columns if c.strip().lower() in ("arm", "wording")]
    if taken:
        remedy = "rename it; the arm files add their own"
        problems = [Problem(f"column {c}", "is already in the list", remedy) for c in taken]
        raise Invalid("the arm files cannot be written", problems)
    render = wording.compile(arm.wording, columns).render

    def cells(row: Row) -> list[str]:
        return guard_row([*(row[c] for c in columns), arm.key, render(row)])

    return _Maker([*guard_row(columns), "arm", "wording"], cells, None)


def _notify(arm: Arm, columns: Sequence[str], channel: str | None, reference: str | None) -> _Maker:
    medium = notify.medium_for(columns, channel)
    headings = notify.recipients(columns, medium)
    template = notify.to_notify(arm.wording, columns, headings)

    def cells(row: Row) -> list[str]:
        why = notify.unfit(row, headings, medium)
        if why:
            raise Invalid("the recipient cannot be used", [Problem("", why)])
        # Recipients passed Notify's own rules, under which none can be a formula except a
        # telephone number in international form, which must stay as it is.
        sent = [row[column].strip() for column in headings.values()]
        own = [row[reference]] if reference else []
        return [*sent, *(guard(f.value(row)) for f in template.fields), *own]

    own = [reference] if reference else []
    header = [*headings, *(guard(f.heading) for f in template.fields), *own]
    return _Maker(header, cells, template.text)


def _finish(
    staging: Path, directory: Path, sheets: Sequence[_Sheet], templates: Mapping[str, str]
) -> list[Path]:
    moves: list[tuple[Path, Path]] = []
    for sheet in sheets:
        if not sheet.parts:
            sheet.begin()
        sheet.close()
        moves += [(path, directory / name) for path, name in sheet.named()]
    for arm, text in templates.items():
        name = f"{arm}-template.txt"
        (staging / name).write_text(text, encoding="utf-8")
        moves.append((staging / name, directory / name))
    _move(moves, staging)
    return [target for _, target in moves]


def _move(moves: Sequence[tuple[Path, Path]], staging: Path) -> None:
    """Put every file in place, or put back what was there."""
    done: list[tuple[Path, Path | None]] = []
    try:
        for i, (path, target) in enumerate(moves):
            if target.is_dir():
                raise IsADirectoryError(errno.EISDIR, f"{target.name} is a folder")
            old = staging / f"old-{i}"
            if target.exists():
                target.rename(old)
                done.append((target, old))
            else:
                done.append((target, None))
            path.replace(target)
    except OSError:
        for target, kept in reversed(done):
            target.unlink(missing_ok=True)
            if kept is not None:
                kept.rename(target)
        raise
