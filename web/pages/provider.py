"""Signing in through the council's own provider: OpenID Connect's code flow with PKCE.

State, nonce and verifier live in this browser's signed cookie and work once. Authlib checks the
token's signature, issuer, audience, nonce and times.
"""

from __future__ import annotations

from typing import Any

from authlib.integrations.base_client import OAuthError
from authlib.integrations.flask_client import OAuth
from flask import Blueprint, Flask, current_app, redirect, request, session, url_for
from flask.typing import ResponseReturnValue
from joserfc.errors import JoseError
from requests import RequestException

from trials import accounts, provided, signing_in
from trials.errors import NotFound, NotPermitted, Unavailable
from trials.provided import Provider
from web.access import admit, public, store
from web.next_page import safe

pages = Blueprint("provider", __name__)
_SECONDS = 10


def register(app: Flask, provider: Provider | None) -> None:
    """Make ``provider`` known to ``app``."""
    app.extensions["provider"] = provider
    if provider is None:
        return
    OAuth(app).register(
        "council", client_id=provider.client_id, client_secret=provider.client_secret,
        server_metadata_url=f"{provider.issuer}/.well-known/openid-configuration",
        client_kwargs={"scope": "openid profile email", "code_challenge_method": "S256",
                       "default_timeout": _SECONDS},
    )  # fmt: skip


@pages.get("/sign-in/provider")
@public
def begin() -> ResponseReturnValue:
    """Send whoever asks to the provider."""
    _provider()
    for key in [k for k in session if k.startswith("_state_")]:
        session.pop(key)
    session["next"] = safe(request.args.get("next"))
    try:
        answer: ResponseReturnValue = _client().authorize_redirect(_address())
    except (RequestException, RuntimeError, OAuthError):
        raise _away() from None
    return answer


@pages.get("/sign-in/provider/back")
@public
def back() -> ResponseReturnValue:
    """Take in whoever the provider vouches for."""
    provider = _provider()
    try:
        token = _client().authorize_access_token(leeway=60)
    except (OAuthError, JoseError, KeyError, ValueError):
        raise NotPermitted("the sign-in was not completed", "go back and try again") from None
    except (RequestException, RuntimeError):
        raise _away() from None
    claims = token.get("userinfo")
    if not claims or not claims.get("sub"):
        raise NotPermitted("the sign-in was not completed", "go back and try again")
    who = provided.person(provider, claims)
    following = safe(session.get("next"))
    with store().write() as opened:
        user = accounts.from_provider(opened, who)
        made = signing_in.signed_in(opened, user, how="provider")
    admit(made)
    return redirect(following, 303)


def _provider() -> Provider:
    provider: Provider | None = current_app.extensions["provider"]
    if provider is None:
        raise NotFound("no sign-in provider is set up here", "sign in with a password")
    return provider


def _client() -> Any:
    return current_app.extensions["authlib.integrations.flask_client"].council


def _address() -> str:
    base: str = current_app.extensions["settings"].base_url
    return base.rstrip("/") + url_for("provider.back")


def _away() -> Unavailable:
    return Unavailable("the sign-in provider does not answer", "try again in a moment")
