"""Finding an issuer's keys by its metadata (RFC 8414)."""

import json
import time
from typing import Any

import pytest

from ostiary.errors import Misconfigured, Unavailable
from ostiary.verifier import Document, FetchFailed
from ostiary.verifier.discovery import discover, locations

PATHED = "https://id.example/auth/one"


class Web:
    """Documents by address; everything else is 404."""

    def __init__(self, documents: dict[str, Any]) -> None:
        self.documents = documents
        self.asked: list[str] = []

    def __call__(self, url: str, deadline: float) -> Document:
        self.asked.append(url)
        found = self.documents.get(url, 404)
        if isinstance(found, int):
            raise FetchFailed("status", status=found)
        return Document(body=found if isinstance(found, bytes) else json.dumps(found).encode())


def find(issuer: str, documents: dict[str, Any]) -> str:
    """The address of the keys."""
    return discover(issuer, Web(documents), time.monotonic() + 5).jwks_uri


def test_the_path_goes_behind_the_well_known_part() -> None:
    """RFC 8414 section 3.1; below the path and OpenID Connect's place come after."""
    assert locations("https://id.example:8443") == (
        "https://id.example:8443/.well-known/oauth-authorization-server",
        "https://id.example:8443/.well-known/openid-configuration",
    )
    assert locations("https://id.example/auth/one/") == (
        "https://id.example/.well-known/oauth-authorization-server/auth/one",
        "https://id.example/auth/one/.well-known/oauth-authorization-server",
        "https://id.example/auth/one/.well-known/openid-configuration",
    )


@pytest.mark.parametrize("place", range(3))
@pytest.mark.parametrize("before", [404, 401, 400, b"<html>", b"[]", b'{"issuer":1,"issuer":2}'])
def test_the_next_place_is_tried_where_there_is_nothing(place: int, before: Any) -> None:
    """A single-page application answers everything with its page; that is not metadata."""
    documents: dict[str, Any] = dict.fromkeys(locations(PATHED)[:place], before)
    documents[locations(PATHED)[place]] = {"issuer": PATHED, "jwks_uri": "https://keys.example/k"}
    assert find(PATHED, documents) == "https://keys.example/k"


@pytest.mark.parametrize(
    "other",
    ["https://id.example/auth/one/", "https://id.example/auth", "https://ID.example/auth/one", None, 7, [PATHED]],
)
def test_the_issuer_must_be_this_one_exactly(other: Any) -> None:
    """Section 3.3: a slash more is another issuer, and nobody is asked after that."""
    web = Web({locations(PATHED)[0]: {"issuer": other, "jwks_uri": "https://keys.example/k"}})
    with pytest.raises(Unavailable) as wrong:
        discover(PATHED, web, time.monotonic() + 5)
    assert wrong.value.private == "the metadata is of another issuer"
    assert len(web.asked) == 1


def test_a_server_in_trouble_ends_it() -> None:
    """500 says nothing about where the metadata is not."""
    web = Web({locations(PATHED)[0]: 500})
    with pytest.raises(FetchFailed):
        discover(PATHED, web, time.monotonic() + 5)
    assert len(web.asked) == 1


def test_nothing_anywhere() -> None:
    """All places were asked, once each; the first answer is what is told."""
    web = Web({})
    with pytest.raises(FetchFailed) as failed:
        discover(PATHED, web, time.monotonic() + 5)
    assert failed.value.answer == 404
    assert web.asked == list(locations(PATHED))


def test_an_https_issuer_has_https_keys() -> None:
    """It cannot send us to a port of our own machine; an issuer on loopback may be on loopback."""
    local = "http://127.0.0.1:8000"
    with pytest.raises(Unavailable):
        find(PATHED, {locations(PATHED)[0]: {"issuer": PATHED, "jwks_uri": f"{local}/keys"}})
    assert find(local, {locations(local)[0]: {"issuer": local, "jwks_uri": f"{local}/keys"}})


@pytest.mark.parametrize("uri", [None, 7, "", "file:///etc/passwd", "https://user@keys.example/"])
def test_where_the_keys_are_must_be_said_properly(uri: Any) -> None:
    """Not a URL that is ever asked: unavailable."""
    with pytest.raises(Unavailable):
        find(PATHED, {locations(PATHED)[0]: {"issuer": PATHED, "jwks_uri": uri}})


@pytest.mark.parametrize("issuer", ["http://id.example", "https://id.example?a", "https://id.example#a", "id.example"])
def test_issuers_that_are_none(issuer: str) -> None:
    """Section 2: https, no query, no fragment."""
    with pytest.raises(Misconfigured):
        locations(issuer)
