"""The web application: pages for people, an API for machines, one process that stays small."""

from __future__ import annotations

import re
from importlib.metadata import PackageNotFoundError, version

from apiflask import APIFlask
from flask import Flask
from jinja2 import ChoiceLoader, FileSystemLoader, PackageLoader, PrefixLoader
from werkzeug.middleware.proxy_fix import ProxyFix
from whitenoise import WhiteNoise

from trials import resources
from trials.online.intake import Intake
from trials.online.service import Online, quick
from trials.people.identifiers import Hasher
from trials.settings import Settings
from trials.store.engine import Store
from web import (
    access,
    addresses,
    bodies,
    navigation,
    ops,
    present_people,
    problems,
    security,
    sending,
)
from web.api import door
from web.api.assign import api as api_assign
from web.api.front import Front
from web.api.intake import api as api_intake
from web.api.limits import Limiter, Visitors
from web.api.ofrep import ofrep
from web.api.site import site
from web.api.tidy import api as api_tidy
from web.api.trials import api as api_trials
from web.catalogue import Catalogue, StoreCatalogue
from web.pages import provider
from web.pages.account import pages as pages_account
from web.pages.acts import pages as pages_acts
from web.pages.afterwards import pages as pages_afterwards
from web.pages.assumptions import pages as pages_assumptions
from web.pages.calendar import pages as pages_calendar
from web.pages.capacity import pages as pages_capacity
from web.pages.cases import pages as pages_cases
from web.pages.changes import pages as pages_changes
from web.pages.connect import pages as pages_connect
from web.pages.decisions import pages as pages_decisions
from web.pages.drafts import pages as pages_drafts
from web.pages.exploring import pages as pages_exploring
from web.pages.feeds import pages as pages_feeds
from web.pages.forecasts import pages as pages_forecasts
from web.pages.health import pages as pages_health
from web.pages.help import pages as pages_help
from web.pages.ideas import pages as pages_ideas
from web.pages.jobs import pages as pages_jobs
from web.pages.learning import pages as pages_learning
from web.pages.mailing import pages as pages_mails
from web.pages.opportunities import pages as pages_opportunities
from web.pages.packs import pages as pages_packs
from web.pages.papers import pages as pages_papers
from web.pages.people import pages as pages_people
from web.pages.portfolio import pages as pages_portfolio
from web.pages.posterior import pages as pages_posterior
from web.pages.protection import pages as pages_protection
from web.pages.results import pages as pages_results
from web.pages.schedules import pages as pages_schedules
from web.pages.signoffs import pages as pages_signoffs
from web.pages.trials import pages as pages_trials
from web.pages.uploads import pages as pages_uploads

BLUEPRINTS = (
    pages_trials,
    pages_connect,
    pages_account,
    pages_drafts,
    pages_signoffs,
    pages_jobs,
    pages_mails,
    pages_learning,
    pages_packs,
    pages_forecasts,
    pages_posterior,
    pages_exploring,
    pages_schedules,
    pages_help,
    pages_feeds,
    pages_ideas,
    pages_people,
    pages_protection,
    provider.pages,
    pages_afterwards,
    pages_assumptions,
    pages_capacity,
    pages_cases,
    pages_decisions,
    pages_opportunities,
    pages_papers,
    pages_portfolio,
    pages_acts,
    pages_changes,
    pages_calendar,
    pages_health,
    pages_uploads,
    pages_results,
    ops.ops,
    api_trials,
    api_tidy,
    api_assign,
    api_intake,
    ofrep,
    site,
)
"""Every part of the site and of the API."""

_HASHED = re.compile(r"-[0-9a-f]{8}\.[a-z]+$")


def create_app(settings: Settings, *, catalogue: Catalogue | None = None) -> APIFlask:
    """The application for ``settings``; ``catalogue`` replaces the database's (tests)."""
    app = APIFlask(
        __name__, title="Signpost", version=_version(), spec_path="/api/v1/openapi.json",
        docs_path=None, json_errors=False,
        static_folder=None,  # type: ignore[arg-type]  # WhiteNoise serves them, and src is not for serving
    )  # fmt: skip
    addresses.bound(app)
    _configure(app, settings)
    store = Store.open(settings.database_url)
    app.extensions.update(settings=settings, store=store)
    app.extensions["catalogue"] = catalogue or StoreCatalogue(store)
    brisk, hasher = quick(settings.database_url), Hasher(settings.identifier_key)
    app.extensions["online"] = Online(brisk, hasher)
    app.extensions["intake"] = Intake(brisk, hasher, app.extensions["online"])
    app.extensions["limiter"] = Limiter(settings.requests_per_second)
    app.extensions["visitors"] = Visitors(settings.visitor_requests, settings.visitors_requests)
    app.spec_processor(door.complete)
    app.security_schemes = {"Key": {"type": "http", "scheme": "bearer"}}
    _templates(app, settings)
    navigation.register(app)
    provider.register(app, settings.provider)
    ops.measure(app)
    security.protect(app)
    access.guard(app)
    sending.protect(app)
    problems.register(app)
    access.public(app.view_functions["openapi.spec"])
    for blueprint in BLUEPRINTS:
        app.register_blueprint(blueprint)
    _wrap(app, settings)
    return app


def _version() -> str:
    try:
        return version("signpost-trials")
    except PackageNotFoundError:
        return "0"


def _configure(app: Flask, settings: Settings) -> None:
    secure = settings.base_url.startswith("https:")
    app.config.update(
        SECRET_KEY=settings.secret_key,
        ORGANISATION=settings.organisation,
        SESSION_COOKIE_NAME="__Host-signpost" if secure else "signpost",
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        SESSION_COOKIE_SECURE=secure,
        MAX_CONTENT_LENGTH=bodies.LARGEST,
        MAX_FORM_MEMORY_SIZE=1024 * 1024,
        JSON_SORT_KEYS=False,
    )


def _templates(app: Flask, settings: Settings) -> None:
    """Our templates first, then the design system's macros under their own name."""
    app.jinja_loader = ChoiceLoader([
        FileSystemLoader(resources.folder("templates")),
        PrefixLoader({"govuk_frontend_jinja": PackageLoader("govuk_frontend_jinja")}),
    ])  # fmt: skip
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    app.jinja_env.globals.update(
        asset=lambda name: f"/static/{resources.asset(name)}",
        organisation=settings.organisation,
        demonstration=settings.demonstration,
        role_name=lambda key: present_people.role(key).label,
    )


def _wrap(app: Flask, settings: Settings) -> None:
    """Arms and static files are answered in front of the application; proxies are counted."""
    static = WhiteNoise(
        app.wsgi_app, root=str(resources.folder("static")), prefix="static/", max_age=3600,
        immutable_file_test=lambda _path, url: bool(_HASHED.search(url)),
        add_headers_function=security.static_headers, allow_all_origins=False,
    )  # fmt: skip
    wrapped = Front(app, static)
    if settings.trusted_proxies:
        hops = settings.trusted_proxies
        app.wsgi_app = ProxyFix(wrapped, x_for=hops, x_proto=hops, x_host=hops)  # type: ignore[method-assign]
    else:
        app.wsgi_app = wrapped  # type: ignore[method-assign,assignment]
