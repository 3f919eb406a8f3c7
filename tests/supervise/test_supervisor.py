"""The supervisor in this process, over real files and a fake runtime."""

from __future__ import annotations

import errno
import os
import time
from pathlib import Path

import pytest
from support.world import ScriptedRegistry, World, true_at_last

from logist_core import platform
from logist_core.api import (
    Action,
    Continuation,
    ExitStatus,
    LaunchError,
    Level,
    Outcome,
    OutputFormat,
    Result,
    RuntimeUnavailable,
    Signal,
    Verdict,
)
from logist_core.observe.matcher import Dictionary
from logist_core.observe.observer import Observer
from logist_core.supervise import control
from logist_core.supervise.clocks import Clocks
from logist_core.supervise.launch import MOST_TRIES, pause_s
from logist_core.supervise.settle import _read_to_the_end

pytestmark = pytest.mark.asyncio


async def test_a_job_is_launched_watched_and_settled(supervised: World) -> None:
    job = supervised.submit()
    await supervised.running(job)
    supervised.say(job, '{"session": 1}\n{"type": "work"}\n')
    status = await supervised.until(job, lambda s: s.activity.state == "working")
    assert status.session_id == "s-1"
    assert (status.activity.source, status.activity.rule) == ("event", "scripted:any")
    supervised.say(job, '{"type": "done"}\n')
    supervised.end(job, 0)
    status = await supervised.ended(job)
    assert (status.lifecycle.value, status.outcome, status.activity.state) == ("succeeded", "succeeded", "completed")
    assert supervised.registry.agent.seen[-1][-1].rule == "scripted:done"


async def test_output_written_just_before_the_end_is_read_before_the_judgement(supervised: World) -> None:
    job = supervised.submit()
    await supervised.running(job)
    supervised.say(job, '{"type": "work"}\n' * 5000 + '{"type": "done"}')
    supervised.end(job, 0)
    assert (await supervised.ended(job)).activity.state == "completed"


async def test_no_more_than_the_limit_run_at_once(world: World) -> None:
    world.max_jobs = 2
    await world.start()
    jobs = [world.submit() for _ in range(5)]
    for job in jobs[:2]:
        await world.running(job)
    assert [world.store.status(job).lifecycle.value for job in jobs[2:]] == ["queued"] * 3
    world.end(jobs[0])
    await world.running(jobs[2])
    assert world.store.status(jobs[3]).lifecycle.value == "queued"
    for job in jobs:
        await world.running(job) if not world.store.status(job).lifecycle.ended else None
        if not world.store.status(job).lifecycle.ended:
            world.end(job)
        await world.ended(job)
    await world.leave()


async def test_a_supervisor_that_dies_is_followed_by_one_that_goes_on(supervised: World) -> None:
    job = supervised.submit()
    await supervised.running(job)
    supervised.say(job, '{"type": "work"}\n')
    await supervised.until(job, lambda s: s.activity.state == "working")
    await supervised.die()
    supervised.say(job, '{"type": "done"}\n')
    await supervised.start()
    supervised.end(job, 0)
    status = await supervised.ended(job)
    assert status.lifecycle.value == "succeeded"
    assert len(status.attempts) == 1
    assert supervised.registry.runtime.calls.count("start") == 1


async def test_an_attempt_that_ended_while_nobody_looked_is_settled_with_all_its_output(supervised: World) -> None:
    job = supervised.submit()
    await supervised.running(job)
    await supervised.die()
    supervised.say(job, '{"type": "done"}\n')
    supervised.end(job, 7)
    await supervised.start()
    status = await supervised.ended(job)
    assert (status.lifecycle.value, status.exit and status.exit.code) == ("failed", 7)
    assert supervised.registry.agent.seen[-1][-1].rule == "scripted:done"


async def test_an_exit_is_recorded_without_reading_half_a_gigabyte_first(supervised: World) -> None:
    job = supervised.submit()
    await supervised.running(job)
    supervised.say(job, '{"session": 1}\n')
    await supervised.until(job, lambda s: s.session_id == "s-1")
    await supervised.die()
    log = Path(supervised.directory(job)) / "out.log"
    written = log.stat().st_size
    os.truncate(log, 512 << 20)  # zeros that no disk holds; one line without an end
    supervised.say(job, '\n{"type": "done"}\n')
    supervised.end(job, 7)
    await supervised.start()
    status = await supervised.ended(job)
    assert (status.exit and status.exit.code, status.activity.state, status.session_id) == (7, "completed", "s-1")
    (ended,) = [event for event in supervised.store.events(job) if event.kind == "attempt.exited"]
    assert 0 < (512 << 20) - ended.data["unread_bytes"] - written < 17 << 20


async def test_an_exit_that_was_read_to_its_end_left_nothing_out(supervised: World) -> None:
    job = supervised.submit()
    await supervised.running(job)
    supervised.say(job, '{"type": "work"}\n' * 100)
    supervised.end(job, 0)
    await supervised.ended(job)
    (ended,) = [event for event in supervised.store.events(job) if event.kind == "attempt.exited"]
    assert "unread_bytes" not in ended.data


async def test_of_a_terminal_that_is_far_behind_only_the_end_is_shown(world: World) -> None:
    directory = world.home.path / "attempt"
    directory.mkdir()
    log = directory / "out.log"
    log.write_bytes(b"usage limit reached\r\n" + b"x\r\n" * 1_000_000 + b"\x1b[2J\x1b[Husage limit reached, really\r\n")
    matcher = Dictionary(world.registry.patterns()).for_agent("scripted")
    observer = Observer(
        str(directory),
        agent=None,
        agent_name="x",
        output=OutputFormat.TEXT,
        pty=True,
        cols=80,
        rows=24,
        matcher=matcher,
    )
    assert log.stat().st_size - (300 << 10) < _read_to_the_end(observer, 1.0) < log.stat().st_size
    assert [signal.text for signal in observer.signals()] == ["usage limit reached, really"]


async def test_what_an_attempt_left_behind_cannot_put_off_its_end_by_printing(world: World) -> None:
    directory = world.home.path / "attempt"
    directory.mkdir()

    class Flooded(Observer):
        def feed(self, now: float, max_bytes: int = 1 << 20) -> list[Signal]:
            with (directory / "out.log").open("ab") as file:
                file.truncate(file.tell() + 2 * max_bytes)
            return super().feed(now, max_bytes)

    matcher = Dictionary(world.registry.patterns()).for_agent("scripted")
    observer = Flooded(
        str(directory),
        agent=None,
        agent_name="x",
        output=OutputFormat.TEXT,
        pty=False,
        cols=80,
        rows=24,
        matcher=matcher,
    )
    assert _read_to_the_end(observer, 1.0) == 0
    assert not observer.caught_up


async def test_an_attempt_that_vanished_is_lost_and_not_run_again(supervised: World) -> None:
    job = supervised.submit()
    await supervised.running(job)
    supervised.end(job, vanish=True)
    status = await supervised.ended(job)
    assert (status.lifecycle.value, status.exit) == ("lost", None)
    assert status.reason == "it is gone, and nobody saw how it ended"
    assert supervised.registry.runtime.calls.count("start") == 1


async def test_a_stop_is_carried_out_with_the_agents_ladder_and_a_kill_without(supervised: World) -> None:
    first, second = supervised.submit(), supervised.submit()
    for job, mode, signum in ((first, "stop", 15), (second, "kill", 9)):
        await supervised.running(job)
        control.stop(supervised.store, job, mode=mode, by="tester")
        supervised.poke(job)
        status = await supervised.ended(job)
        assert status.lifecycle.value == "cancelled"
        assert status.exit is not None
        assert status.exit.signal == signum
        assert "tester" in str(status.reason)


async def test_a_kill_overtakes_a_stop_that_does_not_end(supervised: World) -> None:
    runtime = supervised.registry.runtime
    runtime.stops_with = lambda ladder: None if ladder.steps else ExitStatus(signal=9)
    job = supervised.submit()
    await supervised.running(job)
    control.stop(supervised.store, job, mode="stop", by="tester")
    supervised.poke(job)
    await supervised.until(job, lambda s: "stop" in runtime.calls)
    assert not supervised.store.status(job).lifecycle.ended
    control.stop(supervised.store, job, mode="kill", by="tester")
    supervised.poke(job)
    status = await supervised.ended(job)
    assert (status.lifecycle.value, status.exit and status.exit.signal) == ("cancelled", 9)


async def test_a_stop_asked_for_while_no_supervisor_lived_is_carried_out_by_the_next(supervised: World) -> None:
    job = supervised.submit()
    await supervised.running(job)
    await supervised.die()
    control.stop(supervised.store, job, mode="stop", by="tester")
    await supervised.start()
    assert (await supervised.ended(job)).lifecycle.value == "cancelled"


async def test_a_time_limit_stops_the_attempt(supervised: World) -> None:
    job = supervised.submit(timeout_s=0.3)
    assert (await supervised.ended(job)).lifecycle.value == "timed_out"


async def test_a_program_that_cannot_start_ends_the_job_with_the_reason(supervised: World) -> None:
    supervised.registry.runtime.fail_start = LaunchError("no such program: foo", hint="install foo")
    status = await supervised.ended(supervised.submit())
    assert status.lifecycle.value == "failed_to_start"
    assert status.reason == "no such program: foo; try: install foo"


async def test_a_plan_that_fails_ends_the_job_with_the_plugin_to_blame(supervised: World) -> None:
    supervised.registry.agent.plan_error = ZeroDivisionError("oops")
    status = await supervised.ended(supervised.submit())
    assert status.lifecycle.value == "failed_to_start"
    assert "scripted" in str(status.reason)
    assert "ZeroDivisionError: oops" in str(status.reason)


async def test_a_runtime_that_is_down_is_tried_again_later(supervised: World) -> None:
    supervised.registry.runtime.fail_start = RuntimeUnavailable("the engine is down")
    job = supervised.submit()
    status = await supervised.until(job, lambda s: s.lifecycle.value == "waiting")
    assert status.not_before is not None
    assert time.time() < status.not_before < time.time() + 2
    supervised.registry.runtime.fail_start = None
    control.resume(supervised.store, job, by="tester", prompt=None, environment={})
    supervised.poke(job)
    assert (await supervised.running(job)).attempt == 2


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("logist_core.supervise.launch.FIRST_PAUSE_S", 0.001)


def of_the_machine(number: int) -> LaunchError:
    error = LaunchError("can't write plan.json")
    error.__cause__ = OSError(number, "the machine's own words")
    return error


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EMFILE, errno.ENOMEM, errno.EIO])
async def test_a_start_that_the_machine_refuses_once_is_tried_again(
    supervised: World, impatient: None, number: int
) -> None:
    supervised.registry.runtime.fail_start = of_the_machine(number)
    job = supervised.submit()
    await supervised.until(job, lambda s: s.attempt >= 2)
    supervised.registry.runtime.fail_start = None
    assert (await supervised.running(job)).attempts[0].reason == "can't write plan.json"


async def test_a_start_that_the_machine_goes_on_refusing_ends_the_job_with_the_reason(
    supervised: World, impatient: None
) -> None:
    supervised.registry.agent.plan_error = of_the_machine(errno.ENOSPC)
    status = await supervised.ended(supervised.submit())
    assert (status.lifecycle.value, status.reason) == ("failed_to_start", "can't write plan.json")
    assert status.attempt == MOST_TRIES


async def test_the_pause_between_refused_starts_grows_to_ten_minutes() -> None:
    pauses = [pause_s(tries) for tries in range(1, 40)]
    assert pauses[:4] == [1.0, 2.0, 4.0, 8.0]
    assert pauses == sorted(pauses)
    assert pauses[-1] == 600.0


async def test_a_resumed_job_that_could_not_start_goes_on_with_its_session_and_what_it_was_told(
    supervised: World, impatient: None
) -> None:
    job = supervised.submit()
    await supervised.running(job)
    supervised.say(job, '{"session": 1}\n')
    await supervised.until(job, lambda s: s.session_id == "s-1")
    supervised.end(job, 1)
    await supervised.ended(job)
    supervised.registry.runtime.fail_start = RuntimeUnavailable("the engine is down")
    control.resume(supervised.store, job, by="tester", prompt="and then?", environment={})
    supervised.poke(job)
    await supervised.until(job, lambda s: s.attempt >= 3)
    supervised.registry.runtime.fail_start = None
    status = await supervised.running(job)
    assert status.attempts[-1].resumed
    assert set(supervised.registry.agent.plans) == {"plan", "resume s-1 and then?"}


async def test_a_start_that_raises_anything_else_is_looked_into_and_the_job_is_not_lost(
    supervised: World, impatient: None
) -> None:
    supervised.registry.runtime.fail_start = RuntimeError("bug")
    job = supervised.submit()
    status = await supervised.ended(job)
    assert status.lifecycle.value == "failed_to_start"
    assert supervised.registry.runtime.calls.count("start") == 4


async def test_a_clock_that_is_set_back_neither_delays_nor_fires_a_back_off(world: World) -> None:
    step_s, passed_s = [0.0], [0.0]
    world.clocks = Clocks(wall=lambda: time.time() + step_s[0], boot=lambda: platform.boot_s() + passed_s[0])
    await world.start()
    world.registry.runtime.fail_start = RuntimeUnavailable("no engine")
    job = world.submit()
    await world.until(job, lambda s: s.lifecycle.value == "waiting")
    world.registry.runtime.fail_start = None
    step_s[0] = 3600.0  # set forward: not a reason to start
    world.poke(job)
    other = world.submit()
    await world.running(other)
    assert world.store.status(job).lifecycle.value == "waiting"
    step_s[0], passed_s[0] = -3600.0, 40.0  # set back, and the 30 s are over
    world.poke(job)
    await world.running(job)
    await world.leave()


async def test_a_limit_with_a_reset_resumes_the_same_session_then(supervised: World) -> None:
    agent = supervised.registry.agent
    agent.judged = Outcome(result=Result.FAILED, then=Continuation(at=time.time() + 0.5, reason="usage limit"))
    job = supervised.submit()
    await supervised.running(job)
    supervised.say(job, '{"session": 1}\n')
    supervised.end(job, 1)
    waiting = await supervised.until(job, lambda s: s.lifecycle.value == "waiting")
    assert waiting.reason == "usage limit"
    agent.judged = None
    status = await supervised.until(job, lambda s: s.attempt == 2 and s.lifecycle.value == "running")
    assert agent.plans == ["plan", "resume s-1 None"]
    assert status.attempts[1].resumed
    supervised.end(job, 0, attempt=2)
    assert (await supervised.ended(job)).lifecycle.value == "succeeded"


async def test_an_agent_that_cannot_resume_starts_afresh_and_that_is_on_record(supervised: World) -> None:
    supervised.registry.agent.resumable = False
    job = supervised.submit()
    await supervised.running(job)
    supervised.end(job, 1)
    await supervised.ended(job)
    control.resume(supervised.store, job, by="tester", prompt="go on", environment={})
    supervised.poke(job)
    status = await supervised.running(job)
    assert supervised.registry.agent.plans == ["plan", "resume None go on", "plan"]
    assert not status.attempts[1].resumed


async def test_what_needs_a_person_is_held_until_released(supervised: World) -> None:
    supervised.registry.agent.judged = Outcome(result=Result.FAILED, reason="log in first", hold=True)
    job = supervised.submit()
    await supervised.running(job)
    supervised.end(job, 1)
    held = await supervised.until(job, lambda s: s.lifecycle.value == "held")
    assert held.reason == "log in first"
    control.resume(supervised.store, job, by="tester", prompt=None, environment={})
    supervised.poke(job)
    assert (await supervised.running(job)).attempt == 2


async def test_an_agent_that_cannot_judge_leaves_it_to_the_exit_code_and_is_named(supervised: World) -> None:
    supervised.registry.agent.outcome_error = ValueError("bug")
    job = supervised.submit()
    await supervised.running(job)
    supervised.end(job, 0)
    assert (await supervised.ended(job)).lifecycle.value == "succeeded"
    faults = [e.data for e in supervised.store.events(job) if e.kind == "plugin.fault"]
    assert "ValueError: bug" in faults[0]["reason"]


async def test_a_sentinels_stop_is_on_record_before_it_is_done(supervised: World) -> None:
    verdict = Verdict(level=Level.STALLED, cause="silent_hang", evidence=("silent for 9 s",), action=Action.STOP)
    supervised.registry.sentinel.verdicts = [verdict]
    status = await supervised.ended(job := supervised.submit())
    assert status.lifecycle.value == "failed"
    assert "silent_hang: silent for 9 s" in str(status.reason)
    kinds = supervised.kinds(job)
    assert kinds.index("sentinel.verdict") < kinds.index("sentinel.acted") < kinds.index("attempt.exited")
    assert status.conditions == ()


async def test_work_that_was_done_stays_done_when_the_agent_that_does_not_exit_is_stopped(supervised: World) -> None:
    supervised.registry.agent.judged = Outcome(result=Result.SUCCEEDED, reason="result: success")
    job = supervised.submit()
    await supervised.running(job)
    supervised.say(job, '{"done": 1}\n')
    await supervised.until(job, lambda s: s.activity.state == "completed")
    stop = Verdict(level=Level.STALLED, cause="not_exiting", evidence=("silent for 20 s",), action=Action.STOP)
    supervised.registry.sentinel.verdicts = [stop]
    status = await supervised.ended(job)
    assert (status.lifecycle.value, status.reason) == (
        "succeeded",
        "result: success; not_exiting: silent for 20 s",
    )


async def test_a_sentinels_resume_goes_on_with_the_session_in_a_new_attempt(supervised: World) -> None:
    verdict = Verdict(level=Level.STALLED, cause="silent_hang", action=Action.RESUME)
    supervised.registry.sentinel.verdicts = [verdict]
    job = supervised.submit()
    status = await supervised.until(job, lambda s: s.attempt == 2 and s.lifecycle.value == "running")
    assert status.attempts[1].resumed
    assert supervised.registry.sentinel.observations[-1].interventions <= 1


async def test_the_sentinel_types_the_agents_own_keys_and_interrupts(supervised: World) -> None:
    runtime = supervised.registry.runtime
    supervised.registry.sentinel.verdicts = [
        Verdict(level=Level.STALLED, cause="stream", action=Action.UNSTICK),
        Verdict(level=Level.STALLED, cause="stream", action=Action.INTERRUPT),
        Verdict(level=Level.ACTIVE),
    ]
    job = supervised.submit()
    await supervised.until(job, lambda s: {"write", "interrupt"} <= set(runtime.calls))
    assert (supervised.store.attempt_dir(job, 1) / "stdin.log").read_bytes() == b"\x1b"
    await supervised.until(job, lambda s: "stalled" not in s.conditions)
    assert supervised.kinds(job).count("sentinel.acted") == 2


async def test_a_job_whose_sentinel_is_missing_runs_on_and_says_so(world: World) -> None:
    world.registry.missing = {"sentinel"}
    await world.start()
    job = world.submit()
    await world.running(job)
    await world.until(job, lambda s: "plugin.fault" in world.kinds(job))
    world.end(job, 0)
    assert (await world.ended(job)).lifecycle.value == "succeeded"
    await world.leave()


async def test_a_running_job_whose_runtime_is_gone_is_left_alone_and_says_so(supervised: World) -> None:
    job = supervised.submit()
    await supervised.running(job)
    await supervised.die()
    supervised.registry.missing = {"runtime"}
    await supervised.start()
    status = await supervised.until(job, lambda s: "runtime_missing" in s.conditions)
    assert status.lifecycle.value == "running"
    await supervised.die()
    supervised.registry.missing = set()
    await supervised.start()
    await supervised.until(job, lambda s: "runtime_missing" not in s.conditions)
    supervised.end(job, 3)
    assert (await supervised.ended(job)).exit is not None


async def test_hooks_are_told_of_every_event_in_order(supervised: World) -> None:
    job = supervised.submit()
    await supervised.running(job)
    supervised.end(job, 0)
    await supervised.ended(job)
    expected = supervised.kinds(job)
    await true_at_last(lambda: [k for j, k in supervised.registry.told if j == job] == expected)


async def test_the_environment_is_dropped_when_the_job_has_ended(supervised: World) -> None:
    job = supervised.submit()
    await supervised.running(job)
    assert supervised.store.environment(job) == {"HOME": "/"}
    supervised.end(job, 0)
    await supervised.ended(job)
    await true_at_last(lambda: supervised.store.environment(job) is None)


async def test_a_job_whose_directory_is_corrupt_does_not_keep_the_others_from_running(world: World) -> None:
    broken = world.submit()
    world.store.journal_path(broken)
    (world.store.job_dir(broken) / "state.json").unlink(missing_ok=True)
    (world.store.job_dir(broken) / "events.log").write_bytes(b"nonsense\nmore\n")
    await world.start()
    job = world.submit()
    await world.running(job)
    world.end(job, 0)
    await world.ended(job)
    await world.leave()


async def test_a_plan_that_the_runtime_can_never_carry_out_fails_instead_of_waiting(supervised: World) -> None:
    supervised.registry.agent.launch = {"pty": True}
    status = await supervised.ended(supervised.submit())
    assert (status.lifecycle.value, status.reason) == (
        "failed_to_start",
        "the runtime fake gives no terminal; try: --no-pty, or another runtime",
    )


async def test_a_plugin_that_was_installed_after_the_supervisor_started_is_found(supervised: World) -> None:
    supervised.registry.missing = {"agent"}
    found = ScriptedRegistry(runtime=supervised.registry.runtime)
    supervised.registry.installed_since = found
    job = supervised.submit()
    await supervised.running(job)
    assert found.agent.plans == ["plan"]
    supervised.end(job)
    await supervised.ended(job)
