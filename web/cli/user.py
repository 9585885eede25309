"""``signpost user``: accounts."""

from __future__ import annotations

import sys
from typing import Any

import click

from trials import accounts, password_links
from web.cli.context import Context, json_option, pass_context, say


@click.group()
def user() -> None:
    """Look after accounts."""


def _document(found: accounts.User) -> dict[str, Any]:
    return {"email": found.email, "name": found.name, "role": found.role,
            "disabled": found.disabled_at is not None}  # fmt: skip


@user.command()
@click.argument("email")
@click.option("--role", type=click.Choice(accounts.ROLES), default="viewer", show_default=True)
@click.option("--name", default="", help="The person's name.")
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input.")
@json_option
@pass_context
def add(context: Context, email: str, role: str, name: str, password_stdin: bool) -> None:
    """Open an account; 'signpost user link' then lets the person choose a password."""
    password = sys.stdin.readline().rstrip("\n") if password_stdin else None
    with context.store.write() as session:
        found = accounts.add(
            session, email, name=name, role=role, password=password, actor=context.actor
        )
    say(context, f"Opened an account for {found.email} ({found.role})", _document(found))


@user.command()
@click.argument("email")
@json_option
@pass_context
def link(context: Context, email: str) -> None:
    """Make the link with which a person chooses their own password; it works once."""
    from web.mail.links import Links

    found = context.settings
    with context.store.write() as session:
        person = accounts.by_address(session, email)
        token = password_links.make(
            session, person.id, secret=found.secret_key, actor=context.actor
        )
    address = Links(found.base_url, found.secret_key).password(token)
    says = f"For {person.email} alone, once, within {password_links.LASTS.days} days:\n{address}"
    say(context, says, {"email": person.email, "link": address})


@user.command(name="list")
@json_option
@pass_context
def list_(context: Context) -> None:
    """List the accounts."""
    with context.store.read() as session:
        found = accounts.everyone(session)
    lines = [f"{u.email:40} {u.role:16} {'disabled' if u.disabled_at else ''}" for u in found]
    say(context, "\n".join(line.rstrip() for line in lines) or "No accounts yet.",
        {"users": [_document(u) for u in found]})  # fmt: skip


@user.command()
@click.argument("email")
@json_option
@pass_context
def disable(context: Context, email: str) -> None:
    """Close an account."""
    with context.store.write() as session:
        found = accounts.disable(session, email, actor=context.actor)
    say(context, f"Closed the account of {found.email}", _document(found))


@user.command(name="set-role")
@click.argument("email")
@click.argument("role", type=click.Choice(accounts.ROLES))
@json_option
@pass_context
def set_role(context: Context, email: str, role: str) -> None:
    """Give an account another role."""
    with context.store.write() as session:
        found = accounts.set_role(session, email, role, actor=context.actor)
    say(context, f"{found.email} is now {found.role}", _document(found))
