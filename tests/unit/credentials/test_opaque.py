"""Opaque credentials: exactly one text for each, and no other text is accepted (M-09)."""

import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ostiary.credentials import opaque
from ostiary.credentials.derived_keys import DerivedKeys, seal, unseal
from ostiary.errors import Misconfigured

steady = settings(derandomize=True, deadline=None, database=None)
KEYS = DerivedKeys.from_secret(b"k" * 32)
OTHER_KEYS = DerivedKeys.from_secret(b"x" * 32)
ALPHABET = string.ascii_letters + string.digits + "-_"
BYTES16 = st.binary(min_size=16, max_size=16)
BYTES32 = st.binary(min_size=32, max_size=32)
GENERATIONS = st.integers(0, 2**32 - 2)


def _token(session: bytes = b"s" * 16, generation: int = 7, secret: bytes = b"r" * 32) -> opaque.RefreshToken:
    return opaque.make_refresh_token(KEYS, session_id=opaque.session_id(session), generation=generation, secret=secret)


@steady
@given(st.binary(max_size=80))
def test_encoding_round_trips(raw: bytes) -> None:
    """base64url without padding, there and back."""
    text = opaque.encode(raw)

    assert opaque.decode(text) == raw
    assert "=" not in text


@steady
@given(st.text(alphabet=ALPHABET + "=+/ \n.é", max_size=50))
def test_decoding_is_strict(text: str) -> None:
    """Whatever is decoded is the one encoding of its bytes: no padding, no other alphabet, no spare bits."""
    raw = opaque.decode(text)

    assert raw is None or opaque.encode(raw) == text


@pytest.mark.parametrize("text", ["AA==", "AB", "A", "AA A", "AA\n", "+/+/", "ÄÄ", "AAAAA"])
def test_other_encodings_of_the_same_bytes_are_refused(text: str) -> None:
    """RFC 4648 section 3.5: two texts for one token would let it pass a list that is kept by text."""
    assert opaque.decode(text) is None


@steady
@given(BYTES16, GENERATIONS, BYTES32)
def test_refresh_tokens_round_trip(session: bytes, generation: int, secret: bytes) -> None:
    """What was made is read back as it was, with the same digest."""
    made = _token(session, generation, secret)

    assert opaque.parse_refresh_token(KEYS, made.text) == made
    assert made.text.startswith("ost_rt_")
    assert (made.session_id, made.generation, made.secret) == (opaque.session_id(session), generation, secret)


def test_any_changed_character_is_refused() -> None:
    """Every character at every position, against every other one of the alphabet: none is malleable."""
    text = _token().text
    for position, old in enumerate(text):
        for new in ALPHABET + "=+/":
            if new != old:
                changed = text[:position] + new + text[position + 1 :]
                assert opaque.parse_refresh_token(KEYS, changed) is None


def test_nothing_added_or_removed_is_read() -> None:
    """Length and alphabet are exact."""
    text = _token().text
    others = [text + "=", text + "A", text[:-1], " " + text, text + "\n", text.upper(), text * 2, text[:-1] + "é", ""]

    assert [opaque.parse_refresh_token(KEYS, other) for other in others] == [None] * len(others)
    assert opaque.parse_refresh_token(KEYS, text.replace("ost_rt_", "ost_st_")) is None


def test_another_issuers_token_is_not_read() -> None:
    """The tag is ours alone."""
    assert opaque.parse_refresh_token(OTHER_KEYS, _token().text) is None


@steady
@given(st.text(max_size=120))
def test_no_text_at_all_breaks_the_parser(text: str) -> None:
    """It answers None; it never raises."""
    assert opaque.parse_refresh_token(KEYS, text) is None
    assert opaque.known_device(KEYS, "acc_1", text) is None
    assert not opaque.csrf_token_matches(KEYS, "ses_1", text)


@steady
@given(BYTES32, BYTES16, BYTES16)
def test_successors(secret: bytes, nonce: bytes, other: bytes) -> None:
    """The same for the same predecessor and nonce; another for anything else, and unlike the predecessor's own."""
    token = _token(secret=secret)
    first = opaque.successor_secret(KEYS, token, nonce)

    assert first == opaque.successor_secret(KEYS, token, nonce)
    assert len(first) == 32
    assert first != secret
    assert first != opaque.successor_secret(OTHER_KEYS, token, nonce)
    assert first != opaque.successor_secret(KEYS, _token(secret=secret, generation=8), nonce)
    assert (first == opaque.successor_secret(KEYS, token, other)) is (nonce == other)


def test_session_tokens_have_one_form() -> None:
    """256 bits behind a prefix that scanners know."""
    token = opaque.session_token(bytes(range(32)))

    assert opaque.is_session_token(token)
    assert len(token) == opaque.SESSION_TOKEN_CHARS == 50
    for other in (token[:-1], token + "A", token.replace("st", "rt"), "", token.upper()):
        assert not opaque.is_session_token(other)
    assert opaque.token_digest(KEYS, token) != opaque.token_digest(OTHER_KEYS, token)
    assert len(opaque.token_digest(KEYS, token)) == 32


@steady
@given(BYTES16)
def test_a_device_mark_is_good_for_its_account(device: bytes) -> None:
    """It names the device to whoever made it, for one account."""
    mark = opaque.device_mark(KEYS, "acc_1", device)

    assert opaque.known_device(KEYS, "acc_1", mark) == opaque.encode(device)
    assert opaque.known_device(KEYS, "acc_2", mark) is None
    assert opaque.known_device(OTHER_KEYS, "acc_1", mark) is None


def test_any_changed_character_of_a_device_mark_is_refused() -> None:
    """As for refresh tokens."""
    mark = opaque.device_mark(KEYS, "acc_1", b"d" * 16)
    for position, old in enumerate(mark):
        for new in ALPHABET:
            if new != old:
                assert opaque.known_device(KEYS, "acc_1", mark[:position] + new + mark[position + 1 :]) is None


def test_csrf_tokens_belong_to_their_session() -> None:
    """NIST 800-63B-4 section 5.1: one session's token is worth nothing in another."""
    token = opaque.csrf_token(KEYS, "ses_1")

    assert opaque.csrf_token_matches(KEYS, "ses_1", token)
    assert not opaque.csrf_token_matches(KEYS, "ses_2", token)
    assert not opaque.csrf_token_matches(OTHER_KEYS, "ses_1", token)
    assert not opaque.csrf_token_matches(KEYS, "ses_1", "")


def test_keys_are_different_for_each_purpose() -> None:
    """What is made for one use is worthless in another; and nothing of it is printed."""
    keys = [getattr(KEYS, name) for name in KEYS.__slots__ if name != "fingerprint"]

    assert len(set(keys)) == len(keys) == 8
    assert all(len(key) == 32 for key in keys)
    assert not any(key.hex() in repr(KEYS) or repr(key) in repr(KEYS) for key in keys)
    with pytest.raises(Misconfigured, match="32"):
        DerivedKeys.from_secret(b"k" * 31)


@steady
@given(st.binary(max_size=100), st.binary(min_size=12, max_size=12), st.integers(0, 127))
def test_sealing(plaintext: bytes, nonce: bytes, at: int) -> None:
    """What was sealed opens as it was, for its own context and key, unchanged to the bit."""
    sealed = seal(KEYS.seal, plaintext, context="kid-1", nonce=nonce)
    assert unseal(KEYS.seal, sealed, context="kid-1") == plaintext
    position = at % len(sealed)
    flipped = sealed[:position] + bytes([sealed[position] ^ 1]) + sealed[position + 1 :]
    for key, text, context in (
        (OTHER_KEYS.seal, sealed, "kid-1"),
        (KEYS.seal, sealed, "kid-2"),
        (KEYS.seal, flipped, "kid-1"),
        (KEYS.seal, sealed[:-1], "kid-1"),
    ):
        with pytest.raises(Misconfigured):
            unseal(key, text, context=context)
