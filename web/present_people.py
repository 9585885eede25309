"""People, roles and keys in words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from analysis.report import figures
from trials.accounts import ROLES, Role, User
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
