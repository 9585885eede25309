"""A form as somebody filled it in: what they typed, and what is wrong with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from flask import request

from trials.errors import SignpostError


@dataclass(frozen=True, slots=True)
class Filled:
    """Values and problems by field; the macros of ``layouts/forms.html`` show both.

    A problem under ``""`` belongs to the form as a whole.
    """

    values: Mapping[str, str] = field(default_factory=dict)
    problems: Mapping[str, str] = field(default_factory=dict)

    def __getitem__(self, name: str) -> str:
        """What was typed into a field; empty where nothing was."""
        return self.values.get(name, "").strip()

    def wrong(self, name: str, failure: SignpostError | str) -> Filled:
        """The same form with a problem at ``name``."""
        if isinstance(failure, SignpostError):
            failure = told(failure)
        return Filled(self.values, {**self.problems, name: failure})


def sent() -> Filled:
    """The form of this request."""
    return Filled(request.form.to_dict())


def told(failure: SignpostError) -> str:
    """A refusal as the words beside a field."""
    text = f"{failure.says}: {failure.remedy}" if failure.remedy else failure.says
    return text[:1].upper() + text[1:]
