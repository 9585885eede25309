"""What is slow the first time, done before anybody asks: the cases for scaling, and drawing.

A drawing keeps every other thread of its process waiting, a tenth of a second or less. So there is
a rest after each, in which pages are answered.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator

from flask import Flask
from sqlalchemy.exc import SQLAlchemyError

from analysis import portfolio
from analysis.casework import totals
from analysis.draws import latest
from analysis.report import charts, render, withhold
from analysis.report.chart import Chart
from analysis.report.learned import learning_page
from analysis.report.posterior.view import posterior_page
from trials.errors import SignpostError
from web import present_results
from web.catalogue import Catalogue

_log = logging.getLogger("signpost.cases")
MOST = 192
"""So many charts are drawn beforehand, those of the newest trials first."""
REST = 0.05
"""Seconds left to the pages after each drawing."""


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
        for _, chart in zip(range(MOST), _charts(app), strict=False):
            for narrow in (False, True):
                render.svg(chart, narrow=narrow)
                time.sleep(REST)
    except (SignpostError, SQLAlchemyError) as failure:
        # Pages make their own cases; why the database cannot be read they tell whoever asks.
        _log.info("no cases were made beforehand: %s", failure)


def _charts(app: Flask) -> Iterator[Chart]:
    """The charts of every result's page, the newest trial first, of all trials, of posteriors."""
    catalogue: Catalogue = app.extensions["catalogue"]
    for summary in catalogue.summaries():
        result = catalogue.result(summary.key)
        if result is None or result.get("withheld"):
            continue
        trial = catalogue.record(summary.key).definition
        yield from (c for c in charts.charts(trial, result) if c.key in present_results.CHARTS)
    with app.extensions["store"].read() as session:
        found = portfolio.portfolio(session)
    yield from (d.chart for section in learning_page(found).sections for d in section.charts)
    for summary in catalogue.summaries():
        with app.extensions["store"].read() as session:
            kept = latest(session, summary.key)
        if kept is not None and withhold.sentence(kept.result) is None:
            trial = catalogue.record(summary.key).definition
            shown = posterior_page(trial, kept.document)
            yield from (d.chart for section in shown.sections for d in section.charts)
