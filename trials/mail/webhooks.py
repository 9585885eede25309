"""Addresses that are told of alerts and decisions."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, get_args
from urllib.parse import urlsplit

import sqlalchemy as sa
from sqlalchemy.orm import Session

from trials import audit, clock
from trials.errors import NotFound, SignpostError
from trials.store.tables import WebhookRow

Format = Literal["json", "slack", "teams"]
FORMATS: tuple[Format, ...] = get_args(Format)
_HOST = re.compile(r"[a-z0-9._-]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    """One address; ``format`` is what its receiver reads."""

    id: int
    url: str
    format: str
    salt: str
    created_at: datetime
    created_by: str

    @property
    def host(self) -> str:
        """The host alone: the rest of such an address often is a secret."""
        return urlsplit(self.url).hostname or ""


def add(session: Session, url: str, fmt: str, *, hosts: tuple[str, ...], actor: str) -> Webhook:
    """Tell ``url`` of alerts and decisions from now on.

    Raises:
        SignpostError: it is not an https address at a host that the installation allows.
    """
    parts = urlsplit(url.strip())
    if fmt not in FORMATS:
        raise SignpostError("the format is not known", f"choose one of {', '.join(FORMATS)}")
    if parts.scheme != "https" or not parts.hostname or parts.username:
        raise SignpostError("the address cannot be used", "give one that begins with https://")
    check_host(parts.hostname, hosts)
    row = WebhookRow(url=url.strip(), format=fmt, salt=secrets.token_hex(16),
                     created_at=clock.now(), created_by=actor, ended_at=None)  # fmt: skip
    session.add(row)
    session.flush()
    audit.record(session, "webhook added", f"webhook {row.id}", actor=actor,
                 detail={"host": parts.hostname, "format": fmt})  # fmt: skip
    return _of(row)


def check_host(host: str, hosts: tuple[str, ...]) -> None:
    """Refuse a host that the installation has not named: pages must not make us call anywhere."""
    if not _HOST.fullmatch(host) or not any(
        host == known or host.endswith(f".{known}") for known in hosts
    ):  # a backslash would end the host for the sender, and not for those who check it here
        raise SignpostError(f"webhooks to {host} are not allowed",
                            "have the host put in SIGNPOST_WEBHOOK_HOSTS")  # fmt: skip


def end(session: Session, number: int, *, actor: str) -> None:
    """Tell an address nothing more. Raises ``NotFound``."""
    row = session.get(WebhookRow, number)
    if row is None or row.ended_at is not None:
        raise NotFound(f"there is no webhook {number}", "see the list of webhooks")
    row.ended_at = clock.now()
    audit.record(session, "webhook ended", f"webhook {number}", actor=actor)


def active(session: Session) -> list[Webhook]:
    """Those that are told, in the order they were added."""
    query = sa.select(WebhookRow).where(WebhookRow.ended_at.is_(None)).order_by(WebhookRow.id)
    return [_of(row) for row in session.scalars(query)]


def load(session: Session, number: int) -> Webhook | None:
    """One that is told; ``None`` where it is not any more."""
    row = session.get(WebhookRow, number)
    return None if row is None or row.ended_at is not None else _of(row)


def secret(hook: Webhook, secret_key: str) -> str:
    """The secret that its receiver checks signatures with, as Standard Webhooks write it."""
    key = hmac.new(secret_key.encode(), f"webhook/{hook.id}/{hook.salt}".encode(), hashlib.sha256)
    return f"whsec_{base64.b64encode(key.digest()).decode()}"


def signature(secret_: str, *, number: str, at: int, body: bytes) -> str:
    """The ``webhook-signature`` of a message (Standard Webhooks 1.0): HMAC-SHA256, base64."""
    key = base64.b64decode(secret_.removeprefix("whsec_"))
    signed = f"{number}.{at}.".encode() + body
    return f"v1,{base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()}"


def _of(row: WebhookRow) -> Webhook:
    return Webhook(**{name: getattr(row, name) for name in Webhook.__dataclass_fields__})
