"""A real SMTP server on a real socket, that can be told to be difficult."""

from __future__ import annotations

import email
import email.policy
import socket
import ssl
import time

import trustme
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Mailbox:
    """What arrived, and what the server says to each recipient and to the end of a message."""

    def __init__(self):
        self.received, self.tried = [], []
        self.to, self.at_end, self.hook = {}, [], None

    async def handle_RCPT(self, server, session, envelope, address, options):  # noqa: N802 - aiosmtpd's name
        self.tried.append(address)
        said = self.to.get(address, [])
        answer = said.pop(0) if said else "250 OK"
        if answer.startswith("250"):
            envelope.rcpt_tos.append(address)
        return answer

    async def handle_DATA(self, server, session, envelope):  # noqa: N802 - aiosmtpd's name
        answer = self.at_end.pop(0) if self.at_end else "250 2.0.0 taken"
        if callable(answer):
            answer = answer()
        if answer.startswith("250"):
            message = email.message_from_bytes(envelope.content, policy=email.policy.default)
            self.received.append((envelope.rcpt_tos, session.authenticated, message))
            if self.hook:
                self.hook()
        return answer


class Server:
    """``security`` starttls or tls, with a certificate of an authority of its own; or none."""

    def __init__(self, folder, *, security="starttls", password="open sesame"):
        self.box, self.port, self.security = Mailbox(), free_port(), security
        self.ca_file = folder / "ca.pem"
        authority = trustme.CA()
        authority.cert_pem.write_to_path(self.ca_file)
        self._context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        authority.issue_cert("localhost", "127.0.0.1").configure_cert(self._context)
        self._password = password
        self._controller = None

    def _right(self, server, session, envelope, mechanism, data):
        good = isinstance(data, LoginPassword) and data.password == self._password.encode()
        return AuthResult(success=good)

    def start(self):
        options = {"authenticator": self._right, "auth_required": bool(self._password)}
        if not self._password:
            options = {}
        if self.security == "starttls":
            options |= {"tls_context": self._context, "require_starttls": True}
        if self.security == "tls":
            options |= {"auth_require_tls": False}  # the whole connection is
        self._controller = Controller(
            self.box, hostname="127.0.0.1", port=self.port,
            ssl_context=self._context if self.security == "tls" else None, **options,
        )  # fmt: skip
        self._controller.start()
        return self

    def stop(self):
        if self._controller is not None:
            self._controller.stop()
            self._controller = None


def slow(seconds, answer="250 taken"):
    def wait():
        time.sleep(seconds)
        return answer

    return wait


__all__ = ["SMTP", "Mailbox", "Server", "free_port", "slow"]
