"""What a person is told of a job's events while its output runs by: one line each, or nothing. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from logist_core.cli.formats import duration, moment
from logist_core.cli.show import evidence, exit_phrase, runtime_s, telling_reason
from logist_core.cli.text import one_line
from logist_core.dashboard.needs import ASKS
from logist_core.errors import ExitCode
from logist_core.types.job import JobEvent, JobStatus, Lifecycle
from logist_core.types.signals import Activity


def tell(event: JobEvent, status: JobStatus) -> str | None:
    """Return the line for `event`; `status` is the job's status after it. None: nothing worth a line."""
    teller = _TELLERS.get(event.kind)
    return teller(event, status) if teller is not None else None


def is_over(status: JobStatus) -> bool:
    """Say whether nothing more happens by itself: the job has ended, or is held for a person."""
    return status.lifecycle.ended or status.lifecycle is Lifecycle.HELD


def exit_code(status: JobStatus, *, interrupted: bool = False) -> int:
    """Return the exit code that an ended or held job stands for."""
    if status.lifecycle is Lifecycle.SUCCEEDED:
        return ExitCode.OK
    if status.lifecycle is Lifecycle.HELD:
        return ExitCode.NEEDS_INPUT
    if interrupted and status.lifecycle is Lifecycle.CANCELLED:
        return ExitCode.INTERRUPTED
    return ExitCode.JOB_FAILED


def farewell(status: JobStatus, now: float) -> str:
    """Return the last line about a job: outcome, duration, exit, id."""
    what = status.lifecycle.value.replace("_", " ")
    if status.outcome and status.outcome not in (status.lifecycle.value, "succeeded", "failed"):
        what += f" ({one_line(status.outcome, 40)})"
    ran = None if status.lifecycle is Lifecycle.FAILED_TO_START else runtime_s(status, now)
    parts = [f"{what} in {duration(ran)}" if ran is not None else what]
    if phrase := exit_phrase(status.exit):
        parts.append(phrase)
    if reason := telling_reason(status):
        parts.append(reason)
    if len(status.attempts) > 1:
        parts.append(f"{len(status.attempts)} attempts")
    return ", ".join([*parts, f"job {status.id}"])


def _text(data: Mapping[str, object], key: str, limit: int = 300) -> str:
    value = data.get(key)
    return one_line(value, limit) if isinstance(value, str) else ""


def _created(_event: JobEvent, status: JobStatus) -> str:
    return f"job {status.id}: {one_line(status.agent, 40)} on {one_line(status.runtime, 40)}"


def _running(_event: JobEvent, status: JobStatus) -> str:
    details = [f"pid {status.pid}"] if status.pid is not None else []
    if status.attempt > 1:
        details.insert(0, f"attempt {status.attempt}")
    return "running" + (f"  ({', '.join(details)})" if details else "")


def _not_started(event: JobEvent, status: JobStatus) -> str:
    return f"attempt {status.attempt} did not start: {_text(event.data, 'error')}"


def _lost(event: JobEvent, status: JobStatus) -> str:
    return f"attempt {status.attempt} was lost: {_text(event.data, 'reason')}"


def _activity(_event: JobEvent, status: JobStatus) -> str:
    line = _activity_line(status.activity)
    return f"{line}  answer: logist send {status.id} TEXT" if status.activity.state in ASKS else line


def _activity_line(activity: Activity) -> str:
    rests_on = evidence(activity)
    line = one_line(activity.state, 40) + (f"  ({rests_on})" if rests_on else "")
    if activity.text and activity.state not in {"working", "unknown", "completed"}:
        line += f"  “{one_line(activity.text, 100)}”"
    return line


def _session(event: JobEvent, _status: JobStatus) -> str:
    return f"session {_text(event.data, 'session_id', 100)}"


def _raised(event: JobEvent, _status: JobStatus) -> str:
    detail = _text(event.data, "detail")
    return _text(event.data, "condition", 60) + (f": {detail}" if detail else "")


def _cleared(event: JobEvent, _status: JobStatus) -> str:
    return f"no longer {_text(event.data, 'condition', 60)}"


def _verdict(event: JobEvent, _status: JobStatus) -> str | None:
    level, cause = _text(event.data, "level", 40), _text(event.data, "cause", 60)
    if level in {"active", "quiet"}:
        return None
    found = event.data.get("evidence")
    lines = [one_line(str(line), 160) for line in found] if isinstance(found, list) else []
    return f"sentinel: {level}" + (f", {cause}" if cause else "") + (f"  ({'; '.join(lines)})" if lines else "")


def _acted(event: JobEvent, _status: JobStatus) -> str:
    result = event.data.get("result")
    outcome = f": {one_line(str(result), 100)}" if result not in (None, "") else ""
    return f"sentinel acts: {_text(event.data, 'action', 40)}{outcome}"


def _waiting(event: JobEvent, status: JobStatus) -> str:
    due = f" until {moment(status.not_before, event.at)}" if status.not_before is not None else ""
    reason = _text(event.data, "reason")
    return _after_attempt(status) + f"waiting{due}" + (f": {reason}" if reason else "")


def _held(event: JobEvent, status: JobStatus) -> str:
    return _after_attempt(status) + f"held for a person: {_text(event.data, 'reason')}"


def _after_attempt(status: JobStatus) -> str:
    """Return how the attempt ended that led to this; where the job ends with it, the farewell says so instead."""
    phrase = exit_phrase(status.exit)
    return f"attempt {status.attempt} ended ({phrase}), " if phrase else ""


def _requeued(event: JobEvent, _status: JobStatus) -> str:
    return "queued again" + (", to go on with its session" if event.data.get("resume") else "")


def _cancelling(event: JobEvent, _status: JobStatus) -> str:
    what = "kill" if event.data.get("mode") == "kill" else "stop"
    return f"{what} asked for by {_text(event.data, 'by', 60)}"


def _fault(event: JobEvent, _status: JobStatus) -> str:
    return f"plugin {_text(event.data, 'name', 60)}: {_text(event.data, 'reason')}"


def _note(event: JobEvent, _status: JobStatus) -> str:
    return _text(event.data, "text")


_TELLERS: Mapping[str, Callable[[JobEvent, JobStatus], str | None]] = {
    "job.created": _created,
    "job.waiting": _waiting,
    "job.held": _held,
    "job.requeued": _requeued,
    "job.cancel_requested": _cancelling,
    "attempt.running": _running,
    "attempt.failed_to_start": _not_started,
    "attempt.lost": _lost,
    "activity.changed": _activity,
    "session.seen": _session,
    "condition.raised": _raised,
    "condition.cleared": _cleared,
    "sentinel.verdict": _verdict,
    "sentinel.acted": _acted,
    "plugin.fault": _fault,
    "note.added": _note,
}
