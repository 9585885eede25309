"""How mail leaves this installation, read from the environment."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal
from urllib.parse import unquote, urlsplit

from trials.errors import SignpostError

Way = Literal["none", "smtp", "notify", "folder"]
Security = Literal["starttls", "tls", "none"]
_PORTS: Mapping[Security, int] = {"starttls": 587, "tls": 465, "none": 25}
_SCHEMES: Mapping[str, Security] = {"smtp": "starttls", "smtps": "tls", "smtp+plain": "none"}
NOTIFY = "https://api.notifications.service.gov.uk"


@dataclass(frozen=True, slots=True, kw_only=True)
class MailSettings:
    """Where mails go and from whom they come. ``way`` "none" writes none."""

    way: Way = "none"
    sender: str = "signpost@localhost"
    host: str = ""
    port: int = 0
    security: Security = "starttls"
    username: str = ""
    password: str = field(default="", repr=False)
    ca_file: str = ""
    notify_key: str = field(default="", repr=False)
    notify_template: str = ""
    notify_url: str = NOTIFY
    resend_in_doubt: bool = False
    webhook_hosts: tuple[str, ...] = ()

    @property
    def domain(self) -> str:
        """The sender's domain, for message numbers."""
        return self.sender.rpartition("@")[2]


def load(env: Mapping[str, str]) -> MailSettings:
    """The settings that ``env`` asks for. Raises ``SignpostError`` naming the variable."""
    url = env.get("SIGNPOST_MAIL_URL", "").strip()
    found = MailSettings(
        sender=_sender(env),
        ca_file=env.get("SIGNPOST_MAIL_CA_FILE", ""),
        resend_in_doubt=_doubt(env),
        webhook_hosts=tuple(
            h.lower() for h in re.split(r"[\s,]+", env.get("SIGNPOST_WEBHOOK_HOSTS", "")) if h
        ),
        **_way(url, env),
    )
    if found.way != "none" and not env.get("SIGNPOST_MAIL_FROM"):
        raise SignpostError("SIGNPOST_MAIL_FROM is not set",
                            "give the address that mails come from")  # fmt: skip
    return found


def _way(url: str, env: Mapping[str, str]) -> dict[str, Any]:
    if not url or url == "none":
        return {}
    if url in {"folder", "notify"}:
        return {"way": url, **(_notify(env) if url == "notify" else {})}
    parts = urlsplit(url)
    security = _SCHEMES.get(parts.scheme)
    try:
        port = parts.port
    except ValueError:
        port, security = None, None
    if security is None or not parts.hostname:
        # The value may hold a password, so it is not repeated.
        raise SignpostError(
            "SIGNPOST_MAIL_URL cannot be used",
            "write smtp://USER@HOST:587, smtps://USER@HOST:465, smtp+plain://HOST:25, notify or "
            "folder",
        )
    return {
        "way": "smtp", "host": parts.hostname, "port": port or _PORTS[security],
        "security": security, "username": unquote(parts.username or ""),
        "password": _secret(env, "SIGNPOST_MAIL_PASSWORD") or unquote(parts.password or ""),
    }  # fmt: skip


def _notify(env: Mapping[str, str]) -> dict[str, Any]:
    key, template = _secret(env, "SIGNPOST_NOTIFY_KEY"), env.get("SIGNPOST_NOTIFY_TEMPLATE", "")
    if len(key) < 73 or not template:
        raise SignpostError(
            "SIGNPOST_NOTIFY_KEY and SIGNPOST_NOTIFY_TEMPLATE are needed for GOV.UK Notify",
            "copy both from Notify: an API key, and the number of a template whose subject is "
            "((subject)) and whose message is ((body))",
        )
    return {"notify_key": key, "notify_template": template,
            "notify_url": env.get("SIGNPOST_NOTIFY_URL") or NOTIFY}  # fmt: skip


def _secret(env: Mapping[str, str], name: str) -> str:
    if value := env.get(name):
        return value
    if file := env.get(f"{name}_FILE"):
        try:
            return Path(file).read_text(encoding="utf-8").strip()
        except OSError as failure:
            says = f"the file that {name}_FILE names cannot be read ({failure.strerror})"
            raise SignpostError(says, "check that this user may read it") from None
    return ""


def _sender(env: Mapping[str, str]) -> str:
    sender = env.get("SIGNPOST_MAIL_FROM", "signpost@localhost").strip()
    if not re.fullmatch(r"[^@\s<>,;\"]+@[A-Za-z0-9.-]+", sender):
        raise SignpostError(f"SIGNPOST_MAIL_FROM is {sender!r}", "use a bare address")
    return sender


def _doubt(env: Mapping[str, str]) -> bool:
    said = env.get("SIGNPOST_MAIL_IN_DOUBT", "hold").strip().lower()
    if said not in {"hold", "resend"}:
        raise SignpostError(f"SIGNPOST_MAIL_IN_DOUBT is {said!r}", "use hold or resend")
    return said == "resend"
