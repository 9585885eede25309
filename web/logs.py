"""What the services write about themselves: a line an event, as JSON where no terminal reads it.

Whatever looks like an e-mail address, a telephone number or another long number, a National
Insurance number or a postcode is taken out of every text before it is written, tracebacks included:
a library's message may repeat what it was given. Names cannot be told from other words: the store
shows no statement's values in its errors, and our own messages hold none.
"""

from __future__ import annotations

import logging
import re
import secrets
import sys
from collections.abc import MutableMapping
from typing import Any, TextIO

import structlog
from structlog.typing import Processor

_PERSONAL = re.compile(
    r"[\w.+'-]+(?:@|%40)[\w-]+\.[\w.-]+"  # e-mail addresses
    r"|(?<![\w.-])(?<!\d:)(?:\+|%2B|00|0)\d(?:[ \xa0()‐-―-]{0,2}\d){8,13}(?!\w)"  # telephones
    r"|(?<![\w.])\d{8,}(?!\w|\.\d)"  # account numbers, UPRNs
    r"|(?<!\w)[A-Z]{2} ?(?:\d\d ?){3}[A-D](?!\w)"  # National Insurance numbers
    r"|(?<!\w)[A-Z]{1,2}\d[A-Z\d]? \d[A-Z]{2}(?!\w)"  # postcodes
)


def begin(stream: TextIO | None = None) -> None:
    """Send this process's log to ``stream`` (standard error): our own events, others' warnings."""
    out = stream or sys.stderr
    last: Processor = (
        structlog.dev.ConsoleRenderer() if out.isatty() else structlog.processors.JSONRenderer()
    )
    handler = logging.StreamHandler(out)
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[
            structlog.contextvars.merge_contextvars,
            structlog.stdlib.add_log_level,
            structlog.stdlib.add_logger_name,
            structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
            structlog.processors.format_exc_info,
        ],
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, _unnamed, last],
    ))  # fmt: skip
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("signpost").setLevel(logging.INFO)


def request_begins() -> str:
    """Give the events of this request a number of their own, and answer it."""
    number = secrets.token_hex(4)
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(request=number)
    return number


def _unnamed(
    _logger: object, _method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """The event without whatever may name a person."""
    times = event.pop("at")
    for key, value in event.items():
        if isinstance(value, str):
            event[key] = _PERSONAL.sub("…", value)
    return {"at": times, **event}
