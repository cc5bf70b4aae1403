"""Which new passwords are refused, and why (NIST SP 800-63B-4 section 3.1.1.2).

Length, a list of common passwords, and words of the context; no rules about kinds of character, no expiry, and nothing
is cut off. A password is NFC both when it is set and when it is verified, and its length is counted in code points.

What is trivial is weighed by ``password_weight``. The rules:

- the whole is trivial, or repeats a unit shorter than the minimum, or is built of fewer than five different
  characters: ``too_repetitive``;
- the whole is on the list, as it is, backwards, or without its signs; or it is, once a trivial part that has no letters
  is taken off its ends: ``too_common``;
- what remains is trivial once the user name, the e-mail address or a word of the context is taken out, forwards or
  backwards: ``contains_username``, ``contains_service_name``.

A password that merely holds such a word among much else passes.
"""

import unicodedata
from collections.abc import Container, Iterable

from ostiary.domain.password_weight import is_trivial, period
from ostiary.errors import PasswordReason
from ostiary.limits import EMAIL_CHARS, PASSWORD_CHARS, PASSWORD_CHARS_MIN, USERNAME_CHARS

DEFAULT_MINIMUM = 15  # code points, where the password is the only factor

_RAW_CHARS = 2 * PASSWORD_CHARS  # composing is quadratic in a row of marks: longer input is refused unread
_WORD_CHARS_MIN = 3  # shorter names are found in anything
_WORD_CHARS = max(4 * USERNAME_CHARS, EMAIL_CHARS)  # longer ones no account has; folding them costs milliseconds
_FEW_DIFFERENT = 5
_FEW_MATTER_BELOW = 32  # code points; coins tossed longer than this are a good password
_PLAIN = str.maketrans("0134578@$!", "oieastbasi")  # p@ssw0rd -> password

TOO_SHORT = "too_short"
TOO_LONG = "too_long"
INVALID_CHARACTERS = "invalid_characters"
TOO_REPETITIVE = "too_repetitive"
TOO_COMMON = "too_common"
CONTAINS_USERNAME = "contains_username"
CONTAINS_SERVICE_NAME = "contains_service_name"


def normalise_password(password: str) -> str:
    """NFC: what is judged, hashed and verified. Callers bound the length first (``is_within_reason``)."""
    return unicodedata.normalize("NFC", password)


def is_within_reason(password: str) -> bool:
    """Whether a password is short enough to be looked at: none that may be set is longer."""
    return len(password) <= _RAW_CHARS


def judge_password(
    password: str,
    *,
    minimum: int,
    username: str,
    email: str | None,
    blocklist: Container[str],
    context: Iterable[str] = ("ostiary",),
) -> tuple[PasswordReason, ...]:
    """Say why a new password is refused; empty: it is fine.

    ``minimum`` is in code points; below ``limits.PASSWORD_CHARS_MIN`` it counts as that. ``blocklist`` holds texts in
    NFKC, case-folded. The reasons stand in a fixed order, each once, and their messages repeat nothing of the input.
    """
    minimum = max(minimum, PASSWORD_CHARS_MIN)
    if not is_within_reason(password):
        return (_too_long(),)
    if any(char == "\0" or "\ud800" <= char <= "\udfff" for char in password):
        return (PasswordReason(INVALID_CHARACTERS, "The password holds a character that is not text."),)
    text = normalise_password(password)
    if len(text) > PASSWORD_CHARS:
        return (_too_long(),)
    reasons = []
    if len(text) < minimum:
        reasons.append(PasswordReason(TOO_SHORT, f"Use at least {minimum} characters; several words do well."))
    folded = _folded(text)
    if _is_repetitive(folded, minimum):
        reasons.append(PasswordReason(TOO_REPETITIVE, "The password repeats itself or follows the keyboard."))
    if _is_common(folded, blocklist):
        reasons.append(PasswordReason(TOO_COMMON, "The password is one of those tried first."))
    if _is_little_more_than(folded, (username, *_parts_of_email(username), *_parts_of_email(email or ""))):
        reasons.append(PasswordReason(CONTAINS_USERNAME, "The password is little more than the user name or e-mail."))
    if _is_little_more_than(folded, context):
        reasons.append(PasswordReason(CONTAINS_SERVICE_NAME, "The password is little more than this service's name."))
    return tuple(reasons)


def _too_long() -> PasswordReason:
    return PasswordReason(TOO_LONG, f"Use at most {PASSWORD_CHARS} characters.")


def _folded(text: str) -> str:
    wide = unicodedata.normalize("NFKC", text)  # some single characters become eighteen
    return (wide if len(wide) <= _RAW_CHARS else text).casefold()


def _letters_and_digits(text: str) -> str:
    return "".join(char for char in text if _is_letter_or_digit(char))


def _is_letter_or_digit(char: str) -> bool:
    return char.isalnum() or unicodedata.category(char).startswith("M")


def _parts_of_email(email: str) -> tuple[str, ...]:
    return (email, email.partition("@")[0])


def _is_repetitive(folded: str, minimum: int) -> bool:
    unit = period(folded)
    if unit < minimum and 2 * unit <= len(folded):
        return True
    if len(set(folded)) < _FEW_DIFFERENT and len(folded) <= _FEW_MATTER_BELOW:
        return True
    return is_trivial(folded)


def _is_common(folded: str, blocklist: Container[str]) -> bool:
    bare = _letters_and_digits(folded)
    if any(text in blocklist for text in (folded, folded[::-1], bare, bare[::-1])):
        return True
    first = next((i for i, char in enumerate(folded) if char.isalpha()), None)
    if first is None:
        return False
    last = max(i for i, char in enumerate(folded) if char.isalpha())
    core, rest = folded[first : last + 1], folded[:first] + folded[last + 1 :]
    if not is_trivial(rest):
        return False
    return any(text in blocklist for text in (core, core.translate(_PLAIN), core[::-1]))


def _is_little_more_than(folded: str, words: Iterable[str]) -> bool:
    bare = _letters_and_digits(folded)
    leet = "".join(char for char in folded if _is_letter_or_digit(char) or ord(char) in _PLAIN)
    plain = leet.translate(_PLAIN)
    for word in {_letters_and_digits(_folded(word)) for word in {*words} if len(word) <= _WORD_CHARS}:
        if not _WORD_CHARS_MIN <= len(word) <= len(leet):
            continue
        for form in (word, word[::-1]):
            rests = _taken_out(form, bare, bare), _taken_out(form.translate(_PLAIN), leet, plain)
            if any(rest is not None and is_trivial(rest) for rest in rests):
                return True
    return False


def _taken_out(word: str, text: str, seen_as: str) -> str | None:
    """``text`` without the places where ``seen_as``, of the same length, reads ``word``; None where it nowhere does."""
    kept = []
    at = 0
    while (found := seen_as.find(word, at)) >= 0:
        kept.append(text[at:found])
        at = found + len(word)
    return "".join((*kept, text[at:])) if kept else None
