"""Setting and verifying passwords: what is stored, what matches, and how much work it costs."""

import base64
import hashlib
from collections.abc import Callable, Iterator

import argon2
import pytest

from ostiary.errors import InvalidRequest, Misconfigured, Unavailable
from ostiary.limits import PASSWORD_CHARS
from ostiary.passwords import Argon2Parameters, HashPool, PasswordHasher, Pepper
from ostiary.passwords.hasher import Verdict

CHEAP = Argon2Parameters(memory_kib=64, passes=1)
PASSWORD = "correct-horse-battery-9"
GOOD = Verdict(matches=True)
WRONG = Verdict(matches=False)
DJANGO = "pbkdf2_sha256$1000$seasalt1234567890abcde$jciKccHL4JQaLP0pDLBHLmnPX+VMfjYiGaM/YG2PLnM="


def hasher_with(*secrets: bytes, parameters: Argon2Parameters = CHEAP, pool: HashPool | None = None) -> PasswordHasher:
    peppers = [Pepper.derived_from(secret) for secret in secrets or (b"k" * 32,)]
    return PasswordHasher(peppers=peppers, parameters=parameters, pool=pool or HashPool(workers=1))


@pytest.fixture
def hasher() -> Iterator[PasswordHasher]:
    made = hasher_with()
    yield made
    made.close()


@pytest.mark.anyio
async def test_a_password_verifies_against_its_own_hash_only(hasher: PasswordHasher) -> None:
    """What was set matches; anything else, a prefix or an extension too, does not."""
    stored = await hasher.hash(PASSWORD)
    assert await hasher.verify(stored, PASSWORD) == GOOD
    for other in ("", PASSWORD[:-1], PASSWORD + " ", PASSWORD.upper(), PASSWORD + "\0"):
        assert await hasher.verify(stored, other) == WRONG


def test_the_default_is_argon2id_at_the_owasp_cost_with_the_pepper_named() -> None:
    """The stored text is a PHC string with function, version, cost, pepper id, 16 bytes of salt and 32 of hash."""
    pepper = Pepper.derived_from(b"k" * 32)
    stored = PasswordHasher(peppers=[pepper]).hash_now(PASSWORD)
    _, function, version, cost, salt, digest = stored.split("$")
    assert (function, version) == ("argon2id-hmac-sha256", "v=19")
    assert cost == f"m=19456,t=2,p=1,keyid={pepper.key_id}"
    assert [len(base64.b64decode(part + "==")) for part in (salt, digest)] == [16, 32]
    assert PASSWORD not in stored


def test_two_hashes_of_one_password_differ(hasher: PasswordHasher) -> None:
    """Every hash has its own salt."""
    assert hasher.hash_now(PASSWORD) != hasher.hash_now(PASSWORD)


def test_the_whole_password_counts(hasher: PasswordHasher) -> None:
    """Passwords that agree in their first thousand characters are different (NIST SP 800-63B-4: no truncation)."""
    stored = hasher.hash_now("x" * 1023 + "y")
    assert hasher.verify_now(stored, "x" * 1023 + "y") == GOOD
    assert hasher.verify_now(stored, "x" * 1023 + "z") == WRONG


def test_composed_and_decomposed_forms_are_one_password(hasher: PasswordHasher) -> None:
    """A password set on one keyboard and typed on another matches, because both are NFC when they are hashed."""
    assert hasher.verify_now(hasher.hash_now("cafe\u0301 au lait, s'il"), "caf\u00e9 au lait, s'il") == GOOD


def test_what_can_be_nobodys_password_does_not_match(hasher: PasswordHasher) -> None:
    """Overlong input and lone surrogates are wrong passwords, not errors, and cost one hash like any other."""
    stored = hasher.hash_now(PASSWORD)
    for other in ("x" * 100_000, "a" + "\u0301\u0316" * 100_000, "\ud800"):
        before = hasher.computed
        assert hasher.verify_now(stored, other) == WRONG
        assert hasher.computed == before + 1


def test_an_overlong_password_is_not_hashed(hasher: PasswordHasher) -> None:
    """Setting more than 1024 characters is refused before any work."""
    with pytest.raises(InvalidRequest):
        hasher.hash_now("x" * (PASSWORD_CHARS + 1))
    assert hasher.computed == 0


@pytest.mark.anyio
async def test_a_missing_account_costs_the_same_work(hasher: PasswordHasher) -> None:
    """Right, wrong, no account, no password, unreadable text: one hash each (ASVS 6.3.8, no enumeration by time)."""
    stored = await hasher.hash(PASSWORD)
    for given in (stored, None, "", "!", "$2b$12$" + "a" * 53, stored[:-1] + "!"):
        before = hasher.computed
        verdict = await hasher.verify(given, PASSWORD)
        assert hasher.computed == before + 1
        assert verdict.matches is (given == stored)


def test_the_work_for_a_missing_account_has_the_configured_cost(
    hasher: PasswordHasher, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The stand-in hash is computed with the parameters of a real one."""
    asked: list[dict[str, int]] = []
    real = argon2.low_level.hash_secret_raw

    def watched(secret: bytes, salt: bytes, **cost: int) -> bytes:
        asked.append({**cost, "secret": len(secret), "salt": len(salt)})
        return real(secret, salt, **cost)  # type: ignore[arg-type]

    stored = hasher.hash_now(PASSWORD)
    monkeypatch.setattr("ostiary.passwords.hasher.hash_secret_raw", watched)
    hasher.verify_now(stored, PASSWORD)
    hasher.verify_now(None, PASSWORD)
    assert len(asked) == 2
    assert asked[0] == asked[1]


def test_a_rehash_is_asked_for_when_the_cost_changes(hasher: PasswordHasher) -> None:
    """A password hashed at an older cost still matches and says that it should be hashed anew; a wrong one does not."""
    stored = hasher.hash_now(PASSWORD)
    dearer = hasher_with(parameters=Argon2Parameters(memory_kib=64, passes=2))
    assert dearer.verify_now(stored, PASSWORD) == Verdict(matches=True, needs_rehash=True)
    assert dearer.verify_now(stored, "wrong") == WRONG
    assert dearer.needs_rehash(stored)
    assert not hasher.needs_rehash(stored)
    assert dearer.verify_now(dearer.hash_now(PASSWORD), PASSWORD) == GOOD


def test_a_stolen_hash_is_useless_without_the_pepper(hasher: PasswordHasher) -> None:
    """With another server key, even one that claims the same id, the right password does not match."""
    stored = hasher.hash_now(PASSWORD)
    assert hasher_with(b"other" * 8).verify_now(stored, PASSWORD) == Verdict(matches=False, readable=False)
    key_id = Pepper.derived_from(b"k" * 32).key_id
    liar = PasswordHasher(peppers=[Pepper(key_id=key_id, key=b"o" * 32)], parameters=CHEAP)
    assert liar.verify_now(stored, PASSWORD) == WRONG
    plain = "$argon2id$" + stored.removeprefix("$argon2id-hmac-sha256$").replace(f",keyid={key_id}", "")
    with pytest.raises(argon2.exceptions.VerifyMismatchError):
        argon2.PasswordHasher().verify(plain, PASSWORD)


def test_the_pepper_can_be_replaced(hasher: PasswordHasher) -> None:
    """While the old key is still given, old hashes match, and are hashed anew under the new one."""
    stored = hasher.hash_now(PASSWORD)
    replaced = hasher_with(b"new!" * 8, b"k" * 32)
    assert replaced.verify_now(stored, PASSWORD) == Verdict(matches=True, needs_rehash=True)
    again = replaced.hash_now(PASSWORD)
    assert hasher_with(b"new!" * 8).verify_now(again, PASSWORD) == GOOD


@pytest.mark.parametrize(
    "stored",
    [
        argon2.PasswordHasher(memory_cost=64, time_cost=1, parallelism=1).hash(PASSWORD),
        argon2.PasswordHasher(memory_cost=64, time_cost=1, parallelism=2, type=argon2.Type.I).hash(PASSWORD),
        "argon2" + argon2.PasswordHasher(memory_cost=64, time_cost=1, parallelism=1, salt_len=8).hash(PASSWORD),
        "pbkdf2_sha256$10$salt$"
        + base64.b64encode(hashlib.pbkdf2_hmac("sha256", PASSWORD.encode(), b"salt", 10)).decode(),
    ],
    ids=["argon2id", "argon2i", "django-argon2", "django-pbkdf2"],
)
def test_imported_hashes_match_and_ask_for_a_rehash(hasher: PasswordHasher, stored: str) -> None:
    """Hashes of other systems, which have no pepper, verify and are replaced at the first login."""
    assert hasher.verify_now(stored, PASSWORD) == Verdict(matches=True, needs_rehash=True)
    assert hasher.verify_now(stored, PASSWORD + "!") == WRONG
    assert hasher.needs_rehash(stored)


def test_a_known_django_hash_matches(hasher: PasswordHasher) -> None:
    """A value that Django 5.2's own hasher wrote verifies."""
    assert hasher.verify_now(DJANGO, "lètmein") == Verdict(matches=True, needs_rehash=True)


def test_an_import_of_an_uncomposed_password_matches_what_was_typed(hasher: PasswordHasher) -> None:
    """Another system may have hashed a decomposed password as it came; typed the same way, it is accepted."""
    typed = "cafe\u0301 au lait, s'il"
    stored = argon2.PasswordHasher(memory_cost=64, time_cost=1, parallelism=1).hash(typed)
    assert hasher.verify_now(stored, typed).matches


@pytest.mark.parametrize(
    "stored",
    [
        "",
        "plain-text-password",
        "$argon2id$",
        "$argon2d$v=19$m=64,t=1,p=1$c2FsdHNhbHQ$" + "A" * 43,
        "$argon2id$v=16$m=64,t=1,p=1$c2FsdHNhbHQ$" + "A" * 43,
        "$argon2id$v=19$m=999999999,t=1,p=1$c2FsdHNhbHQ$" + "A" * 43,
        "$argon2id$v=19$m=64,t=999999,p=1$c2FsdHNhbHQ$" + "A" * 43,
        "$argon2id$v=19$m=64,t=1,p=9$c2FsdHNhbHQ$" + "A" * 43,
        "$argon2id$v=19$m=64,t=1,p=1$c2FsdA$" + "A" * 43,
        "$argon2id$v=19$m=64,t=1,p=1$c2FsdHNhbHQ$AAAA",
        "$argon2id$v=19$m=64,t=1,p=1$c2FsdHNhbHQ$" + "A" * 41,
        "$argon2id$v=19$m=64,t=1,p=1,keyid=x$c2FsdHNhbHQ$" + "A" * 43,
        "$argon2id-hmac-sha256$v=19$m=64,t=1,p=1$c2FsdHNhbHQ$" + "A" * 43,
        "$argon2id-hmac-sha256$v=19$m=64,t=1,p=1,keyid=unknown$c2FsdHNhbHQ$" + "A" * 43,
        "$argon2id$v=19$m=64,t=1,p=1$c2FsdHNhbHQ$" + "A" * 43 + "\n",
        "$argon2id$v=19$m=64,t=1,p=1$c2FsdHNhbHQ$" + "A" * 4300,
        "pbkdf2_sha256$0$salt$" + "A" * 43 + "=",
        "pbkdf2_sha256$999999999$salt$" + "A" * 43 + "=",
        "pbkdf2_sha256$10$salt$A=",
        "pbkdf2_sha256$10$salt$",
    ],
)
def test_what_cannot_be_read_never_matches_and_says_so(hasher: PasswordHasher, stored: str) -> None:
    """A stored text of another format, or one that asks for absurd work, is a wrong password marked for the log."""
    assert hasher.verify_now(stored, PASSWORD) == Verdict(matches=False, readable=False)
    assert hasher.computed == 1


def test_a_missing_account_is_not_reported_as_unreadable(hasher: PasswordHasher) -> None:
    """No account is an everyday answer, not something for the operator."""
    assert hasher.verify_now(None, PASSWORD) == WRONG


def test_keys_and_hashes_never_print() -> None:
    """No representation shows a key (style: secrets print as stars)."""
    pepper = Pepper(key_id="one", key=b"SECRET-SECRET-SECRET-SECRET-SECRET")
    shown = repr(PasswordHasher(peppers=[pepper])) + repr(pepper) + str(pepper)
    assert "SECRET" not in shown
    assert "***" in shown


UNUSABLE: dict[str, Callable[[], object]] = {
    "short key": lambda: Pepper(key_id="one", key=b"short"),
    "bad key id": lambda: Pepper(key_id="a,b$c", key=b"k" * 32),
    "short secret": lambda: Pepper.derived_from(b"short"),
    "no pepper": lambda: PasswordHasher(peppers=[]),
    "one pepper twice": lambda: PasswordHasher(peppers=[Pepper.derived_from(b"k" * 32)] * 2),
    "too little memory": lambda: Argon2Parameters(memory_kib=7),
    "no pass": lambda: Argon2Parameters(passes=0),
    "too little memory a lane": lambda: Argon2Parameters(lanes=4, memory_kib=31),
    "short salt": lambda: Argon2Parameters(salt_bytes=7),
    "short hash": lambda: Argon2Parameters(hash_bytes=15),
    "no worker": lambda: HashPool(workers=0),
}


@pytest.mark.parametrize("make", UNUSABLE.values(), ids=UNUSABLE.keys())
def test_an_unusable_configuration_is_refused_when_it_is_made(make: Callable[[], object]) -> None:
    """Keys too short, costs out of bounds and empty pools are Misconfigured, at start."""
    with pytest.raises(Misconfigured):
        make()


def test_no_memory_for_a_hash_is_unavailable_not_a_wrong_password(
    hasher: PasswordHasher, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If Argon2 cannot get its memory, nobody is told that the password is wrong, and the error holds no secret."""

    def fails(*_: object, **__: object) -> bytes:
        raise argon2.exceptions.HashingError("Memory allocation error")

    monkeypatch.setattr("ostiary.passwords.hasher.hash_secret_raw", fails)
    with pytest.raises(Unavailable) as caught:
        hasher.verify_now(None, PASSWORD)
    assert "Memory" in caught.value.private
    assert PASSWORD not in str(caught.value) + caught.value.private
