"""Sends one message and kills itself with -9 at a chosen point."""

from __future__ import annotations

import os
import signal
import sys

from trials.mail import outbox
from trials.mail.settings import MailSettings
from trials.store.engine import Store
from web.mail.postman import Postman
from web.mail.transport import Smtp

url, port, ca_file, point = sys.argv[1:]


def die(*_args, **_options):
    os.kill(os.getpid(), signal.SIGKILL)


class Dying(Smtp):
    def _envelope(self, server, recipient):
        if point == "claimed":
            die()
        super()._envelope(server, recipient)

    def _dot(self, server):
        if point == "dot":
            die()
        return super()._dot(server)


if point == "sent":
    outbox.sent = die

way = Dying(MailSettings(
    way="smtp", sender="signpost@wychbridge.example", host="127.0.0.1", port=int(port),
    username="signpost", password="open sesame", ca_file=ca_file,
))  # fmt: skip
Postman(Store.open(url), {"mail": way}).step()
