"""`ostiary token …` and `ostiary key …` on files, as anybody's script would call them."""

import json
import stat
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.cli.conftest import GOOD_PASSWORD, Shell

from ostiary import jose
from ostiary.compose import Ostiary
from ostiary.domain.session import Kind
from ostiary.services.context import Client
from ostiary.services.sign_in import LoginRequest
from ostiary.settings import Settings

ISSUER, API = "https://id.example", "https://api.example"
EXPECTED = ("--issuer", ISSUER, "--audience", API, "--type", "at+jwt")
KEY = jose.Key.generate("ES256")


def claims(**changes: Any) -> dict[str, Any]:
    now = int(time.time())
    return {"iss": ISSUER, "aud": API, "sub": "acc_1", "iat": now, "exp": now + 300, **changes}


@pytest.fixture
def key(tmp_path: Path) -> str:
    """A private key in a file."""
    path = tmp_path / "private.json"
    path.write_text(json.dumps(KEY.to_jwk(private=True)))
    path.chmod(0o600)
    return path.name


@pytest.fixture
def public(tmp_path: Path) -> str:
    """Its public half, as a JWK set."""
    (tmp_path / "public.json").write_text(json.dumps(jose.KeySet([KEY.public()]).to_jwks()))
    return "public.json"


def test_sign_then_verify(ostiary: Shell, key: str, public: str, tmp_path: Path) -> None:
    """What `sign` makes, `verify` accepts, and any other verifier reads: exit code 0."""
    signed = ostiary("token", "sign", "--key", key, "--type", "at+jwt", stdin=json.dumps(claims()))
    (tmp_path / "claims.json").write_text(json.dumps(claims()))
    from_file = ostiary("token", "sign", "claims.json", "--key", "-", "--json", stdin=(tmp_path / key).read_text())
    assert set(from_file.json) == {"token"}
    assert (signed.code, signed.out.count("\n")) == (0, 1)
    assert "warning" not in signed.err
    token = signed.out.strip()
    assert jose.decode_unverified(token).claims == jose.verify(
        token, KEY.public(), jose.Policy(issuer=ISSUER, audience=API, type="at+jwt")
    )
    for source in (key, public):
        done = ostiary("token", "verify", "--key", source, *EXPECTED, stdin=token)
        assert (done.code, done.err) == (0, "")
        assert done.out.startswith("Accepted\n")


def test_sign_adds_nothing(ostiary: Shell, key: str) -> None:
    """Members come out as they went in, in their order; what is missing or private is said on stderr, not mended."""
    given = {"z": 1, "email": "a@example.org", "a": [True, None]}
    signed = ostiary("token", "sign", "--key", key, stdin=json.dumps(given))
    assert signed.code == 0
    content = jose.decode_unverified(signed.out.strip())
    assert list(content.claims.items()) == list(given.items())
    assert content.header == {"alg": "ES256", "kid": KEY.kid}
    for words in ("no expiry", "whom it is meant for", "who issued it", "personal data", "kind of token"):
        assert words in signed.err


@pytest.mark.parametrize(
    ("change", "code", "claim"),
    [
        ({"exp": 1}, "expired", "exp"),
        ({"aud": "https://other.example"}, "wrong_audience", "aud"),
        ({"iss": "https://other.example"}, "wrong_issuer", "iss"),
        ({"nbf": 4_000_000_000}, "not_yet_valid", "nbf"),
    ],
)
def test_a_refusal_is_exit_code_1_with_its_reason(
    ostiary: Shell, public: str, change: dict[str, Any], code: str, claim: str
) -> None:
    """Code and claim for a program, a sentence for a person."""
    token = jose.sign(claims(**change), KEY, typ="at+jwt")
    done = ostiary("token", "verify", "--key", public, *EXPECTED, "--json", stdin=token)
    assert done.code == 1
    said = done.json
    assert (said["accepted"], said["code"], said["claim"]) == (False, code, claim)
    assert said["reason"].endswith(".")
    assert token not in done.out + done.err
    told = ostiary("token", "verify", "--key", public, *EXPECTED, stdin=token)
    assert told.out.startswith(f"Refused: {said['reason']}\n  code {code}, step {claim}\n")


def test_verify_knows_whose_key_it_is(ostiary: Shell, public: str) -> None:
    """Another's signature, and none at all, are refused before any claim counts."""
    other = jose.sign(claims(), jose.Key.generate("ES256"), typ="at+jwt")
    done = ostiary("token", "verify", "--key", public, *EXPECTED, "--json", stdin=other)
    assert (done.code, done.json["code"], done.json["claim"]) == (1, "unknown_key", None)
    unsigned = "eyJhbGciOiJub25lIn0." + other.split(".")[1] + "."
    done = ostiary("token", "verify", "--key", public, *EXPECTED, "--json", stdin=unsigned)
    assert (done.code, done.json["accepted"], done.json["verdict"]) == (1, False, "unreadable")


def test_pem_says_no_algorithm(ostiary: Shell, tmp_path: Path) -> None:
    """For PEM the algorithm has to be said: nothing is guessed."""
    (tmp_path / "public.pem").write_bytes(KEY.public().to_pem())
    token = jose.sign(claims(), KEY, typ="at+jwt")
    missing = ostiary("token", "verify", "--key", "public.pem", *EXPECTED, stdin=token)
    assert (missing.code, "--alg" in missing.err) == (2, True)
    assert ostiary("token", "verify", "--key", "public.pem", "--alg", "ES256", *EXPECTED, stdin=token).code == 0
    assert ostiary("token", "verify", "--key", "public.pem", "--alg", "ES384", *EXPECTED, stdin=token).code == 2


def test_one_key_of_a_set(ostiary: Shell, tmp_path: Path) -> None:
    """`key public --kid` prints that key alone, as a JWK or PEM; an id that is not there is a usage error."""
    keys = jose.KeySet([KEY.public(), jose.Key.generate("ES384", kid="other").public()])
    (tmp_path / "set.json").write_text(json.dumps(keys.to_jwks()))
    one = ostiary("key", "public", "--kid", "other", "set.json")
    assert (one.code, one.json["kid"], one.json["crv"]) == (0, "other", "P-384")
    pem = ostiary("key", "public", f"--kid={KEY.kid}", "--pem", "set.json").out
    assert jose.Key.from_pem(pem, alg="ES256").thumbprint() == KEY.thumbprint()
    assert pem.count("BEGIN") == 1
    assert ostiary("key", "public", "--kid", "nobody", "set.json").code == 2


@pytest.mark.parametrize("kid", ["-abc", "-yabc", "--pem", "-"])
def test_the_id_of_a_key_may_begin_with_a_hyphen(ostiary: Shell, tmp_path: Path, kid: str) -> None:
    """One thumbprint in 64 does: `--kid -abc` and `--kid=-abc` say the same."""
    keys = jose.KeySet([KEY.public(), jose.Key.generate("ES384", kid=kid).public()])
    (tmp_path / "set.json").write_text(json.dumps(keys.to_jwks()))
    for said in (["--kid", kid], [f"--kid={kid}"]):
        assert ostiary("key", "public", *said, "set.json").json["kid"] == kid
        assert ostiary("key", "public", "set.json", *said).json["kid"] == kid
        assert ostiary("key", "generate", *said).json["kid"] == kid


def test_inspect_explains_without_judging(ostiary: Shell, tmp_path: Path) -> None:
    """Exit code 0 for whatever can be read, also if it has expired; each claim has its sentence and its date."""
    token = jose.sign(claims(exp=1, sid="ses_1", odd=1), KEY, typ="at+jwt")
    (tmp_path / "token.txt").write_text(f"Bearer {token}\n")
    for arguments, stdin in ((("-",), token), ((), token), (("token.txt",), "")):
        done = ostiary("token", "inspect", *arguments, stdin=stdin)
        assert (done.code, done.err) == (0, "")
        for words in ("Read, not judged", "Issuer: who made it.", "1 January 1970", "It expired", "The session that"):
            assert words in done.out
    said = ostiary("token", "inspect", "--json", stdin=token).json
    assert (said["form"], said["type"], said["accepted"], said["readable"]) == ("jws", "at+jwt", None, True)
    assert {member["name"]: member.get("at") for member in said["claims"]}["exp"] == "1970-01-01T00:00:01.000Z"
    assert {caution["code"] for caution in said["cautions"]} == {"expired"}
    assert all(member["meaning"] for member in said["claims"] + said["header"])


@pytest.mark.parametrize(
    ("text", "form"),
    [
        (b"", "empty"),
        (b"hello", "unknown"),
        (b"a.b.c", "jws"),
        (b"\xff\xfe\x00", "unknown"),
        (b"x" * 300_000, "oversize"),
        (b"\x1b]0;owned\x07.\xe2\x80\xae.x", "jws"),
        (b"ost_st_short", "session_token"),
    ],
)
def test_what_cannot_be_read_is_exit_code_1(ostiary: Shell, text: bytes, form: str) -> None:
    """Told as a report like any other, with nothing in it that a terminal would obey."""
    done = ostiary("token", "inspect", "--json", stdin=text)
    assert (done.code, done.err, done.json["form"], done.json["readable"]) == (1, "", form, False)
    told = ostiary("token", "inspect", stdin=text)
    assert told.code == 1
    assert told.out.replace("\n", "").isprintable()


def test_a_token_never_stands_on_the_command_line(ostiary: Shell) -> None:
    """It is refused there, and not repeated: everybody on the machine can list arguments."""
    token = jose.sign(claims(), KEY, typ="at+jwt")
    for arguments in (("inspect", token), ("verify", token), ("inspect", "ost_st_" + "a" * 43)):
        done = ostiary("token", *arguments)
        assert done.code == 2
        assert arguments[1][:20] not in done.out + done.err
        assert "stdin" in done.err


@pytest.mark.parametrize(
    ("arguments", "stdin"),
    [
        (("verify", "--key", "nowhere.json", *EXPECTED), "a.b.c"),
        (("verify", "--key", "empty.json", *EXPECTED), "a.b.c"),
        (("verify", "--key", "-", *EXPECTED), "a.b.c"),
        (("verify", "--key", "private.json"), "a.b.c"),
        (("verify", "--key", "private.json", "--issuer", "x", "--audience", "y"), "a.b.c"),
        (("verify", "--alg", "ES256"), "a.b.c"),
        (("inspect", "nowhere"), ""),
        (("sign", "--key", "private.json"), "no json"),
        (("sign", "--key", "private.json"), "[]"),
        (("sign", "--key", "private.json"), '{"a":1,"a":2}'),
        (("sign", "--key", "private.json"), " " * 5000 + "{}"),
        (("sign", "--key", "public.json"), "{}"),
        (("sign", "--key", "-"), "{}"),
        (("sign",), "{}"),
    ],
)
def test_a_wrong_call_is_exit_code_2(
    ostiary: Shell, key: str, public: str, tmp_path: Path, arguments: tuple[str, ...], stdin: str
) -> None:
    """One line that says what to do; nothing on stdout."""
    (tmp_path / "empty.json").touch()
    done = ostiary("token", *arguments, stdin=stdin)
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("error: ")
    assert done.err.count("\n") == 1


def test_claims_that_no_verifier_would_take_are_not_signed(ostiary: Shell, key: str) -> None:
    """A date that is no date is refused at once, not by whoever gets the token."""
    done = ostiary("token", "sign", "--key", key, stdin='{"exp": "tomorrow"}')
    assert (done.code, done.out, "unsignable" in done.err) == (1, "", True)


@pytest.mark.anyio
async def test_verify_by_the_server_itself(ostiary: Shell, add: Callable[..., dict[str, Any]], tmp_path: Path) -> None:
    """Against a database: keys, sessions and revocations of that issuer decide, for every kind of credential."""
    account = add("alice")
    settings = Settings.load(flags={"database": f"sqlite:///{tmp_path / 'ostiary.db'}"})
    tokens: dict[str, str] = {}
    auth = Ostiary(settings)
    async with auth.lifespan():
        for kind in Kind:
            request = LoginRequest(username="alice", password=GOOD_PASSWORD, kind=kind)
            issued = await auth.system.sign_in.login(request, Client())
            tokens[kind.value] = issued.access_token
            tokens[f"refresh {kind.value}"] = issued.refresh_token or ""
    assert tokens.pop("refresh session") == ""
    for token in tokens.values():
        done = ostiary("token", "verify", "--json", stdin=token)
        assert (done.code, done.json["accepted"]) == (0, True), done.out + done.err
    other = ostiary("token", "verify", "--json", "--audience", API, stdin=tokens["stateless"])
    assert (other.code, other.json["code"]) == (1, "wrong_audience")
    for kind in Kind:  # whose server was told its issuer by a flag, tells it here in the same way
        named = ("token", "verify", "--issuer", settings.issuer)
        assert ostiary(*named, stdin=tokens[kind.value], OSTIARY_ISSUER="https://other.example").code == 0
    assert ostiary("session", "end", "--account", account["id"], "--yes").code == 0
    for token in tokens.values():
        done = ostiary("token", "verify", "--json", stdin=token)
        assert (done.code, done.json["accepted"]) == (1, False)
        assert done.json["step"] in ("session", "revoked")


def test_a_store_that_is_not_there_decides_nothing(ostiary: Shell) -> None:
    """Exit code 3: nobody has judged the token, so it is not refused; and no database is made."""
    done = ostiary("token", "verify", stdin=jose.sign(claims(), KEY, typ="at+jwt"))
    assert (done.code, done.out) == (3, "")
    assert not list(ostiary.folder.iterdir())


ALGORITHMS = ("ES256", "EdDSA", "Ed448", "PS256", "HS256", "ECDH-ES+A256KW")


@pytest.mark.parametrize("alg", ALGORITHMS)
def test_generate(ostiary: Shell, alg: str) -> None:
    """A private key of each kind, in a file that only its owner can read, and its thumbprint for an id."""
    done = ostiary("key", "generate", "--alg", alg, "--out", "key.json")
    path = ostiary.folder / "key.json"
    assert (done.code, done.out) == (0, ""), done.err
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    jwk = json.loads(path.read_bytes())
    assert jwk["alg"] == alg
    assert ostiary("key", "thumbprint", "key.json").out.strip() == jwk["kid"]
    secrets = [jwk[name] for name in ("d", "k", "p") if name in jwk]
    told = ostiary("key", "inspect", "key.json")
    assert (told.code, told.err) == (0, "")
    assert secrets
    for secret in secrets:
        assert secret not in done.err + told.out


def test_generate_a_key_that_encrypts_directly(ostiary: Shell) -> None:
    """It is for one content encryption, which has to be said."""
    assert ostiary("key", "generate", "--alg", "dir").code == 1
    assert ostiary("key", "generate", "--alg", "ES256", "--enc", "A256GCM").code == 2
    made = ostiary("key", "generate", "--alg", "dir", "--enc", "A128GCM", "--kid", "mine")
    assert (made.json["kty"], made.json["use"], made.json["kid"]) == ("oct", "enc", "mine")


def test_generate_replaces_nothing(ostiary: Shell) -> None:
    """A file that is there stays as it is, and a link is not followed."""
    (ostiary.folder / "key.json").write_text("precious")
    (ostiary.folder / "link.json").symlink_to("elsewhere.json")
    for name in ("key.json", "link.json", "no/such/folder.json"):
        assert ostiary("key", "generate", "--out", name).code == 2
    assert (ostiary.folder / "key.json").read_text() == "precious"
    assert not (ostiary.folder / "elsewhere.json").exists()


def test_generate_says_which_algorithms_there_are(ostiary: Shell) -> None:
    """A wrong name gets the right ones; a size that is too small is refused."""
    wrong = ostiary("key", "generate", "--alg", "RSA1_5")
    assert (wrong.code, "ES256" in wrong.err) == (2, True)
    assert ostiary("key", "generate", "--alg", "RS256", "--bits", "1024").code == 1


def test_a_key_in_pem(ostiary: Shell, tmp_path: Path) -> None:
    """Made, read, shown and used as PEM; both forms have the same thumbprint (RFC 7638)."""
    made = ostiary("key", "generate", "--alg", "ES384", "--pem")
    private = jose.Key.from_pem(made.out, alg="ES384")
    assert private.private
    shown = ostiary("key", "public", stdin=made.out)
    assert jose.Key.from_pem(shown.out, alg="ES384").thumbprint() == private.thumbprint()
    assert "PRIVATE" not in shown.out
    assert ostiary("key", "thumbprint", "-", stdin=shown.out).out.strip() == private.thumbprint()
    assert ostiary("key", "thumbprint", "--uri", stdin=made.out).out.strip() == private.thumbprint_uri()


def test_public_leaves_out_what_is_secret(ostiary: Shell, key: str) -> None:
    """Of a JWK and of a set: the public members, with what was said about the key; a shared secret has none."""
    shown = ostiary("key", "public", key)
    assert shown.json == KEY.to_jwk()
    both = json.dumps({"keys": [KEY.to_jwk(private=True), jose.Key.generate("EdDSA").to_jwk(private=True)]})
    listed = ostiary("key", "public", stdin=both)
    assert all("d" not in jwk for jwk in listed.json["keys"])
    assert len(listed.json["keys"]) == 2
    assert jose.Key.from_pem(ostiary("key", "public", "--pem", key).out, alg="ES256").thumbprint() == KEY.thumbprint()
    secret = ostiary("key", "public", stdin=json.dumps(jose.Key.generate("HS256").to_jwk(private=True)))
    assert (secret.code, secret.out, "invalid_key" in secret.err) == (1, "", True)


def test_inspect_a_key_names_what_is_weak(ostiary: Shell, key: str) -> None:
    """Type, size, identity; a file that others may read, a shared secret and a short RSA key are said to be."""
    (ostiary.folder / key).chmod(0o644)
    said = ostiary("key", "inspect", "--json", key).json
    assert said["keys"][0] == {
        "type": "EC", "curve": "P-256", "bits": None, "private": True, "alg": "ES256", "use": "sig", "kid": KEY.kid,
        "thumbprint": KEY.thumbprint(), "cautions": [],
    }  # fmt: skip
    assert "chmod 600" in said["cautions"][0]

    def weak(jwk: dict[str, Any]) -> str:
        done = ostiary("key", "inspect", "--json", stdin=json.dumps(jwk))
        return " ".join(done.json["keys"][0]["cautions"])

    assert "3072" in weak(jose.Key.generate("RS256").to_jwk())
    assert "guessed" in weak({"kty": "oct", "k": "c2VjcmV0", "alg": "HS256"})
    assert "alg" in weak({name: value for name, value in KEY.to_jwk().items() if name != "alg"})


@pytest.mark.parametrize(
    ("command", "text"),
    [
        ("public", ""),
        ("thumbprint", "no key"),
        ("inspect", "[]"),
        ("inspect", '{"keys":[]}'),
        ("inspect", '{"keys":1}'),
        ("public", '{"kty":"EC"}'),
        ("thumbprint", "-----BEGIN X-----"),
        ("inspect", "{" * 70_000),
    ],
)
def test_what_is_no_key_is_refused_in_one_line(ostiary: Shell, command: str, text: str) -> None:
    """Never a traceback, never a word of the file."""
    done = ostiary("key", command, stdin=text)
    assert done.code in (1, 2)
    assert (done.out, done.err.count("\n")) == ("", 1)
    assert "internal_error" not in done.err
