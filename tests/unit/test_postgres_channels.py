"""Where PostgreSQL tells of a log: two stores in one database never hear each other."""

from ostiary.stores.postgres.statements import Schema


def test_every_schema_has_a_channel_of_its_own() -> None:
    """M-07: what is heard is applied, and an end of everything in one store is none in another, whatever their schemas
    are called. The server takes names of 63 characters, of schemas and of channels."""
    longest = "a" * 63
    names = ["", "ostiary", longest, longest[:-1] + "b", longest[:-1], longest[:56], longest[:55]]
    channels = [Schema(name).channel for name in names]
    assert len(set(channels)) == len(names)
    assert max(map(len, channels)) <= 63
    assert Schema("ostiary").channel == "ostiary_ostiary"  # as nodes of the release before listen
