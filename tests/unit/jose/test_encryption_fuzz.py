"""Whatever is thrown at decryption, it answers with JOSE's own errors; another library agrees with what it accepts."""

import json
import random
import warnings
from collections import Counter
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from joserfc import jwe as foreign_jwe
from joserfc import jwk as foreign_jwk
from joserfc.errors import JoseError as ForeignError
from tests.unit.jose.forge import NOW, POLICY, good, key
from tests.unit.jose.forge_encrypted import ENCS, KINDS, MANAGED, PLAINTEXT, forged, header_of, hidden, sender

from ostiary import jose

SIGNER = key("HS256")
BOXES = [hidden(alg) for alg in MANAGED]
TOKENS = [jose.encrypt_token(good(SIGNER), sender(box)) for box in BOXES]
steady = settings(derandomize=True, max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


def ask(token: Any, box: jose.EncryptionKey) -> bytes | None:
    """All entry points; None if refused. Anything but our own refusal fails the test."""
    accepted = None
    for keys in (box, jose.EncryptionKeySet([box])):
        with suppress(jose.TokenRejected):
            accepted = jose.decrypt(token, keys).plaintext
        with suppress(jose.TokenRejected):
            jose.verify_nested(token, keys, SIGNER, POLICY, NOW)
    return accepted


@steady
@given(st.text(max_size=300) | st.text("AQgw-_.=+/{}\n", max_size=80) | st.binary(max_size=80))
def test_any_text(token: str | bytes) -> None:
    """No text, and no bytes, is a token by chance or breaks anything."""
    for box in BOXES:
        assert ask(token, box) is None


@steady
@given(st.integers(0, len(BOXES) - 1), st.floats(0, 0.9999), st.integers(0, 3), st.text(min_size=1, max_size=3))
def test_a_damaged_token(which: int, place: float, how: int, text: str) -> None:
    """A good token with characters replaced, inserted, removed or cut is refused."""
    token = TOKENS[which]
    at = int(place * len(token))
    damaged = (
        token[:at] + text + token[at + len(text) :],
        token[:at] + text + token[at:],
        token[:at] + token[at + len(text) :],
        token[:at],
    )[how]
    assert damaged == token or ask(damaged, BOXES[which]) is None


@steady
@given(
    st.integers(0, len(BOXES) - 1),
    st.dictionaries(
        st.sampled_from(["alg", "enc", "kid", "cty", "typ", "epk", "apu", "apv", "zip", "crit", "p2c", "iv", "x"]),
        json_values | st.sampled_from([*MANAGED, *ENCS]),
        max_size=4,
    ),
)
def test_any_header(which: int, changes: dict[str, Any]) -> None:
    """A sender may put any JSON into the header: it decrypts only if nothing that counts was changed."""
    box = BOXES[which]
    if ask(forged(box, **changes), box) is not None:
        assert {"zip", "crit"}.isdisjoint(changes)
        assert changes.get("alg", box.alg) == box.alg
        assert changes.get("enc", box.encs[0]) == box.encs[0]
        assert "epk" not in changes or not box.management.agrees


@steady
@given(st.integers(0, len(BOXES) - 1), st.dictionaries(st.sampled_from(["kty", "crv", "x", "y", "d"]), json_values))
def test_any_ephemeral_key(which: int, changes: dict[str, Any]) -> None:
    """Arbitrary members in `epk` never decrypt and never break anything."""
    box = BOXES[which]
    epk = hidden("ECDH-ES").public().to_jwk()
    assert ask(forged(box, epk={**epk, **changes}), box) in (None, PLAINTEXT)


@steady
@given(st.binary(max_size=200), st.binary(max_size=60))
def test_any_plaintext_inside(plaintext: bytes, encrypted_key: bytes) -> None:
    """What is inside is never taken for claims unless it is signed; any encrypted key is answered with an error."""
    for box in BOXES:
        with pytest.raises(jose.TokenRejected):
            jose.verify_nested(forged(box, plaintext=plaintext, cty="JWT"), box, SIGNER, POLICY, NOW)
        ask(forged(box, encrypted_key=encrypted_key), box)


MEMBERS = ["kty", "alg", "use", "key_ops", "kid", "crv", "x", "y", "d", "n", "e", "k", "p"]


@settings(steady, max_examples=60)
@given(st.integers(0, len(BOXES) - 1), st.dictionaries(st.sampled_from(MEMBERS), json_values))
def test_any_jwk(which: int, changes: dict[str, Any]) -> None:
    """A JWK with arbitrary members is a key or `InvalidKey`."""
    members = {**BOXES[which].to_jwk(private=True), **changes}
    for form in (members, json.dumps(members), json.dumps({"keys": [members]})):
        for load in (jose.EncryptionKey.from_jwk, jose.EncryptionKeySet.from_jwks):
            with suppress(jose.InvalidKey):
                load(form)


def foreign(box: jose.EncryptionKey) -> Any:
    members = box.to_jwk(private=True)
    return foreign_jwk.import_key({name: value for name, value in members.items() if name != "alg"})


def joserfc_says(token: str, box: jose.EncryptionKey, enc: str) -> bytes | None:
    registry = foreign_jwe.JWERegistry(algorithms=[box.alg, enc], strict_check_header=False)
    try:
        return foreign_jwe.decrypt_compact(token, foreign(box), registry=registry).plaintext
    except (ForeignError, ValueError, TypeError, KeyError, AttributeError, AssertionError):
        return None


@pytest.mark.parametrize("enc", ENCS)
@pytest.mark.parametrize(("alg", "crv"), KINDS)
def test_joserfc_both_ways(alg: str, crv: str, enc: str) -> None:
    """What it encrypts decrypts here, and what is encrypted here decrypts there."""
    box = hidden(alg, crv, enc)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        header = {"alg": alg, "enc": enc, "kid": box.kid}
        if alg.startswith("ECDH"):
            header |= {"apu": "QWxpY2U", "apv": "Qm9i"}
        theirs = foreign_jwe.encrypt_compact(header, PLAINTEXT, foreign(box), algorithms=[alg, enc])
        assert jose.decrypt(theirs, box).plaintext == PLAINTEXT
        assert joserfc_says(jose.encrypt(PLAINTEXT, sender(box), enc=enc), box, enc) == PLAINTEXT


@pytest.mark.parametrize("alg", MANAGED)
def test_we_accept_nothing_that_joserfc_refuses(alg: str) -> None:
    """Of 200 tokens for each algorithm, each that we decrypt it decrypts to the same bytes."""
    chance = random.Random(f"encrypted differential {alg}")
    box = hidden(alg)
    seen: Counter[str] = Counter()
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.=+/ \n"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for _ in range(200):
            token = jose.encrypt(chance.randbytes(chance.randrange(40)), sender(box))
            match chance.randrange(5):
                case 0 | 1:
                    place = chance.randrange(len(token))
                    token = token[:place] + chance.choice(alphabet) + token[place + chance.randrange(2) :]
                case 2:
                    member = chance.choice(["alg", "enc", "kid", "zip", "crit", "epk", "x"])
                    token = forged(box, **{member: chance.choice([None, "x", [], {}, "A128GCM", "dir", "DEF"])})
                case 3:
                    token = forged(box, encrypted_key=chance.randbytes(chance.choice([0, 24, 40, 256])))
            accepted = ask(token, box)
            seen["accepted" if accepted is not None else "refused"] += 1
            if accepted is not None:
                assert joserfc_says(token, box, header_of(token)["enc"]) == accepted, token
    assert seen["accepted"] > 20
    assert seen["refused"] > 60
