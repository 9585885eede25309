"""Making the cases for scaling before anybody asks, so that no visitor waits for the first."""

from __future__ import annotations

import logging
import threading

from flask import Flask
from sqlalchemy.exc import SQLAlchemyError

from analysis.casework import totals
from trials.errors import SignpostError

_log = logging.getLogger("signpost.cases")


def begin(app: Flask) -> threading.Thread:
    """Make every case once, in a thread beside the pages of a process that has just started."""
    thread = threading.Thread(target=_warm, args=(app,), name="cases", daemon=True)
    thread.start()
    return thread


def _warm(app: Flask) -> None:
    try:
        with app.extensions["store"].read() as session:
            totals.portfolio(session)
    except (SignpostError, SQLAlchemyError) as failure:
        # Pages make their own cases; why the database cannot be read they tell whoever asks.
        _log.info("no cases were made beforehand: %s", failure)
