"""Help, and what anybody may ask of a public body's site: accessibility, privacy, cookies."""

from __future__ import annotations

from flask import Blueprint, current_app, render_template

from trials.settings import Settings
from web import glossary
from web.access import IDLE, Permission, needs, public

pages = Blueprint("help", __name__)


@pages.get("/help")
@needs(Permission.SEE_TRIALS)
def index() -> str:
    """How a trial goes, step by step, and what the words mean."""
    return render_template("pages/help/help.html", words=glossary.WORDS, steps=glossary.STEPS)


@pages.get("/accessibility")
@public
def accessibility() -> str:
    """The accessibility statement."""
    return render_template("pages/help/accessibility.html")


@pages.get("/privacy")
@public
def privacy() -> str:
    """What is kept about people, why and for how long."""
    settings: Settings = current_app.extensions["settings"]
    return render_template("pages/help/privacy.html", settings=settings)


@pages.get("/cookies")
@public
def cookies() -> str:
    """The one cookie."""
    name = current_app.config["SESSION_COOKIE_NAME"]
    return render_template("pages/help/cookies.html", name=name, minutes=IDLE // 60)
