"""Most jobs gone at once are a broken probe, until it was seen again and again."""

from __future__ import annotations

import pytest
from support.world import World, true_at_last

from logist_core.supervise import deaths
from logist_core.supervise.deaths import Deaths
from logist_core.types.launch import ExitStatus, Probe, ProbeState

GONE = Probe(state=ProbeState.GONE)
ENDED = Probe(state=ProbeState.EXITED, exit=ExitStatus(code=0))


@pytest.mark.fast
def test_many_deaths_in_one_pass_are_believed_at_the_third_look_only() -> None:
    doubts = Deaths(lambda: 6)
    jobs = [f"job{n}" for n in range(6)]
    for now_s in (0.0, 1.0):
        assert all(doubts.doubt_s(job, GONE, now_s) is not None for job in jobs)
    assert [doubts.doubt_s(job, GONE, 11.0) for job in jobs] == [None] * 6


@pytest.mark.fast
def test_a_few_deaths_among_many_jobs_are_believed_a_moment_later() -> None:
    doubts = Deaths(lambda: 12)
    assert [doubts.doubt_s(job, GONE, 0.0) for job in "abc"] == [deaths.PASS_S] * 3
    assert [doubts.doubt_s(job, GONE, 1.0) for job in "abc"] == [None] * 3


@pytest.mark.fast
def test_evidence_of_an_end_a_reboot_and_few_jobs_are_never_doubted() -> None:
    rebooted = Probe(state=ProbeState.GONE, conditions=("rebooted",))
    for n in range(9):
        assert Deaths(lambda: 9).doubt_s(f"job{n}", ENDED, 0.0) is None
        assert Deaths(lambda: 9).doubt_s(f"job{n}", rebooted, 0.0) is None
        assert Deaths(lambda: 4).doubt_s(f"job{n}", GONE, 0.0) is None


@pytest.mark.fast
def test_a_job_that_is_seen_again_begins_anew() -> None:
    doubts = Deaths(lambda: 9)
    doubts.doubt_s("a", GONE, 0.0)
    doubts.lives("a")
    assert doubts.doubt_s("a", GONE, 5.0) == deaths.PASS_S


@pytest.mark.asyncio
async def test_jobs_that_a_broken_probe_calls_gone_run_on_and_their_true_ends_count(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deaths, "AGAIN_S", 0.5)
    monkeypatch.setattr(deaths, "LOOKS", 1000)
    world.max_jobs = 6
    await world.start()
    jobs = [world.submit() for _ in range(6)]
    for job in jobs:
        await world.running(job)
    probe, looks = world.registry.runtime.probe, 0

    def broken(handle: object) -> Probe:
        nonlocal looks
        looks += 1
        return GONE

    monkeypatch.setattr(world.registry.runtime, "probe", broken)
    await true_at_last(lambda: looks >= 18, within_s=30.0)
    assert {world.store.status(job).lifecycle.value for job in jobs} == {"running"}
    monkeypatch.setattr(world.registry.runtime, "probe", probe)
    for job in jobs:
        world.end(job)
        assert (await world.ended(job)).lifecycle.value == "succeeded"
    await world.leave()
