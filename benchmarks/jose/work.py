"""The work that every contender does: tokens of ten claims, keys parsed once, every claim that counts demanded.

A contender is (function, inputs). Verifying means: signature, `iss`, `aud` and `exp` checked, claims returned. None
remembers a token. "bare" is the primitive alone, called as a careful caller has to: looked up once, its arguments made
once, its refusal caught.
"""

import importlib.util
import json
import time
import warnings
from base64 import urlsafe_b64decode
from collections.abc import Callable, Sequence
from typing import Any

from benchmarks.sample import HS256_KEY, claims
from ostiary import jose

Contender = tuple[Callable[[Any], object], Sequence[Any]]
ISSUER = "https://auth.example.com"
ALGS = ("HS256", "RS256", "ES256", "EdDSA")
TOKENS = 500


class Material:
    """One algorithm: a key in the forms that libraries want, and tokens under it."""

    def __init__(self, alg: str, now: int) -> None:
        self.alg = alg
        self.secret = HS256_KEY if alg == "HS256" else b""
        self.key = jose.Key.from_secret(HS256_KEY, alg) if self.secret else jose.Key.generate(alg)
        self.verifying = self.key if self.secret else self.key.public()
        self.jwk = self.key.to_jwk(private=True)
        self.public_jwk = self.jwk if self.secret else self.key.to_jwk()
        self.pem = "" if self.secret else self.key.to_pem(private=True).decode()
        self.public_pem = "" if self.secret else self.key.to_pem().decode()
        self.claims = [claims(ISSUER, at, now) for at in range(TOKENS)]
        self.tokens = [jose.sign(each, self.key) for each in self.claims]

    @property
    def foreign(self) -> Any:
        """The key object of `cryptography`."""
        return self.key._material[1]


def verifying(made: Material) -> dict[str, Contender]:
    policy = jose.Policy(issuer=ISSUER, audience=ISSUER, type="JWT")
    verify, key = jose.verify, made.verifying
    found = {"ostiary": ((lambda token: verify(token, key, policy)), made.tokens)}
    for add in (_pyjwt, _joserfc, _authlib, _python_jose, _jwcrypto, _oxyjwt, _ryjwt, _bare):
        found.update({name: (function, inputs) for name, (function, inputs) in add(made)[0].items()})
    return found


def signing(made: Material) -> dict[str, Contender]:
    sign, key = jose.sign, made.key
    found = {"ostiary": ((lambda members: sign(members, key)), made.claims)}
    for add in (_pyjwt, _joserfc, _authlib, _python_jose, _jwcrypto, _oxyjwt, _ryjwt, _bare):
        found.update(add(made)[1])
    return found


Both = tuple[dict[str, Contender], dict[str, Contender]]


def _pyjwt(made: Material) -> Both:
    import jwt

    loaded = jwt.PyJWK(made.jwk, algorithm=made.alg).key
    public = loaded if made.secret else jwt.PyJWK(made.public_jwk, algorithm=made.alg).key
    algorithms, options = [made.alg], {"require": ["exp", "iss", "aud"]}
    return (
        {"PyJWT": (lambda token: jwt.decode(token, public, algorithms=algorithms, audience=ISSUER, issuer=ISSUER,
                                            options=options), made.tokens)},
        {"PyJWT": (lambda members: jwt.encode(members, loaded, algorithm=made.alg), made.claims)},
    )  # fmt: skip


def _joserfc(made: Material) -> Both:
    from joserfc import jwk, jwt

    warnings.simplefilter("ignore")
    key, public, algorithms = jwk.import_key(made.jwk), jwk.import_key(made.public_jwk), [made.alg]
    registry = jwt.JWTClaimsRegistry(
        iss={"essential": True, "value": ISSUER}, aud={"essential": True, "value": ISSUER}, exp={"essential": True}
    )
    header = {"alg": made.alg, "typ": "JWT"}

    def verify(token: str) -> object:
        found = jwt.decode(token, public, algorithms=algorithms)
        registry.validate(found.claims)
        return found.claims

    return (
        {"joserfc": (verify, made.tokens)},
        {"joserfc": (lambda members: jwt.encode(header, members, key, algorithms=algorithms), made.claims)},
    )


def _authlib(made: Material) -> Both:
    from authlib.jose import JsonWebKey, JsonWebToken

    key, public = JsonWebKey.import_key(made.jwk), JsonWebKey.import_key(made.public_jwk)
    library = JsonWebToken([made.alg])
    options = {"iss": {"essential": True, "value": ISSUER}, "aud": {"essential": True, "value": ISSUER},
               "exp": {"essential": True}}  # fmt: skip
    header = {"alg": made.alg, "typ": "JWT"}

    def verify(token: str) -> object:
        found = library.decode(token, public, claims_options=options)
        found.validate()
        return found

    return (
        {"Authlib": (verify, made.tokens)},
        {"Authlib": (lambda members: library.encode(header, members, key), made.claims)},
    )


def _python_jose(made: Material) -> Both:
    if made.alg == "EdDSA":
        return {}, {}
    from jose import jwk, jwt

    key = jwk.construct(HS256_KEY if made.secret else made.pem, made.alg)
    public = key if made.secret else jwk.construct(made.public_pem, made.alg)
    algorithms, options = [made.alg], {"require_exp": True, "require_aud": True, "require_iss": True}
    return (
        {"python-jose": (lambda token: jwt.decode(token, public, algorithms, options, ISSUER, ISSUER), made.tokens)},
        {"python-jose": (lambda members: jwt.encode(members, key, made.alg), made.claims)},
    )


def _jwcrypto(made: Material) -> Both:
    from jwcrypto import jwk, jwt

    key, public = jwk.JWK(**made.jwk), jwk.JWK(**made.public_jwk)
    algorithms, wanted = [made.alg], {"iss": ISSUER, "aud": ISSUER, "exp": None}
    header = {"alg": made.alg, "typ": "JWT"}

    def sign(members: dict[str, Any]) -> str:
        token = jwt.JWT(header=header, claims=members)
        token.make_signed_token(key)
        return str(token.serialize())

    return (
        {"jwcrypto": (lambda token: json.loads(
            jwt.JWT(jwt=token, key=public, algs=algorithms, check_claims=wanted, expected_type="JWS").claims),
            made.tokens)},
        {"jwcrypto": (sign, made.claims)},
    )  # fmt: skip


def _oxyjwt(made: Material) -> Both:
    import oxyjwt

    kind = {"HS256": "secret", "RS256": "rsa_pem", "ES256": "ec_pem", "EdDSA": "ed_pem"}[made.alg]
    key = getattr(oxyjwt.EncodingKey, f"from_{kind}")(made.secret or made.pem.encode())
    public = getattr(oxyjwt.DecodingKey, f"from_{kind}")(made.secret or made.public_pem.encode())
    algorithms, options = [made.alg], {"require": ["exp", "iss", "aud"]}
    return (
        {"oxyjwt (Rust)": (lambda token: oxyjwt.decode(token, public, algorithms=algorithms, audience=ISSUER,
                                                       issuer=ISSUER, options=options), made.tokens)},
        {"oxyjwt (Rust)": (lambda members: oxyjwt.encode(members, key, algorithm=made.alg), made.claims)},
    )  # fmt: skip


def _ryjwt(made: Material) -> Both:
    if importlib.util.find_spec("ryjwt") is None:
        return {}, {}
    import ryjwt

    named: dict[str, Any] = {"algorithms": [made.alg], "audience": ISSUER, "issuer": ISSUER}
    key = ryjwt.SecretKey(made.secret, **named) if made.secret else ryjwt.PrivateKey(made.pem, **named)
    public = key if made.secret else ryjwt.PublicKey(made.public_pem, **named)
    return {"ryjwt (Rust)": (public.decode, made.tokens)}, {"ryjwt (Rust)": (key.encode, made.claims)}


def _bare(made: Material) -> Both:
    """The primitive of the library that we use; for Ed25519, libsodium's as well."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric import ec, padding
    from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
    from cryptography.hazmat.primitives.hashes import SHA256

    parts = [token.rpartition(".") for token in made.tokens]
    signed = [head.encode() for head, _, _ in parts]
    signatures = [urlsafe_b64decode(tail + "==") for _, _, tail in parts]
    if made.secret:
        from hmac import compare_digest, digest

        return (
            {"bare primitive": (lambda pair: compare_digest(digest(HS256_KEY, pair[1], "sha256"), pair[0]),
                                list(zip(signatures, signed, strict=True)))},
            {"bare primitive": (lambda message: digest(HS256_KEY, message, "sha256"), signed)},
        )  # fmt: skip
    more: tuple[Any, ...] = ()
    if made.alg == "RS256":
        more = (padding.PKCS1v15(), SHA256())
    if made.alg == "ES256":
        more = (ec.ECDSA(SHA256()),)
        signatures = [
            encode_dss_signature(int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big")) for raw in signatures
        ]
    check, make = made.foreign.public_key().verify, made.foreign.sign

    def verify(pair: tuple[bytes, bytes]) -> bool:
        signature, message = pair
        try:
            check(signature, message, *more)
        except InvalidSignature:
            return False
        return True

    pairs = list(zip(signatures, signed, strict=True))
    found: Both = (
        {"bare primitive": (verify, pairs)},
        {"bare primitive": (lambda message: make(message, *more), signed)},
    )
    if made.alg == "EdDSA":
        from nacl.signing import SigningKey

        sodium = SigningKey(made.foreign.private_bytes_raw())
        check_sodium, make_sodium = sodium.verify_key.verify, sodium.sign
        found[0]["bare libsodium"] = (lambda pair: check_sodium(pair[1], pair[0]), pairs)
        found[1]["bare libsodium"] = (lambda message: make_sodium(message).signature, signed)
    return found


def hostile(made: Material) -> dict[str, dict[str, Contender]]:
    """Tokens that are well signed and far too large or too deep."""
    import jwt
    from jwt.exceptions import PyJWTError

    policy = jose.Policy(issuer=ISSUER, audience=ISSUER, type="JWT")
    now = int(time.time())
    large = jwt.encode({**claims(ISSUER, 0, now), "x": "a" * 750_000}, HS256_KEY, algorithm="HS256")
    deep = jwt.api_jws.encode(b'{"x":' + b"[" * 20_000 + b"]" * 20_000 + b"}", HS256_KEY, algorithm="HS256")

    def ours(token: str) -> object:
        try:
            return jose.verify(token, made.key, policy)
        except jose.TokenRejected:
            return None

    def theirs(token: str) -> object:
        try:
            return jwt.decode(token, HS256_KEY, algorithms=["HS256"], audience=ISSUER, issuer=ISSUER)
        except (PyJWTError, RecursionError):
            return None

    assert len(large) > 1_000_000
    assert theirs(large) is not None, "PyJWT has no limit: it reads all of it"
    return {
        "1 MB": {"ostiary": (ours, [large]), "PyJWT": (theirs, [large])},
        "20,000 deep": {"ostiary": (ours, [deep]), "PyJWT": (theirs, [deep])},
    }


def agree(made: Material) -> None:
    """Every contender accepts what it is to be measured with, and refuses what has another audience or no right
    signature: otherwise it would not do the work."""
    other = jose.sign({**made.claims[0], "aud": "https://other.example"}, made.key)
    forged = made.tokens[0][:-8] + made.tokens[1][-8:]
    for name, (verify, inputs) in verifying(made).items():
        assert verify(inputs[0]) is not False, name
        if name.startswith("bare"):
            continue
        for refused in (other, forged):
            try:
                verify(refused)
            except Exception:  # noqa: BLE001 - each library has its own
                continue
            raise AssertionError(f"{name} accepted what it should refuse")
    for name, (sign, inputs) in signing(made).items():
        if not name.startswith("bare"):
            made_token = sign(inputs[0])
            token = made_token.decode() if isinstance(made_token, bytes) else str(made_token)
            assert jose.verify_signature(token, made.verifying).payload, name
