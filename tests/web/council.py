"""The invented council of the tests: a database with a trial in every state, some with results."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from sample import donor_result, donor_trial, early_result, letter_result, letter_trial

from analysis.report import words
from trials import lifecycle, registry
from trials.definition.model import Trial
from trials.settings import Settings
from trials.store.engine import Store
from trials.store.tables import RunRow

ATTACK = '<img src=x onerror="document.title=1">'


def settings(folder: Path) -> Settings:
    return Settings(
        home=folder, database_url=f"sqlite:///{folder / 'signpost.db'}",
        organisation="Wychbridge Council", secret_key="s" * 64, identifier_key=b"k" * 64,
    )  # fmt: skip


def renamed(trial: Trial, key: str, **about) -> Trial:
    return trial.model_copy(update={"about": trial.about.model_copy(update={"key": key, **about})})


def hostile_trial() -> Trial:
    """A trial with mark-up and very long words wherever a person may type."""
    base = letter_trial()
    attack = f"{ATTACK} {'Verylongword' * 12}"
    arms = tuple(
        a.model_copy(update={"title": f"{a.key} {attack}", "wording": attack}) for a in base.arms
    )
    metrics = tuple(m.model_copy(update={"title": f"{m.key} {attack}"}) for m in base.metrics)
    about = base.about.model_copy(
        update={"key": "hostile", "title": f"Hostile {attack}"[:190], "service": attack,
                "hypothesis": attack, "owner": attack}
    )  # fmt: skip
    return base.model_copy(update={"about": about, "arms": arms, "metrics": metrics})


def keep_result(store: Store, key: str, result: dict) -> None:
    """Store ``result`` as a run of ``key``, with the sentence the analysis would have given it."""
    with store.write() as session:
        row = registry.row_of(session, key)
        says = words.headline(registry.definition_of(row), result)
        result = {**result, "trial": key, "verdict": {**result["verdict"], "says": says}}
        session.add(RunRow(
            trial_id=row.id, plan_hash=result["plan_hash"], locked=True, school="both",
            cutoff=1783000000, seed=1, version="0.1.0", data_hash="sha256:" + "0" * 64,
            at=datetime(2026, 7, 20, 8, 30, tzinfo=UTC), seconds=1.0, actor="analyst",
            result=result,
        ))  # fmt: skip


def fill(store: Store) -> None:
    """A trial in every state; results for some."""
    with store.write() as session:
        for trial in (letter_trial(), donor_trial(), hostile_trial(),
                      renamed(letter_trial(), "early-look", title="An early look"),
                      renamed(letter_trial(), "ready-to-go", title="Ready to go"),
                      renamed(letter_trial(), "on-hold", title="On hold"),
                      renamed(letter_trial(), "fresh", title="Fresh and live"),
                      renamed(letter_trial(), "over", title="Over and decided")):  # fmt: skip
            registry.add(session, trial, actor="officer@wychbridge.example")
        for key in ("council-tax-reminder", "hostile", "early-look", "on-hold", "fresh", "over"):
            lifecycle.launch(session, key, actor="officer@wychbridge.example")
        lifecycle.pause(session, "on-hold", actor="officer@wychbridge.example")
        for key in ("council-tax-reminder", "over"):
            lifecycle.stop(session, key, actor="officer@wychbridge.example")
        lifecycle.decide(
            session, "over", "scale", actor="officer@wychbridge.example", reason="It works"
        )
    for key, result in (("council-tax-reminder", letter_result()), ("matching-gifts", donor_result()),
                        ("hostile", letter_result()), ("early-look", early_result()),
                        ("over", letter_result())):  # fmt: skip
        keep_result(store, key, result)
