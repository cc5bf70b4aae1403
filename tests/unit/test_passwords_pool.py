"""The pool that hashes run in: bounded, low in priority, and gone when it is closed."""

import asyncio
import os
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import Future

import pytest

from ostiary.errors import Overloaded, Unavailable
from ostiary.passwords import Argon2Parameters, HashPool, PasswordHasher, Pepper

SOON = 10.0  # seconds; how long a test waits before it calls something stuck


class Gate:
    """A job that tells when it has begun and ends when it is let."""

    def __init__(self) -> None:
        self.begun = threading.Event()
        self.open = threading.Event()

    def __call__(self) -> str:
        self.begun.set()
        assert self.open.wait(SOON)
        return "done"


@pytest.fixture
def pool() -> Iterator[HashPool]:
    made = HashPool(workers=1, queue=2)
    yield made
    made.close()


def hold(pool: HashPool) -> tuple[Gate, "Future[str]"]:
    gate = Gate()
    future = pool.submit(gate)
    assert gate.begun.wait(SOON)
    return gate, future


def test_a_full_queue_answers_overloaded_and_recovers(pool: HashPool) -> None:
    """With the thread busy and two waiting, the third is refused at once; when they are done, work is taken again."""
    gate, first = hold(pool)
    waiting = [pool.submit(lambda: "later") for _ in range(2)]
    assert pool.waiting == 2
    with pytest.raises(Overloaded) as caught:
        pool.submit(lambda: "never")
    assert caught.value.retry_after >= 1
    gate.open.set()
    assert [future.result(SOON) for future in (first, *waiting)] == ["done", "later", "later"]
    assert pool.submit(lambda: "again").result(SOON) == "again"


def test_the_time_to_come_again_grows_with_the_queue() -> None:
    """Retry-After follows the length of the queue, in whole seconds."""
    pool = HashPool(workers=1, queue=100)
    gate, _ = hold(pool)
    for _ in range(100):
        pool.submit(lambda: None)
    with pytest.raises(Overloaded) as caught:
        pool.submit(lambda: None)
    assert caught.value.retry_after == 5
    gate.open.set()
    pool.close()


def test_a_waiter_that_gives_up_frees_its_place_and_is_not_computed(pool: HashPool) -> None:
    """A job cancelled before it began leaves the queue at once; another takes its place."""
    gate, _ = hold(pool)
    computed: list[str] = []
    given_up = pool.submit(lambda: computed.append("given up"))
    kept = pool.submit(lambda: computed.append("kept"))
    assert given_up.cancel()
    assert pool.waiting == 1
    instead = pool.submit(lambda: computed.append("instead"))
    gate.open.set()
    kept.result(SOON)
    instead.result(SOON)
    assert computed == ["kept", "instead"]


@pytest.mark.anyio
async def test_a_cancelled_verification_is_not_computed() -> None:
    """A client that goes away while its password waits costs no hash; the one before it is not disturbed."""
    pool = HashPool(workers=1, queue=2)
    hasher = PasswordHasher(
        peppers=[Pepper.derived_from(b"k" * 32)], parameters=Argon2Parameters(memory_kib=64, passes=1), pool=pool
    )
    gate, first = hold(pool)
    task = asyncio.create_task(hasher.verify(None, "correct-horse-battery-9"))
    await asyncio.sleep(0)  # lets the task begin
    assert pool.waiting == 1
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert pool.waiting == 0
    gate.open.set()
    assert await asyncio.wrap_future(first) == "done"
    await hasher.aclose()
    assert hasher.computed == 0


@pytest.mark.anyio
async def test_the_loop_runs_while_hashes_are_computed() -> None:
    """Other tasks go on while a hash is under way, because it runs in another thread."""
    pool = HashPool(workers=1)
    gate = Gate()
    waiting = asyncio.wrap_future(pool.submit(gate))
    assert await asyncio.to_thread(gate.begun.wait, SOON)
    assert not waiting.done()
    gate.open.set()
    assert await waiting == "done"
    pool.close()


def test_no_more_threads_than_workers_and_none_before_the_first_job() -> None:
    """Threads begin when there is work for them, and never more than were asked for."""
    pool = HashPool(workers=2, queue=8)
    assert pool.submit(threading.get_ident).result(SOON) != threading.get_ident()
    gates = [Gate() for _ in range(4)]
    futures = [pool.submit(gate) for gate in gates]
    assert gates[0].begun.wait(SOON)
    assert gates[1].begun.wait(SOON)
    assert (pool.running, pool.waiting) == (2, 2)
    for gate in gates:
        gate.open.set()
    assert [future.result(SOON) for future in futures] == ["done"] * 4
    assert len(pool._threads) == 2
    pool.close()
    assert not any(thread.is_alive() for thread in pool._threads)


@pytest.mark.skipif(sys.platform != "linux", reason="threads have a priority of their own on Linux only")
def test_the_threads_of_the_pool_give_way() -> None:
    """A hashing thread has a lower priority than the thread of the event loop, whose own is unchanged."""
    before = os.getpriority(os.PRIO_PROCESS, threading.get_native_id())
    pool = HashPool(workers=1, niceness=10)
    inside = pool.submit(lambda: os.getpriority(os.PRIO_PROCESS, threading.get_native_id())).result(SOON)
    assert inside == min(before + 10, 19)
    assert os.getpriority(os.PRIO_PROCESS, threading.get_native_id()) == before
    pool.close()


def test_where_the_priority_cannot_be_changed_hashing_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """A sandbox that forbids setpriority costs the priority and nothing else."""

    def forbidden(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "setpriority", forbidden)
    pool = HashPool(workers=1)
    assert pool.submit(lambda: "done").result(SOON) == "done"
    pool.close()


def test_closing_fails_what_waits_finishes_what_runs_and_refuses_what_comes() -> None:
    """Close lets the running hash end, answers the waiting ones Unavailable, and takes no more; twice is as once."""
    pool = HashPool(workers=1, queue=2)
    gate, running = hold(pool)
    waiting = pool.submit(lambda: "never")
    closing = threading.Thread(target=pool.close)
    closing.start()
    with pytest.raises(Unavailable):
        waiting.result(SOON)
    gate.open.set()
    closing.join(SOON)
    assert not closing.is_alive()
    assert running.result(0) == "done"
    with pytest.raises(Unavailable):
        pool.submit(lambda: "never")
    pool.close()


def test_an_error_reaches_its_waiter_and_the_thread_lives_on(pool: HashPool) -> None:
    """A job that raises fails alone, and its traceback, whose frames hold the password, is dropped."""
    failed = pool.submit(lambda: 1 // 0).exception(SOON)
    assert isinstance(failed, ZeroDivisionError)
    assert failed.__traceback__ is None
    assert pool.submit(lambda: "next").result(SOON) == "next"


@pytest.mark.anyio
async def test_who_waits_in_a_loop_gets_what_came_of_it(pool: HashPool) -> None:
    """The result, or the error without its traceback; one that waits when the pool is closed is told so."""
    assert await pool.run(threading.get_ident) != threading.get_ident()
    with pytest.raises(ZeroDivisionError) as caught:
        await pool.run(lambda: 1 // 0)
    frames = caught.value.__traceback__
    while frames is not None and frames.tb_next is not None:
        frames = frames.tb_next
    assert frames is not None
    assert frames.tb_frame.f_code.co_name == "run"
    gate, _ = hold(pool)
    waiting = asyncio.ensure_future(pool.run(lambda: "never"))
    await asyncio.sleep(0)
    closing = asyncio.create_task(asyncio.to_thread(pool.close))
    with pytest.raises(Unavailable):
        await waiting
    gate.open.set()
    await closing
    with pytest.raises(Unavailable):
        await pool.run(lambda: "never")


@pytest.mark.anyio
async def test_nothing_is_told_to_who_went_away(pool: HashPool) -> None:
    """A waiter that is cancelled while its job runs disturbs neither the thread nor the loop."""
    gate = Gate()
    task = asyncio.create_task(pool.run(gate))
    assert await asyncio.to_thread(gate.begun.wait, SOON)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    gate.open.set()
    assert await pool.run(lambda: "next") == "next"


def test_where_the_system_gives_no_thread_the_job_is_refused_and_the_next_one_done(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A limit of processes that is reached for a moment must not leave a pool that never does anything again."""

    def none_left(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    pool = HashPool(workers=2)
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", none_left)
        with pytest.raises(Unavailable):
            pool.submit(lambda: "never")
        assert pool.waiting == 0
    gate, first = hold(pool)
    assert gate.begun.wait(SOON)
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", none_left)
        second = pool.submit(lambda: "by the only thread")
    gate.open.set()
    assert (first.result(SOON), second.result(SOON)) == ("done", "by the only thread")
    pool.close()
