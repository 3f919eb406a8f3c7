"""What must hold of every job, whatever was killed. Pure judgement over what was read; it reads nothing by itself.

Invariant: what a job says of itself in its side file counts for more than anything that Logist wrote.
"""

from __future__ import annotations

import signal
from collections.abc import Sequence
from dataclasses import dataclass, field

from logist_core.testing.soak.workload import POLITE_CODE, Plan, SideStory
from logist_core.types.job import AttemptStatus, JobEvent, JobStatus, Lifecycle

#: What a pump had read from a terminal and not yet written dies with it.
LOSS_BYTES_PER_PUMP_KILL = 64 * 1024
#: So long after the death of guard and pump somebody must have adopted the attempt; until then an end is unseen.
ADOPTION_S = 30.0
#: Two kills of different halves of one pair within so many seconds may have met.
SAME_TIME_S = 10.0


@dataclass(frozen=True, slots=True)
class Kill:
    """A kill -9 that we sent: `role` is `guard`, `pump` or `agent`; `at` Unix time, seconds."""

    role: str
    at: float


@dataclass(frozen=True, slots=True)
class AttemptEvidence:
    """All that is known of one attempt.

    Attributes:
        status: What Logist says.
        kills: What we did to it.
        out: Its log.
    """

    status: AttemptStatus
    kills: Sequence[Kill]
    out: bytes


@dataclass(frozen=True, slots=True)
class JobEvidence:
    """All that is known of one job that has ended.

    Attributes:
        plan: What it was to do.
        status: What Logist says.
        events: Its journal.
        side: What it says of itself.
        attempts: One for each in `status`.
        kernel_tells_exits: Whether an exit can be known after a guard's death.
    """

    plan: Plan
    status: JobStatus
    events: Sequence[JobEvent]
    side: SideStory
    attempts: Sequence[AttemptEvidence] = field(default_factory=tuple)
    kernel_tells_exits: bool = True


def judge(job: JobEvidence) -> list[str]:
    """Return what is wrong with an ended job, one line each; an empty list where all is as it must be."""
    problems = []
    if not job.status.lifecycle.ended:
        problems.append(f"it hasn't ended: {job.status.lifecycle.value}, {job.status.reason}")
    known = {attempt.status.number for attempt in job.attempts}
    problems += [f"attempt {n} ran and isn't in the journal" for n in sorted(set(job.side.starts) - known)]
    for attempt in job.attempts:
        number = attempt.status.number
        cancelled = _cancelled(job.events, number)
        found = _judge_attempt(job, attempt, cancelled)
        problems += [f"attempt {number}: {line}" for line in found]
    if job.attempts:
        problems += _judge_lifecycle(job)
    return problems


def _judge_attempt(job: JobEvidence, attempt: AttemptEvidence, cancelled: bool) -> list[str]:
    number, status = attempt.status.number, attempt.status
    starts = job.side.starts.get(number, 0)
    problems = []
    if starts > 1:
        problems.append(f"it was run {starts} times")
    if status.state == "failed_to_start":
        if starts:
            problems.append("it ran, and is recorded as never started")
    elif status.state == "lost":
        problems += _judge_loss(job, attempt)
    elif status.state == "exited":
        problems += _judge_exit(job, attempt, cancelled)
        problems += _judge_output(job, attempt)
    else:
        problems.append(f"its state is {status.state} at the end")
    return problems


def _judge_exit(job: JobEvidence, attempt: AttemptEvidence, cancelled: bool) -> list[str]:
    exit, told = attempt.status.exit, job.side.ends.get(attempt.status.number)
    if exit is None or (exit.code is None) == (exit.signal is None):
        return [f"its exit is {exit}, which is none"]
    if exit.code is not None:
        if told is None:
            return [f"exit code {exit.code} is recorded, and the job never ended by itself"]
        return [] if told[0] == exit.code else [f"exit code {exit.code} is recorded, the job's own was {told[0]}"]
    allowed = set()
    if cancelled:
        allowed |= {signal.SIGTERM, signal.SIGKILL}
    if _killed(attempt, "agent"):
        allowed.add(signal.SIGKILL)
    if job.plan.pty and both_dead_at(attempt.kills) is not None:
        allowed |= {signal.SIGHUP, signal.SIGKILL}  # its terminal died with them
    return [] if exit.signal in allowed else [f"signal {exit.signal} is recorded, and nobody sent it"]


def _judge_loss(job: JobEvidence, attempt: AttemptEvidence) -> list[str]:
    if not job.kernel_tells_exits and _killed(attempt, "guard"):
        return []
    dead_at = both_dead_at(attempt.kills)
    if dead_at is None:
        return [f"it is lost, and guard and pump were not both dead at any time ({_shown(attempt.kills)})"]
    told = job.side.ends.get(attempt.status.number)
    ended = [kill.at for kill in attempt.kills if kill.role == "agent"] + ([] if told is None else [float(told[1])])
    if not ended:
        return [] if job.plan.pty else ["it is lost, and its agent neither ended nor was killed"]
    if any(at <= dead_at + ADOPTION_S for at in ended):
        return []
    return [f"it is lost though it ended {min(ended) - dead_at:.1f} s after guard and pump were killed"]


def _judge_output(job: JobEvidence, attempt: AttemptEvidence) -> list[str]:
    plan, out = job.plan, attempt.out
    told = job.side.ends.get(attempt.status.number)
    complete = told is not None and told[0] == plan.code and told[0] != POLITE_CODE
    if plan.pty:
        if plan.manner == "reads" or both_dead_at(attempt.kills) is not None:
            return []  # what was typed is echoed among it; or the terminal was gone
        out = out.replace(b"\r\n", b"\n")
        lost = len(plan.output) - len(out)
        pump_kills = sum(kill.role == "pump" for kill in attempt.kills)
        if pump_kills:
            if complete and not 0 <= lost <= LOSS_BYTES_PER_PUMP_KILL * pump_kills:
                return [f"{lost} bytes of its output are missing after {pump_kills} kills of its pump"]
            return []
    if complete and out != plan.output:
        return [f"its output has {len(out)} bytes and should have {len(plan.output)}: {_difference(out, plan.output)}"]
    if not plan.output.startswith(out) and not (plan.pty and plan.output.startswith(out.rstrip(b"\r"))):
        return [f"its output isn't the beginning of what it printed: {_difference(out, plan.output)}"]
    return []


def _judge_lifecycle(job: JobEvidence) -> list[str]:
    last, lifecycle = job.attempts[-1].status, job.status.lifecycle
    cancelled = _cancelled(job.events, last.number)
    if _gave_up_in_the_queue(job.events):
        right = {Lifecycle.CANCELLED}
    elif last.state == "lost":
        right = {Lifecycle.LOST, Lifecycle.CANCELLED}
    elif last.state == "failed_to_start":
        right = {Lifecycle.FAILED_TO_START, Lifecycle.CANCELLED}
    elif cancelled:
        right = {Lifecycle.CANCELLED, Lifecycle.SUCCEEDED, Lifecycle.FAILED}
    else:
        right = {Lifecycle.SUCCEEDED if last.exit is not None and last.exit.code == 0 else Lifecycle.FAILED}
    return [] if lifecycle in right else [f"it is {lifecycle.value}, and its last attempt {last.state}, {last.exit}"]


def both_dead_at(kills: Sequence[Kill]) -> float | None:
    """Return the last time at which guard and pump may both have been dead, None if there was none."""
    times = [
        max(guard.at, pump.at)
        for guard in kills
        for pump in kills
        if guard.role == "guard" and pump.role == "pump" and abs(guard.at - pump.at) <= SAME_TIME_S
    ]
    return max(times, default=None)


def _killed(attempt: AttemptEvidence, role: str) -> bool:
    return any(kill.role == role for kill in attempt.kills)


def _cancelled(events: Sequence[JobEvent], attempt: int) -> bool:
    """Return whether a stop was asked for while attempt `attempt` was the current one, or before it began."""
    current, asked = 0, False
    for event in events:
        if event.kind == "attempt.starting":
            if current == attempt:
                break
            current = int(event.data["attempt"])
        elif event.kind == "job.requeued":
            if current == attempt:
                break
            asked = False
        elif event.kind == "job.cancel_requested":
            asked = True
    return asked and current >= attempt


def _gave_up_in_the_queue(events: Sequence[JobEvent]) -> bool:
    """Return whether the job was queued again after its last attempt, so that the attempt didn't decide its end."""
    kinds = [event.kind for event in events if event.kind in ("attempt.starting", "job.requeued")]
    return kinds[-1:] == ["job.requeued"]


def _shown(kills: Sequence[Kill]) -> str:
    return ", ".join(f"{kill.role} at {kill.at:.3f}" for kill in kills) or "nothing of it was killed"


def _difference(found: bytes, wanted: bytes) -> str:
    at = next((n for n, (a, b) in enumerate(zip(found, wanted, strict=False)) if a != b), min(len(found), len(wanted)))
    return f"from byte {at} on it is {found[at : at + 40]!r}, not {wanted[at : at + 40]!r}"
