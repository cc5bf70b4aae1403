"""Tokens of ours in other libraries, and theirs in ours: for every algorithm that both have."""

import json
import warnings
from typing import Any

import jwt as pyjwt
import pytest
from joserfc import jwe as foreign_jwe
from joserfc import jwk as foreign_jwk
from joserfc import jwt as foreign_jwt
from joserfc.jws import JWSRegistry
from tests.interop.node_peer import NodePeer
from tests.unit.jose.forge import ALGS, AUDIENCE, ISSUER, NOW, POLICY, claims, key
from tests.unit.jose.forge_encrypted import ENCS, KINDS, hidden, sender

from ostiary import jose

FAR = 4_000_000_000  # outlives the clocks that these libraries read
MEMBERS = claims(exp=FAR, name="张三", roles=["user", "admin"], iat=1_700_000_000)
PYJWT = tuple(alg for alg in ALGS if alg not in ("Ed25519", "Ed448"))
NODE_JOSE = tuple(alg for alg in ALGS if alg != "Ed448")
JSONWEBTOKEN = tuple(alg for alg in ALGS if not alg.startswith("Ed"))
JOSERFC = ALGS


def token_of_ours(alg: str) -> str:
    return jose.sign(MEMBERS, key(alg), typ="at+jwt")


def head(alg: str) -> dict[str, str]:
    return {"alg": alg, "typ": "at+jwt", "kid": key(alg).kid}


def public_jwk(alg: str) -> dict[str, Any]:
    """What a verifier gets to see: it may know that the key set is published as JSON."""
    signer = key(alg)
    found: dict[str, Any] = json.loads(json.dumps(signer.to_jwk(private=signer.symmetric)))
    return found


def we_accept(token: str, alg: str) -> bool:
    signer = key(alg)
    for keys in (signer, jose.KeySet([signer if signer.symmetric else signer.public()])):
        assert dict(jose.verify(token, keys, POLICY, now=NOW)) == MEMBERS
    return True


@pytest.mark.parametrize("alg", PYJWT)
def test_pyjwt(alg: str) -> None:
    """M-20: PyJWT reads our JWK and verifies our tokens; we verify its."""
    found = pyjwt.decode(
        token_of_ours(alg), pyjwt.PyJWK(public_jwk(alg)), algorithms=[alg], audience=AUDIENCE, issuer=ISSUER
    )
    assert found == MEMBERS
    private = pyjwt.PyJWK(key(alg).to_jwk(private=True)).key
    assert we_accept(pyjwt.encode(MEMBERS, private, algorithm=alg, headers=head(alg)), alg)


@pytest.mark.parametrize("alg", JOSERFC)
def test_joserfc(alg: str) -> None:
    """M-20: the same with joserfc."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns of EdDSA by its old name
        found = foreign_jwt.decode(token_of_ours(alg), foreign_jwk.import_key(public_jwk(alg)), algorithms=[alg])
        assert found.claims == MEMBERS
        private = foreign_jwk.import_key(key(alg).to_jwk(private=True))
        assert we_accept(foreign_jwt.encode(head(alg), MEMBERS, private, registry=JWSRegistry(algorithms=[alg])), alg)


@pytest.mark.parametrize(
    ("lib", "alg"), [("jose", alg) for alg in NODE_JOSE] + [("jsonwebtoken", alg) for alg in JSONWEBTOKEN]
)
def test_node(node: NodePeer, lib: str, alg: str) -> None:
    """M-20: the same with node's jose and jsonwebtoken."""
    node.learn(alg, key(alg).to_jwk(private=True), alg)
    policy = {"now": NOW, "issuer": ISSUER, "audience": AUDIENCE, "typ": "at+jwt", "leeway": 0}
    ours, forged = token_of_ours(alg), token_of_ours(alg)[:-8] + "AAAAAAAA"
    assert node.ask(do="verify", lib=lib, name=alg, tokens=[ours, forged], policy=policy) == [MEMBERS, None]
    assert we_accept(node.ask(do="sign", lib=lib, name=alg, claims=MEMBERS, header=head(alg)), alg)


@pytest.mark.parametrize("enc", ENCS)
@pytest.mark.parametrize(("alg", "crv"), KINDS)
def test_encrypted(node: NodePeer, alg: str, crv: str, enc: str) -> None:
    """M-24: nested tokens, both ways, with joserfc and node jose, for every way to encrypt that we have."""
    recipient = hidden(alg, crv, enc) if alg == "dir" else hidden(alg, crv)
    inner = token_of_ours("ES256")
    ours = jose.encrypt_token(inner, sender(recipient), enc=enc)
    members = {name: value for name, value in recipient.to_jwk(private=True).items() if name not in ("alg", "kid")}
    foreign = foreign_jwk.import_key(members)
    assert foreign_jwe.decrypt_compact(ours, foreign, algorithms=[alg, enc]).plaintext == inner.encode()
    name = node.learn(f"{alg} {crv} {enc if alg == 'dir' else ''}", recipient.to_jwk(private=True), alg)
    opened = node.ask(do="decrypt", name=name, tokens=[ours])
    assert opened[0] is not None

    outer = {"alg": alg, "enc": enc, "cty": "JWT", "kid": recipient.kid}
    theirs = foreign_jwe.encrypt_compact(outer, inner, foreign, algorithms=[alg, enc])
    for token in (theirs, node.ask(do="encrypt", name=name, text=inner, header=outer)):
        found = jose.verify_nested(token, recipient, key("ES256").public(), POLICY, NOW)
        assert dict(found) == MEMBERS
