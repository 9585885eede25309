"""Identifiers: brought to one written form, then replaced by a keyed hash before anything is kept.

Two spellings of one telephone number must give one digest, and nobody without the key may go
back from a digest to a number by trying all numbers. Hence two steps: :func:`normalise` (by
kind), then HMAC-SHA-256 (RFC 2104) under a key that lives outside the database, with the kind in
the message so that an account number and a customer number of the same digits never meet.

The SQL form of the same hash (:attr:`Hasher.parameters`, :func:`hmac_sql`) lets DuckDB hash whole
columns; it is equal to :meth:`Hasher.digest` byte for byte.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, Literal, get_args

import phonenumbers

from trials.people.keys import OWN_PURPOSE, Keys, TrialKeys

Kind = Literal["account", "customer", "phone", "email", "uprn", "session"]
KINDS: Final[tuple[Kind, ...]] = get_args(Kind)
"""In order of strength: what links best is tried, and reported, first."""

RefusalCode = Literal[
    "blank", "withheld", "placeholder", "malformed", "damaged", "internal", "too-long"
]

DIGEST_BYTES: Final = 16
MIN_KEY_BYTES: Final = 16
BLOCK_BYTES: Final = 64
LONGEST: Final = 254

WITHHELD: Final = frozenset(
    {
        "anonymous", "anon", "blocked", "callerblocked", "callerwithheld", "coin", "hidden",
        "idwithheld", "nocallerid", "nocli", "notavailable", "numberwithheld", "outofarea",
        "payphone", "private", "privatenumber", "restricted", "unavailable", "unknown",
        "unknowncaller", "unknownnumber", "withheld", "withheldnumber", "withheldcli",
    }
)  # fmt: skip
"""What telephone systems print for a caller who keeps the number to themselves (no spaces)."""

BLANK: Final = frozenset(
    {"", "-", "--", "–", "—", "n/a", "na", "nil", "none", "null", "nan", "unknown", "not known",
     "not provided", "no email", "(not set)", "(blank)", "undefined"}
)  # fmt: skip

_SEPARATORS = re.compile(r"[\s\-‐-―−./_\\]+")
_PHONE_MARKS = re.compile(r"[\s()\-‐-―−.]+")
_GB_USUAL = re.compile(r"(?:\+44|0044|0)([127][0-9]{9})")
_GB_PLAIN = re.compile(r"(?:\+44|0)([127](?!(\d)\2{8})[0-9]{9})")
_SCIENTIFIC = re.compile(r"[+-]?\d(?:[.,]\d+)?[eE]\+?\d{1,2}")
_GUID = re.compile(
    r"\{?([0-9a-fA-F]{8})-?([0-9a-fA-F]{4})-?([0-9a-fA-F]{4})-?([0-9a-fA-F]{4})-?([0-9a-fA-F]{12})\}?"
)
_EMAIL = re.compile(r"[^@\s<>\"(),:;\[\]\\]+@[^@\s<>\"(),:;\[\]\\.]+(?:\.[^@\s<>\"(),:;\[\]\\.]+)+")
_NAMED_EMAIL = re.compile(r"[^<>]*<([^<>]+)>")


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why an identifier cannot be used. ``says`` never repeats the identifier."""

    kind: Kind
    code: RefusalCode
    says: str

    @property
    def missing(self) -> bool:
        """Nothing was given or the caller withheld it: expected, not a fault of the file."""
        return self.code in {"blank", "withheld"}


def normalise(kind: Kind, raw: str, region: str = "GB") -> str | Refusal:
    """The one written form of an identifier, or why it cannot be used.

    ``phone`` becomes E.164 (numbers without a country code are read as ``region``'s), ``email``
    lower case in Unicode NFC, ``uprn`` up to twelve digits without leading zeros, ``account``
    upper case without spaces, dashes, dots and slashes; ``customer`` and ``session`` keep their
    case (some systems issue ids that differ by case alone), except GUIDs, which lose theirs.
    """
    if kind == "phone" and region == "GB" and (digits := _GB_PLAIN.fullmatch(raw)):
        return f"+44{digits[1]}"
    if len(raw) > 4 * LONGEST:
        return Refusal(kind, "too-long", f"longer than {LONGEST} characters")
    text = unicodedata.normalize("NFC", raw).strip().strip("\ufeff\x00\"'").strip()
    if text.casefold() in BLANK and not (kind == "phone" and text.casefold() == "unknown"):
        return Refusal(kind, "blank", "nothing given")
    if not text.isprintable():
        return Refusal(kind, "malformed", "holds characters that cannot be printed")
    done = _RULES[kind](text, region)
    if isinstance(done, str) and len(done) > LONGEST:
        return Refusal(kind, "too-long", f"longer than {LONGEST} characters")
    return done


def _phone(text: str, region: str) -> str | Refusal:
    bare = _PHONE_MARKS.sub("", text)
    if region == "GB" and (usual := _GB_USUAL.fullmatch(bare)) and not _is_filler(usual[1]):
        return f"+44{usual[1]}"
    return _unusual_phone(text, region)


def _is_filler(digits: str) -> bool:
    return len(set(digits)) == 1


@lru_cache(maxsize=65_536)
def _unusual_phone(text: str, region: str) -> str | Refusal:
    number = re.sub(r"^(?:tel|sips?|callto):", "", text, flags=re.IGNORECASE)
    if "@" in number:
        number = number.partition("@")[0]
    if re.sub(r"[^a-z]", "", number.casefold()) in WITHHELD:
        return Refusal("phone", "withheld", "the caller withheld the number")
    if _SCIENTIFIC.fullmatch(number):
        return Refusal("phone", "damaged", _SPREADSHEET)
    number = re.sub(r"^(\+?\d+)\.0$", r"\1", number)
    digits = re.sub(r"\D", "", number)
    if digits and (_is_filler(digits) or not digits.strip("0")):
        return Refusal("phone", "placeholder", "one digit repeated stands for no number")
    return _parsed_phone(number, digits, region)


_SPREADSHEET = "a spreadsheet has rounded the number (scientific notation); export it as text"


def _parsed_phone(number: str, digits: str, region: str) -> str | Refusal:
    try:
        parsed = phonenumbers.parse(number, region)
    except phonenumbers.NumberParseException:
        return Refusal("phone", "malformed", "not a telephone number")
    reason = phonenumbers.is_possible_number_with_reason(parsed)
    if reason == phonenumbers.ValidationResult.IS_POSSIBLE:
        return phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164)
    if len(digits) <= 6:
        return Refusal("phone", "internal", "too short: an internal extension or a short code")
    return Refusal("phone", "malformed", "not a whole telephone number with its area code")


def _email(text: str, _region: str) -> str | Refusal:
    named = _NAMED_EMAIL.fullmatch(text)
    address = (named[1] if named else text).strip()
    address = re.sub(r"^mailto:", "", address, flags=re.IGNORECASE).rstrip(".")
    address = unicodedata.normalize("NFC", address.lower())
    if re.sub(r"[^a-z]", "", address.partition("@")[0]) in {"anonymous", "withheld"}:
        return Refusal("email", "withheld", "the sender withheld the address")
    if not _EMAIL.fullmatch(address):
        return Refusal("email", "malformed", "not an e-mail address")
    return address


def _uprn(text: str, _region: str) -> str | Refusal:
    if _SCIENTIFIC.fullmatch(text):
        return Refusal("uprn", "damaged", _SPREADSHEET)
    digits = re.sub(r"\.0+$", "", text.replace(" ", ""))
    if not (digits.isascii() and digits.isdigit()):
        return Refusal("uprn", "malformed", "a UPRN holds digits alone")
    digits = digits.lstrip("0")
    if not digits:
        return Refusal("uprn", "placeholder", "zero stands for no property")
    if len(digits) > 12:
        return Refusal("uprn", "malformed", "a UPRN has at most 12 digits")
    return digits


def _account(text: str, _region: str) -> str | Refusal:
    if _SCIENTIFIC.fullmatch(text) and "+" in text:
        return Refusal("account", "damaged", _SPREADSHEET)
    bare = _SEPARATORS.sub("", unicodedata.normalize("NFKC", text)).upper()
    if not bare.isalnum():
        return Refusal("account", "malformed", "an account number holds letters and digits alone")
    if not bare.strip("0"):
        return Refusal("account", "placeholder", "zero stands for no account")
    return bare


def _opaque(kind: Literal["customer", "session"], text: str) -> str | Refusal:
    bare = re.sub(r"\s+", "", text)
    if not bare.strip("0-{}"):
        return Refusal(kind, "placeholder", "zero stands for nobody")
    guid = _GUID.fullmatch(bare)
    return "-".join(guid.groups()).lower() if guid else bare


_RULES: Final[dict[Kind, Callable[[str, str], str | Refusal]]] = {
    "phone": _phone,
    "email": _email,
    "uprn": _uprn,
    "account": _account,
    "customer": lambda text, _region: _opaque("customer", text),
    "session": lambda text, _region: _opaque("session", text),
}


_Pair = tuple[Any, Any]
"""Two SHA-256 computations begun with the key's padded blocks."""


class Hasher:
    """Keyed hashes of identifiers under one key (HMAC-SHA-256, the first 16 bytes).

    The two padded key blocks of RFC 2104 are hashed once; each digest starts from a copy, which is
    twice as fast as a fresh HMAC. The keys are never shown by ``repr``. With :class:`Keys` later
    keys are laid over the first, and each trial's units have a key of their own.

    Raises:
        ValueError: a key is shorter than 16 bytes.
    """

    __slots__ = ("_blocks", "_inner", "_outer", "_over", "_trials")

    def __init__(self, key: bytes | Keys) -> None:
        keys = Keys(key) if isinstance(key, bytes) else key
        self._blocks = _padded(keys.base)
        self._inner, self._outer = _begun(keys.base)
        self._over: tuple[_Pair, ...] = tuple(_begun(one) for one in keys.over)
        self._trials = None if keys.trials is None else TrialKeys(keys.trials)

    def __repr__(self) -> str:
        return "Hasher(key hidden)"

    def digest(self, kind: Kind, normalised: str) -> bytes:
        """The 16-byte digest of one normalised identifier."""
        return self._hash(f"{kind}:{normalised}")

    def unit(self, trial_key: str, unit: str) -> bytes:
        """The 16-byte digest of a trial's unit: the same unit differs from trial to trial.

        Raises:
            ValueError: ``trial_key`` holds a colon, which would make two messages one.
        """
        if ":" in trial_key:
            raise ValueError("a trial's key holds no colon")
        if self._trials is None or trial_key in OWN_PURPOSE:
            return self._hash(f"unit:{trial_key}:{unit}")
        own = self._trials.of(trial_key.removesuffix(".cluster"))
        return self._hash(f"unit:{trial_key}:{own}:{unit}")

    def destroy(self, scope: str) -> None:
        """Destroy the key of a trial or namespace: its units cannot be recognised any more."""
        if self._trials is not None:
            self._trials.destroy(scope)

    def stable(self, message: str) -> bytes:
        """The digest of ``message`` under the first key alone, whatever was laid over it.

        For names of rows, which are stored as they are and cannot be rolled forward.
        """
        return _finished(self._inner, self._outer, f"stable:{message}".encode())

    def digests(self, kind: Kind, normalised: Iterable[str | None]) -> list[bytes | None]:
        """The digests of many identifiers in order; repeats are hashed once."""
        seen: dict[str, bytes] = {}
        done: list[bytes | None] = []
        for value in normalised:
            if value is None:
                done.append(None)
                continue
            found = seen.get(value)
            if found is None:
                found = seen[value] = self._hash(f"{kind}:{value}")
            done.append(found)
        return done

    def block(self, kind: Kind, start: str, rest: bytes, width: int) -> bytes:
        """The digests, one after the other, of identifiers that all begin with ``start``.

        ``rest`` holds what follows it in each, ``width`` bytes each; the start is hashed once.
        """
        begun = self._inner.copy()
        begun.update(f"{kind}:{start}".encode())
        fresh, finish = begun.copy, self._outer.copy
        done = bytearray()
        for i in range(0, len(rest), width):
            inner, outer = fresh(), finish()
            inner.update(rest[i : i + width])
            outer.update(inner.digest())
            digest = outer.digest()[:DIGEST_BYTES]
            done += self.rolled(digest) if self._over else digest
        return bytes(done)

    def _hash(self, message: str) -> bytes:
        digest = _finished(self._inner, self._outer, message.encode())
        return self.rolled(digest) if self._over else digest

    def rolled(self, digest: bytes, *, since: int = 0) -> bytes:
        """A digest under the keys laid over the first one, from the one numbered ``since`` on.

        Of a digest only the 63 bits count that units and contacts are joined on, so that what is
        stored can be rolled forward too.
        """
        for inner, outer in self._over[since:]:
            digest = _finished(inner, outer, digest[:7] + bytes([digest[7] & 0xFE]))
        return digest

    @property
    def generations(self) -> int:
        """How many keys have been laid over the first."""
        return len(self._over)

    @property
    def parameters(self) -> dict[str, bytes]:
        """The prepared-statement parameters that :func:`hmac_sql` refers to.

        They are as secret as the key: pass them as parameters, never as text in a statement.

        Raises:
            ValueError: another key has been laid over the first, which SQL does not follow.
        """
        if self._over:
            raise ValueError("a key that was changed cannot be used in SQL")
        return {"signpost_inner": self._blocks[0], "signpost_outer": self._blocks[1]}


def _padded(key: bytes) -> tuple[bytes, bytes]:
    if len(key) < MIN_KEY_BYTES:
        raise ValueError(f"the hashing key must have at least {MIN_KEY_BYTES} bytes")
    short = key if len(key) <= BLOCK_BYTES else hashlib.sha256(key).digest()
    block = short.ljust(BLOCK_BYTES, b"\0")
    return bytes(b ^ 0x36 for b in block), bytes(b ^ 0x5C for b in block)


def _begun(key: bytes) -> _Pair:
    inner, outer = _padded(key)
    return hashlib.sha256(inner), hashlib.sha256(outer)


def _finished(begun: Any, finish: Any, message: bytes) -> bytes:
    inner, outer = begun.copy(), finish.copy()
    inner.update(message)
    outer.update(inner.digest())
    digest: bytes = outer.digest()[:DIGEST_BYTES]
    return digest


def hmac_sql(prefix: str, column: str) -> str:
    """A DuckDB expression: the digest of ``prefix:column`` as a BLOB of 16 bytes.

    ``prefix`` is a kind, or ``unit:<trial key>``; ``column`` a SQL expression of type VARCHAR.
    Run it with :attr:`Hasher.parameters`.

    Raises:
        ValueError: ``prefix`` holds anything but lower-case letters, digits, dashes and colons.
    """
    if not re.fullmatch(r"[a-z0-9:-]+", prefix):
        raise ValueError("a prefix holds lower-case letters, digits, dashes and colons")
    message = f"encode('{prefix}:' || {column})"
    inner = f"unhex(sha256($signpost_inner::BLOB || {message}))"
    return f"unhex(left(sha256($signpost_outer::BLOB || {inner}), {2 * DIGEST_BYTES}))"
