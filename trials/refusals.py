"""Collecting what is wrong with a file's rows, so that all of it is told at once."""

from __future__ import annotations

from dataclasses import dataclass, field

from trials.errors import Invalid, Problem


@dataclass(slots=True)
class Refusals:
    """The rows of one file that could not be used.

    Every refused row is counted; the first ``kept`` are held with line and reason, so that a
    file of ten million broken rows does not fill memory.
    """

    name: str
    kept: int = 10_000
    count: int = 0
    problems: list[Problem] = field(default_factory=list)

    def add(self, line: int, says: str, remedy: str = "", *, place: str = "line") -> None:
        """One more row that cannot be used. ``says`` must not repeat an identifier."""
        self.count += 1
        if len(self.problems) < self.kept:
            self.problems.append(Problem(f"{place} {line}", says, remedy, line))

    def raise_any(self, *, keep_good_rows: bool) -> None:
        """Refuse the file if any row was refused, unless the good ones are wanted anyway."""
        if self.problems and not keep_good_rows:
            raise Invalid(
                self.name, self.problems, "nothing was imported" if self.count > 1 else ""
            )
