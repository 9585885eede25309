"""What is slow the first time, done before anybody asks: the cases for scaling, and drawing."""

from __future__ import annotations

import logging
import threading

from flask import Flask
from sqlalchemy.exc import SQLAlchemyError

from analysis.casework import totals
from analysis.report import render
from trials.errors import SignpostError

_log = logging.getLogger("signpost.cases")


def begin(app: Flask) -> threading.Thread:
    """Do it in a thread beside the pages of a process that has just started."""
    thread = threading.Thread(target=_warm, args=(app,), name="warming", daemon=True)
    thread.start()
    return thread


def _warm(app: Flask) -> None:
    render.warm()
    try:
        with app.extensions["store"].read() as session:
            totals.portfolio(session)
    except (SignpostError, SQLAlchemyError) as failure:
        # Pages make their own cases; why the database cannot be read they tell whoever asks.
        _log.info("no cases were made beforehand: %s", failure)
