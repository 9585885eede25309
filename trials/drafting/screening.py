"""Which sign-off a trial needs, from a few plain questions and from what its wording does.

Four tiers, after the proportionate schemes of local research governance: 0 for other words in a
message that is sent anyway, 1 where data are linked or people are tracked anew, 2 where people
could be harmed or kept from the telephone, 3 where a policy changes and a trial needs a decision
of members first. Some services are never trialled.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from trials.drafting.content import Content, get

Tier = Literal[0, 1, 2, 3]
Role = Literal[
    "improvement-lead",
    "service-manager",
    "data-protection",
    "equality",
    "legal",
    "safeguarding",
    "head-of-service",
    "decision",
]


@dataclass(frozen=True, slots=True)
class Question:
    """A screening question: the tier that each answer asks for."""

    key: str
    asks: str
    help: str
    yes: Tier | None
    no: Tier
    why: str


QUESTIONS: tuple[Question, ...] = (
    Question(
        "existing",
        "Is this new wording for a message you already send, play or show?",
        "Answer no if people would get a message that they do not get today.",
        0,
        1,
        "people would get a message that they do not get today",
    ),
    Question(
        "linked",
        "Does it match data about people, or track them, in a new way?",
        "Answer no if your programme’s data protection assessment covers it already.",
        1,
        0,
        "it links data about people, or tracks them, in a new way",
    ),
    Question(
        "vulnerable",
        "Is it meant for people in difficulty?",
        "For example people who are homeless, in debt, unwell or at risk.",
        2,
        0,
        "it is meant for people in difficulty",
    ),
    Question(
        "statutory",
        "Does the law prescribe any part of the message?",
        "For example council tax reminders, homelessness decisions, penalty notices.",
        2,
        0,
        "the law prescribes part of the message",
    ),
    Question(
        "phone",
        "Is the phone number, or an adviser, harder to find in any version than today?",
        "Smaller, further down, later in a recorded message, or left out.",
        2,
        0,
        "the way to an adviser is harder to find",
    ),
    Question(
        "policy",
        "Does it change who may have something, what they pay or when you are open?",
        "A trial cannot decide that. Members or a director must, before it begins.",
        3,
        0,
        "it changes a policy, a price or opening hours",
    ),
    Question(
        "never",
        "Does it touch a service for people in immediate need?",
        "Emergency and duty lines, safeguarding, domestic abuse, homeless tonight, bereavement: "
        "these are never part of a trial.",
        None,
        0,
        "",
    ),
)

ROLES: Mapping[Role, str] = {
    "improvement-lead": "Improvement lead",
    "service-manager": "Service manager",
    "data-protection": "Data protection officer",
    "equality": "Equality lead",
    "legal": "Legal",
    "safeguarding": "Safeguarding lead",
    "head-of-service": "Head of service",
    "decision": "Member or director with the power to decide",
}
_NEEDED: Mapping[Tier, tuple[Role, ...]] = {
    0: ("improvement-lead", "service-manager"),
    1: ("improvement-lead", "service-manager", "data-protection"),
    2: (
        "improvement-lead",
        "service-manager",
        "data-protection",
        "equality",
        "legal",
        "safeguarding",
        "head-of-service",
    ),
    3: (
        "improvement-lead",
        "service-manager",
        "data-protection",
        "equality",
        "legal",
        "safeguarding",
        "head-of-service",
        "decision",
    ),
}
MAY_SIGN: Mapping[str, tuple[Role, ...]] = {
    "approver": ("service-manager", "legal", "safeguarding", "head-of-service", "decision"),
    "data-protection": ("data-protection", "equality"),
}
"""Which roles a person of each account may sign in. Whoever asks signs as improvement lead."""

_NEVER = re.compile(
    r"\bsafeguarding\b|\bemergency\b|\bout[ -]of[ -]hours\b|\bdomestic (abuse|violence)\b"
    r"|\bhomeless tonight\b|\bbereave",
    re.IGNORECASE,
)
_PHONE = re.compile(
    r"(?<!\d)0\d{2,4}[ -]?\d{3}[ -]?\d{3,4}(?!\d)"
    r"|\{\{\s*\w*(?:phone|number|tel)\w*\b.*?\}\}|speak to (?:someone|an adviser|a person|us)",
    re.IGNORECASE,
)
_FURTHER = 40
"""Words later than in today's message that count as further down."""


@dataclass(frozen=True, slots=True)
class Flag:
    """Something in the wording that the screening must answer for."""

    arm: str
    says: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Screening:
    """The outcome: the tier with its reasons, who must agree, what stands in the way.

    ``tier`` is ``None`` until every question is answered.
    """

    tier: Tier | None
    reasons: tuple[str, ...]
    roles: tuple[Role, ...]
    flags: tuple[Flag, ...]
    refused: tuple[str, ...]
    unanswered: tuple[str, ...]


def screen(content: Content) -> Screening:
    """The tier of a draft."""
    answers = get(content, "workshop.screening") or {}
    unanswered = tuple(q.key for q in QUESTIONS if answers.get(q.key) not in ("yes", "no"))
    flags = tuple(phone_flags(content["arms"]))
    reasons = [*_reasons(answers)]
    if flags and answers.get("phone") != "yes":
        reasons.append((2, "the wording makes the phone number harder to find"))
    tier: Tier | None = None if unanswered else max((t for t, _ in reasons), default=0)
    return Screening(
        tier=tier,
        reasons=tuple(why for _, why in reasons),
        roles=_NEEDED[tier] if tier is not None else (),
        flags=flags,
        refused=tuple(_refused(content, answers)),
        unanswered=unanswered,
    )


def _reasons(answers: Mapping[str, Any]) -> Iterator[tuple[Tier, str]]:
    for question in QUESTIONS:
        asked = question.yes if answers.get(question.key) == "yes" else question.no
        if question.key in answers and asked:
            yield asked, question.why


def _refused(content: Content, answers: Mapping[str, Any]) -> Iterator[str]:
    if answers.get("never") == "yes":
        yield "It touches a service that is never part of a trial."
    named = " ".join(str(get(content, f"trial.{part}") or "") for part in ("title", "service"))
    found = _NEVER.search(named)
    if found:
        yield (
            f"Its title or service names “{found[0].lower()}”, which is never part of a trial: "
            "leave that service out of it, and out of its name."
        )


def phone_flags(arms: Sequence[Mapping[str, Any]]) -> Iterator[Flag]:
    """Arms whose wording hides the phone number that today's message shows, or moves it down."""
    today = next((str(arm.get("wording", "")) for arm in arms if arm.get("control")), "")
    at = _phone_at(today)
    if at is None:
        return
    for arm in arms:
        text = str(arm.get("wording", ""))
        if arm.get("control") or not text.strip():
            continue
        name = str(arm.get("title") or arm["key"])
        found = _phone_at(text)
        if found is None:
            yield Flag(
                str(arm["key"]), f"“{name}” leaves out the phone number that today’s message gives."
            )
        elif found > at + _FURTHER:
            yield Flag(str(arm["key"]), f"“{name}” gives the phone number further down than today.")


def _phone_at(text: str) -> int | None:
    """How many words come before the first way to an adviser."""
    found = _PHONE.search(text)
    return len(text[: found.start()].split()) if found else None
