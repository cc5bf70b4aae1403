"""Opaque credentials: session tokens, refresh tokens, the mark of a known device.

Prefixes are fixed so that scanners find leaked ones. Everything after them is base64url without padding.
"""

import hmac
from dataclasses import dataclass, field

from ostiary.credentials.derived_keys import DerivedKeys, digest, mac
from ostiary.jose.encoding import decode_bytes, encode_bytes

SESSION_TOKEN_PREFIX = "ost_st_"  # noqa: S105
REFRESH_TOKEN_PREFIX = "ost_rt_"  # noqa: S105
CLIENT_SECRET_PREFIX = "ost_cs_"  # noqa: S105
CLIENT_SECRET_BYTES = 32
SESSION_TOKEN_BYTES = 32  # 256 bits, twice what ASVS 7.2.3 asks for
SESSION_TOKEN_CHARS = len(SESSION_TOKEN_PREFIX) + 43

_SESSION_ID_BYTES = 16
_GENERATION_BYTES = 4
_SECRET_BYTES = 32
_TAG_BYTES = 16
_REFRESH_BYTES = _SESSION_ID_BYTES + _GENERATION_BYTES + _SECRET_BYTES + _TAG_BYTES
_REFRESH_CHARS = len(REFRESH_TOKEN_PREFIX) + 91
_SESSION_PREFIX = "ses_"
_DEVICE_CHARS = 43


def encode(raw: bytes) -> str:
    """base64url without padding."""
    return encode_bytes(raw).decode()


def decode(text: str) -> bytes | None:
    """Strict: the one encoding of these bytes, or None."""
    try:
        return decode_bytes(text.encode())
    except ValueError:  # also text that is no Unicode
        return None


def session_id(raw: bytes) -> str:
    """16 random bytes as a session's public id."""
    return _SESSION_PREFIX + encode(raw)


def session_token(secret: bytes) -> str:
    """32 random bytes as a session token."""
    return SESSION_TOKEN_PREFIX + encode(secret)


def client_secret(secret: bytes) -> str:
    """32 random bytes as a client's secret."""
    return CLIENT_SECRET_PREFIX + encode(secret)


def client_secret_digest(keys: DerivedKeys, text: str) -> bytes:
    """What the store keeps of a client's secret."""
    return digest(keys.token_digest, "client " + text)


def token_digest(keys: DerivedKeys, token: str) -> bytes:
    """What the store keeps of a token, and finds it by."""
    return digest(keys.token_digest, token)


def is_session_token(text: str) -> bool:
    """True if it has the form of one; whether it is one, only the store knows."""
    return len(text) == SESSION_TOKEN_CHARS and text.startswith(SESSION_TOKEN_PREFIX)


@dataclass(frozen=True, slots=True, kw_only=True)
class RefreshToken:
    """A refresh token whose tag has been checked: this issuer made it, for this session, as this generation."""

    session_id: str
    generation: int
    secret: bytes = field(repr=False)
    text: str = field(repr=False)
    digest: bytes = field(repr=False)


def make_refresh_token(keys: DerivedKeys, *, session_id: str, generation: int, secret: bytes) -> RefreshToken:
    """The token of this generation. `secret` is 32 bytes: random for the first, from `successor_secret` afterwards."""
    raw = decode(session_id.removeprefix(_SESSION_PREFIX)) or b""
    body = raw + generation.to_bytes(_GENERATION_BYTES, "big") + secret
    text = REFRESH_TOKEN_PREFIX + encode(body + _tag(keys, body))
    return RefreshToken(
        session_id=session_id,
        generation=generation,
        secret=secret,
        text=text,
        digest=digest(keys.token_digest, text),
    )


def successor_secret(keys: DerivedKeys, predecessor: RefreshToken, nonce: bytes) -> bytes:
    """The next generation's secret: from the predecessor (which only its holder has), a key that the store does not
    hold, and the rotation's own random nonce. Whoever shows the predecessor again gets the same successor again."""
    return mac(keys.refresh_successor, predecessor.text.encode() + nonce)


def parse_refresh_token(keys: DerivedKeys, text: str) -> RefreshToken | None:
    """None for anything that this issuer did not make; no store is asked for that."""
    if len(text) != _REFRESH_CHARS or not text.startswith(REFRESH_TOKEN_PREFIX) or not text.isascii():
        return None
    raw = decode(text[len(REFRESH_TOKEN_PREFIX) :])
    if raw is None or len(raw) != _REFRESH_BYTES:
        return None
    body, tag = raw[:-_TAG_BYTES], raw[-_TAG_BYTES:]
    if not hmac.compare_digest(tag, _tag(keys, body)):
        return None
    return RefreshToken(
        session_id=session_id(body[:_SESSION_ID_BYTES]),
        generation=int.from_bytes(body[_SESSION_ID_BYTES : _SESSION_ID_BYTES + _GENERATION_BYTES], "big"),
        secret=body[_SESSION_ID_BYTES + _GENERATION_BYTES :],
        text=text,
        digest=digest(keys.token_digest, text),
    )


def _tag(keys: DerivedKeys, body: bytes) -> bytes:
    return mac(keys.refresh_tag, body)[:_TAG_BYTES]


def device_mark(keys: DerivedKeys, account_id: str, device: bytes) -> str:
    """Says "this account has logged in here before". Opens nothing: it only chooses the throttle's counter.
    `device` is 16 random bytes."""
    tag = mac(keys.device, device + account_id.encode())[:16]
    return encode(device + tag)


def known_device(keys: DerivedKeys, account_id: str, mark: str) -> str | None:
    """The device's id if this mark was made for this account, else None."""
    if len(mark) != _DEVICE_CHARS or not mark.isascii():
        return None
    raw = decode(mark)
    if raw is None or len(raw) != 32:
        return None
    expected = mac(keys.device, raw[:16] + account_id.encode())[:16]
    return encode(raw[:16]) if hmac.compare_digest(expected, raw[16:]) else None


def csrf_token(keys: DerivedKeys, session_id: str) -> str:
    """Bound to the session, so that one site's page cannot use its own (NIST 800-63B-4 section 5.1)."""
    return encode(mac(keys.csrf, session_id.encode()))


def csrf_token_matches(keys: DerivedKeys, session_id: str, token: str) -> bool:
    """Constant time."""
    return hmac.compare_digest(csrf_token(keys, session_id).encode(), token.encode("utf-8", "surrogatepass"))
