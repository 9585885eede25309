"""Where the site leads: the bar under the header, and the parts of one trial.

A part is shown where its page exists and whoever is signed in may open it, so that pages can be
added, or left out, without a list of what is there.
"""

from __future__ import annotations

from typing import Any

from flask import Flask, current_app, request, url_for

from web import access

NAVIGATION: tuple[tuple[str, str], ...] = (
    ("Trials", "trials.home"),
    ("Drafts", "drafting.index"),
    ("Ideas", "ideas.index"),
    ("Calendar", "calendar.index"),
    ("Learning", "learning.index"),
    ("Portfolio", "portfolio.index"),
    ("Call capacity", "capacity.index"),
    ("Schedule", "schedules.index"),
    ("Feeds", "feeds.index"),
    ("Mails", "mails.index"),
    ("People", "people.index"),
    ("Data protection", "protection.index"),
    ("Help", "help.index"),
)
"""What the bar under the header leads to: a label and an endpoint each."""

TRIAL_PARTS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("Overview", ("trials.trial",)),
    ("Forecasts", ("forecasts.index",)),
    ("Health", ("health.index",)),
    ("How to connect", ("connect.show",)),
    ("Uploads", ("uploads.index",)),
    ("Results", ("results.index", "trials.trial_report")),
    ("Posterior", ("posterior.index",)),
    ("Case for scaling", ("cases.case",)),
    ("Decision", ("decisions.decision",)),
    ("Afterwards", ("afterwards.index",)),
    ("Papers", ("papers.index",)),
    ("Schedule", ("schedules.trial",)),
)
"""The parts of a trial's pages: a label, and the endpoints (with ``key``) that may serve it."""


def register(app: Flask) -> None:
    """Let every page of ``app`` ask for the bar and the parts."""
    app.jinja_env.globals.update(navigation=bar, trial_parts=trial_parts, way=way)


def bar() -> list[dict[str, object]]:
    """What the bar leads whoever is signed in to, as the design system's navigation takes it."""
    found: list[dict[str, object]] = []
    for label, end in NAVIGATION:
        if _open(end):
            href = url_for(end)
            below = href != "/" and request.path.startswith(f"{href}/")
            within = below or (label == "Trials" and request.path.startswith("/trials"))
            found.append({"text": label, "href": href, "current": request.path == href,
                          "active": within and request.path != href})  # fmt: skip
    return found


def trial_parts(key: str) -> list[tuple[str, str, bool]]:
    """The parts of a trial for this person: label, address, whether it is this one."""
    found = []
    for label, ends in TRIAL_PARTS:
        end = next((one for one in ends if _open(one)), None)
        if end is None:
            continue
        href = url_for(end, key=key)
        deeper = label != "Overview" and request.path.startswith(f"{href}/")
        found.append((label, href, request.path == href or deeper))
    return found


def way(endpoint: str, **values: Any) -> str | None:
    """The address of a page, or ``None`` where it does not exist or is not for this person."""
    return url_for(endpoint, **values) if _open(endpoint) else None


def _open(endpoint: str) -> bool:
    return endpoint in current_app.view_functions and access.reachable(endpoint)
