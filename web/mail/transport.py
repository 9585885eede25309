"""The ways a message can leave: SMTP, GOV.UK Notify (:mod:`web.mail.notify`), a folder.

A transport is told to send one message and is handed ``hand_over``, which it must call right
before the byte that makes the other side take the message; where that answers ``False`` the
message is no longer this sender's and must not be given away. It answers what the server said, or
raises one of the three outcomes below.
"""

from __future__ import annotations

import re
import smtplib
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Protocol

from trials.mail.outbox import Item
from trials.mail.settings import MailSettings

HandOver = Callable[[], bool]
CONNECT, ANSWER, TAKE = 30.0, 60.0, 600.0
"""Seconds to wait for a connection, for an answer, and for a message to be taken (RFC 5321)."""


class Later(Exception):
    """It could not be sent for now. ``everybody`` says that no other message would fare better."""

    def __init__(
        self, says: str, *, rest: timedelta | None = None, everybody: bool = False
    ) -> None:
        self.says, self.rest, self.everybody = says, rest, everybody
        super().__init__(says)


class Refused(Exception):
    """It is refused for good: this recipient, or this message."""

    def __init__(self, says: str) -> None:
        self.says = says
        super().__init__(says)


class InDoubt(Exception):
    """It was given away, and no answer came."""

    def __init__(self, says: str) -> None:
        self.says = says
        super().__init__(says)


class Transport(Protocol):
    """A way for messages to leave. ``certain``: its word on what it has taken can be relied on."""

    certain: bool

    def send(self, item: Item, hand_over: HandOver) -> str:
        """Send one message; answers what the server said."""
        ...

    def taken(self, item: Item) -> str | None:
        """Whether the other side has had this message, where it can be asked."""
        ...


class Folder:
    """Messages as ``.eml`` files, for trying out."""

    certain = True

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def send(self, item: Item, hand_over: HandOver) -> str:
        """Write the message to a file of its own."""
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not hand_over():
            raise Later("another sender has it")
        file = self._folder / f"{item.id:06}.eml"
        file.write_bytes(item.message or b"")
        return f"written to {file.name}"

    def taken(self, item: Item) -> str | None:
        """Its file is there or not."""
        name = f"{item.id:06}.eml"
        return f"written to {name}" if (self._folder / name).exists() else None


class Smtp:
    """SMTP with STARTTLS or TLS, one connection a message.

    The body is sent but for the final dot; then the hand-over is written down; then the dot goes.
    A server must not deliver what it did not see the end of (RFC 5321, 4.1.1.4), so a death before
    the dot leaves nothing behind, and only one between the dot and the noting of the answer leaves
    a doubt.
    """

    certain = False

    def __init__(
        self, settings: MailSettings, *, answer: float = ANSWER, take: float = TAKE
    ) -> None:
        self._settings = settings
        self._answer, self._take = answer, take

    def send(self, item: Item, hand_over: HandOver) -> str:
        """Send one message to its one recipient."""
        try:
            with self._connected() as server:
                self._envelope(server, item.recipient or "")
                self._body(server, item.message or b"")
                if not hand_over():
                    raise Later("another sender has it")
                return self._dot(server)
        except (smtplib.SMTPException, OSError) as failure:
            raise Later(f"the mail server cannot be used ({_kind(failure)})",
                        everybody=True) from None  # fmt: skip

    def taken(self, item: Item) -> str | None:
        """SMTP cannot be asked."""
        del item
        return None

    @contextmanager
    def _connected(self) -> Iterator[smtplib.SMTP]:
        """A connection that is encrypted as the settings say, and signed in."""
        s = self._settings
        context = ssl.create_default_context(cafile=s.ca_file or None)
        if s.security == "tls":
            server: smtplib.SMTP = smtplib.SMTP_SSL(s.host, s.port, timeout=CONNECT,
                                                    context=context)  # fmt: skip
        else:
            server = smtplib.SMTP(s.host, s.port, timeout=CONNECT)
        try:
            assert server.sock is not None
            server.sock.settimeout(self._answer)
            if s.security == "starttls":
                server.starttls(context=context)
            server.ehlo_or_helo_if_needed()
            if s.password:
                server.login(s.username, s.password)
            yield server
            _quit(server)
        finally:
            server.close()

    def _envelope(self, server: smtplib.SMTP, recipient: str) -> None:
        """Say from whom and to whom. A refused sender is our own fault, not the recipient's."""
        code, said = server.mail(self._settings.sender)
        if code != 250:
            raise Later(f"the mail server does not take mail from us ({_answer(code, said)})",
                        everybody=True)  # fmt: skip
        code, said = server.rcpt(recipient)
        if code >= 500:
            raise Refused(_answer(code, said))
        if code not in (250, 251):
            raise Later(_answer(code, said))

    @staticmethod
    def _body(server: smtplib.SMTP, message: bytes) -> None:
        """All of the message but the final dot."""
        code, said = server.docmd("DATA")
        if code >= 500:
            raise Refused(_answer(code, said))
        if code != 354:
            raise Later(_answer(code, said))
        server.send(stuffed(message))

    def _dot(self, server: smtplib.SMTP) -> str:
        """The byte that counts, and the answer to it."""
        assert server.sock is not None
        server.sock.settimeout(self._take)
        try:
            server.send(b".\r\n")
            code, said = server.getreply()
        except (smtplib.SMTPException, OSError) as failure:
            raise InDoubt(f"the mail server gave no answer ({_kind(failure)})") from None
        if code >= 500:
            raise Refused(_answer(code, said))
        if code != 250:
            raise Later(_answer(code, said))
        return _answer(code, said)


def stuffed(message: bytes) -> bytes:
    """``message`` as it travels: CR LF at every end of line, a dot before a dot that begins one."""
    lines = re.sub(rb"\r\n|\r|\n", b"\r\n", message)
    if not lines.endswith(b"\r\n"):
        lines += b"\r\n"
    return re.sub(rb"(?m)^\.", b"..", lines)


def _quit(server: smtplib.SMTP) -> None:
    """Take leave; the message is taken, so what goes wrong here does not matter."""
    try:
        server.quit()
    except (smtplib.SMTPException, OSError):
        return


def _answer(code: int, said: bytes) -> str:
    """What a server said, with addresses taken out: a reply often quotes them."""
    text = re.sub(r"\S+@\S+", "…", said.decode("utf-8", "replace"))
    return f"{code} {' '.join(text.split())[:200]}"


def _kind(failure: Exception) -> str:
    """A failure without what it quotes."""
    if isinstance(failure, smtplib.SMTPResponseException):
        error = failure.smtp_error
        return _answer(failure.smtp_code, error if isinstance(error, bytes) else error.encode())
    if isinstance(failure, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted: {failure.verify_message}"
    if isinstance(failure, OSError) and failure.strerror:
        return failure.strerror
    return type(failure).__name__
