"""What webhooks are told: alerts and decisions, in the form that each receiver reads.

``json`` is for programs, ``slack`` an incoming webhook of Slack (or Mattermost), ``teams`` an
Adaptive Card for a Teams workflow that waits for a webhook request. A notice goes into the outbox
within the transaction that caused it, and once to each webhook.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy.orm import Session

from analysis.report.figures import sentence
from analysis.report.words import DECISIONS
from trials import clock
from trials.mail import outbox, webhooks
from trials.registry import TrialRecord
from web.mail.links import Links

_CARD = "application/vnd.microsoft.card.adaptive"


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """One thing to tell. It names trials and figures, never a person."""

    kind: Literal["alert", "decision"]
    trial: str
    title: str
    says: str
    link: str


def put(session: Session, notice: Notice, *, occasion: str) -> int:
    """Have every webhook told, once an occasion; answers how many will be."""
    return sum(_put(session, notice, hook, occasion) for hook in webhooks.active(session))


def decided(session: Session, links: Links, record: TrialRecord, *, reason: str) -> int:
    """Tell of the decision just recorded on a trial."""
    key, decision = record.key, str(record.decision)
    says = f"{DECISIONS.get(decision, decision)}. {sentence(reason)}"
    notice = Notice(kind="decision", trial=key, title=record.definition.about.title or key,
                    says=says, link=links.trial(key))  # fmt: skip
    return put(session, notice, occasion=f"decision/{key}")


def _put(session: Session, notice: Notice, hook: webhooks.Webhook, occasion: str) -> bool:
    letter = outbox.Letter(
        occasion=occasion, channel="webhook", kind=notice.kind, recipient=str(hook.id),
        subject=f"{notice.title}: {notice.says}", message=body(notice, hook.format),
        message_id=f"msg_{secrets.token_hex(16)}", basis={},
    )  # fmt: skip
    return outbox.put(session, letter) is not None


def body(notice: Notice, fmt: str) -> bytes:
    """The message in a webhook's format."""
    return json.dumps(_FORMATS[fmt](notice), ensure_ascii=False).encode()


def _plain(notice: Notice) -> dict[str, Any]:
    return {
        "type": f"trial.{notice.kind}", "timestamp": clock.now().isoformat(timespec="seconds"),
        "data": {"trial": notice.trial, "title": notice.title, "says": notice.says,
                 "link": notice.link},
    }  # fmt: skip


def _slack(notice: Notice) -> dict[str, Any]:
    title, says = (_escaped(text) for text in (notice.title, notice.says))
    return {"text": f"*{title}*\n{says}\n<{notice.link}|Open the trial>"}


def _escaped(text: str) -> str:
    """Slack's own escapes, so that a title can make no link and call nobody."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _teams(notice: Notice) -> dict[str, Any]:
    lines = [{"type": "TextBlock", "text": notice.title, "weight": "Bolder", "wrap": True},
             {"type": "TextBlock", "text": notice.says, "wrap": True}]  # fmt: skip
    card = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json", "type": "AdaptiveCard",
        "version": "1.4", "body": lines,
        "actions": [{"type": "Action.OpenUrl", "title": "Open the trial", "url": notice.link}],
    }  # fmt: skip
    return {"type": "message", "attachments": [{"contentType": _CARD, "content": card}]}


_FORMATS: dict[str, Callable[[Notice], dict[str, Any]]] = {
    "json": _plain, "slack": _slack, "teams": _teams,
}  # fmt: skip
