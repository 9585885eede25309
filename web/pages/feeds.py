"""Feeds: tables for Power BI, decisions for a news reader, looks and reviews for a calendar.

News readers and calendars cannot sign in. Each person has addresses of their own, signed with the
server's secret; one stops working when its account is closed or may no longer see results, and
when its owner has taken new ones. Which are in force the audit log knows: the last entry that gave
new addresses, or 0.
"""

from __future__ import annotations

from datetime import timedelta
from xml.etree import ElementTree as ET

from flask import Blueprint, Response, current_app, flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from itsdangerous import BadSignature, URLSafeSerializer
from sqlalchemy.orm import Session

from analysis.casework import decisions, steps
from analysis.report import feed, figures
from analysis.report.words import DECISIONS
from trials import accounts, audit, clock
from trials.errors import Gone, NotFound
from trials.schedules import book
from web.access import Permission, needs, permitted, public, signed_in, store
from web.jobs import derived

pages = Blueprint("feeds", __name__)
_RENEWED = "feed addresses renewed"


@pages.get("/feeds")
@needs(Permission.SEE_RESULTS)
def index() -> str:
    """Where the feeds are, and what the tables' columns mean."""
    number = signed_in().id
    with store().read() as session:
        token = _signer().dumps([number, _in_force(session, number)])
    return render_template(
        "pages/feeds.html", tables=feed.TABLES,
        news=url_for("feeds.news", token=token, _external=True),
        dates=url_for("feeds.dates", token=token, _external=True),
    )  # fmt: skip


@pages.post("/feeds/renew")
@needs(Permission.SEE_RESULTS)
def renew() -> ResponseReturnValue:
    """Give the person new addresses; those before are gone."""
    person = signed_in()
    with store().write() as session:
        audit.record(session, _RENEWED, f"user {person.id}", actor=person.email)
    flash("You have new addresses below. The ones before read nothing any more.")
    return redirect(url_for("feeds.index"), 303)


@pages.get("/feeds/<token>/decisions.rss")
@public
def news(token: str) -> Response:
    """The last decisions, as RSS 2.0."""
    _reader(token)
    with store().read() as session:
        found = decisions.recent(session)
    rss = ET.Element("rss", version="2.0")
    channel = ET.SubElement(rss, "channel")
    organisation = current_app.config["ORGANISATION"]
    _texts(channel, title=f"Decisions on trials – {organisation}",
           link=url_for("trials.home", _external=True),
           description="What was decided on each trial, and why.", language="en-GB")  # fmt: skip
    for key, title, decided in found:
        item = ET.SubElement(channel, "item")
        says = figures.lower_first(DECISIONS.get(decided.decided, decided.decided))
        _texts(item, title=f"{title}: {says}", description=decided.reason,
               link=url_for("trials.trial", key=key, _external=True),
               pubDate=decided.at.strftime("%a, %d %b %Y %H:%M:%S +0000"))  # fmt: skip
        guid = ET.SubElement(item, "guid", isPermaLink="false")
        guid.text = f"{key}/{decided.at.isoformat()}"
    return Response(
        ET.tostring(rss, encoding="utf-8", xml_declaration=True), mimetype="application/rss+xml"
    )


@pages.get("/feeds/<token>/dates.ics")
@public
def dates(token: str) -> Response:
    """Looks, ends and next steps to come, as iCalendar."""
    from icalendar import Calendar, Event

    _reader(token)
    calendar = Calendar()
    calendar.add("prodid", "-//Signpost//dates//EN")
    calendar.add("version", "2.0")
    calendar.add("x-wr-calname", "Signpost: looks and reviews")
    with store().read() as session:
        coming, todo = book.coming(session), steps.steps(session)
    for due in coming:
        if due.kind not in ("look", "end", "maturity") or due.trial is None:
            continue
        event = Event()
        event.add("uid", f"{due.key}@signpost")
        event.add("dtstamp", clock.now())
        event.add("dtstart", due.at)
        event.add("dtend", due.at + timedelta(minutes=30))
        event.add("summary", f"{derived.KINDS[due.kind]}: {due.trial}")
        event.add("url", url_for("trials.trial", key=due.trial, _external=True))
        calendar.add_component(event)
    for step in todo:
        if step.step.done_on is not None:
            continue
        event = Event()
        event.add("uid", f"step/{step.id}@signpost")
        event.add("dtstamp", clock.now())
        event.add("dtstart", step.step.due)
        event.add("summary", f"{step.step.what} ({step.trial})")
        event.add("description", f"Due by {figures.day(step.step.due)}.")
        calendar.add_component(event)
    return Response(bytes(calendar.to_ical()), mimetype="text/calendar")


def _signer() -> URLSafeSerializer:
    return URLSafeSerializer(current_app.config["SECRET_KEY"], salt="feeds")


def _reader(token: str) -> None:
    """Refuse a token that nobody was given, or whose owner may not see results any more.

    All refusals are the same, so that a guess learns nothing; only who has an address that was
    in force once is told that it is gone.
    """
    refused = NotFound("there is no such feed", "open Feeds again and copy the address from there")
    try:
        number, given = (int(part) for part in _signer().loads(token))
    except (BadSignature, ValueError, TypeError) as failure:
        raise refused from failure
    with store().read() as session:
        try:
            owner, in_force = accounts.find(session, number), _in_force(session, number)
        except NotFound as failure:
            raise refused from failure
    if owner.disabled_at is not None or Permission.SEE_RESULTS not in permitted(owner.role):
        raise refused
    if given != in_force:
        raise Gone("this address has been replaced by its owner", "copy the new one from Feeds")


def _in_force(session: Session, number: int) -> int:
    return audit.latest(session, f"user {number}", _RENEWED) or 0


def _texts(parent: ET.Element, **texts: str) -> None:
    for name, text in texts.items():
        ET.SubElement(parent, name).text = text
