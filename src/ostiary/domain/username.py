"""User names: the key by which two spellings of one name are found to be the same account.

The rules, in the spirit of RFC 8265 section 3.3 (UsernameCaseMapped) with the mapping of UTS #46:

1. NFKC and full case folding, repeated until nothing changes. So ``Alice``, ``ALICE`` and full-width ``ａｌｉｃｅ`` are
   one name; so are ``Straße`` and ``strasse``.
2. Afterwards only visible ASCII and the letters, marks and decimal digits of any script may remain (RFC 8264 section
   4.2, IdentifierClass). Space, control, format (zero-width, bidi), default-ignorable, symbol and unassigned characters
   are refused, not dropped: a dropped character would make two names of what one person typed as one.
3. On either side of ``@`` the letters come from one script; Han, Kana, Hangul and Bopomofo may stand together and
   beside Latin (UTS #39 "highly restrictive"). Decimal digits come from one set. This stops ``pаypal`` with a Cyrillic
   ``а``; a name wholly in look-alikes of one other script is not stopped.
4. The first character is not a combining mark, and at least one is a letter or a digit.

Characters that Unicode assigns later were refused before, so a newer Unicode table never changes a key in use.
"""

import re
import unicodedata

from ostiary.errors import InvalidRequest
from ostiary.limits import USERNAME_CHARS

_RAW_CHARS = 4 * USERNAME_CHARS  # composing is quadratic in a row of marks: longer input is refused unread
_ROUNDS = 4  # every single code point settles after one; a row of marks that folding reorders may take another
_WORD_CATEGORIES = frozenset({"Ll", "Lu", "Lo", "Lm", "Mn", "Mc", "Nd"})
_EAST_ASIAN = frozenset({"CJK", "IDEOGRAPHIC", "HIRAGANA", "KATAKANA", "KATAKANA-HIRAGANA", "BOPOMOFO", "HANGUL"})
_NO_SCRIPT = frozenset({"MODIFIER", "COMBINING"})
_PLAIN = re.compile(f"(?=.*[A-Za-z0-9])[!-~]{{1,{USERNAME_CHARS}}}")  # ASCII: one script, one set of digits, no marks
# Letters and marks that render as nothing (Default_Ignorable_Code_Point), and the conjoining jamo that RFC 8264
# section 9.9 keeps out of identifiers because they draw the same syllable in two ways.
_INVISIBLE = (
    (0x034F, 0x034F),
    (0x1100, 0x11FF),
    (0x17B4, 0x17B5),
    (0x180B, 0x180F),
    (0x3164, 0x3164),
    (0xA960, 0xA97F),
    (0xD7B0, 0xD7FF),
    (0xFE00, 0xFE0F),
    (0xFFA0, 0xFFA0),
    (0xE0000, 0xE0FFF),
)


def normalise_username(raw: str) -> str:
    """Return the comparison key of ``raw``: 1 to ``limits.USERNAME_CHARS`` code points, its own key.

    Raises ``InvalidRequest``, with a message that says which rule is broken and nothing of the input.
    """
    return raw.lower() if _PLAIN.fullmatch(raw) else _normalised_by_the_rules(raw)


def _normalised_by_the_rules(raw: str) -> str:
    """The same for any text; for those that `_PLAIN` matches, it is dearer."""
    key = _folded(raw)
    if not 1 <= len(key) <= USERNAME_CHARS:
        raise InvalidRequest(f"A user name has 1 to {USERNAME_CHARS} characters")
    if not all(map(_allowed, key)):
        raise InvalidRequest(
            "A user name consists of letters, digits and ASCII punctuation, without spaces or invisible characters"
        )
    if unicodedata.category(key[0]).startswith("M"):
        raise InvalidRequest("A user name does not begin with a combining mark")
    if not any(char.isalnum() for char in key):
        raise InvalidRequest("A user name has at least one letter or digit")
    if not all(map(_one_script, key.split("@"))) or not _one_set_of_digits(key):
        raise InvalidRequest("A user name does not mix letters or digits of different scripts")
    return key


def username_key_or_none(raw: str) -> str | None:
    """``normalise_username`` for a login attempt: a name that no account can have is ``None``, not an error."""
    try:
        return normalise_username(raw)
    except InvalidRequest:
        return None


def _folded(raw: str) -> str:
    if len(raw) > _RAW_CHARS:
        raise InvalidRequest(f"A user name has 1 to {USERNAME_CHARS} characters")
    text = unicodedata.normalize("NFKC", raw)
    for _ in range(_ROUNDS):
        again = unicodedata.normalize("NFKC", text.casefold())
        if again == text:
            return text
        text = again
    raise InvalidRequest("The user name has no settled form")


def _allowed(char: str) -> bool:
    point = ord(char)
    if point < 0x80:
        return 0x21 <= point <= 0x7E
    if any(first <= point <= last for first, last in _INVISIBLE):
        return False
    return unicodedata.category(char) in _WORD_CATEGORIES


def _one_script(part: str) -> bool:
    scripts = {_script(char) for char in part if unicodedata.category(char).startswith("L")} - _NO_SCRIPT
    foreign = scripts - _EAST_ASIAN
    return not foreign or len(scripts) == 1 or foreign == {"LATIN"}


def _script(letter: str) -> str:
    """The first word of the character's name: what the standard library knows of its script."""
    return unicodedata.name(letter, "UNNAMED").split(" ", 1)[0]


def _one_set_of_digits(text: str) -> bool:
    return len({ord(char) - unicodedata.decimal(char) for char in text if unicodedata.category(char) == "Nd"}) <= 1
