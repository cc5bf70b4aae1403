"""From headers to a caller, or to one of three families of errors."""

from typing import Any

import pytest
from tests.unit.verifier.issuer import AUDIENCE, FakeIssuer, bearer

from ostiary import jose
from ostiary.errors import InvalidToken, NotAuthenticated, OstiaryError
from ostiary.testing import FakeClock
from ostiary.verifier import (
    CredentialRefused,
    Misconfigured,
    NoCredential,
    Refused,
    RoleMissing,
    ScopeMissing,
    Unavailable,
    Unreadable,
    Verifier,
)


@pytest.mark.anyio
async def test_a_token_becomes_its_caller(issuer: FakeIssuer) -> None:
    """A verifier with nothing but an issuer's URL authorizes a stateless token (M-02)."""
    verifier = issuer.verifier()
    caller = await verifier.authenticate(bearer(issuer.token(act={"sub": "cli_b", "act": {"sub": "cli_a"}})))
    assert (caller.account_id, caller.session_id, caller.kind.value) == ("acc_ada", "ses_1", "stateless")
    assert caller.roles == {"user"}
    assert caller.scope == {"notes:read", "notes:write"}
    assert caller.act == ("cli_b", "cli_a")
    assert caller.audience == (AUDIENCE,)


@pytest.mark.parametrize(
    ("act", "actors"),
    [
        (None, ()),
        ({"sub": "cli_b", "act": None}, ("cli_b",)),
        ({"sub": "cli_b", "act": {"sub": "cli_a", "act": None}}, ("cli_b", "cli_a")),
    ],
)
def test_other_issuers_say_null_for_no_actor(issuer: FakeIssuer, act: Any, actors: tuple[str, ...]) -> None:
    """Wherever in the chain it stands (RFC 8693 section 4.1)."""
    assert issuer.verifier().verify_sync(issuer.token(act=act)).act == actors


def test_blocking_callers_get_the_same(issuer: FakeIssuer) -> None:
    """Without an event loop: the same caller, from the same headers."""
    verifier = issuer.verifier()
    assert verifier.authenticate_sync(bearer(issuer.token())).account_id == "acc_ada"
    assert verifier.verify_sync(issuer.token()).account_id == "acc_ada"


def test_tokens_of_another_issuer(issuer: FakeIssuer) -> None:
    """An RFC 9068 token that knows nothing of sessions, epochs or roles is accepted, with none of them."""
    plain = issuer.token(sid=None, sv=None, ep=None, roles=None, auth_time=None, scope=None)
    caller = issuer.verifier().verify_sync(plain)
    assert (caller.account_id, caller.session_id, caller.roles, caller.scope) == ("acc_ada", "", set(), set())
    grouped = issuer.verifier(roles_claim="groups").verify_sync(issuer.token(groups=["staff"]))
    assert grouped.roles == {"staff"}


@pytest.mark.parametrize("claim", ["sub", "client_id", "iat", "jti", "exp", "aud", "iss"])
def test_claims_of_the_profile_are_demanded(issuer: FakeIssuer, claim: str) -> None:
    """What RFC 9068 section 2.2 requires must be there."""
    with pytest.raises(CredentialRefused) as refused:
        issuer.verifier().verify_sync(issuer.token(**{claim: None}))
    assert refused.value.private == f"missing_claim: {claim}"


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"iss": "https://id.example/"}, "wrong_issuer: iss"),
        ({"aud": "https://api.example/"}, "wrong_audience: aud"),
        ({"exp": 1_800_000_000}, "expired: exp"),
        ({"nbf": 1_800_000_031}, "not_yet_valid: nbf"),
        ({"iat": 1_800_000_031}, "issued_in_future: iat"),
        ({"iat": 1_800_000_000_000}, "invalid_claim: iat"),
        ({"sub": ""}, "sub is empty"),
        ({"sub": 7}, "invalid_claim: sub"),
        ({"roles": "admin"}, "roles is not a list of strings"),
        ({"roles": ["admin", 1]}, "roles is not a list of strings"),
        ({"scope": ["a"]}, "scope is not a string"),
        ({"sv": True}, "sv is not a whole number"),
        ({"ep": -1}, "ep is not a whole number"),
        ({"act": "cli_a"}, "act is not a chain of actors"),
        ({"cnf": {"jkt": "x"}}, "bound to a key, and came without a proof of holding it"),
    ],
)
def test_what_is_wrong_stands_in_the_log_only(issuer: FakeIssuer, changes: dict[str, Any], why: str) -> None:
    """Outside, all causes look alike; inside, each has its reason (M-25)."""
    with pytest.raises(CredentialRefused) as refused:
        issuer.verifier().verify_sync(issuer.token(**changes))
    assert refused.value.private == why
    assert (str(refused.value), refused.value.code, refused.value.status) == (
        "The credential is not accepted", "invalid_token", 401,
    )  # fmt: skip


def test_the_skew_of_clocks_counts_for_the_future_only(issuer: FakeIssuer) -> None:
    """`leeway` lets `nbf` and `iat` be a little ahead; `exp` has none."""
    now = int(issuer.clock.wall)
    verifier = issuer.verifier(leeway=60)
    assert verifier.verify_sync(issuer.token(nbf=now + 60, iat=now + 60, exp=now + 100))
    with pytest.raises(CredentialRefused):
        verifier.verify_sync(issuer.token(nbf=now + 61))
    with pytest.raises(CredentialRefused):
        verifier.verify_sync(issuer.token(exp=now))


@pytest.mark.parametrize("typ", ["JWT", "session+jwt", "one-time+jwt", "dpop+jwt", "logout+jwt", ""])
def test_only_access_tokens(issuer: FakeIssuer, typ: str) -> None:
    """Flaw class 42: a token of another type is refused, however well it is signed."""
    with pytest.raises(CredentialRefused) as refused:
        issuer.verifier().verify_sync(issuer.token(typ=typ))
    assert ("kind stateless" if typ == "session+jwt" else "wrong_type") in refused.value.private
    assert issuer.verifier().verify_sync(issuer.token(typ="application/AT+JWT"))


def test_credentials_that_need_the_store(issuer: FakeIssuer) -> None:
    """A session token and an encrypted token are refused with a reason that says what to do."""
    for token, word in (("ost_st_" + "A" * 43, "session token"), ("a.b.c.d.e", "encrypted")):
        with pytest.raises(CredentialRefused) as refused:
            issuer.verifier().verify_sync(token)
        assert word in refused.value.private


def test_a_forged_token(issuer: FakeIssuer) -> None:
    """Another key of the same name signs nothing for us."""
    with pytest.raises(CredentialRefused) as refused:
        issuer.verifier().verify_sync(issuer.token(key=jose.Key.generate("ES256", kid="one")))
    assert refused.value.private == "invalid_signature"


def test_the_algorithm_of_a_known_key_cannot_be_chosen(issuer: FakeIssuer) -> None:
    """Flaw classes 2 and 5: a known kid under another algorithm is refused, and nothing is fetched for it."""
    verifier = issuer.verifier()
    verifier.start_blocking()
    issuer.clock.advance(60)
    with pytest.raises(CredentialRefused) as refused:
        verifier.verify_sync(issuer.token(key=jose.Key.generate("HS256", kid="one")))
    assert refused.value.private == "algorithm_not_allowed"
    assert issuer.key_fetches == 1


@pytest.mark.parametrize(
    ("headers", "status", "challenge"),
    [
        ({}, 401, 'Bearer realm="ostiary"'),
        ({"Authorization": "Basic YTpi"}, 401, 'Bearer realm="ostiary"'),
        ({"Authorization": "Bearer"}, 401, 'Bearer realm="ostiary"'),
        ({"Authorization": "Bearer nonsense"}, 401, 'Bearer realm="ostiary", error="invalid_token"'),
        ({"Authorization": "DPoP a.b.c"}, 401, 'Bearer realm="ostiary", error="invalid_token"'),
        ({"Authorization": "Bearer a.b.c, Bearer d.e.f"}, 400, 'Bearer realm="ostiary", error="invalid_request"'),
        ({"Authorization": "Bearer a.b.c", "authorization": "Bearer d.e.f"}, 400,
         'Bearer realm="ostiary", error="invalid_request"'),
        ([(b"authorization", b"Bearer a.b.c"), (b"Authorization", b"Bearer a.b.c")], 400,
         'Bearer realm="ostiary", error="invalid_request"'),
    ],
)  # fmt: skip
def test_refusals_and_their_challenges(issuer: FakeIssuer, headers: Any, status: int, challenge: str) -> None:
    """RFC 6750 section 3: `error` only if a credential was sent; more than one is a bad request."""
    verifier = issuer.verifier()
    with pytest.raises(Refused) as refused:
        verifier.authenticate_sync(headers)
    answer = verifier.answer(refused.value)
    assert answer.status == status
    assert dict(answer.headers)["WWW-Authenticate"] == challenge
    assert dict(answer.headers)["Content-Type"] == "application/problem+json"


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER", "bEaReR"])
def test_the_scheme_in_any_case(issuer: FakeIssuer, scheme: str) -> None:
    """RFC 9110 section 11.1; headers as a mapping, as text pairs, as byte pairs."""
    verifier, value = issuer.verifier(), f"{scheme} {issuer.token()}"
    for headers in ({"AUTHORIZATION": value}, [("authorization", value)], [(b"Authorization", value.encode())]):
        assert verifier.authenticate_sync(headers)


def test_a_token_is_never_read_from_a_cookie_or_another_header(issuer: FakeIssuer) -> None:
    """M-04: there is one place, the Authorization header."""
    token = issuer.token()
    elsewhere = {"Cookie": f"access_token={token}", "X-Authorization": f"Bearer {token}", "Proxy-Authorization": token}
    with pytest.raises(NoCredential):
        issuer.verifier().authenticate_sync(elsewhere)


def test_roles_and_scopes(issuer: FakeIssuer) -> None:
    """403 with a challenge that names the scope; all scopes asked for are needed; comparison is exact."""
    verifier, headers = issuer.verifier(), bearer(issuer.token())
    assert verifier.authenticate_sync(headers, role="user", scope="notes:read notes:write")
    for role in ("admin", "use", "User"):
        with pytest.raises(RoleMissing) as missing:
            verifier.authenticate_sync(headers, role=role)
        assert (missing.value.status, missing.value.code) == (403, "forbidden")
    with pytest.raises(ScopeMissing) as narrow:
        verifier.authenticate_sync(headers, scope=("notes:read", "notes:delete"))
    answer = verifier.answer(narrow.value)
    assert answer.status == 403
    assert dict(answer.headers)["WWW-Authenticate"] == (
        'Bearer realm="ostiary", error="insufficient_scope", scope="notes:read notes:delete"'
    )


def test_three_families(issuer: FakeIssuer) -> None:
    """Refused, Unavailable and Misconfigured never overlap, and all are ours."""
    refusals = (NoCredential, CredentialRefused, Unreadable, RoleMissing, ScopeMissing)
    assert all(issubclass(one, Refused) for one in refusals)
    assert not any(issubclass(one, Unavailable | Misconfigured) for one in (Refused, *refusals))
    assert issubclass(CredentialRefused, InvalidToken)
    assert issubclass(NoCredential, NotAuthenticated)
    assert issubclass(Refused, OstiaryError)


def test_not_knowing_is_never_401(issuer: FakeIssuer) -> None:
    """Without keys nothing is refused: 503 with Retry-After, for a forged token too."""
    issuer.down = True
    verifier = issuer.verifier()
    for token in (issuer.token(), issuer.token(key=jose.Key.generate("ES256", kid="one"))):
        with pytest.raises(Unavailable) as unknown:
            verifier.verify_sync(token)
        answer = verifier.answer(unknown.value)
        assert answer.status == 503
        assert int(dict(answer.headers)["Retry-After"]) >= 1
        assert "WWW-Authenticate" not in dict(answer.headers)


@pytest.mark.parametrize(
    "options",
    [
        {"issuer": "http://id.example"}, {"issuer": "https://id.example?x=1"}, {"issuer": ""}, {"audience": ""},
        {"audience": ()}, {"token_type": "session+jwt"}, {"token_type": "application/Session+JWT"}, {"leeway": -1.0},
        {"leeway": float("nan")}, {"client": ("id",)},
        {"client": "id"}, {"client": ("id", "secret"), "feed_uri": "http://far.example/f"},
        {"jwks_uri": "file:///etc/passwd"}, {"cooldown": -1},
        {"cooldown": float("nan")},
    ],
)  # fmt: skip
def test_what_cannot_work_is_said_at_once(issuer: FakeIssuer, options: dict[str, Any]) -> None:
    """Misconfigured when it is made, never a refusal later."""
    with pytest.raises(Misconfigured):
        issuer.verifier(**options)


def test_keys_can_be_handed_in(issuer: FakeIssuer) -> None:
    """With fixed keys nothing is ever fetched, whatever a token says."""
    verifier = issuer.verifier(keys=issuer.keys[0].public())
    assert verifier.verify_sync(issuer.token())
    with pytest.raises(CredentialRefused):
        verifier.verify_sync(issuer.token(key=jose.Key.generate("ES256", kid="other")))
    assert issuer.fetched == []


def test_no_header_of_a_token_causes_a_fetch(issuer: FakeIssuer) -> None:
    """Flaw class 10: jku, x5u and embedded keys are refused before any network call."""
    verifier = issuer.verifier()
    verifier.start_blocking()
    before = list(issuer.fetched)
    issuer.clock.advance(60)
    for kid in ("one", "unheard-of"):
        for header in ("jku", "x5u"):
            token = _with_header(
                {"alg": "ES256", "kid": kid, "typ": "at+jwt", header: "https://evil.example/k"}, issuer
            )
            with pytest.raises(CredentialRefused) as refused:
                verifier.verify_sync(token)
            assert refused.value.private == "malformed"
    assert issuer.fetched == before


def _with_header(header: dict[str, Any], issuer: FakeIssuer) -> str:
    from ostiary.jose.encoding import encode_bytes, encode_object

    signed = encode_bytes(encode_object(header)) + b"." + encode_bytes(encode_object(issuer.claims()))
    return (signed + b"." + encode_bytes(issuer.keys[0].sign(signed))).decode()


def test_two_issuers_do_not_share_names_of_keys(clock: FakeClock) -> None:
    """Flaw class 12: the same kid at two issuers is two keys."""
    first, second = FakeIssuer(clock), FakeIssuer(clock)
    with pytest.raises(CredentialRefused):
        first.verifier().verify_sync(second.token())


def test_nothing_secret_is_shown(issuer: FakeIssuer) -> None:
    """No error and no repr holds a token."""
    token = issuer.token(aud="https://other.example")
    verifier = issuer.verifier()
    with pytest.raises(CredentialRefused) as refused:
        verifier.verify_sync(token)
    shown = f"{refused.value!r} {refused.value} {refused.value.private} {verifier!r}"
    assert not any(part in shown for part in token.split("."))


def test_a_verifier_is_of_its_process() -> None:
    """It cannot be pickled: its threads and its cache would not go along."""
    import pickle

    with pytest.raises(TypeError):
        pickle.dumps(Verifier(issuer="https://id.example", audience="a"))


def test_nothing_but_refusals_comes_of_what_is_sent(issuer: FakeIssuer) -> None:
    """Damaged tokens of every sort, under known and unknown keys, are CredentialRefused and never anything else."""
    verifier, stranger = issuer.verifier(), jose.Key.generate("EdDSA", kid="two")
    payloads = (b"", b"[]", b"not json", b"{", b'{"a":1,"a":2}', b"\xff", b"[" * 2000, b'{"exp":1e999}', b'{"exp":NaN}')
    tokens = [
        jose.sign_bytes(payload, key, typ=typ)
        for payload in payloads
        for key in (issuer.keys[0], stranger, jose.Key.generate("ES256", kid="three"))
        for typ in ("at+jwt", "session+jwt")
    ]
    good = issuer.token()
    tokens += [good[:cut] for cut in range(0, len(good), 7) if cut]
    tokens += [".", "..", "...", "a.b", "{}", "é.é.é", "\x00", "a" * 5000, "." * 5000, f"{good}.{good}"]
    for token in tokens:
        with pytest.raises(CredentialRefused):
            verifier.verify_sync(token)
    assert verifier.verify_sync(good)
