"""Signing in and out, the first account, and one's own account."""

from __future__ import annotations

from flask import Blueprint, current_app, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from trials import accounts, demonstrated, password_links, sessions, setting_up, signing_in
from trials.errors import Conflict, NotFound, NotPermitted, SignpostError
from trials.settings import Settings
from trials.signing_in import Try
from web import present_people
from web.access import Permission, admit, dismiss, needs, public, signed_in, store
from web.filled import Filled, sent
from web.next_page import safe

pages = Blueprint("account", __name__)


def _settings() -> Settings:
    found: Settings = current_app.extensions["settings"]
    return found


@pages.get("/sign-in")
@public
def sign_in() -> ResponseReturnValue:
    """The sign-in page; before there is any account, the way to open the first."""
    with store().read() as session:
        first, chooser = accounts.none_yet(session), _chooser()
    if first and not chooser:
        return redirect(url_for("account.set_up"), 303)
    return _sign_in_page(Filled())


@pages.post("/sign-in")
@public
def sign_in_by_password() -> ResponseReturnValue:
    """Sign in by password."""
    filled = sent()
    tried = Try(email=filled["email"], password=filled.values.get("password", ""),
                whence=request.remote_addr or "", key=_settings().secret_key)  # fmt: skip
    try:
        _, token = signing_in.by_password(store(), tried)
    except SignpostError as failure:
        return _sign_in_page(filled.wrong("email", failure)), failure.status
    admit(token)
    return redirect(safe(filled["next"]), 303)


@pages.post("/sign-in/demonstration")
@public
def demonstrate() -> ResponseReturnValue:
    """Sign in to the demonstration in a role."""
    if not _chooser():
        raise NotFound("this is not a demonstration")
    with store().write() as session:
        token = demonstrated.sign_in(session, request.form.get("role", ""))
    admit(token)
    return redirect(safe(request.form.get("next")), 303)


@pages.post("/sign-out")
@public
def sign_out() -> ResponseReturnValue:
    """End this session."""
    dismiss()
    return redirect(url_for("account.sign_in"), 303)


@pages.get("/set-up")
@public
def set_up() -> ResponseReturnValue:
    """The form for the first account, while there is none."""
    _only_before_the_first()
    return render_template("pages/account/set_up.html", filled=Filled(request.args.to_dict()))


@pages.post("/set-up")
@public
def set_up_first() -> ResponseReturnValue:
    """Open the first account and sign its owner in."""
    _only_before_the_first()
    filled, home = sent(), _settings().home
    try:
        with store().write() as session:
            user = setting_up.first(
                session, home, filled["token"], email=filled["email"], name=filled["name"],
                password=filled.values.get("password", ""),
            )  # fmt: skip
            token = signing_in.signed_in(session, user, how="set-up")
    except SignpostError as failure:
        shown = filled.wrong(_field_of(failure), failure)
        return render_template("pages/account/set_up.html", filled=shown), failure.status
    setting_up.done(home)
    admit(token)
    return redirect(url_for("trials.home"), 303)


@pages.get("/password/<token>")
@public
def choose_password(token: str) -> ResponseReturnValue:
    """The form of a link with which somebody sets their own password."""
    return _choice_page(token, Filled())


@pages.post("/password/<token>")
@public
def password_chosen(token: str) -> ResponseReturnValue:
    """Set the password, once, and sign its owner in."""
    filled = sent()
    try:
        with store().write() as session:
            user = password_links.use(session, token, filled.values.get("password", ""),
                                      secret=_settings().secret_key)  # fmt: skip
            signed = signing_in.signed_in(session, user, how="password link")
    except SignpostError as failure:
        return _choice_page(token, filled.wrong("password", failure), failure.status)
    admit(signed)
    return redirect(url_for("trials.home"), 303)


def _choice_page(token: str, filled: Filled, status: int = 200) -> ResponseReturnValue:
    """The form, or why the link cannot be used."""
    try:
        with store().read() as session:
            user = password_links.read(session, token, secret=_settings().secret_key)
    except SignpostError as failure:
        return render_template("pages/account/link_over.html", failure=failure), 410
    return render_template("pages/account/choose.html", filled=filled, user=user), status


@pages.get("/account")
@needs(Permission.SEE_TRIALS)
def account() -> str:
    """One's own account."""
    return _account_page(Filled())


@pages.post("/account/password")
@needs(Permission.SEE_TRIALS)
def change_password() -> ResponseReturnValue:
    """Change one's own password: proved with the old one, and other browsers are signed out."""
    user, filled = signed_in(), sent()
    tried = Try(email=user.email, password=filled.values.get("current", ""),
                whence=request.remote_addr or "", key=_settings().secret_key)  # fmt: skip
    try:
        signing_in.by_password(store(), tried)
    except SignpostError as failure:
        says = "This is not your password" if failure.status == 401 else failure
        return _account_page(filled.wrong("current", says)), failure.status
    try:
        with store().write() as session:
            accounts.set_password(
                session, user.email, filled.values.get("password", ""), actor=user.email
            )
            token = sessions.begin(session, user.id)
    except SignpostError as failure:
        return _account_page(filled.wrong("password", failure)), failure.status
    admit(token)
    flash("Your password is changed. Other browsers have been signed out.")
    return redirect(url_for("account.account"), 303)


def _chooser() -> bool:
    """Whether this is a demonstration, in its settings and in its database."""
    if not _settings().demonstration:
        return False
    with store().read() as session:
        return demonstrated.is_one(session)


def _sign_in_page(filled: Filled) -> str:
    roles = present_people.roles() if _chooser() else []
    following = request.values.get("next", "")
    return render_template(
        "pages/account/sign_in.html", filled=filled, demonstration_roles=roles,
        next=following if safe(following) == following else "", provider=_settings().provider,
    )  # fmt: skip


def _only_before_the_first() -> None:
    with store().read() as session:
        if not accounts.none_yet(session) or _chooser():
            raise NotFound("Signpost is set up already", "sign in instead")


def _field_of(failure: SignpostError) -> str:
    if isinstance(failure, NotPermitted):
        return "token"
    if isinstance(failure, Conflict):
        return ""
    return "password" if "password" in failure.says else "email"


def _account_page(filled: Filled) -> str:
    user = signed_in()
    return render_template(
        "pages/account/account.html", filled=filled, facts=present_people.about(user),
        allowed=present_people.allowed(user.role), has_password=user.has_password,
    )  # fmt: skip
