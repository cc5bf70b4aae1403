"""Once means one download: parts, broken lines and download managers work, a second download does not (M-62)."""

import asyncio
import contextlib
import itertools
import os
from pathlib import Path
from typing import Any

import anyio
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.unit.downloads.conftest import AUDIENCE, ISSUER, KEYS, Answer, Client, Site

from ostiary.domain.transfer import allowance
from ostiary.downloads import DownloadServer
from ostiary.testing import FakeClock

pytestmark = pytest.mark.anyio

SIZE = 1_024_000


async def over(site: Site, location: str) -> bool:
    """Whether nothing can be had any more, in whatever way it is asked for."""
    answers = [
        await site.client("GET", location),
        await site.client("GET", location, {"Range": "bytes=0-0"}),
        await site.client("HEAD", location),
    ]
    statuses = {answer.status for answer in answers}
    assert statuses == {410} or 410 not in statuses
    return statuses == {410}


async def test_the_whole_file_once(site: Site) -> None:
    """Then it is over, for every method and every part."""
    location = await site.spend()
    content = (site.root / "a.bin").read_bytes()
    first = await site.client("GET", location)
    assert (first.status, first.body, first.whole) == (200, content, True)
    assert first.headers["accept-ranges"] == "bytes"
    assert await over(site, location)


async def test_looking_and_asking_again_first(site: Site) -> None:
    """HEAD, a probe of the first byte, conditions that hold and ranges that do not: the download comes after them."""
    location = await site.spend()
    head = await site.client("HEAD", location)
    assert (head.status, head.headers["content-length"]) == (200, str(SIZE))
    assert (await site.client("GET", location, {"Range": "bytes=0-0"})).status == 206
    assert (await site.client("GET", location, {"If-None-Match": head.headers["etag"]})).status == 304
    beyond = await site.client("GET", location, {"Range": f"bytes={SIZE}-"})
    assert (beyond.status, beyond.headers["content-range"]) == (416, f"bytes */{SIZE}")
    assert (await site.client("GET", location, {"If-Match": '"other"'})).status == 412
    assert len((await site.client("GET", location)).body) == SIZE
    assert await over(site, location)


@pytest.mark.parametrize("cuts", [[400_000], [1, 2, 3], [262_144, 524_288], [100_000, 50_000, 900_000]])
async def test_parts_in_any_order(site: Site, cuts: list[int]) -> None:
    """Download managers take parts, one after the other or all at once; with the last of them it is over."""
    content = (site.root / "a.bin").read_bytes()
    edges = [0, *sorted(cuts), SIZE]
    spans = [(start, stop - 1) for start, stop in itertools.pairwise(edges)]
    for together in (False, True):
        location = await site.spend()
        tasks = [site.client("GET", location, {"Range": f"bytes={a}-{b}"}) for a, b in reversed(spans)]
        parts: list[Answer] = list(await asyncio.gather(*tasks)) if together else [await task for task in tasks]
        assert [part.status for part in parts] == [206] * len(parts)
        assert parts[0].headers["content-range"] == f"bytes {spans[-1][0]}-{SIZE - 1}/{SIZE}"
        assert b"".join(part.body for part in reversed(parts)) == content
        assert await over(site, location)


async def test_going_on_where_it_broke(site: Site) -> None:
    """The line breaks twice, in the middle of what was sent; the rest comes, and then it is over."""
    content = (site.root / "a.bin").read_bytes()
    location = await site.spend()
    first = await site.client("GET", location, leave_after=300_000)
    assert not first.whole
    has = first.body[:290_000]  # the last of it was lost on the way
    etag = first.headers["etag"]
    second = await site.client("GET", location, {"Range": f"bytes={len(has)}-", "If-Range": etag}, leave_after=200_000)
    assert second.status == 206
    has += second.body[:150_000]
    assert (await site.client("HEAD", location)).status == 200
    third = await site.client("GET", location, {"Range": f"bytes={len(has)}-", "If-Range": etag})
    assert third.whole
    assert has + third.body == content
    assert await over(site, location)


async def test_from_the_start_after_a_broken_line(site: Site) -> None:
    """A client that cannot go on begins anew, once."""
    location = await site.spend()
    await site.client("GET", location, leave_after=900_000)
    again = await site.client("GET", location)
    assert again.whole
    assert await over(site, location)


async def test_breaking_off_for_ever_is_not_two_downloads(site: Site) -> None:
    """A client that never takes the last byte gets no more than twice the file and a little."""
    location = await site.spend()
    got = 0
    for _ in range(10):
        answer = await site.client("GET", location, {"Range": f"bytes=0-{SIZE - 2}"})
        got += len(answer.body)
        if answer.status == 410:
            break
    assert answer.status == 410
    assert got <= 2 * SIZE + 64 * 1024


@pytest.mark.parametrize("size", [0, 1, 1000, SIZE])
async def test_fifty_at_once(site: Site, size: int) -> None:
    """Of fifty who take the same transfer at once, one has the whole file."""
    site.write("race.bin", os.urandom(size))
    location = await site.spend("race.bin")
    answers = await asyncio.gather(*(site.client("GET", location) for _ in range(50)))
    whole = [answer for answer in answers if answer.status == 200 and answer.whole and len(answer.body) == size]
    assert len(whole) == 1
    assert whole[0].body == (site.root / "race.bin").read_bytes()
    assert await over(site, location)


async def test_fifty_tokens_at_once(site: Site) -> None:
    """Of fifty who spend the same token at once, one is sent on (M-62)."""
    target = f"/files/a.bin?token={site.token()}"
    answers = await asyncio.gather(*(site.client("GET", target) for _ in range(50)))
    assert sorted(answer.status for answer in answers) == [303] + [410] * 49


async def test_a_file_that_changes_on_the_way(site: Site) -> None:
    """The answer ends early: what is sent is never a mixture, and never padded."""
    for change in (
        lambda: os.truncate(site.root / "live.bin", 400_000),
        lambda: (site.root / "live.bin").write_bytes(b"n" * SIZE),
    ):
        site.write("live.bin", b"o" * SIZE)
        os.utime(site.root / "live.bin", (1, 1))
        location = await site.spend("live.bin")
        changed = False

        def at_first(length: int, change: Any = change) -> None:
            nonlocal changed
            if not changed:
                changed = True
                change()

        answer = await site.client("GET", location, on_body=at_first)
        assert not answer.whole
        assert set(answer.body) == {ord("o")}
        assert len(answer.body) < SIZE
        etag = answer.headers["etag"]
        rest = await site.client("GET", location, {"Range": f"bytes={len(answer.body)}-", "If-Range": etag})
        assert (rest.status, rest.body) == (200, (site.root / "live.bin").read_bytes())
        assert await over(site, location)


async def test_a_file_that_goes(site: Site) -> None:
    """404; what is being sent is sent to its end."""
    path = site.write("short.bin", b"s" * SIZE)
    location = await site.spend("short.bin")
    answer = await site.client("GET", location, on_body=lambda _: path.unlink(missing_ok=True))
    assert len(answer.body) == SIZE
    path = site.write("short.bin", b"s")
    location = await site.spend("short.bin")
    path.unlink()
    assert (await site.client("GET", location)).status == 404


def opened(folder: Path) -> int:
    """How many descriptors of this process are of files in it (its own is not)."""
    found = 0
    for descriptor in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # the one that this list was read with
            found += str(descriptor.readlink()).startswith(f"{folder}/")
    return found


async def test_no_descriptor_is_left_open(site: Site) -> None:
    """However an answer ends."""
    location = await site.spend()
    await site.client("HEAD", location)
    for headers in ({"Range": "bytes=9999999-"}, {"If-Match": '"x"'}, {"If-None-Match": "*"}):
        await site.client("GET", location, headers)
    meanwhile: list[int] = []
    await site.client("GET", location, leave_after=1000, on_body=lambda _: meanwhile.append(opened(site.root)))
    assert min(meanwhile) > 0
    await site.client("GET", location)
    await site.client("GET", location)
    assert opened(site.root) == 0


steps = st.lists(st.tuples(st.integers(0, 9), st.integers(1, 10), st.booleans()), min_size=1, max_size=10)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30)
@given(steps)
def test_whatever_is_asked_in_whatever_order(tmp_path_factory: pytest.TempPathFactory, asked: list[Any]) -> None:
    """Parts in any order, some of them broken off: the bytes are always the file's; what arrived whole ends it; and it
    never ends, but for as much as may be sent, before every byte has arrived."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ostiary.limits.TRANSFER_CHUNK_BYTES", 500)
        anyio.run(walk, tmp_path_factory.mktemp("walk"), asked)


async def walk(folder: Path, asked: list[tuple[int, int, bool]]) -> None:
    """Each of `asked`: where it begins, how long it is, and whether the line breaks."""
    (folder / "root").mkdir()
    clock = FakeClock()
    app = DownloadServer(
        folder / "root", issuer=ISSUER, audience=AUDIENCE, state=folder / "s.db", keys=KEYS, clock=clock.clock
    )
    site = Site(app, Client(app), folder / "root", clock)
    content = os.urandom(10_000)
    site.write("a.bin", content)
    location = await site.spend()
    whole, got, sent = set[int](), set[int](), 0
    for start, length, breaks in asked:
        a, b = start * 1000, min(10_000, (start + length) * 1000)
        leave = (b - a) // 2 if breaks else None
        answer = await site.client("GET", location, {"Range": f"bytes={a}-{b - 1}"}, leave_after=leave)
        if answer.status == 410:
            assert len(got) == 10_000 or sent + b - a + 5_000 > allowance(10_000)  # some was lost on the way
            break
        assert len(whole) < 10_000, "it was over"
        assert answer.body == content[a : a + len(answer.body)]
        assert answer.whole == (len(answer.body) == b - a)
        sent += len(answer.body)
        got.update(range(a, a + len(answer.body)))
        if answer.whole:
            whole.update(range(a, b))
    if len(whole) == 10_000:
        assert await over(site, location)
    await app.stop()
