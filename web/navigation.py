"""Where the site leads: the bar under the header, and the parts of one trial.

Both are told in few words, each with its pages beside it once one is there, so that no row wraps at
a desk. A page is shown where it exists and whoever is signed in may open it, so that pages can be
added, or left out, without a list of what is there.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from flask import Flask, current_app, request, url_for

from web import access

Page = tuple[str, str]
Section = tuple[str, tuple[Page, ...]]

NAVIGATION: tuple[Section, ...] = (
    ("Trials", (("Trials", "trials.home"),)),
    ("Drafts", (("Drafts", "drafting.index"),)),
    ("Ideas", (("Ideas", "ideas.index"),)),
    ("Calendar", (("Calendar", "calendar.index"),)),
    ("Learning", (("Learning", "learning.index"),)),
    (
        "Portfolio",
        (
            ("All trials together", "portfolio.index"),
            ("Opportunities", "opportunities.index"),
            ("Call capacity", "capacity.index"),
            ("Assumptions", "assumptions.index"),
        ),
    ),
    (
        "Settings",
        (
            ("People", "people.index"),
            ("Keys for machines", "people.keys"),
            ("Record of changes", "people.record"),
            ("Data protection", "protection.index"),
            ("Schedule", "schedules.index"),
            ("Background work", "jobs.index"),
            ("Feeds", "feeds.index"),
            ("Mails", "mails.index"),
        ),
    ),
    ("Help", (("Help", "help.index"),)),
)
"""The sections of the bar under the header: a label, and its pages as label and endpoint."""

TRIAL_PARTS: tuple[Section, ...] = (
    ("Plan", (("Overview", "trials.trial"), ("Forecasts", "forecasts.index"))),
    (
        "Running",
        (
            ("Health", "health.index"),
            ("Uploads", "uploads.index"),
            ("How to connect", "connect.show"),
            ("Schedule", "schedules.trial"),
        ),
    ),
    (
        "Results",
        (
            ("The result", "results.index"),
            ("Report", "trials.trial_report"),
            ("Posterior", "posterior.index"),
            ("Exploratory", "exploring.index"),
        ),
    ),
    (
        "Scaling",
        (
            ("Case for scaling", "cases.case"),
            ("Decision", "decisions.decision"),
            ("Afterwards", "afterwards.index"),
            ("Papers", "papers.index"),
        ),
    ),
)
"""The parts of a trial's pages: a label, and the pages (all with ``key``) in it."""


@dataclass(frozen=True, slots=True)
class Link:
    """Where a word leads, whether it is the page being read, and what lies beside it there."""

    label: str
    href: str
    here: bool
    within: tuple[Link, ...] = ()


def register(app: Flask) -> None:
    """Let every page of ``app`` ask for the bar and the parts."""
    app.jinja_env.globals.update(
        navigation=bar, beside_this=beside_this, trial_parts=trial_parts, way=way
    )


def bar() -> list[dict[str, object]]:
    """What the bar leads whoever is signed in to, as the design system's navigation takes it."""
    return [
        {
            "text": section.label,
            "href": section.href,
            "current": section.here and request.path == section.href,
            "active": section.here and request.path != section.href,
        }
        for section in _sections()
    ]


def beside_this() -> Link | None:
    """The section of the page being read, where more than one page is in it."""
    return next((s for s in _sections() if s.here and len(s.within) > 1), None)


def trial_parts(key: str) -> list[Link]:
    """The parts of a trial for this person, each with its pages; one of the parts is here."""
    parts = [part for label, pages in TRIAL_PARTS if (part := _section(label, pages, key=key))]
    if parts and not any(part.here for part in parts):
        parts[0] = replace(parts[0], here=True)
    return parts


def _sections() -> list[Link]:
    return [found for label, pages in NAVIGATION if (found := _section(label, pages))]


def _section(label: str, pages: tuple[Page, ...], **values: Any) -> Link | None:
    """A section with those of its pages that this person may open; ``None`` without any."""
    within = tuple(
        Link(text, href, _here(end, href))
        for text, end in pages
        if _open(end)
        for href in (url_for(end, **values),)
    )
    if not within:
        return None
    return Link(label, within[0].href, any(page.here for page in within), within)


def _here(endpoint: str, href: str) -> bool:
    """Whether the page being read is this one, or lies below it."""
    if endpoint == "trials.home":
        return request.path == href or request.path.startswith("/trials")
    below = endpoint != "trials.trial" and request.path.startswith(f"{href}/")
    return request.path == href or below


def way(endpoint: str, **values: Any) -> str | None:
    """The address of a page, or ``None`` where it does not exist or is not for this person."""
    return url_for(endpoint, **values) if _open(endpoint) else None


def _open(endpoint: str) -> bool:
    return endpoint in current_app.view_functions and access.reachable(endpoint)
