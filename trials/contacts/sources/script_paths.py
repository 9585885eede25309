"""8x8 *script-paths*: how callers move through an IVR script, as a drop-off tree.

The report counts passages, not people, and holds no personal data at all, so a team can show
where callers leave a recorded message before any data-protection question arises.
Columns: Path ID, Parent Path ID, Script ID, Script Name, Node Type, Node Label, Depth, Count,
Terminal; the root's type is ``ENTRY_POINT``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import IO, Final

from trials.contacts.cells import fold, number, yes_no
from trials.contacts.reading import sheet
from trials.contacts.record import Fault, Refused
from trials.contacts.sheets import Sheet
from trials.errors import Invalid, Problem
from trials.plurals import counted

NAME: Final = "8x8-script-paths"
TITLE: Final = "8x8 script paths (drop-off tree)"
SIGNATURES: Final = (frozenset({"pathid", "parentpathid", "nodetype", "count"}),)

ROOT: Final = "ENTRY_POINT"
_NEEDED: Final = ("pathid", "parentpathid", "scriptid", "nodetype", "nodelabel", "count")


@dataclass(frozen=True, slots=True)
class Step:
    """One node of a path: ``count`` callers came this way; ``terminal`` ones went no further."""

    path: str
    parent: str
    script: str
    script_name: str
    kind: str
    label: str
    count: int
    terminal: bool
    file_line: int


@dataclass(slots=True)
class DropOff:
    """The tree of one script.

    ``steps`` by path id; ``children`` the path ids below each (``""`` is above the root).
    """

    script: str
    name: str
    steps: dict[str, Step] = field(default_factory=dict)
    children: dict[str, list[str]] = field(default_factory=dict)

    @property
    def entered(self) -> int:
        """Callers who entered the script."""
        return sum(self.steps[p].count for p in self.children.get("", ()))

    def left(self, path: str) -> int:
        """Callers who came to ``path`` and are in none of the steps below it."""
        below = sum(self.steps[p].count for p in self.children.get(path, ()))
        return max(0, self.steps[path].count - below)

    def endings(self) -> dict[str, int]:
        """How the script ended, by node type of the last step (``CustomerHangUp``, …)."""
        done: dict[str, int] = {}
        for path, step in self.steps.items():
            if step.terminal or not self.children.get(path):
                done[step.kind] = done.get(step.kind, 0) + step.count
            elif left := self.left(path):
                done["not shown"] = done.get("not shown", 0) + left
        return done

    def flows(self) -> Iterator[tuple[str, str, int]]:
        """``(from, to, callers)`` by path id, for a Sankey diagram."""
        for parent, below in self.children.items():
            for path in below if parent else ():
                yield parent, path, self.steps[path].count


@dataclass(frozen=True, slots=True)
class ScriptPaths:
    """The trees of a report by script id, the rows that could not be used, and what is odd."""

    scripts: dict[str, DropOff]
    refused: tuple[Refused, ...]
    contradictions: tuple[Problem, ...]


def read(stream: IO[bytes]) -> ScriptPaths:
    """The drop-off trees of a script-paths report.

    Raises:
        Invalid: a needed column is missing.
        SignpostError: the file cannot be read at all.
    """
    table = sheet(stream)
    at = table.columns()
    if missing := [name for name in _NEEDED if name not in at]:
        says = f"the columns of a script-paths report are missing: {', '.join(missing)}"
        raise Invalid("the file", [Problem("header", says, "", 1)])
    steps, refused = _steps(table, at)
    scripts = _trees(steps, refused)
    odd = [p for tree in scripts.values() for p in _contradictions(tree)]
    return ScriptPaths(scripts, tuple(refused), tuple(odd))


def _steps(table: Sheet, at: dict[str, int]) -> tuple[list[Step], list[Refused]]:
    steps: list[Step] = []
    refused: list[Refused] = []
    seen: set[str] = set()
    for item in table.rows:
        step = item if isinstance(item, Refused) else _step(item, at, table.place)
        if isinstance(step, Step) and step.path in seen:
            step = Refused(step.file_line, "the path id was seen before",
                           "keep one row for each path", place=table.place)  # fmt: skip
        if isinstance(step, Refused):
            refused.append(step)
        else:
            seen.add(step.path)
            steps.append(step)
    return steps, refused


def _step(item: tuple[int, list[str]], at: dict[str, int], place: str) -> Step | Refused:
    line, cells = item
    get = {name: cells[i].strip() for name, i in at.items()}
    count = number(get["count"])
    if isinstance(count, Fault) or count is None or count < 0 or count != int(count):
        return Refused(line, "the count is not a whole number", "write it as 120", place=place)
    if not get["pathid"] or not get["scriptid"]:
        return Refused(line, "there is no path id or no script id", "export both", place=place)
    parent = get["parentpathid"]
    parent = "" if fold(parent) in {"", "null", "none", "0"} or parent == "-" else parent
    return Step(
        path=get["pathid"],
        parent="" if fold(get["nodetype"]) == fold(ROOT) else parent,
        script=get["scriptid"],
        script_name=get.get("scriptname", ""),
        kind=get["nodetype"],
        label=get["nodelabel"],
        count=int(count),
        terminal=yes_no(get.get("terminal", "")) is True,
        file_line=line,
    )


def _trees(steps: list[Step], refused: list[Refused]) -> dict[str, DropOff]:
    by_path = {step.path: step for step in steps}
    sound: dict[str, bool] = {}
    trees: dict[str, DropOff] = {}
    for step in steps:
        if not _reaches_root(step, by_path, sound):
            says = "the path does not lead back to an entry point"
            refused.append(Refused(step.file_line, says, "export the whole script"))
            continue
        tree = trees.setdefault(step.script, DropOff(step.script, step.script_name))
        tree.steps[step.path] = step
        tree.children.setdefault(step.parent, []).append(step.path)
    return trees


def _reaches_root(step: Step, by_path: dict[str, Step], sound: dict[str, bool]) -> bool:
    """Whether the parents lead to a root of the same script, without going round in a circle."""
    trail: dict[str, Step] = {}
    here: Step | None = step
    while here is not None and here.path not in sound and here.path not in trail:
        trail[here.path] = here
        if not here.parent:
            sound[here.path] = True
            break
        above = by_path.get(here.parent)
        here = above if above is not None and above.script == step.script else None
    verdict = here is not None and sound.get(here.path, False)
    sound.update(dict.fromkeys(trail, verdict))
    return verdict


def _contradictions(tree: DropOff) -> Iterator[Problem]:
    for path, step in tree.steps.items():
        below = sum(tree.steps[p].count for p in tree.children.get(path, ()))
        if below > step.count:
            says = (
                f"{counted(step.count, 'caller')} came here but {below:,} are shown to have gone on"
            )
            yield Problem(f"line {step.file_line}", says, "", step.file_line)
