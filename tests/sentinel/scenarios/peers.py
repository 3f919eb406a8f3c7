"""What people use today, on the same command lines: each says whether it ended the job, and when.

Invariant: a peer gets what its own documentation offers and nothing else; what it can't take is left out, and why.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from sentinel.scenarios.catalogue import STALL_S, Healthy, Scenario, Trouble

from logist_core.types.launch import LaunchSpec

#: A time limit is set to what the longest healthy job needs, twice.
TIME_LIMIT_S = 6 * STALL_S
_WIDE = 10


@dataclass(frozen=True)
class Fate:
    """What became of a job under a peer.

    Attributes:
        ended: The peer ended it.
        after_s: Seconds from the onset of its trouble, or from its start, to its end.
        left_out: Why it wasn't tried; "": it was.
    """

    ended: bool = False
    after_s: float | None = None
    left_out: str = ""


class Timeout:
    """GNU `timeout`."""

    name = "timeout"
    says = f"GNU `timeout {TIME_LIMIT_S:g}`"

    def missing(self) -> str:
        return "" if shutil.which("timeout") else "not installed"

    def run(self, scenario: Scenario, plan: LaunchSpec, env: Mapping[str, str], directory: Path) -> Fate:
        words = ["timeout", "--foreground", "-k", "1", f"{TIME_LIMIT_S:g}"]
        watched = _Watched([*words, *plan.argv], scenario, plan, env)
        code = watched.wait(TIME_LIMIT_S + 5)
        return Fate(code in (124, 137), watched.after_s)


class Watchdog:
    """Ten lines that many people have written: no output for so long, and it is killed."""

    name = "watchdog"
    says = f"ten lines: no output for {STALL_S:g} s"

    def missing(self) -> str:
        return ""

    def run(self, scenario: Scenario, plan: LaunchSpec, env: Mapping[str, str], directory: Path) -> Fate:
        watched = _Watched(plan.argv, scenario, plan, env)
        killed = watched.killed_in_silence(STALL_S, TIME_LIMIT_S)
        return Fate(killed, watched.after_s)


class AgentRunner:
    """`cli-agent-runner` of PyPI: one round, with its budget of time."""

    name = "cli-agent-runner"
    says = f"`agent-runner round`, `round_budget_s = {TIME_LIMIT_S:.0f}`"

    def missing(self) -> str:
        return "" if shutil.which("agent-runner") else "not installed (`pip install cli-agent-runner`)"

    def run(self, scenario: Scenario, plan: LaunchSpec, env: Mapping[str, str], directory: Path) -> Fate:
        if plan.pty:
            return Fate(left_out="has no terminal to give")
        place = directory / scenario.name
        (place / "prompts").mkdir(parents=True)
        (place / "prompts" / "main.md").write_text("Go on with the task.\n" * 40)
        words = ", ".join(json.dumps(word) for word in plan.argv)
        given = {name: env[name] for name in ("SCENARIO_PORT",)}
        (place / "agent-runner.toml").write_text(
            f"schema_version = 1\n[agent]\ncommand = [{words}]\nprompt_arg_template = []\nname = 'scenario'\n"
            "prompt_delivery = 'stdin'\n[agent.env]\n"
            + "".join(f"{name} = {json.dumps(value)}\n" for name, value in given.items())
            + f"[runtime]\nwork_dir = '.'\nlog_dir = './logs'\nround_budget_s = {TIME_LIMIT_S:.0f}\n"
            "restart_delay_s = 1\n[prompt]\nfile = './prompts/main.md'\ninject_context = false\n"
            "[vcs]\ndirty_action = 'ignore'\n"
        )
        for words_of_git in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "begin"]):
            who = ["-c", "user.name=x", "-c", "user.email=x@example.org"]
            subprocess.run(["git", *who, *words_of_git], cwd=place, env=dict(env), check=True)
        began = time.time()
        process = subprocess.Popen(
            ["agent-runner", "round"],
            cwd=place,
            env=dict(env),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            process.wait(TIME_LIMIT_S + 20)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        events = "".join(path.read_text() for path in (place / "logs").glob("events*.jsonl"))
        return Fate('"timed_out": true' in events, time.time() - began)


PEERS = (Timeout(), Watchdog(), AgentRunner())


def compare(
    plans: Mapping[str, tuple[Scenario, LaunchSpec]], environment: Mapping[str, str], directory: Path
) -> dict[str, dict[str, Fate]]:
    """Run every trouble and every healthy scenario under each peer; return fates by peer and scenario."""
    fates: dict[str, dict[str, Fate]] = {peer.name: {} for peer in PEERS}
    tasks = [
        (peer, scenario, plan)
        for peer in PEERS
        for scenario, plan in plans.values()
        if isinstance(scenario, Trouble | Healthy)
    ]
    with ThreadPoolExecutor(_WIDE) as pool:
        for (peer, scenario, _), fate in zip(
            tasks, pool.map(lambda task: _one(*task, environment, directory), tasks), strict=True
        ):
            fates[peer.name][scenario.name] = fate
    return fates


def _one(
    peer: Timeout | Watchdog | AgentRunner,
    scenario: Scenario,
    plan: LaunchSpec,
    environment: Mapping[str, str],
    directory: Path,
) -> Fate:
    missing = peer.missing()
    if missing:
        return Fate(left_out=missing)
    if isinstance(scenario, Healthy) and scenario.answer:
        return Fate(left_out="nobody answers it")
    return peer.run(scenario, plan, {**environment, **plan.env}, directory / peer.name)


class _Watched:
    """A process in a session of its own whose output, from a pipe or a terminal, is read."""

    def __init__(
        self, argv: list[str] | tuple[str, ...], scenario: Scenario, plan: LaunchSpec, env: Mapping[str, str]
    ) -> None:
        self._scenario, self._began = scenario, time.monotonic()
        self._onset: float | None = None
        self._seen = b""
        master, slave = os.openpty() if plan.pty else os.pipe()
        # An input that stays open and says nothing, as an agent's has that waits for an answer.
        silent = slave if plan.pty else subprocess.PIPE if plan.stdin.value == "open" else subprocess.DEVNULL
        self._process = subprocess.Popen(
            ["setsid", "--ctty", *argv] if plan.pty else argv,
            cwd=plan.cwd,
            env=dict(env),
            stdin=silent,
            stdout=slave,
            stderr=slave,
            start_new_session=not plan.pty,
        )
        os.close(slave)
        self._master = master
        self.after_s: float | None = None

    def wait(self, limit_s: float) -> int | None:
        """Return the exit code once it has ended; None: it was still there after `limit_s`, and was ended."""
        deadline = time.monotonic() + limit_s
        while self._process.poll() is None and time.monotonic() < deadline:
            self._read(0.1)
        code = self._process.poll()
        self._end()
        return code

    def killed_in_silence(self, silent_s: float, limit_s: float) -> bool:
        deadline = time.monotonic() + limit_s
        killed = False
        while self._process.poll() is None and time.monotonic() < deadline and not killed:
            killed = not self._read(silent_s) and self._process.poll() is None
        self._end()
        return killed

    def _read(self, within_s: float) -> bool:
        """Whether there was output."""
        if not select.select([self._master], [], [], within_s)[0]:
            return False
        try:
            data = os.read(self._master, 65_536)
        except OSError:  # a terminal that nobody holds any more
            data = b""
        if not data:
            time.sleep(0.05)  # closed, and yet it runs: silence from here on
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(within_s)
            return False
        self._seen = (self._seen + data)[-(1 << 16) :]
        if self._onset is None and isinstance(self._scenario, Trouble) and self._scenario.onset in self._seen:
            self._onset = time.monotonic()
        return True

    def _end(self) -> None:
        self.after_s = time.monotonic() - (self._onset or self._began)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        if self._process.stdin is not None:
            self._process.stdin.close()
        self._process.wait()
        os.close(self._master)
