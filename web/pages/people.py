"""The administrator's pages: people, roles, keys for machines, and the record of changes."""

from __future__ import annotations

from collections.abc import Callable

from flask import Blueprint, current_app, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session

from trials import accounts, apikeys, audit, password_links
from trials.errors import SignpostError
from trials.settings import Settings
from web import present_people
from web.access import Permission, needs, signed_in, store
from web.filled import Filled, sent
from web.mail.links import Links

pages = Blueprint("people", __name__)
_A_PAGE = 50


@pages.get("/people")
@needs(Permission.ADMINISTER)
def index() -> str:
    """Everybody with an account, and the form that opens one."""
    return _list(Filled())


@pages.post("/people")
@needs(Permission.ADMINISTER)
def add() -> ResponseReturnValue:
    """Open an account, and make the link with which its owner sets the first password."""
    filled, actor = sent(), signed_in().email
    try:
        with store().write() as session:
            user = accounts.add(
                session, filled["email"], name=filled["name"], role=filled["role"], password=None,
                actor=actor,
            )  # fmt: skip
            token = _link(session, user.id)
    except SignpostError as failure:
        return _list(filled.wrong(_field_of(failure), failure)), failure.status
    return _link_page(user, token)


@pages.get("/people/<int:number>")
@needs(Permission.ADMINISTER)
def person(number: int) -> str:
    """One account: its role, a link for a new password, and closing it."""
    return _one(number, Filled())


@pages.post("/people/<int:number>/role")
@needs(Permission.ADMINISTER)
def change_role(number: int) -> ResponseReturnValue:
    """Give an account another role."""
    filled = sent()

    def change(session: Session, email: str, actor: str) -> None:
        accounts.set_role(session, email, filled["role"], actor=actor)

    return _changed(number, filled, "role", change,
                    "{} has another role now, and has to sign in again.")  # fmt: skip


@pages.post("/people/<int:number>/password")
@needs(Permission.ADMINISTER)
def make_link(number: int) -> ResponseReturnValue:
    """Make the link with which the owner of an account sets a new password."""
    try:
        with store().write() as session:
            user, token = accounts.find(session, number), _link(session, number)
    except SignpostError as failure:
        return _one(number, sent().wrong("", failure)), failure.status
    return _link_page(user, token)


@pages.post("/people/<int:number>/closed")
@needs(Permission.ADMINISTER)
def close(number: int) -> ResponseReturnValue:
    """Close an account, or open it again; closing asks for a tick first."""
    filled = sent()
    opens = filled["closed"] == "no"
    if not opens and filled["sure"] != "yes":
        return _one(number, filled.wrong("sure", "Tick the box to close the account")), 422

    def change(session: Session, email: str, actor: str) -> None:
        (accounts.enable if opens else accounts.disable)(session, email, actor=actor)

    says = f"The account of {{}} is {'open again' if opens else 'closed'}."
    return _changed(number, filled, "sure", change, says)


def _changed(
    number: int, filled: Filled, field: str, change: Callable[[Session, str, str], None], says: str
) -> ResponseReturnValue:
    """Change an account and say so; what is refused is told at ``field`` of its page."""
    try:
        with store().write() as session:
            user = accounts.find(session, number)
            change(session, user.email, signed_in().email)
    except SignpostError as failure:
        return _one(number, filled.wrong(field, failure)), failure.status
    flash(says.format(user.name))
    return redirect(url_for("people.person", number=number), 303)


@pages.get("/keys")
@needs(Permission.ADMINISTER)
def keys() -> str:
    """The keys of machines, and the form that makes one."""
    return _keys(Filled())


@pages.post("/keys")
@needs(Permission.ADMINISTER)
def add_key() -> ResponseReturnValue:
    """Make a key and show it, this once."""
    filled, scopes = sent(), request.form.getlist("scopes")
    try:
        with store().write() as session:
            key, secret = apikeys.add(session, filled["name"], scopes, actor=signed_in().email)
    except SignpostError as failure:
        field = "scopes" if "scope" in failure.says else "name"
        return _keys(filled.wrong(field, failure), scopes), failure.status
    current_app.extensions["online"].reload()
    return render_template("pages/people/key_made.html", key=key, secret=secret)


@pages.post("/keys/revoked")
@needs(Permission.ADMINISTER)
def revoke_key() -> ResponseReturnValue:
    """Take a key back."""
    with store().write() as session:
        key = apikeys.revoke(session, sent()["name"], actor=signed_in().email)
    flash(f"The key ‘{key.name}’ opens nothing any more.")
    return redirect(url_for("people.keys"), 303)


@pages.get("/record")
@needs(Permission.ADMINISTER)
def record() -> str:
    """Who did what and when, and whether the record is whole."""
    asked = {name: request.args.get(name, "").strip() for name in ("who", "about")}
    before = request.args.get("before", type=int)
    with store().read() as session:
        broken = audit.verify(session)
        entries = audit.entries(
            session, actor=asked["who"], subject=asked["about"], before=before, limit=_A_PAGE + 1
        )
    return render_template(
        "pages/people/record.html", filled=Filled(asked), broken=broken,
        lines=present_people.recorded(entries[:_A_PAGE]),
        older=entries[_A_PAGE - 1].number if len(entries) > _A_PAGE else None,
    )  # fmt: skip


def _link(session: Session, number: int) -> str:
    return password_links.make(
        session, number, secret=_settings().secret_key, actor=signed_in().email
    )


def _link_page(user: accounts.User, token: str) -> str:
    """The page that shows a link, this once."""
    found = _settings()
    return render_template(
        "pages/people/link_made.html", user=user, days=password_links.LASTS.days,
        link=Links(found.base_url, found.secret_key).password(token),
    )  # fmt: skip


def _settings() -> Settings:
    found: Settings = current_app.extensions["settings"]
    return found


def _list(filled: Filled) -> str:
    with store().read() as session:
        everyone = accounts.everyone(session)
    return render_template(
        "pages/people/people.html", filled=filled, everyone=present_people.listed(everyone),
        roles=[(r.key, r.label, r.says) for r in present_people.roles()],
    )  # fmt: skip


def _one(number: int, filled: Filled) -> str:
    with store().read() as session:
        user = accounts.find(session, number)
    shown = Filled({"role": user.role, **filled.values}, filled.problems)
    return render_template(
        "pages/people/person.html", filled=shown, user=user, facts=present_people.about(user),
        roles=[(r.key, r.label, r.says) for r in present_people.roles()],
    )  # fmt: skip


def _keys(filled: Filled, chosen: list[str] | None = None) -> str:
    with store().read() as session:
        found = apikeys.everything(session)
    return render_template(
        "pages/people/keys.html", filled=filled, keys=present_people.keys(found),
        scopes=present_people.SCOPES, chosen=chosen or (),
    )  # fmt: skip


def _field_of(failure: SignpostError) -> str:
    return "role" if "role" in failure.says else "email"
