"""Links in mails that need no account: signed, each for one purpose, and of limited life."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal

from itsdangerous import BadSignature, SignatureExpired, URLSafeTimedSerializer

from trials.errors import SignpostError

Purpose = Literal["confirm", "report", "stop"]
LASTS: dict[Purpose, timedelta] = {
    "confirm": timedelta(days=7),
    "report": timedelta(days=30),
    "stop": timedelta(days=3650),
}
"""How long a link of each purpose can be used; one that stops a mail should never fail a reader."""


@dataclass(frozen=True, slots=True)
class Links:
    """Makes and reads the links of one installation. They carry numbers, never an address."""

    base: str
    secret: str

    def to(self, purpose: Purpose, number: int) -> str:
        """The address of a page for ``purpose`` about the row ``number``."""
        return f"{self.base.rstrip('/')}/m/{purpose}/{self._maker(purpose).dumps(number)}"

    def stop(self, number: int, key: str) -> str:
        """The page that stops the mail of the subscription ``number``, about the trial ``key``.

        An empty ``key``: about every trial.
        """
        if not key:
            return self.to("stop", number)
        return f"{self.base.rstrip('/')}/m/stop/{self._maker('stop').dumps([number, key])}"

    def trial(self, key: str) -> str:
        """The page of a trial, for those who can sign in."""
        return f"{self.base.rstrip('/')}/trials/{key}"

    def password(self, token: str) -> str:
        """Where a person chooses a password with a token of :mod:`trials.password_links`."""
        return f"{self.base.rstrip('/')}/password/{token}"

    def read(self, purpose: Purpose, token: str) -> int:
        """The number that a link carries.

        Raises:
            SignpostError: it is not one of ours, or its time is over.
        """
        return int(self._read(purpose, token))

    def read_stop(self, token: str) -> tuple[int, str]:
        """The subscription that a link stops, and the trial it is about; empty for every trial.

        Raises:
            SignpostError: as :meth:`read`.
        """
        found = self._read("stop", token)
        return (int(found[0]), str(found[1])) if isinstance(found, list) else (int(found), "")

    def _read(self, purpose: Purpose, token: str) -> Any:
        try:
            return self._maker(purpose).loads(token, max_age=int(LASTS[purpose].total_seconds()))
        except SignatureExpired:
            raise SignpostError("this link is too old", "use the link of a newer mail") from None
        except BadSignature:
            remedy = "open it from the mail, or copy the whole of it"
            raise SignpostError("this link is not complete", remedy) from None

    def _maker(self, purpose: Purpose) -> URLSafeTimedSerializer:
        return URLSafeTimedSerializer(self.secret, salt=f"signpost-mail-{purpose}")
