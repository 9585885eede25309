"""People, roles and keys in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from analysis.report import figures
from trials import audit
from trials.accounts import ROLES, Role, User
from trials.apikeys import ApiKey
from trials.audit import Entry
from web.access import Permission, permitted

Facts = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleWords:
    """A role as a page names and explains it."""

    key: Role
    label: str
    says: str


_ROLES: Mapping[Role, tuple[str, str]] = {
    "officer": ("Improvement officer", "Writes trials, runs them and tells what they found."),
    "analyst": ("Analyst", "The same, with the statistics behind every figure."),
    "approver": ("Approver", "Approves a trial before it starts and decides what becomes of it."),
    "data-protection": (
        "Data protection",
        "Screens trials, and looks after retention and erasure.",
    ),
    "viewer": ("Viewer", "Reads trials and their results."),
    "administrator": ("Administrator", "Looks after people, roles and keys. Approves nothing."),
    "supplier": ("Supplier", "Sees what is tried and its wording, but no results."),
}

_MAY: Mapping[Permission, str] = {
    Permission.SEE_TRIALS: "Look at trials and their wording",
    Permission.SEE_RESULTS: "Read results once they are due",
    Permission.SEE_STATISTICS: "Look into the statistics",
    Permission.EDIT_TRIALS: "Write and change trials that have not started",
    Permission.RUN_TRIALS: "Start and pause trials, and upload files",
    Permission.ANALYSE: "Run the planned analysis",
    Permission.APPROVE: "Approve trials",
    Permission.DECIDE: "Decide what becomes of a trial",
    Permission.EDIT_ASSUMPTIONS: "Change the assumptions of a case for scaling",
    Permission.PROTECT_DATA: "Screen trials for data protection, and erase people",
    Permission.ADMINISTER: "Look after people, roles and keys",
}


def role(key: str) -> RoleWords:
    """A role in words; one that is not known keeps its key."""
    label, says = _ROLES.get(key, (figures.capital(key), ""))  # type: ignore[call-overload]
    return RoleWords(key=key, label=label, says=says)  # type: ignore[arg-type]


def roles() -> list[RoleWords]:
    """All roles, the commonest first."""
    return [role(key) for key in sorted(ROLES, key=list(_ROLES).index)]


def allowed(key: str) -> list[str]:
    """What a role may do, a line each."""
    may = permitted(key)
    return [says for permission, says in _MAY.items() if permission in may]


def about(user: User) -> Facts:
    """An account as its owner sees it."""
    return (
        ("Name", user.name),
        ("E-mail address", user.email),
        ("Role", role(user.role).label),
        ("Account opened", figures.day(user.created_at)),
    )


SCOPES: tuple[tuple[str, str, str], ...] = (
    ("assign", "Ask which version somebody gets", "For a website or a telephone menu."),
    ("ingest", "Send contacts, exposures and outcomes", "For a nightly export."),
    ("read", "Read trials and their results", "For a dashboard."),
)
"""What a key may do: the scope, its name and whom it is for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """One account in the list."""

    number: int
    name: str
    email: str
    role: str
    how: str
    closed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """One key in the list."""

    name: str
    may: str
    made: str
    revoked: str


def listed(everyone: Sequence[User]) -> list[Person]:
    """The list of people, open accounts first."""
    return [
        Person(number=u.id, name=u.name, email=u.email, role=role(u.role).label,
               how=_signs_in_by(u),
               closed=u.disabled_at is not None)
        for u in sorted(everyone, key=lambda u: (u.disabled_at is not None, u.name.lower()))
    ]  # fmt: skip


def _signs_in_by(user: User) -> str:
    if user.provided:
        return "The council’s sign-in"
    return "Password" if user.has_password else "Has not chosen a password yet"


def keys(found: Sequence[ApiKey]) -> list[Key]:
    """The list of keys, those that work first."""
    names = {scope: label for scope, label, _ in SCOPES}
    return [
        Key(name=k.name, may="; ".join(names[s] for s in k.scopes),
            made=f"{figures.day(k.created_at)}, by {audit.name(k.created_by)}",
            revoked=figures.day(k.revoked_at) if k.revoked_at else "")
        for k in sorted(found, key=lambda k: (k.revoked_at is not None, k.name.lower()))
    ]  # fmt: skip


def recorded(entries: Sequence[Entry]) -> list[tuple[str, str, str, str]]:
    """The record of changes: when, who, what, and about what."""
    return [
        (figures.moment(e.at), e.actor, _what(e), e.subject) for e in entries
    ]  # fmt: skip


def _what(entry: Entry) -> str:
    detail = "; ".join(f"{k.replace('_', ' ')}: {v}" for k, v in sorted(entry.detail.items())
                       if isinstance(v, str | int | float) and len(str(v)) <= 60)  # fmt: skip
    return figures.capital(entry.action) + (f" ({detail})" if detail else "")
