"""How much of a text is not obvious: a coarse count, for refusing trivial passwords and nothing finer.

A letter weighs 1; anything else a half, because people append years and exclamation marks; a run of three or more
digits, or of four or more characters along the alphabet or the keyboard (``123``, ``poiuy``, ``1qaz2wsx``), weighs 1
however long it is; a character three or more times in a row counts once. Input is case-folded.
"""

import re

TRIVIAL = 5.0  # below it: "passwd" weighs 6, eight digits of a date 4
FAIR = 12.0  # from here on it is worth a guesser's time only if they know something of it
GOOD = 16.0
STRONG = 22.0  # five words that have nothing to do with each other

_DIGITS = "12345678901234567890"
_LINES = (
    _DIGITS,
    "abcdefghijklmnopqrstuvwxyz",
    "qwertyuiop[]",
    "asdfghjkl;'",
    "zxcvbnm,./",
    "qwertzuiop",
    "yxcvbnm",
    "azertyuiop",
    "qsdfghjklm",
    "wxcvbn",
    "qweasdzxcrtyfghvbnuiojklm",
    "1qaz2wsx3edc4rfv5tgb6yhn7ujm8ik,9ol.0p;/",
    "qazwsxedcrfvtgbyhnujmikolp",
    "1q2w3e4r5t6y7u8i9o0p",
    "q1w2e3r4t5y6u7i8o9p0",
    "!@#$%^&*()_+",
    "абвгдеёжзийклмнопрстуфхцчшщъыьэюя",
    "йцукенгшщзхъ",
    "фывапролджэ",
    "ячсмитьбю",
)
_WALKS = _LINES + tuple(line[::-1] for line in _LINES)
_DIGIT_STARTS = frozenset(walk[at : at + 3] for walk in (_DIGITS, _DIGITS[::-1]) for at in range(len(walk) - 2))
_STARTS = frozenset(
    walk[at : at + 4] for walk in _WALKS for at in range(len(walk) - 3)
)  # three happen in words: "expert"
_REPEATS = re.compile(r"(.)\1{2,}", re.DOTALL)


def weight(text: str) -> float:
    """Weigh a case-folded text as the module docstring says; 0 for the empty one."""
    text = _REPEATS.sub(r"\1", text)
    total = 0.0
    at = 0
    while at < len(text):
        length = _run_length(text, at)
        total += 1 if length > 1 or text[at].isalpha() else 0.5
        at += length
    return total


def is_trivial(text: str) -> bool:
    return weight(text) < TRIVIAL


def strength(text: str) -> int:
    """From 0 (trivial) to 4 (strong), for a meter beside the field: an encouragement, and never a reason to refuse."""
    weighed = weight(text.casefold()) if text else 0.0
    return sum(weighed >= step for step in (TRIVIAL, FAIR, GOOD, STRONG))


def period(text: str) -> int:
    """The length of the shortest unit that ``text`` repeats (the last repetition may be cut short)."""
    borders = [0] * len(text)
    border = 0
    for at in range(1, len(text)):
        while border and text[at] != text[border]:
            border = borders[border - 1]
        border += text[at] == text[border]
        borders[at] = border
    return len(text) - border


def _run_length(text: str, at: int) -> int:
    """How many characters from ``at`` on follow one line; 1 where none does."""
    if text[at : at + 3] in _DIGIT_STARTS:
        length = 3
    elif text[at : at + 4] in _STARTS:
        length = 4
    else:
        return 1
    while at + length < len(text) and any(text[at : at + length + 1] in walk for walk in _WALKS):
        length += 1
    return length
