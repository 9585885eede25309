"""``signpost key``: keys for machines."""

from __future__ import annotations

from typing import Any

import click

from trials import apikeys
from web.cli.context import Context, json_option, pass_context, say


@click.group()
def key() -> None:
    """Look after the keys with which other systems call Signpost."""


def _document(found: apikeys.ApiKey) -> dict[str, Any]:
    return {
        "name": found.name, "scopes": list(found.scopes),
        "created_at": found.created_at.isoformat(timespec="seconds"),
        "created_by": found.created_by, "revoked": found.revoked_at is not None,
    }  # fmt: skip


@key.command()
@click.option("--name", required=True, help="What the key is for, such as 'website'.")
@click.option("--scope", "scopes", required=True, multiple=True,
              type=click.Choice(apikeys.SCOPES), help="What it may do; repeatable.")  # fmt: skip
@json_option
@pass_context
def add(context: Context, name: str, scopes: tuple[str, ...]) -> None:
    """Make a key. It is shown once and not kept."""
    with context.store.write() as session:
        found, secret = apikeys.add(session, name, scopes, actor=context.actor)
    scoped = ", ".join(found.scopes)
    says = f"Made the key {found.name!r} ({scoped}). Keep it safe; it is not shown again:"
    say(context, f"{says}\n{secret}", {**_document(found), "key": secret})


@key.command(name="list")
@json_option
@pass_context
def list_(context: Context) -> None:
    """List the keys, never their secrets."""
    with context.store.read() as session:
        found = apikeys.everything(session)
    lines = [f"{k.name:30} {' '.join(k.scopes):20} {'revoked' if k.revoked_at else ''}".rstrip()
             for k in found]  # fmt: skip
    say(context, "\n".join(lines) or "No keys yet.", {"keys": [_document(k) for k in found]})


@key.command()
@click.argument("name")
@json_option
@pass_context
def revoke(context: Context, name: str) -> None:
    """Take a key back. Servers that are running refuse it within a few seconds."""
    with context.store.write() as session:
        found = apikeys.revoke(session, name, actor=context.actor)
    say(context, f"Revoked the key {found.name!r}", _document(found))
