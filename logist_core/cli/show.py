"""How a job's status reads for a person: one line in a table, one block of its own. Pure.

Invariant: every text that comes from a job passes through `one_line`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from logist_core.cli.formats import age, duration, moment, size
from logist_core.cli.output import paint
from logist_core.cli.text import one_line
from logist_core.dashboard.needs import NEEDS_A_PERSON
from logist_core.types.job import AttemptStatus, Budget, Exit, JobSpec, JobStatus, Lifecycle
from logist_core.types.signals import Activity

_LIFECYCLE_STYLE = {
    Lifecycle.QUEUED: ("dim",),
    Lifecycle.STARTING: ("cyan",),
    Lifecycle.RUNNING: ("cyan",),
    Lifecycle.WAITING: ("yellow",),
    Lifecycle.HELD: ("magenta", "bold"),
    Lifecycle.SUCCEEDED: ("green",),
    Lifecycle.CANCELLED: ("dim",),
}
_TROUBLE = frozenset(
    {"crashed", "failed", "tool_error", "context_exhausted", "budget_exceeded", "model_unavailable", "network_down"}
)


class Log(NamedTuple):
    """A log of an attempt: where it is, and how many bytes were written to it (None: it isn't there).

    `dropped_bytes` of these are gone by `--max-log-bytes`; `unbounded` is why that limit can't be kept.
    """

    path: str
    size_bytes: int | None
    dropped_bytes: int = 0
    unbounded: str | None = None


def lifecycle_style(lifecycle: Lifecycle) -> tuple[str, ...]:
    """Return the styles in which a lifecycle is shown; what went wrong is red."""
    return _LIFECYCLE_STYLE.get(lifecycle, ("red",))


def activity_style(state: str) -> tuple[str, ...]:
    """Return the styles in which an activity is shown."""
    if state in NEEDS_A_PERSON:
        return ("magenta", "bold")
    if state in _TROUBLE:
        return ("red",)
    return ("dim",) if state == "unknown" else ()


def exit_text(exit: Exit | None) -> str:
    """Return `0`, `7`, `SIGKILL`, or `-` where it isn't known."""
    if exit is None:
        return "-"
    if exit.signal is not None:
        return signal_name(exit.signal)
    return "-" if exit.code is None else str(exit.code)


def signal_name(number: int) -> str:
    """Return `SIGTERM` for 15; `signal 99` for a number without a name."""
    import signal

    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def exit_phrase(exit: Exit | None) -> str:
    """Return `exit 7` or `killed by SIGKILL`; "" where it isn't known."""
    if exit is None or (exit.code is None and exit.signal is None):
        return ""
    return f"killed by {signal_name(exit.signal)}" if exit.signal is not None else f"exit {exit.code}"


def telling_reason(status: JobStatus) -> str:
    """Return why the job stands where it stands; "" where the exit says the same."""
    ended = status.exit or Exit()
    said = {f"exit code {ended.code}", f"killed by signal {ended.signal}", exit_phrase(ended), ""}
    return "; ".join(part for part in one_line(status.reason or "", 300).split("; ") if part not in said)


def place(activity: Activity) -> str:
    """Return where an activity was read: `out+1234`."""
    if activity.stream is None:
        return ""
    return activity.stream if activity.offset is None else f"{activity.stream}+{activity.offset}"


def evidence(activity: Activity) -> str:
    """Return what an activity rests on: `rule mock/tool, out+1234`."""
    parts = []
    if activity.rule:
        parts.append(f"rule {one_line(activity.rule, 80)}")
    if activity.source and not activity.rule:
        parts.append(one_line(activity.source, 40))
    if where := place(activity):
        parts.append(where)
    return ", ".join(parts)


def runtime_s(status: JobStatus, now: float) -> float | None:
    """Return how long the job ran, or has been running, in seconds."""
    if status.started_at is None:
        return None
    end = status.ended_at if status.lifecycle.ended else now
    return None if end is None else max(end - status.started_at, 0.0)


TABLE_HEAD = ("ID", "NAME", "AGENT", "STATE", "ACTIVITY", "AGE", "EXIT", "TASK")


def table_cells(status: JobStatus, now: float, task: str | None) -> tuple[str, ...]:
    """Return the cells of a job's line in `ls`; `task` is its prompt or its arguments."""
    activity = "" if status.lifecycle.ended or status.activity.state == "unknown" else status.activity.state
    if status.conditions:
        activity = " ".join(filter(None, (activity, f"({', '.join(status.conditions)})")))
    return (
        status.id,
        one_line(status.name or "-", 24),
        one_line(status.agent, 16),
        status.lifecycle.value,
        one_line(activity or "-", 40),
        age(now - status.created_at),
        exit_text(status.exit),
        one_line(task or "", 200) or "-",
    )


def task_of(spec: JobSpec) -> str:
    """Return what the job was asked: its prompt, else its arguments."""
    return one_line(spec.prompt or " ".join(spec.args), 200)


def next_step(status: JobStatus) -> str | None:
    """Return what a person can do now: a command, and why."""
    ref = status.id
    if status.lifecycle is Lifecycle.HELD:
        return f"logist resume {ref}   (when what it waits for is done)"
    if status.lifecycle is Lifecycle.WAITING:
        return f"logist resume {ref}   (to go on now instead)"
    if status.lifecycle is Lifecycle.RUNNING and status.activity.state in NEEDS_A_PERSON:
        return f"logist attach {ref}   (or: logist send {ref} ANSWER)"
    if status.lifecycle is Lifecycle.RUNNING:
        return f"logist logs -f {ref}"
    if status.lifecycle is Lifecycle.SUCCEEDED:
        return f"logist logs {ref}"
    if status.lifecycle is Lifecycle.FAILED_TO_START:
        return "logist doctor"
    if status.lifecycle.ended:
        again = f"logist resume {ref}" if status.session_id else f"logist retry {ref}"
        return f"logist logs {ref}, then {again}"
    return None


def block(
    status: JobStatus,
    *,
    now: float,
    spec: JobSpec | None,
    logs: Sequence[Log] = (),
    colour: bool = False,
    shared: str | None = None,
) -> str:
    """Return everything known of a job, a few lines.

    Args:
        status: The job's.
        now: Unix time, seconds.
        spec: None where it can't be read.
        logs: Of its last attempt.
        colour: Whether to colour it.
        shared: The line of the limit that it shares with others.
    """
    head = paint(status.id, "bold", on=colour)
    if status.name:
        head += f"  {one_line(status.name, 80)}"
    rows: list[tuple[str, str]] = [("state", _state(status, now, colour))]
    if reason := telling_reason(status):
        rows.append(("why", reason))
    rows += _activity_rows(status, now, colour)
    rows += [(name, text) for name, text in (("limit", shared), ("used", _usage(status, spec))) if text]
    if status.conditions:
        rows.append(("conditions", one_line(", ".join(status.conditions))))
    if status.cancel:
        rows.append(("asked to", status.cancel))
    rows.append(("agent", one_line(f"{status.agent} on {status.runtime}" + (f" in {spec.cwd}" if spec else ""))))
    if spec and (task := task_of(spec)):
        rows.append(("task", one_line(task, 200)))
    if status.pid is not None and not status.lifecycle.ended:
        rows.append(("pid", str(status.pid)))
    if status.session_id:
        rows.append(("session", one_line(status.session_id, 200)))
    if status.labels:
        rows.append(("labels", one_line(", ".join(f"{k}={v}" for k, v in sorted(status.labels.items())))))
    if status.after:
        rows.append(("after", ", ".join(status.after)))
    if len(status.attempts) > 1 or (status.attempts and not status.lifecycle.ended):
        rows += [("attempt" if i == 0 else "", _attempt(a, now)) for i, a in enumerate(status.attempts)]
    for index, log in enumerate(logs):
        rows.append(("output" if index == 0 else "", f"{one_line(log.path)} ({_held(log)})"))
    if step := next_step(status):
        rows.append(("next", step))
    body = "\n".join(f"  {paint(f'{name:<11}', 'dim', on=colour)}{text}".rstrip() for name, text in rows)
    return f"{head}\n{body}"


def _usage(status: JobStatus, spec: JobSpec | None) -> str:
    """Return `2 turns of 10, 52,000 tokens, $0.31 of $2.00`; "" where nothing is known and nothing limited."""
    used, budget = status.usage, spec.budget if spec is not None else Budget()
    counts = [count for count in (used.tokens_in, used.tokens_out) if count is not None]
    tokens = sum(counts) if counts else None
    turns = used.turns if budget.turns is not None else None  # of no interest by themselves
    parts = [
        _of(turns, budget.turns, "{:,.0f}", "turns"),
        _of(tokens, budget.tokens, "{:,.0f}", "tokens"),
        _of(used.cost_usd, budget.cost_usd, "${:,.2f}", ""),
    ]
    return ", ".join(part for part in parts if part)


def _of(used: float | None, limit: float | None, form: str, unit: str) -> str:
    if used is None and limit is None:
        return ""
    text = "unknown" if used is None else form.format(used)
    text += "" if limit is None else f" of {form.format(limit)}"
    return f"{text} {unit}".strip()


def _held(log: Log) -> str:
    if log.size_bytes is None:
        return "not there"
    held = size(log.size_bytes)
    if log.dropped_bytes:
        held += f", {size(log.dropped_bytes)} of it dropped by --max-log-bytes"
    if log.unbounded:
        held += f", --max-log-bytes can't be kept here: {one_line(log.unbounded, 80)}"
    return held


def _state(status: JobStatus, now: float, colour: bool) -> str:
    text = paint(status.lifecycle.value, *lifecycle_style(status.lifecycle), on=colour)
    if status.lifecycle.ended:
        ran = runtime_s(status, now)
        parts = [f"after {duration(ran)}"] if ran is not None else []
        parts += [exit_phrase(status.exit)] if exit_phrase(status.exit) else []
        if status.outcome and status.outcome != status.lifecycle.value:
            parts.append(f"outcome {one_line(status.outcome, 40)}")
        if status.ended_at is not None:
            parts.append(f"ended {moment(status.ended_at, now)}")
        return ", ".join([text, *parts])
    if status.lifecycle is Lifecycle.WAITING and status.not_before is not None:
        left = status.not_before - now
        due = f"until {moment(status.not_before, now)}" + (f", in {duration(left)}" if left > 0 else ", due")
        return f"{text} {due}"
    if status.lifecycle is Lifecycle.RUNNING:
        return f"{text} for {duration(runtime_s(status, now))}, since {moment(status.started_at, now)}"
    return f"{text} since {moment(status.created_at, now)}"


def _activity_rows(status: JobStatus, now: float, colour: bool) -> list[tuple[str, str]]:
    activity = status.activity
    if activity.state == "unknown":
        return [] if status.lifecycle is not Lifecycle.RUNNING else [("activity", "unknown: no evidence yet")]
    text = paint(one_line(activity.state, 40), *activity_style(activity.state), on=colour)
    if activity.since is not None and not status.lifecycle.ended:
        text += f" for {duration(now - activity.since)}"
    if rests_on := evidence(activity):
        text += f"  ({rests_on})"
    rows = [("activity", text)]
    if activity.text:
        rows.append(("", paint(f"“{one_line(activity.text, 160)}”", "dim", on=colour)))
    return rows


def _attempt(attempt: AttemptStatus, now: float) -> str:
    parts = [f"{attempt.number}", one_line(attempt.state, 40)]
    if attempt.started_at is not None:
        end = attempt.ended_at if attempt.ended_at is not None else now
        parts.append(f"{moment(attempt.started_at, now)} {duration(end - attempt.started_at)}")
    if phrase := exit_phrase(attempt.exit):
        parts.append(phrase)
    if attempt.resumed:
        parts.append("same session")
    if attempt.reason:
        parts.append(one_line(attempt.reason, 120))
    return "  ".join(parts)
