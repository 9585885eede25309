"""A mail as bytes: headers, plain text, HTML and its chart, for one recipient.

The standard library refuses line breaks in headers; recipients are built as addresses, so that a
comma in one cannot make two of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import EmailPolicy
from email.utils import format_datetime

from trials import clock
from trials.errors import SignpostError


class _Folding(EmailPolicy):
    """Leaves no header's first line empty, as the library does where the rest just fits a second.

    The standard advises against it (RFC 5322, 3.2.2), and programs keep the blank it begins with.
    """

    def fold_binary(self, name: str, value: str) -> bytes:
        """The header as it travels."""
        folded: bytes = super().fold_binary(name, value)
        return folded.replace(f"{name}:\r\n ".encode(), f"{name}: ".encode(), 1)


_POLICY = _Folding(cte_type="7bit", linesep="\r\n")
CHART = "chart"
"""The ``cid`` under which the HTML shows the chart, before the domain."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """A chart as it travels in a mail: its bytes, what it shows in words, and how wide it is.

    It is given no height, so that its words leave no hole where pictures are blocked.
    """

    png: bytes
    alt: str
    width: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """To whom a mail goes, from whom, and how its recipient stops it."""

    to: str
    sender: str
    organisation: str
    message_id: str
    unsubscribe: str = ""


def written(
    envelope: Envelope, *, subject: str, text: str, html: str, picture: Picture | None
) -> bytes:
    """The whole mail.

    Raises:
        SignpostError: the recipient's address cannot be used.
    """
    message = _headed(envelope, subject)
    message.set_content(text, cte="quoted-printable")
    message.add_alternative(html, subtype="html", cte="quoted-printable")
    if picture is not None:
        parts = message.get_payload()
        assert isinstance(parts, list)
        body = parts[1]
        assert isinstance(body, EmailMessage)
        body.add_related(
            picture.png, "image", "png", cid=f"<{cid(envelope)}>", filename="chart.png",
            disposition="inline",
        )  # fmt: skip
    return message.as_bytes()


def cid(envelope: Envelope) -> str:
    """The name of the chart within the mail."""
    return f"{CHART}.{envelope.message_id}"


def plain(
    subject: str, text: str, *, to: str, sender: str, organisation: str, message_id: str
) -> bytes:
    """A mail of plain text alone."""
    message = _headed(
        Envelope(to=to, sender=sender, organisation=organisation, message_id=message_id), subject
    )
    message.set_content(text, cte="quoted-printable")
    return message.as_bytes()


def _headed(envelope: Envelope, subject: str) -> EmailMessage:
    message = EmailMessage(policy=_POLICY)
    try:
        message["From"] = Address(f"Signpost, {envelope.organisation}", addr_spec=envelope.sender)
        message["To"] = Address(addr_spec=envelope.to)
        message["Subject"] = " ".join(subject.split())
    except (ValueError, IndexError) as failure:
        raise SignpostError("the address cannot be used", "write it as name@council.gov.uk") from (
            failure
        )  # fmt: skip
    message["Date"] = format_datetime(clock.london(clock.now()))
    message["Message-ID"] = f"<{envelope.message_id}>"
    message["Auto-Submitted"] = "auto-generated"
    message["X-Auto-Response-Suppress"] = "OOF, AutoReply"
    if envelope.unsubscribe:
        message["List-Unsubscribe"] = f"<{envelope.unsubscribe}>"
        message["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    return message
