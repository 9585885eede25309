"""What the state of a trial asks for, and the pages where it is done.

Each way is a page by the name of its endpoint; it is shown where that page exists and whoever is
signed in may open it. The same by command line is for those who look into statistics.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from analysis.report import figures
from trials.registry import TrialRecord, missing_for_launch


@dataclass(frozen=True, slots=True)
class Way:
    """A page where something is done: what the link says, its endpoint and its values."""

    label: str
    endpoint: str
    values: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class NextStep:
    """What to do now, in a sentence, with the pages and the commands that do it."""

    says: str
    ways: tuple[Way, ...] = ()
    commands: tuple[str, ...] = ()


STARTS = (
    Way("Start a trial", "drafting.new"),
    Way("Write an idea down first", "ideas.index"),
    Way("How a trial goes, from start to end", "help.index"),
)
"""Where to begin when there is no trial yet."""


def next_step(record: TrialRecord, *, analysed: bool) -> NextStep:
    """What the state of a trial asks for, and the pages where it is done."""
    key = record.key
    if record.state == "draft":
        missing = figures.listed(missing_for_launch(record.definition))
        return NextStep(
            says=f"The plan leaves open {missing}. Complete it, then have it agreed.",
            ways=(Way("Complete the plan", "drafting.index"),),
            commands=("signpost trial check FILE.toml", "signpost trial add FILE.toml"),
        )
    if record.state == "ready":
        return NextStep(
            says="The plan is complete. Launching locks it and publishes the seed’s commitment.",
            ways=(Way("Have it agreed and launch it", "drafting.index"),),
            commands=(f"signpost trial launch {key}",),
        )
    if record.state == "stopped":
        return NextStep(
            says="The trial has stopped. Read the result, then record what was decided.",
            ways=(
                Way("Read the result", "results.index", {"key": key}),
                Way("Record the decision", "decisions.decision", {"key": key}),
                Way("Make the case for scaling", "cases.case", {"key": key}),
            ),
            commands=(f"signpost trial decide {key}",),
        )
    if record.state == "paused":
        return NextStep(
            says="Nobody is being assigned while the trial is paused.",
            ways=(Way("See how it is running", "health.index", {"key": key}),),
            commands=(f"signpost trial resume {key}",),
        )
    return _running(record, analysed=analysed)


def _running(record: TrialRecord, *, analysed: bool) -> NextStep:
    key = record.key
    if record.state == "decided":
        return NextStep(
            says="The decision is recorded. Nothing is left to do.",
            ways=(Way("See what came of it", "afterwards.index", {"key": key}),),
        )
    health = Way("See how it is running", "health.index", {"key": key})
    if analysed:
        return NextStep(
            says="The trial is running. Bring the result up to date when new outcomes arrive.",
            ways=(
                Way("Upload outcomes", "uploads.index", {"key": key}),
                Way("Bring the result up to date", "results.index", {"key": key}),
                health,
            ),
            commands=(f"signpost import outcomes {key} FILE.csv", f"signpost analyse {key}"),
        )
    return NextStep(
        says="The trial is live. Add who takes part, then what happened to them, then analyse.",
        ways=(
            Way("Upload who takes part and what happened", "uploads.index", {"key": key}),
            Way("Join it to a line or a website", "connect.show", {"key": key}),
            health,
        ),
        commands=(
            f"signpost units add {key} FILE.csv",
            f"signpost import outcomes {key} FILE.csv",
            f"signpost analyse {key}",
        ),
    )
