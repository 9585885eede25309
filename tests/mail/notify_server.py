"""A server that speaks as much of GOV.UK Notify's API as mails need, and can be difficult.

Its paths, fields, status codes and errors are those of Notify's published documentation.
"""

from __future__ import annotations

import json
import threading
import time
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import jwt

SERVICE, SECRET = str(uuid.UUID(int=1)), str(uuid.UUID(int=2))
KEY = f"signpost-{SERVICE}-{SECRET}"
ERRORS = {
    400: ("ValidationError", "email_address Not a valid email address ann@wychbridge.example"),
    403: ("AuthError", "Invalid token: API key not found"),
    429: (
        "RateLimitError",
        "Exceeded rate limit for key type LIVE of 3000 requests per 60 seconds",
    ),
    500: ("Exception", "Internal server error"),
}


class NotifyServer:
    """``answers`` are taken one a request to send: a status, ``slow``, ``lost`` or ``garbled``.

    ``lost`` takes the message and closes the connection without an answer.
    """

    def __init__(self):
        self.taken, self.answers, self.status, self.asked = {}, [], {}, 0
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self.url = f"http://127.0.0.1:{self._http.server_port}"

    def start(self):
        threading.Thread(target=self._http.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def stop(self):
        self._http.shutdown()
        self._http.server_close()

    def take(self, body):
        number = str(uuid.uuid4())
        self.taken[number] = body
        return {"id": number, "reference": body["reference"], "uri": f"{self.url}/{number}",
                "content": {}, "template": {"id": body["template_id"], "version": 1}}  # fmt: skip

    def about(self, reference):
        return [{"id": n, "reference": b["reference"], "status": self.status.get(reference, "sending")}
                for n, b in self.taken.items() if b["reference"] == reference]  # fmt: skip


def _handler(server):
    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *args):
            """Say nothing."""

        def _signed(self):
            token = self.headers["Authorization"].removeprefix("Bearer ")
            return jwt.decode(token, SECRET, algorithms=["HS256"])["iss"] == SERVICE

        def _say(self, status, document):
            body = document if isinstance(document, bytes) else json.dumps(document).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def _refuse(self, status):
            error, message = ERRORS[status]
            self._say(
                status, {"status_code": status, "errors": [{"error": error, "message": message}]}
            )

        def do_POST(self):
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            assert self.path == "/v2/notifications/email"
            assert self._signed()
            answer = server.answers.pop(0) if server.answers else 201
            if answer == "slow":
                time.sleep(2)
            elif answer == "lost":
                server.take(body)
            elif answer == "garbled":
                server.take(body)
                self._say(201, b"<html>")
            elif answer == 201:
                self._say(201, server.take(body))
            else:
                self._refuse(answer)

        def do_GET(self):
            assert self._signed()
            server.asked += 1
            (reference,) = parse_qs(urlsplit(self.path).query)["reference"]
            self._say(200, {"notifications": server.about(reference), "links": {}})

    return Handler
