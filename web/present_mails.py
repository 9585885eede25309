"""The outbox and the subscriptions in the words of their page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from analysis.report.figures import moment
from trials.mail.outbox import Item
from trials.mail.subscriptions import ROLE, Subscription
from web.mail.letters import NAMES

STATES = {
    "queued": ("Waiting", "blue"), "sending": ("Being sent", "blue"),
    "handing": ("Being sent", "blue"), "sent": ("Sent", "green"), "failed": ("Failed", "red"),
    "doubtful": ("In doubt", "yellow"), "cancelled": ("Not sent", "grey"),
    "bounced": ("Came back", "red"),
}  # fmt: skip
_OTHER = {"confirm": "Question whether mail is wanted", "test": "Test"}
_WISHES = {"asked": "Asked, not answered yet", "active": "Gets it", "ended": "Stopped"}
INVITED = {
    "asked": "They are asked by mail. Nothing else is sent to them until they have said yes.",
    "asked-today": "They were asked today already, so no second question is sent.",
    "active": "They get this mail already.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A message as a row of the table; ``again`` is whether it may be sent again."""

    number: int
    kind: str
    to: str
    subject: str
    made: str
    state: str
    colour: str
    says: str
    again: bool


def counts(found: Mapping[str, int]) -> list[tuple[str, int]]:
    """How many messages are in each state that has any; states of the same words are added up."""
    added: dict[str, int] = {}
    for state, how_many in found.items():
        words = STATES[state][0]
        added[words] = added.get(words, 0) + how_many
    return [(words, how_many) for words, how_many in added.items() if how_many]


def item(found: Item) -> Shown:
    """A message of the outbox. A webhook's address often is a secret, and is not shown."""
    words, colour = STATES["bounced" if found.bounced_at is not None else found.state]
    to = "A webhook" if found.channel == "webhook" else found.recipient or "No longer kept"
    return Shown(
        number=found.id, kind=NAMES.get(found.kind) or _OTHER.get(found.kind, found.kind), to=to,
        subject=found.subject, made=moment(found.created_at), state=words, colour=colour,
        says=found.error[:1].upper() + found.error[1:],
        again=found.state in ("failed", "doubtful") and found.message is not None,
    )  # fmt: skip


def reader(found: Subscription, titles: Mapping[str, str]) -> tuple[str, str, str, str, str]:
    """A subscription as a row: address, mail, what about, why, and how it stands."""
    word, _, name = found.scope.partition(":")
    about = {"trial": titles.get(name, name), "area": f"Trials of {name}"}.get(word, "Every trial")
    why = "Their role" if found.created_by == ROLE else "Asked for by hand"
    if found.kind == "reminder":
        why = "Named for a next step"
    return found.email, NAMES[found.kind], about, why, _WISHES[found.state]
