"""People of every role, signed in to a test client or a browser, and forms sent as a page sends them."""

from __future__ import annotations

import time

from bs4 import BeautifulSoup

from trials import accounts, sessions

PASSWORD = "correct horse battery"


def person(app, role, *, domain="wychbridge.example"):
    """The account of ``role``, opened on first use."""
    email = f"{role}@{domain}"
    with app.extensions["store"].write() as session:
        known = {u.email: u for u in accounts.everyone(session)}
        return known.get(email) or accounts.add(
            session, email, name=f"{role.title()} of Wychbridge", role=role, password=None,
            actor="test",
        )  # fmt: skip


def cookie(app, role, **whose):
    """The name and value of a cookie that is signed in as ``role``."""
    user = person(app, role, **whose)
    with app.extensions["store"].write() as session:
        token = sessions.begin(session, user.id)
    seal = app.session_interface.get_signing_serializer(app)
    name = app.config["SESSION_COOKIE_NAME"]
    return name, seal.dumps({"sid": token, "seen": int(time.time())})


def client_of(app, role, **whose):
    """A test client that is signed in as ``role``."""
    client = app.test_client()
    client.set_cookie(*cookie(app, role, **whose))
    return client


def browser_cookie(app, role, address):
    """The same for Playwright: ``context.add_cookies([...])``."""
    name, value = cookie(app, role)
    return {"name": name, "value": value, "url": address}


def hidden(page, action=None):
    """The hidden fields of a form of a page; the first that posts, or the one to ``action``."""
    forms = BeautifulSoup(page.data, "html.parser").select("main form[method=post]")
    form = next(f for f in forms if action is None or f.get("action") == action)
    return {i["name"]: i.get("value", "") for i in form.select("input[type=hidden]")}


def submit(client, path, data, *, action=None, **options):
    """Open ``path``, fill its form in and send it (to ``action``, if not to itself)."""
    page = client.get(path)
    assert page.status_code == 200, page.status
    fields = {**hidden(page, action), **data}
    return client.post(action or path, data=fields, **options)
