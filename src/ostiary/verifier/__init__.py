"""Checking access tokens elsewhere: what a resource server installs. Needs `cryptography` and `msgspec`, nothing else.

    verifier = Verifier(issuer="https://id.example.com", audience="https://api.example.com")
    caller = await verifier.authenticate(request.headers)      # Caller | raises Refused, Unavailable

Tokens of Ostiary's kind `stateless` and of any other issuer of RFC 9068 access tokens.
"""

from ostiary.domain.caller import Caller
from ostiary.verifier.answers import Answer
from ostiary.verifier.errors import (
    CredentialRefused,
    Misconfigured,
    NoCredential,
    NonceRequired,
    ProofRefused,
    Refused,
    RoleMissing,
    SchemeRefused,
    ScopeMissing,
    Unavailable,
    Unreadable,
)
from ostiary.verifier.fetching import Document, Fetch, FetchFailed, HttpFetch
from ostiary.verifier.sources import Revocations
from ostiary.verifier.verifier import Verifier

__all__ = [
    "Answer",
    "Caller",
    "CredentialRefused",
    "Document",
    "Fetch",
    "FetchFailed",
    "HttpFetch",
    "Misconfigured",
    "NoCredential",
    "NonceRequired",
    "ProofRefused",
    "Refused",
    "Revocations",
    "RoleMissing",
    "SchemeRefused",
    "ScopeMissing",
    "Unavailable",
    "Unreadable",
    "Verifier",
]
