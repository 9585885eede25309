"""A stopped trial with a stored result."""

from __future__ import annotations

from council import keep_result
from sample import letter_result, letter_trial

from trials import lifecycle, registry

KEY = "council-tax-reminder"


def stopped(store, key=KEY):
    """The letter trial under ``key``: launched, analysed, stopped."""
    base = letter_trial()
    trial = base.model_copy(update={"about": base.about.model_copy(update={"key": key})})
    with store.write() as session:
        registry.add(session, trial, actor="officer")
        lifecycle.launch(session, key, actor="officer")
        lifecycle.stop(session, key, actor="officer")
    result = letter_result()
    result["units"] |= {"matured": 10000, "maturing": 0}
    keep_result(store, key, result)
