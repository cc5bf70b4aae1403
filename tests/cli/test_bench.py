"""`ostiary bench`: the trade-off is measured on the reader's own machine. M-70."""

from xml.etree import ElementTree as ET

from tests.cli.conftest import Shell


def test_each_way_is_measured_and_drawn(ostiary: Shell) -> None:
    """Bytes, look-ups, times, for the three kinds and what they are held against; a known session
    costs no look-up; the picture is well-formed and names every way."""
    picture = ostiary.folder / "bench.svg"
    done = ostiary("bench", "--rounds", "2", "--json", "--svg", str(picture))
    assert done.code == 0, done.err
    ways = {way["name"]: way for way in done.json["ways"]}
    for kind in ("session", "stateful", "stateless"):
        way = ways[kind]
        assert way["lookups_per_request"] == 0
        assert 0 <= way["milliseconds_until_refused"]["median"] <= way["milliseconds_until_refused"]["most"]
    assert ways["session"]["bytes_per_request"] < ways["stateful"]["bytes_per_request"]
    assert ways["stateful"]["bytes_per_request"] < ways["stateless"]["bytes_per_request"]
    assert ways["look-up for every request"]["lookups_per_request"] == 1
    assert ways["JWT that nobody can end"]["milliseconds_until_refused"]["most"] == 300_000
    drawn = "".join(ET.fromstring(picture.read_text()).itertext())  # noqa: S314 - our own
    assert all(name in drawn for name in ways)


def test_a_picture_that_cannot_be_kept_is_told_first(ostiary: Shell) -> None:
    """Nothing is measured for a picture that has no place."""
    done = ostiary("bench", "--svg", "no/such/folder/bench.svg")
    assert (done.code, done.out, done.err.count("\n")) == (1, "", 1)
    assert "cannot be written" in done.err


def test_rounds_are_bounded(ostiary: Shell) -> None:
    """Bad input is exit code 1 and one line."""
    done = ostiary("bench", "--rounds", "0")
    assert done.code == 1
    assert "--rounds" in done.err
