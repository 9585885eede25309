"""The errors Signpost raises on purpose, and how each is told to people and machines.

::

    SignpostError                 anything refused; exit code 1
    ├── Invalid                   input breaks one or more rules; carries every problem found
    ├── NotFound                  a key that names nothing
    ├── Conflict                  the state of a trial (or a rival edit) forbids the act
    ├── Altered                   what was kept is no longer what it was
    ├── Gone                      an address that was given out and has been taken back
    ├── NotPermitted              the person or key may not do this
    └── Unavailable               the database or a file cannot be reached or used
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from trials.plurals import counted


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with an input.

    ``place`` says where ("line 7", "[trial] key"), ``says`` what is wrong and ``remedy`` what to
    do about it. None of them may carry a person's identifier.
    """

    place: str
    says: str
    remedy: str = ""
    line: int | None = None

    def __str__(self) -> str:
        text = f"{self.place}: {self.says}" if self.place else self.says
        return f"{text}; {self.remedy}" if self.remedy else text


class SignpostError(Exception):
    """Something was refused. ``code`` is stable; the message is one sentence with its remedy."""

    code = "refused"
    status = 400

    def __init__(self, says: str, remedy: str = "") -> None:
        self.says = says
        self.remedy = remedy
        super().__init__(f"{says}; {remedy}" if remedy else says)


class Invalid(SignpostError):
    """An input breaks one or more rules; ``problems`` lists all of them, in file order."""

    code = "invalid"
    status = 422

    def __init__(self, what: str, problems: Sequence[Problem], remedy: str = "") -> None:
        self.what = what
        self.problems = tuple(problems)
        first = str(self.problems[0]) if self.problems else ""
        more = len(self.problems) - 1
        tail = f" (and {counted(more, 'more problem')})" if more > 0 else ""
        super().__init__(f"{what}: {first}{tail}", remedy)


class NotFound(SignpostError):
    """A key that names nothing."""

    code = "not-found"
    status = 404


class Conflict(SignpostError):
    """The present state forbids the act, or somebody else changed the thing first."""

    code = "conflict"
    status = 409


class Altered(Conflict):
    """What was kept no longer has the hash it was kept with, so it is not shown as genuine."""

    code = "altered"


class Gone(SignpostError):
    """An address that was given out and has been taken back by its owner."""

    code = "gone"
    status = 410


class NotPermitted(SignpostError):
    """The person or API key may not do this."""

    code = "not-permitted"
    status = 403


class Unavailable(SignpostError):
    """The database, a file or a service cannot be reached or used."""

    code = "unavailable"
    status = 503
