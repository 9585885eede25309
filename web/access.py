"""Who may do what: every route says what it needs, and a request that lacks it goes no further.

A view is marked with ``@needs(Permission.X)`` under its route, or with ``@public``; routes for
machines are marked by ``web.api.door.needs``. A view without a mark is refused to everybody, so
that forgetting one shows at once. Roles are a table of permissions and nothing else.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeVar

from flask import Flask, current_app, g, redirect, request, session, url_for
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import Forbidden, Unauthorized

from trials import sessions
from trials.accounts import Role, User
from trials.errors import SignpostError
from trials.store.engine import Store

View = TypeVar("View", bound=Callable[..., Any])

IDLE = 30 * 60
"""After so many seconds without a request a person has to sign in again."""
_FRESH = 60
_UNSAFE = frozenset({"POST", "PUT", "PATCH", "DELETE"})


class Permission(StrEnum):
    """Something a person may do."""

    SEE_TRIALS = "see-trials"
    SEE_RESULTS = "see-results"
    SEE_STATISTICS = "see-statistics"
    EDIT_TRIALS = "edit-trials"
    RUN_TRIALS = "run-trials"
    ANALYSE = "analyse"
    APPROVE = "approve"
    DECIDE = "decide"
    EDIT_ASSUMPTIONS = "edit-assumptions"
    PROTECT_DATA = "protect-data"
    ADMINISTER = "administer"


_P = Permission
_READER = frozenset({_P.SEE_TRIALS, _P.SEE_RESULTS})
_OFFICER = _READER | {_P.EDIT_TRIALS, _P.RUN_TRIALS, _P.ANALYSE}

PERMISSIONS: Mapping[Role, frozenset[Permission]] = {
    "viewer": _READER,
    "officer": _OFFICER,
    "analyst": _OFFICER | {_P.SEE_STATISTICS, _P.EDIT_ASSUMPTIONS},
    "approver": _READER | {_P.APPROVE, _P.DECIDE, _P.EDIT_ASSUMPTIONS},
    "data-protection": _READER | {_P.PROTECT_DATA},
    "administrator": _OFFICER | {_P.SEE_STATISTICS, _P.EDIT_ASSUMPTIONS, _P.ADMINISTER},
    "supplier": frozenset({_P.SEE_TRIALS}),
}
"""What each role may do. Nobody both writes a trial and approves it; a supplier sees no result."""


@dataclass(frozen=True, slots=True)
class Rule:
    """What a route asks for: a permission, a key's scope, a signed address, or nothing."""

    permission: Permission | None = None
    scope: str | None = None
    signed: bool = False


def needs(permission: Permission) -> Callable[[View], View]:
    """Mark a view as one that only people with ``permission`` reach."""
    return marked(Rule(permission=permission))


def public(view: View) -> View:
    """Mark a view as one that anybody reaches."""
    return marked(Rule())(view)


def signed(view: View) -> View:
    """Mark a view whose address is signed, which is all the proof that a form sent to it needs."""
    return marked(Rule(signed=True))(view)


def marked(rule: Rule) -> Callable[[View], View]:
    """Put ``rule`` on a view."""

    def mark(view: View) -> View:
        view.__dict__["access"] = rule
        return view

    return mark


def rule_of(view: Callable[..., Any]) -> Rule | None:
    """The rule on a view, if it has one."""
    rule = getattr(view, "access", None)
    return rule if isinstance(rule, Rule) else None


def permitted(role: str) -> frozenset[Permission]:
    """What a role may do; a role that is not known may do nothing."""
    return PERMISSIONS.get(role, frozenset())  # type: ignore[call-overload, no-any-return]


def current_user() -> User | None:
    """Who is signed in with this request, if anybody; looked up once."""
    if "user" not in g:
        g.user = _holder()
    found: User | None = g.user
    return found


def signed_in() -> User:
    """Who is signed in. Raises ``Unauthorized`` when nobody is."""
    user = current_user()
    if user is None:
        raise Unauthorized("Sign in first.")
    return user


def may(permission: Permission | str) -> bool:
    """Whether whoever is signed in may do this; nobody may do anything."""
    user = current_user()
    return user is not None and Permission(permission) in permitted(user.role)


def admit(token: str) -> None:
    """Give this browser a new session, and nothing of the one it had."""
    session.clear()
    session["sid"], session["seen"] = token, int(time.time())
    g.pop("user", None)


def dismiss() -> None:
    """Forget this browser's session, here and in the store."""
    if token := session.get("sid"):
        with store().write() as opened:
            sessions.end(opened, token)
    session.clear()
    g.pop("user", None)


def store() -> Store:
    """The application's database."""
    found: Store = current_app.extensions["store"]
    return found


def guard(app: Flask) -> None:
    """Ask every request of ``app`` for what its route needs, before anything of it is read."""
    app.before_request(_guard)
    app.jinja_env.globals["viewer"] = _viewer
    app.jinja_env.globals["may"] = lambda permission: _viewer() is not None and may(permission)


def reachable(endpoint: str) -> bool:
    """Whether whoever is signed in may open this page."""
    rule = rule_of(current_app.view_functions[endpoint])
    return rule is not None and (rule.permission is None or may(rule.permission))


def _guard() -> ResponseReturnValue | None:
    view = current_app.view_functions.get(request.endpoint or "")
    if view is None:
        return None
    rule = rule_of(view)
    if rule is None:
        raise Forbidden("This page has not said who may see it.")
    if rule.permission is None:
        return None
    user = current_user()
    if user is None:
        return _to_the_door()
    if rule.permission not in permitted(user.role):
        raise Forbidden("Your role does not include this. An administrator can change it.")
    return None


def _to_the_door() -> ResponseReturnValue:
    """To the sign-in page, and back to this one afterwards if it can be opened again."""
    if request.method in _UNSAFE:
        return redirect(url_for("account.sign_in"), 303)
    path = request.full_path.rstrip("?")
    return redirect(url_for("account.sign_in", next=None if path == "/" else path), 303)


def has_session() -> bool:
    """Whether the cookie says so: enough for what must be settled without the database.

    The cookie is signed, so that its own time can be believed.
    """
    seen = session.get("seen")
    return bool(session.get("sid")) and isinstance(seen, int) and time.time() - seen <= IDLE


def _holder() -> User | None:
    """Whose session the cookie holds."""
    if not has_session():
        return None
    token, seen, now = session["sid"], session["seen"], int(time.time())
    with store().read() as opened:
        user = sessions.holder(opened, token)
    if user is not None and now - seen > _FRESH and "Signpost-Poll" not in request.headers:
        session["seen"] = now
    return user


def _viewer() -> User | None:
    """The same for the frame of a page, which must stand even when the database does not."""
    try:
        return current_user()
    except SignpostError:
        g.user = None
        return None
