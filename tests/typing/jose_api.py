"""The types that a user of `ostiary.jose` sees; mypy checks this file, nothing runs it."""

from typing import Any, assert_type

import msgspec

from ostiary import jose


class Access(msgspec.Struct):
    sub: str


key = jose.Key.generate("ES256")
assert_type(key, jose.Key)
assert_type(key.public(), jose.Key)
assert_type(key.alg, str)
assert_type(key.kid, str)
assert_type(key.thumbprint(), str)
assert_type(key.to_jwk(private=True), dict[str, Any])
assert_type(jose.Key.from_jwk(b"{}"), jose.Key)
assert_type(jose.Key.from_pem("", alg="ES256", password=None), jose.Key)
assert_type(jose.Key.from_secret(b"", "HS256"), jose.Key)
assert_type(jose.insecure_hmac_key_shorter_than_the_hash(b""), jose.Key)

keys = jose.KeySet([key])
assert_type(keys.get("kid"), jose.Key | None)
assert_type(jose.KeySet.from_jwks({"keys": []}), jose.KeySet)

policy = jose.Policy(issuer="i", audience=("a", "b"), type="at+jwt", max_age=60, required=("sub",))
token = jose.sign({"iss": "i"}, key, typ="at+jwt", headers={"cty": "JWT"})
assert_type(token, str)

claims = jose.verify(token, keys, policy)
assert_type(claims, jose.Claims)
assert_type(jose.verify(token, key, policy, now=0.0), jose.Claims)
assert_type(claims.header, jose.Header)
assert_type(claims.header.type, str | None)
assert_type(claims.into(Access), Access)

verified = jose.verify_signature(token, keys)
assert_type(verified.payload, bytes)
assert_type(jose.check_claims(verified, policy, 0.0), jose.Claims)
assert_type(jose.decode_unverified(token), jose.Unverified)
assert_type(jose.verify_proof(token, typ="dpop+jwt", algorithms=("ES256",)).key, jose.Key)

assert_type(jose.verify(token, key, policy, into=Access), Access)

box = jose.EncryptionKey.generate("ECDH-ES+A256KW", encs=("A256GCM",))
hidden = jose.sign_then_encrypt({"iss": "i"}, key, box.public(), typ="at+jwt")
assert_type(hidden, str)
assert_type(jose.verify_nested(hidden, jose.EncryptionKeySet([box]), keys, policy, 0.0), jose.Claims)
assert_type(jose.decrypt(jose.encrypt(b"", box), box).plaintext, bytes)
assert_type(key.to_pem(private=True, password=b"x"), bytes)

# What must not type-check: an unverified token where verified claims are due, no keys, no policy, no type.
wrong: jose.Claims = jose.decode_unverified(token)  # type: ignore[assignment]
jose.verify(token, None, policy)  # type: ignore[call-overload]
jose.verify(token, keys)  # type: ignore[call-overload]
jose.decrypt(token, key)  # type: ignore[arg-type]
jose.verify_signature(token, box)  # type: ignore[arg-type]
jose.Policy(issuer="i", audience="a")  # type: ignore[call-arg]
claims["sub"] = "x"  # type: ignore[index]
key.alg.missing  # type: ignore[attr-defined]  # noqa: B018
