"""Which way mails leave: what the settings choose."""

from __future__ import annotations

from pathlib import Path

from trials.mail.settings import MailSettings
from web.mail.transport import Folder, Smtp, Transport


def chosen(settings: MailSettings, home: Path) -> Transport | None:
    """The way that the settings choose; ``None`` where none is."""
    if settings.way == "smtp":
        return Smtp(settings)
    if settings.way == "notify":
        from web.mail.notify import Notify

        return Notify(settings)
    return Folder(home / "mail") if settings.way == "folder" else None
