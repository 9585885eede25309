"""The board of trials: which are shown, by area, channel and state, and what each asks for next."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from analysis.report import figures, view
from trials.registry import TrialSummary
from web.present import STATES

NEXT = {
    "draft": "fill in what the plan leaves open",
    "ready": "launch it",
    "live": "keep an eye on its health until the look",
    "paused": "resume it, or stop it",
    "stopped": "read the result and decide",
}
"""What a trial in each state asks for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """One thing to choose by: its options are those that some trial has."""

    name: str
    label: str
    options: tuple[tuple[str, str], ...]
    chosen: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Board:
    """The trials chosen; ``asked`` says whether anything was chosen by."""

    chosen: tuple[TrialSummary, ...]
    choices: tuple[Choice, ...]
    asked: bool
    next: Mapping[str, str]


def board(summaries: Sequence[TrialSummary], wanted: Mapping[str, str]) -> Board:
    """The board for what an address asks for; an option that no trial has shows none."""
    words: dict[str, tuple[str, Callable[[str], str]]] = {
        "area": ("Area", lambda v: figures.capital(v.replace("-", " "))),
        "channel": ("Channel", view.channel_name),
        "state": ("State", lambda v: STATES[v].label if v in STATES else figures.capital(v)),
    }
    asked = {name: wanted[name] for name in words if wanted.get(name)}
    choices = tuple(
        Choice(
            name=name, label=label, chosen=asked.get(name, ""),
            options=tuple(sorted(
                ((v, said(v)) for v in {str(getattr(s, name) or "") for s in summaries} if v),
                key=lambda pair: pair[1],
            )),
        )
        for name, (label, said) in words.items()
    )  # fmt: skip
    chosen = tuple(
        s for s in summaries if all((getattr(s, n) or "") == v for n, v in asked.items())
    )
    return Board(chosen=chosen, choices=choices, asked=bool(asked), next=NEXT)
