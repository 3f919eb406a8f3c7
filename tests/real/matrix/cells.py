"""Runs one cell: an agent's real program, as a Logist job, while the provider does what the case says.

Invariant: a cell is judged by the job's journal alone, and every job of it is over when the cell is.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from fake_provider.harness import Provider
from real.matrix.cases import LOOKS_FINE, Case, expected, key_of
from real.matrix.stands import options_for, set_up
from support.logist import Logist

SETTLED = {"succeeded", "failed", "held", "waiting", "cancelled", "timed_out", "failed_to_start", "lost"}
#: Activities that name a cause of trouble.
CAUSES = {
    "auth_failed",
    "billing",
    "budget_exceeded",
    "context_exhausted",
    "crashed",
    "model_unavailable",
    "network_down",
    "overloaded",
    "rate_limited",
}


@dataclass(frozen=True, kw_only=True)
class Cell:
    """What came of one case with one agent.

    Attributes:
        verdict: `right`, `unknown` or `wrong`.
        cause: The claim that was read, None where none was.
        end: What became of the job; `running` where the program never came to an end in its time.
        reason: Logist's words.
        exit: How the program itself ended.
        verdict_s: Seconds from the first failing request to the verdict.
        agent_s: Seconds that the program itself took from then on; None where it was stopped.
        requests: How many requests it made.
        hidden: Why the program can't show the cause.
    """

    agent: str
    case: str
    about: str
    expected: str
    verdict: str
    cause: str | None
    end: str
    reason: str
    exit: str
    verdict_s: float | None
    agent_s: float | None
    requests: int
    hidden: str | None = None


#: What shows its cause may be about to end, and its end is worth more: so long it is waited for, seconds.
GRACE_S = 8.0


def run_cell(
    agent: str, case: Case, provider: Provider, logist: Logist, root: Path, *, grace_s: float = GRACE_S
) -> Cell:
    """Run `case` with `agent` in directories of its own below `root`."""
    case, hidden = expected(agent, case)
    place = root / f"{agent}-{key_of(case)}"
    options = {"who": agent, **(case.options or {}), **options_for(agent, case.name)}
    url = provider.url(case.name, **options)
    mark = url.rpartition("/")[2]
    stand, environment = set_up(agent, url, place / "home", place / "work")
    given = [part for name, value in stand.settings.items() for part in ("--agent-set", f"{name}={value}")]
    command = [
        "-a",
        agent,
        "-C",
        str(place / "work"),
        *given,
        "say hello",
        *(("--", *stand.args) if stand.args else ()),
    ]
    job = logist.submit(*command, env=environment)
    journal = logist.home / "jobs" / job / "events.log"
    seen = _watch(journal, case, grace_s)
    if not seen.settled:
        logist("stop", job, code=None)
        logist.until(job, *SETTLED, within_s=60.0)
    elif seen.end in ("waiting", "held"):
        logist("kill", job, code=None)
    requests = [entry for entry in provider.requests() if entry["scenario"] == mark]
    return _judged(agent, case, hidden, seen, requests)


@dataclass
class Seen:
    """What the journal of a job shows so far."""

    end: str = "running"
    reason: str = ""
    exit: str = "stopped"
    cause: str | None = None
    cause_at: float | None = None
    last_activity: str | None = None
    settled: bool = False
    ended_at: float | None = None


def _watch(journal: Path, case: Case, grace_s: float) -> Seen:
    """Follow the journal until the job has settled, has shown its cause and goes on, or has had its time."""
    deadline = time.monotonic() + case.seconds
    shown_since: float | None = None
    seen = Seen()
    while time.monotonic() < deadline:
        seen = _read(journal, case)
        if seen.settled:
            break
        if seen.cause in case.causes and seen.cause in CAUSES:
            shown_since = shown_since or time.monotonic()
            if time.monotonic() - shown_since > grace_s:
                break
        time.sleep(0.1)
    return seen


def _read(journal: Path, case: Case) -> Seen:
    seen = Seen()
    for event in _events(journal):
        kind, data, at = event["kind"], event["data"], event["at"]
        if kind == "activity.changed":
            state = data["state"]
            seen.last_activity = state
            if state in CAUSES and (seen.cause is None or seen.cause not in case.causes):
                seen.cause, seen.cause_at = state, at
        elif kind == "attempt.exited":
            exit = data.get("exit") or data
            seen.exit = f"signal {exit['signal']}" if exit.get("signal") is not None else f"exit {exit.get('code')}"
            seen.ended_at = at
        elif kind in ("job.held", "job.waiting", "job.finished"):
            seen.settled, seen.reason = True, data.get("reason") or ""
            seen.end = data["lifecycle"] if kind == "job.finished" else kind.partition(".")[2]
            seen.ended_at = seen.ended_at or at
    return seen


def _events(journal: Path) -> Iterator[Mapping[str, Any]]:
    try:
        lines = journal.read_bytes().split(b"\n")[:-1]
    except FileNotFoundError:
        return
    for line in lines:
        yield json.loads(line)


def judge(agent: str, case: Case, hidden: str | None, cause: str | None, end: str) -> str:
    """Return the verdict on what was read and on what became of the job."""
    as_caused = cause in case.causes or (not case.causes and cause is None)
    if as_caused and (end in case.ends or (end == "running" and cause in CAUSES)):
        return "right"
    if (agent, key_of(case)) in LOOKS_FINE and cause == "completed":
        return "unknown"
    if cause is None and end != "succeeded":
        if hidden is not None:
            return "unknown"
        if "failed" in case.causes:
            return "right"
    return "wrong"


def judged_again(cell: Cell, case: Case) -> Cell:
    """Return a cell of an earlier run, judged by what is expected now."""
    case, hidden = expected(cell.agent, case)
    told = " or ".join(case.causes) or ("no cause" if "running" not in case.ends else "no false alarm")
    return replace(cell, expected=told, hidden=hidden, verdict=judge(cell.agent, case, hidden, cell.cause, cell.end))


def _judged(agent: str, case: Case, hidden: str | None, seen: Seen, requests: list[dict[str, Any]]) -> Cell:
    failing = requests[1 if case.name.startswith("after1") and len(requests) > 1 else 0]["at"] if requests else None
    cause = seen.cause
    if seen.end == "succeeded" or (case.fine and seen.end == "running" and seen.last_activity == "completed"):
        cause = "completed"
    verdict = judge(agent, case, hidden, cause, seen.end)
    told_at = seen.cause_at if cause in CAUSES and seen.cause_at is not None else seen.ended_at
    return Cell(
        agent=agent,
        case=key_of(case),
        about=case.about,
        expected=" or ".join(case.causes) or ("no cause" if "running" not in case.ends else "no false alarm"),
        verdict=verdict,
        cause=cause,
        end=seen.end,
        reason=seen.reason,
        exit=seen.exit,
        verdict_s=None if told_at is None or failing is None else max(told_at - failing, 0.0),
        agent_s=None if seen.ended_at is None or failing is None else max(seen.ended_at - failing, 0.0),
        requests=len(requests),
        hidden=hidden,
    )
