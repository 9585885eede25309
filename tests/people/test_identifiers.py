"""Identifiers: one written form each, and a keyed hash that equals RFC 2104 in Python and in SQL."""

import hmac
import random

import duckdb
import phonenumbers
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trials.people.identifiers import KINDS, Hasher, Refusal, hmac_sql, normalise

KEY = bytes(range(32))


@pytest.mark.parametrize(
    "raw",
    ["07700 900123", "+44 (0)7700 900123", "447700900123", "7700900123", "0044 7700-900-123",
     "(07700) 900123", "tel:+447700900123", "sip:07700900123@trunk.example", "+44.7700.900123",
     "447700900123.0", "'07700900123", "０７７００９００１２３"],
)  # fmt: skip
def test_every_spelling_of_one_number_becomes_the_same_e164(raw):
    assert normalise("phone", raw) == "+447700900123"


def test_a_number_without_country_code_is_read_as_the_regions():
    assert normalise("phone", "(212) 555-0123", "US") == "+12125550123"
    assert normalise("phone", "+1 212 555 0123") == "+12125550123"


@pytest.mark.parametrize(
    "raw", ["Anonymous", "withheld", "Number Withheld", "PRIVATE", "Restricted", "unavailable",
            "sip:anonymous@anonymous.invalid", "Unknown", "No Caller ID", "Out of area"],
)  # fmt: skip
def test_a_withheld_number_is_recognised_and_is_no_fault_of_the_file(raw):
    refused = normalise("phone", raw)
    assert isinstance(refused, Refusal)
    assert refused.code == "withheld"
    assert refused.missing


@pytest.mark.parametrize(
    ("kind", "raw", "code"),
    [("phone", "4.4779E+11", "damaged"), ("phone", "2045", "internal"), ("phone", "", "blank"),
     ("phone", "n/a", "blank"), ("phone", "00000000000", "placeholder"),
     ("phone", "call me", "malformed"), ("phone", "0770090012345678901", "malformed"),
     ("email", "bob", "malformed"), ("email", "a@b", "malformed"), ("email", "a@b@c.uk", "malformed"),
     ("email", "none", "blank"), ("email", "x" * 300 + "@a.uk", "too-long"),
     ("uprn", "0000", "placeholder"), ("uprn", "1234567890123", "malformed"),
     ("uprn", "12a", "malformed"), ("uprn", "1.00023E+11", "damaged"),
     ("account", "---/", "malformed"), ("account", "000", "placeholder"),
     ("account", "a b;c", "malformed"), ("account", "1.2345E+15", "damaged"),
     ("customer", "00000000-0000-0000-0000-000000000000", "placeholder"),
     ("session", "a\x07b", "malformed"), ("session", "s" * 5000, "too-long")],
)  # fmt: skip
def test_what_cannot_be_used_is_refused_with_its_reason(kind, raw, code):
    refused = normalise(kind, raw)
    assert isinstance(refused, Refusal)
    assert refused.code == code


@pytest.mark.parametrize(
    ("kind", "raw", "form"),
    [("email", " Jo.Bloggs@Example.ORG.UK ", "jo.bloggs@example.org.uk"),
     ("email", "Jo Bloggs <JO@EXAMPLE.UK>", "jo@example.uk"),
     ("email", "mailto:jo@example.uk", "jo@example.uk"),
     ("email", "Rene\u0301@example.fr", "ren\u00e9@example.fr"),
     ("uprn", "000100023336956", "100023336956"), ("uprn", "100023336956.0", "100023336956"),
     ("account", "ct-123 456/a", "CT123456A"), ("account", "0012", "0012"),
     ("customer", "{A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11}", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"),
     ("customer", "003D000000QmAbC", "003D000000QmAbC"),
     ("session", "1234.5678", "1234.5678")],
)  # fmt: skip
def test_each_kind_has_one_written_form(kind, raw, form):
    assert normalise(kind, raw) == form


def test_the_short_way_for_usual_british_numbers_equals_the_phone_library():
    rng = random.Random(4)
    for _ in range(2000):
        digits = rng.choice("127") + "".join(rng.choices("0123456789", k=9))
        raw = rng.choice(["0", "+44", "0044"]) + digits
        parsed = phonenumbers.parse(raw, "GB")
        wanted = phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164)
        assert normalise("phone", raw) == wanted


@given(kind=st.sampled_from(KINDS), raw=st.text(max_size=60))
@settings(max_examples=600, deadline=None)
def test_normalising_is_total_and_settles_at_once(kind, raw):
    """Any text gives a form or a refusal, and the form of a form is itself."""
    form = normalise(kind, raw)
    if isinstance(form, str):
        assert form
        assert normalise(kind, form) == form


@given(kind=st.sampled_from(KINDS), raw=st.from_regex(r"[0-9A-Z@.]{9,40}", fullmatch=True))
@settings(max_examples=300, deadline=None)
def test_a_refusal_never_repeats_the_identifier(kind, raw):
    refused = normalise(kind, raw)
    if isinstance(refused, Refusal):
        assert raw not in refused.says
        assert raw not in repr(refused)


@given(key=st.binary(min_size=16, max_size=200), text=st.text(max_size=80))
@settings(max_examples=200)
def test_the_digest_is_hmac_sha256_truncated_to_sixteen_bytes(key, text):
    wanted = hmac.digest(key, f"email:{text}".encode("utf-8", "surrogatepass"), "sha256")[:16]
    assert Hasher(key).digest("email", text) == wanted


@pytest.mark.parametrize("size", [16, 32, 64, 65, 200])
def test_the_sql_hash_equals_the_python_hash_for_every_key_length(size):
    hasher = Hasher(bytes(range(200))[:size])
    values = ["+447700900123", "", "é@example.uk", "x" * 300, "a'b\\c"]
    con = duckdb.connect()
    con.execute("create table t as select unnest($v) as v", {"v": values})
    got = con.execute(f"select v, {hmac_sql('phone', 'v')} from t", hasher.parameters).fetchall()
    assert dict(got) == {v: hasher.digest("phone", v) for v in values}
    unit = con.execute(f"select {hmac_sql('unit:tax-1', 'v')} from t", hasher.parameters).fetchall()
    assert [u for (u,) in unit] == [hasher.unit("tax-1", v) for v in values]


def test_kinds_keys_and_trials_are_kept_apart():
    hasher, other = Hasher(KEY), Hasher(KEY[::-1])
    digests = [hasher.digest(kind, "12345") for kind in KINDS]
    digests += [hasher.unit("a", "12345"), hasher.unit("b", "12345"), other.unit("a", "12345")]
    assert len(set(digests)) == len(digests)
    assert {len(d) for d in digests} == {16}
    with pytest.raises(ValueError, match="colon"):
        hasher.unit("a:b", "c")


def test_many_at_once_equals_one_by_one_and_keeps_gaps():
    hasher = Hasher(KEY)
    values = ["a", None, "b", "a"]
    assert hasher.digests("email", values) == [
        None if v is None else hasher.digest("email", v) for v in values
    ]


def test_a_block_of_numbers_hashes_like_each_of_them():
    hasher = Hasher(KEY)
    rest = [b"7700900123", b"1296395000", b"2079460000"]
    wanted = [hasher.digest("phone", f"+44{r.decode()}") for r in rest]
    assert hasher.block("phone", "+44", b"".join(rest), 10) == b"".join(wanted)
    assert hasher.block("phone", "+44", b"", 10) == b""


def test_the_key_is_neither_short_nor_shown():
    with pytest.raises(ValueError, match="16 bytes"):
        Hasher(b"short")
    assert KEY.hex() not in repr(Hasher(KEY))
    assert repr(KEY) not in repr(Hasher(KEY))


def test_a_prefix_cannot_carry_sql():
    with pytest.raises(ValueError, match="prefix"):
        hmac_sql("x') --", "v")
