"""`ostiary client`: contract section 7."""

import json
from pathlib import Path

from tests.cli.conftest import Shell

from ostiary import jose

EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"


def test_create_list_delete(ostiary: Shell) -> None:
    """The secret is printed once; lists and files do not have it; a deleted client is gone (M-07)."""
    made = ostiary(
        "client", "create", "notes", "--grant", "token-exchange", "--grant", "client_credentials", "--audience",
        "https://a.example", "--audience", "https://a2.example", "--target", "https://b.example", "--scope", "read",
        "--scope", "write", "--json",
    )  # fmt: skip
    assert made.code == 0, made.err
    answer = json.loads(made.out)
    assert set(answer) == {"client", "client_secret"}
    client = answer["client"]
    assert client["name"] == "notes"
    assert client["grants"] == [EXCHANGE, "client_credentials"]
    assert client["audiences"] == ["https://a.example", "https://a2.example"]
    assert (client["targets"], client["scopes"]) == (["https://b.example"], ["read", "write"])
    assert answer["client_secret"].startswith("ost_cs_")
    listed = ostiary("client", "list", "--json")
    assert json.loads(listed.out) == {"clients": [client], "next": None}
    for file in ostiary.folder.iterdir():
        if file.is_file():
            assert answer["client_secret"].encode() not in file.read_bytes()
    waited = ostiary("client", "create", "other", "--json").json["client"]
    assert ostiary("client", "delete", waited["id"], "--yes", "--wait", "--json").json["bound"] == 0
    deleted = ostiary("client", "delete", client["id"], "--yes", "--json")
    assert set(json.loads(deleted.out)) == {"ended", "bound"}
    assert json.loads(deleted.out)["bound"] > 0  # a server may be running beside it
    assert json.loads(ostiary("client", "list", "--json").out)["clients"] == []
    gone = ostiary("client", "delete", client["id"], "--yes")
    assert gone.code == 1
    assert "not_found" in gone.err


def test_for_people(ostiary: Shell) -> None:
    """Id and secret, a line each; deleting asks first."""
    made = ostiary("client", "create", "notes")
    assert made.code == 0
    words = made.out.split()
    client_id = next(word for word in words if word.startswith("cli_"))
    assert any(word.startswith("ost_cs_") for word in words)
    assert client_id in ostiary("client", "list").out
    assert ostiary("client", "delete", client_id).code != 0
    assert client_id in ostiary("client", "list").out


def test_keys_from_a_file(ostiary: Shell, tmp_path: Path) -> None:
    """`--jwks` takes the place of a secret; a private key, or no key set at all, is refused and made nothing of."""
    key = jose.Key.generate("ES256")
    file = tmp_path / "jwks.json"
    file.write_text(json.dumps({"keys": [key.public().to_jwk()]}))
    made = ostiary("client", "create", "notes", "--jwks", str(file), "--json")
    answer = json.loads(made.out)
    assert answer["client_secret"] is None
    assert answer["client"]["jwks"]["keys"][0]["kid"] == key.kid
    for wrong, code in ((json.dumps({"keys": [key.to_jwk(private=True)]}), 1), ("not JSON", 2), ("{}", 1)):
        file.write_text(wrong)
        refused = ostiary("client", "create", "other", "--jwks", str(file))
        assert refused.code == code, refused.err
        assert key.to_jwk(private=True)["d"] not in refused.out + refused.err
    assert ostiary("client", "create", "other", "--jwks", str(tmp_path / "none.json")).code == 2
    assert len(json.loads(ostiary("client", "list", "--json").out)["clients"]) == 1


def test_what_is_refused(ostiary: Shell) -> None:
    """Exit code 1 and one line that says what is wrong."""
    for options in (["--grant", "password"], ["--scope", 'a"b'], ["--audience", "a b"], ["--target", ""]):
        refused = ostiary("client", "create", "notes", *options)
        assert refused.code == 1, options
        assert refused.err.count("\n") == 1
        assert "invalid_request" in refused.err
