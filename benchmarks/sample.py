"""What tokens in benchmarks hold."""

from typing import Any

HS256_KEY = b"0123456789abcdef0123456789abcdef"


def claims(issuer: str, at: int, now: int) -> dict[str, Any]:
    """Ten of them, as many as the peers' benchmark has."""
    return {
        "sub": f"acc_{at:022}", "name": "Prosper Otemuyiwa", "admin": True, "role": "user", "company": "Example",
        "iss": issuer, "aud": issuer, "iat": now, "exp": now + 3600, "jti": f"{at:022}",
    }  # fmt: skip
