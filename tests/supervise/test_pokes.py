"""A burst of pokes that overflows the supervisor's socket costs no job its turn."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable

import pytest
from support.world import World

from logist_core.supervise.daemon import MANY_POKES

JOB = b"0123456789abcdef"


def heard(world: World, send: Callable[[socket.socket], None]) -> set[str]:
    """Return what a supervisor holds for stale after it has heard what `send` sent."""
    supervisor = world.supervisor
    assert supervisor is not None
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    with ours, theirs:
        for end in (ours, theirs):
            end.setblocking(False)
        send(ours)
        supervisor._stale.clear()
        supervisor._hear(theirs)
        return set(supervisor._stale)


@pytest.mark.asyncio
async def test_jobs_whose_pokes_found_the_queue_full_are_looked_at_all_the_same(world: World) -> None:
    def until_full(sock: socket.socket) -> None:
        with contextlib.suppress(BlockingIOError):
            while True:
                sock.send(JOB)

    await world.start()
    assert heard(world, until_full) == {JOB.decode(), ""}
    await world.leave()


@pytest.mark.asyncio
async def test_a_few_pokes_cost_no_look_at_everything(world: World) -> None:
    def a_few(sock: socket.socket) -> None:
        for number in range(MANY_POKES - 1):
            sock.send(b"0123456789abcde%d" % number)

    await world.start()
    assert heard(world, a_few) == {f"0123456789abcde{n}" for n in range(MANY_POKES - 1)}
    await world.leave()
