"""Settings: read once from the environment, checked, and passed on.

Every setting is an environment variable ``SIGNPOST_…``; a secret can also be given as a file
(``SIGNPOST_SECRET_KEY_FILE``). Keys that nobody set are made once in ``SIGNPOST_HOME`` with mode
0600, outside the database, so that a copy of the database alone identifies nobody.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import platformdirs

from trials import provided
from trials.errors import SignpostError
from trials.mail import settings as mail_settings
from trials.mail.settings import MailSettings
from trials.people.keys import Keys, make_once
from trials.provided import Provider

VISITOR_REQUESTS, VISITORS_REQUESTS = 20, 200
"""Requests a second, without a key, of one address (an office, a library) and of all together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything that differs from one installation to the next."""

    home: Path
    database_url: str
    organisation: str = "Your council"
    secret_key: str = field(repr=False)
    identifier_key: bytes | Keys = field(repr=False)
    retention_days: int = 365
    contact_days: int = 1095
    base_url: str = "http://127.0.0.1:8000"
    demonstration: bool = False
    trusted_proxies: int = 0
    requests_per_second: int = 0
    visitor_requests: int = VISITOR_REQUESTS
    visitors_requests: int = VISITORS_REQUESTS
    allowed_origins: tuple[str, ...] = ()
    provider: Provider | None = None
    mail: MailSettings = field(default_factory=MailSettings)


def load(environ: Mapping[str, str] | None = None, *, database_url: str | None = None) -> Settings:
    """The settings that ``environ`` (default: the process's) asks for.

    Raises:
        SignpostError: a value cannot be used; the sentence names the variable.
    """
    env = os.environ if environ is None else environ
    home = Path(env.get("SIGNPOST_HOME") or platformdirs.user_data_dir("signpost", "signpost"))
    url = database_url or env.get("SIGNPOST_DATABASE_URL") or f"sqlite:///{home / 'signpost.db'}"
    return Settings(
        home=home,
        database_url=url,
        organisation=env.get("SIGNPOST_ORGANISATION", "Your council"),
        secret_key=_secret(env, "SIGNPOST_SECRET_KEY", home / "secret.key"),
        identifier_key=_identifier_key(env, home),
        retention_days=_whole(env, "SIGNPOST_RETENTION_DAYS", 365),
        contact_days=_whole(env, "SIGNPOST_CONTACT_DAYS", 1095),
        base_url=env.get("SIGNPOST_BASE_URL", "http://127.0.0.1:8000"),
        demonstration=_flag(env, "SIGNPOST_DEMONSTRATION"),
        trusted_proxies=_whole(env, "SIGNPOST_TRUSTED_PROXIES", 0),
        requests_per_second=_whole(env, "SIGNPOST_REQUESTS_PER_SECOND", 0),
        visitor_requests=_whole(env, "SIGNPOST_VISITOR_REQUESTS_PER_SECOND", VISITOR_REQUESTS),
        visitors_requests=_whole(env, "SIGNPOST_SITE_REQUESTS_PER_SECOND", VISITORS_REQUESTS),
        allowed_origins=_origins(env, "SIGNPOST_ALLOWED_ORIGINS"),
        provider=provided.load(env),
        mail=mail_settings.load(env),
    )


def sampling(environ: Mapping[str, str] | None = None) -> bool:
    """Whether models may be sampled: yes, unless ``SIGNPOST_SAMPLING`` says ``off``.

    Raises:
        SignpostError: it says neither ``on`` nor ``off``.
    """
    env = os.environ if environ is None else environ
    said = env.get("SIGNPOST_SAMPLING", "on").strip().lower()
    if said not in {"on", "off"}:
        raise SignpostError(f"SIGNPOST_SAMPLING is {said!r}", "set it to 'on' or 'off'")
    return said == "on"


def key_change(
    environ: Mapping[str, str] | None = None, *, database_url: str | None = None
) -> tuple[str, Path | None]:
    """The database's address and the identifier key's file, even amid a change of the key."""
    env = os.environ if environ is None else environ
    home = Path(env.get("SIGNPOST_HOME") or platformdirs.user_data_dir("signpost", "signpost"))
    url = database_url or env.get("SIGNPOST_DATABASE_URL") or f"sqlite:///{home / 'signpost.db'}"
    return url, identifier_key_file(env, home)


def _identifier_key(env: Mapping[str, str], home: Path) -> Keys:
    """The key, and where trials' own keys are: beside it, unless this machine keeps neither."""
    pending = identifier_key_file(env, home)
    if pending is not None and pending.with_suffix(".next").exists():
        raise SignpostError("a change of the identifier key was interrupted",
                            "run 'signpost retention rotate-key' to finish it")  # fmt: skip
    text = _secret(env, "SIGNPOST_IDENTIFIER_KEY", home / "identifier.key")
    if len(text) < 32:
        raise SignpostError(
            "SIGNPOST_IDENTIFIER_KEY is shorter than 32 characters",
            "use a random key of at least 32 characters, for instance 64 hexadecimal digits",
        )
    return Keys.of(text, _trial_keys(env, home))


def _trial_keys(env: Mapping[str, str], home: Path) -> Path | None:
    """The folder of the trials' keys.

    Where the identifier key comes from the environment the home may not outlive the process; then
    trials have keys of their own only if a folder for them is named.
    """
    if folder := env.get("SIGNPOST_TRIAL_KEYS"):
        return Path(folder)
    given = env.get("SIGNPOST_IDENTIFIER_KEY") or env.get("SIGNPOST_IDENTIFIER_KEY_FILE")
    return None if given else home / "trial-keys"


def identifier_key_file(env: Mapping[str, str], home: Path) -> Path | None:
    """The file that holds the identifier key; ``None`` where the environment itself holds it."""
    if env.get("SIGNPOST_IDENTIFIER_KEY"):
        return None
    return Path(env.get("SIGNPOST_IDENTIFIER_KEY_FILE") or home / "identifier.key")


def _secret(env: Mapping[str, str], name: str, path: Path) -> str:
    if value := env.get(name):
        return value
    if file := env.get(f"{name}_FILE"):
        return _read(Path(file), f"{name}_FILE")
    if path.exists():
        return _read(path, str(path))
    make_once(path)
    return _read(path, str(path))


def _read(path: Path, source: str) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except OSError as failure:
        raise SignpostError(
            f"the key file that {source} names cannot be read ({failure.strerror})",
            "check that it exists and that this user may read it",
        ) from None


def _flag(env: Mapping[str, str], name: str) -> bool:
    value = env.get(name, "").strip().lower()
    if value in {"", "0", "no", "false", "off"}:
        return False
    if value in {"1", "yes", "true", "on"}:
        return True
    raise SignpostError(f"{name} is {value!r}", "use yes or no")


def _origins(env: Mapping[str, str], name: str) -> tuple[str, ...]:
    found = tuple(part.rstrip("/") for part in re.split(r"[\s,]+", env.get(name, "")) if part)
    for origin in found:
        if not re.fullmatch(r"https?://[a-z0-9.-]+(:\d+)?", origin):
            raise SignpostError(
                f"{name} holds {origin!r}",
                "write each website as its scheme and host, as in https://www.wychbridge.example",
            )
    return found


def _whole(env: Mapping[str, str], name: str, default: int) -> int:
    value = env.get(name, "").strip()
    if not value:
        return default
    if not value.isdigit():
        raise SignpostError(f"{name} is {value!r}", "use a whole number")
    return int(value)
