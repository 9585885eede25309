"""The council's sign-in provider: where it is, and which of its roles is which of ours."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from trials.accounts import ROLES, Provided
from trials.errors import NotPermitted, SignpostError


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """An OpenID Connect provider. ``roles`` maps the value of its role claim to a role of ours."""

    issuer: str
    client_id: str
    client_secret: str = field(repr=False)
    name: str = "your work account"
    claim: str = "roles"
    roles: Mapping[str, str] = field(default_factory=lambda: {role: role for role in ROLES})


def load(env: Mapping[str, str]) -> Provider | None:
    """The provider that the environment names, if any.

    Raises:
        SignpostError: a part of it is missing or cannot be used.
    """
    issuer = env.get("SIGNPOST_OIDC_ISSUER", "").rstrip("/")
    if not issuer:
        return None
    if not re.match(r"https://|http://(127\.0\.0\.1|localhost)[:/]", f"{issuer}/"):
        raise SignpostError("SIGNPOST_OIDC_ISSUER is not an https address",
                            "copy the issuer from your provider")  # fmt: skip
    client, secret = env.get("SIGNPOST_OIDC_CLIENT_ID", ""), _secret(env)
    if not client or not secret:
        raise SignpostError(
            "SIGNPOST_OIDC_ISSUER is set but the client's id or secret is not",
            "set SIGNPOST_OIDC_CLIENT_ID and SIGNPOST_OIDC_CLIENT_SECRET too",
        )
    return Provider(
        issuer=issuer, client_id=client, client_secret=secret,
        name=env.get("SIGNPOST_OIDC_NAME") or "your work account",
        claim=env.get("SIGNPOST_OIDC_CLAIM") or "roles",
        roles={role: role for role in ROLES} | _roles(env.get("SIGNPOST_OIDC_ROLES", "")),
    )  # fmt: skip


def person(provider: Provider, claims: Mapping[str, Any]) -> Provided:
    """Who the provider's verified ``claims`` describe.

    Raises:
        NotPermitted: they hold no role of ours, or more than one, or no e-mail address.
    """
    given = claims.get(provider.claim) or ()
    values: Sequence[Any] = (given,) if isinstance(given, str) else given
    ours = {provider.roles[v] for v in values if isinstance(v, str) and v in provider.roles}
    ask = "ask whoever looks after accounts at your council"
    if not ours:
        raise NotPermitted("your work account has no role in Signpost", ask)
    if len(ours) > 1:
        held = " and ".join(sorted(ours))
        raise NotPermitted(f"your work account has more than one role in Signpost ({held})", ask)
    email = str(claims.get("email") or claims.get("preferred_username") or "").strip()
    if "@" not in email:
        raise NotPermitted("your work account has no e-mail address", ask)
    return Provided(
        subject=f"{provider.issuer}#{claims['sub']}", email=email,
        name=str(claims.get("name") or ""), role=ours.pop(),
        verified=str(claims.get("email_verified", True)).lower() != "false",
    )  # fmt: skip


def _roles(text: str) -> dict[str, str]:
    """``Their.Role=officer, Other=viewer`` as a mapping."""
    found: dict[str, str] = {}
    for part in filter(None, (p.strip() for p in text.split(","))):
        theirs, _, ours = (p.strip() for p in part.partition("="))
        if ours not in ROLES:
            raise SignpostError(f"SIGNPOST_OIDC_ROLES holds {part!r}",
                                f"write THEIRS=OURS, with one of {', '.join(ROLES)}")  # fmt: skip
        found[theirs] = ours
    return found


def _secret(env: Mapping[str, str]) -> str:
    if value := env.get("SIGNPOST_OIDC_CLIENT_SECRET"):
        return value
    if not (file := env.get("SIGNPOST_OIDC_CLIENT_SECRET_FILE")):
        return ""
    try:
        return Path(file).read_text(encoding="utf-8").strip()
    except OSError as failure:
        raise SignpostError(
            f"SIGNPOST_OIDC_CLIENT_SECRET_FILE cannot be read ({failure.strerror})",
            "check that it exists and that this user may read it",
        ) from None
