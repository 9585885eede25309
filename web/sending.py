"""What every form that changes something must show: that it is ours, and that it is sent once.

Two proofs that it is ours: the token that its page was given (Flask-WTF), and what the browser
itself says of where the request comes from. Against sending twice, a form carries a token that
works once: the second sending is led to where the first one went. Machines send keys, never
cookies, and need neither.
"""

from __future__ import annotations

import re
import secrets
from urllib.parse import unquote_to_bytes, urlsplit

from flask import Flask, Response, current_app, g, redirect, request
from flask.typing import ResponseReturnValue
from flask_wtf.csrf import CSRFProtect, generate_csrf
from markupsafe import Markup
from werkzeug.exceptions import BadRequest, Forbidden

from trials import submissions
from trials.errors import Conflict
from web.access import current_user, rule_of, store

ONCE = "once"
_TOKEN = re.compile(r"[A-Za-z0-9_-]{20,64}")
_UNSAFE = frozenset({"POST", "PUT", "PATCH", "DELETE"})
_csrf = CSRFProtect()


def protect(app: Flask) -> None:
    """Ask every form sent to ``app`` for both proofs and its token."""
    app.config.update(WTF_CSRF_CHECK_DEFAULT=False, WTF_CSRF_TIME_LIMIT=None,
                      WTF_CSRF_SSL_STRICT=False)  # fmt: skip
    _csrf.init_app(app)
    app.before_request(_ours)
    app.before_request(_texts)
    app.before_request(_once)
    app.after_request(_remember)
    app.jinja_env.globals["form_token"] = form_token


def form_token() -> Markup:
    """The hidden fields of a form that changes something."""
    fields = (("csrf_token", generate_csrf()), (ONCE, secrets.token_urlsafe(24)))
    line = Markup('<input type="hidden" name="{}" value="{}">')
    return Markup("").join(line.format(name, value) for name, value in fields)


def _form() -> bool:
    view = current_app.view_functions.get(request.endpoint or "")
    rule = rule_of(view) if view else None
    if rule is None or rule.scope is not None or rule.signed:
        return False
    return request.method in _UNSAFE


def _ours() -> None:
    """Raises ``Forbidden`` or ``BadRequest`` for a form that was not sent from one of our pages."""
    if not _form():
        return
    if request.headers.get("Sec-Fetch-Site", "same-origin") not in ("same-origin", "none"):
        raise Forbidden("This form was sent from another site.")
    origin = request.headers.get("Origin")
    if origin is not None and urlsplit(origin).netloc != request.host:
        raise Forbidden("This form was sent from another site.")
    _csrf.protect()


def _texts() -> None:
    """Raises ``BadRequest`` for the zero character, which PostgreSQL refuses in every text.

    A unit that asks for its arm may be called anything: it is hashed before it is stored.
    """
    sent = [request.path]
    if _form():
        sent += [text for texts in request.form.listvalues() for text in texts]
    query = b"" if request.blueprint == "api-assign" else unquote_to_bytes(request.query_string)
    if "\0" in "".join(sent) or b"\0" in query:
        raise BadRequest("The request holds a zero character. Take it out and send it again.")


def _once() -> ResponseReturnValue | None:
    """Lead a form that was sent before to where it went then."""
    token = request.form.get(ONCE, "") if _form() else ""
    if not token:
        return None
    if not _TOKEN.fullmatch(token):
        raise BadRequest("The form cannot be read. Load the page again and fill it in once more.")
    user = current_user()
    owner = None if user is None else user.id
    with store().write() as session:
        if submissions.first(session, token, user_id=owner):
            g.once = token
            return None
        went = submissions.led_to(session, token, user_id=owner)
    if went is None:
        raise Conflict("this form was sent a moment ago",
                       "look whether it is done before you send it again")  # fmt: skip
    return redirect(went, 303)


def _remember(response: Response) -> Response:
    """Keep where a form led; one that was refused may be sent again."""
    token = g.pop("once", None)
    if token is None:
        return response
    with store().write() as session:
        if response.status_code in (301, 302, 303):
            submissions.finish(session, token, response.headers["Location"])
        elif response.status_code >= 400:
            submissions.forget(session, token)
    return response
