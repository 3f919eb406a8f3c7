"""The scenarios, as data. All times are scaled down: `STALL_S` stands for the two minutes of the default.

Invariant: a scenario says when its trouble begins by printing its `onset`, so that nobody has to guess.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from logist_core.api import Action, Level, Lifecycle

STALL_S = 4.0
#: What is healthy goes on for so long in the way that looks like a hang.
HEALTHY_S = 10.0
AGENTS = Path(__file__).parent / "agents"
ROOT = Path(__file__).parents[3]
SUSPECT_OR_WORSE = frozenset({Level.SUSPECT, Level.STALLED})


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """One job, and what has to come of it.

    Attributes:
        name: For reports and test ids.
        says: What it is, for the table.
        args: The command line of the agent `command`; empty: the agent is `mock`.
        agent_set, sentinel_set: Settings.
        steps: A script for the mock agent, TOML.
        pty, timeout_s: As on the command line.
        listed: Whether the design asks for it by name.
    """

    name: str
    says: str
    args: tuple[str, ...] = ()
    agent_set: Mapping[str, str] = field(default_factory=dict)
    sentinel_set: Mapping[str, str] = field(default_factory=dict)
    steps: str = ""
    pty: bool = False
    timeout_s: float | None = None
    listed: bool = True

    @property
    def agent(self) -> str:
        return "command" if self.args else "mock"


@dataclass(frozen=True, kw_only=True)
class Trouble(Scenario):
    """One that must be found.

    Attributes:
        cause: Under this name.
        levels: At one of these levels.
        limit_s: From its onset; one sampling period more is allowed.
        remedy: What is done about it first; NOTIFY: somebody is told.
        ends: How the job ends if it is left to itself after that; None: it goes on, and is ended by us.
        onset: Bytes of its output that mark the beginning.
    """

    cause: str
    levels: frozenset[Level] = frozenset({Level.STALLED})
    limit_s: float = STALL_S
    remedy: Action = Action.STOP
    ends: Lifecycle | None = Lifecycle.FAILED
    onset: bytes = b"ONSET"


@dataclass(frozen=True, kw_only=True)
class End(Scenario):
    """One that ends by itself, and must not pass for a success.

    Attributes:
        becomes: What the job then is.
        says_why: A word that its reason or its activity has.
    """

    becomes: Lifecycle
    says_why: str


@dataclass(frozen=True, kw_only=True)
class Healthy(Scenario):
    """One that must be left alone, and that succeeds.

    Attributes:
        needs_net: Only bytes on its sockets show that it lives.
        told: Somebody may be told of it: it waits for a person, or evidence conflicts.
        answer: Typed into it once somebody has been told.
    """

    needs_net: bool = False
    told: bool = False
    answer: str = ""


def _sh(script: str) -> tuple[str, ...]:
    return ("sh", "-c", script)


def _py(name: str, *words: str) -> tuple[str, ...]:
    return (sys.executable, "-S", str(AGENTS / f"{name}.py"), *words)


def _mock(**settings: str) -> Mapping[str, str]:
    return {"format": "json", "pace_s": "0.1", **settings}


def _awaiting(cause: str) -> dict[str, object]:
    return {
        "cause": cause,
        "levels": frozenset({Level.AWAITING_INPUT}),
        "remedy": Action.NOTIFY,
        "ends": None,
        "limit_s": STALL_S / 2,
    }


def _script(*steps: str) -> str:
    """Return a script for the mock agent: each step is a TOML table's content."""
    return "".join(f"[[steps]]\n{step}\n" for step in steps)


def _event(**fields: object) -> str:
    """Return the step that says an event of the mock agent."""
    return "event = {" + ", ".join(f"{name} = {_toml(value)}" for name, value in fields.items()) + "}"


def _for_ever(*steps: str) -> str:
    return f"repeat = 'forever'\nsteps = [{', '.join('{' + step + '}' for step in steps)}]"


def _tool(said: str, *, for_s: float = 0.15, code: int = 0) -> str:
    ok = str(not code).lower()
    return f'tool = "shell", input = "{said}", for_s = {for_s}, ok = {ok}, exit_code = {code}'


def _toml(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else repr(value)


BEGIN, ONSET, SUCCESS = "begin = true", 'print = "ONSET"', 'finish = "success"'
CHATTY: Mapping[str, str] = {"chatty": "true"}
QUOTED = [str(ROOT / "docs/reference/signals.md"), *map(str, sorted((ROOT / "plugins").glob("*/*/rules/*.toml")))]

TROUBLES = (
    Trouble(
        name="silent-hang",
        says="dead-silent hang of an agent with a session",
        agent_set=_mock(scenario="hang", trouble_turns="1"),
        cause="silent_hang",
        remedy=Action.RESUME,
        ends=Lifecycle.SUCCEEDED,
        onset=b"I will look into it.",
    ),
    Trouble(
        name="stream-hang",
        says="a stream of the provider that stops in the middle (blocked in recv)",
        args=_py("stream"),
        agent_set=CHATTY,
        cause="silent_hang",
    ),
    Trouble(
        name="spinner",
        says="a spinner that only animates, of an agent that Escape frees",
        agent_set={"scenario": "stream-hang", "pace_s": "0.1"},
        pty=True,
        cause="animated",
        remedy=Action.UNSTICK,
        ends=Lifecycle.SUCCEEDED,
        onset=b"\r",
    ),
    Trouble(
        name="spinner-in-a-terminal",
        says="a spinner that only animates, in a terminal",
        args=_py("spinner"),
        agent_set=CHATTY,
        pty=True,
        cause="animated",
        remedy=Action.INTERRUPT,
    ),
    Trouble(
        name="spinner-in-a-pipe",
        says="the same into a pipe",
        args=_py("spinner"),
        agent_set=CHATTY,
        cause="animated",
    ),
    Trouble(
        name="hung-child",
        says="hung child with a quiet parent",
        args=_sh("echo ONSET; sleep 600; echo done"),
        agent_set=CHATTY,
        cause="hung_child",
    ),
    Trouble(
        name="deadlock",
        says="deadlocked tree",
        args=_py("deadlock"),
        agent_set=CHATTY,
        cause="deadlock",
    ),
    Trouble(
        name="deadlock-below",
        says="deadlock of a child",
        args=_sh(f"{' '.join(_py('deadlock'))}; true"),
        agent_set=CHATTY,
        cause="deadlock",
        listed=False,
    ),
    Trouble(
        name="sigstop",
        says="stopped by SIGSTOP",
        args=_sh("echo ONSET; kill -STOP $$"),
        agent_set=CHATTY,
        cause="stopped",
        remedy=Action.NOTIFY,
        ends=None,
    ),
    Trouble(
        name="sigstop-of-a-child",
        says="a child stopped by SIGSTOP",
        args=_sh("sh -c 'echo ONSET; kill -STOP $$'; true"),
        agent_set=CHATTY,
        cause="stopped",
        remedy=Action.NOTIFY,
        ends=None,
        listed=False,
    ),
    Trouble(
        name="sigttin",
        says="stopped by SIGTTIN: reads its terminal from the background",
        args=_py("background_read"),
        agent_set=CHATTY,
        pty=True,
        cause="stopped",
        remedy=Action.NOTIFY,
        ends=None,
    ),
    Trouble(
        name="zombie-leader",
        says="zombie leader with a live tree",
        args=_py("zombie"),
        agent_set=CHATTY,
        cause="zombie_leader",
    ),
    Trouble(
        name="waits-on-stdin",
        says="waits on stdin, without a prompt that anybody knows",
        args=_sh("echo ONSET; read answer; echo $answer"),
        agent_set={**CHATTY, "stdin": "open"},
        **_awaiting("blocked_on_input"),
    ),
    Trouble(
        name="waits-at-the-terminal",
        says="waits at its terminal",
        args=_sh("echo ONSET; read answer; echo $answer"),
        agent_set=CHATTY,
        pty=True,
        **_awaiting("blocked_on_input"),
    ),
    Trouble(
        name="asks-for-a-password",
        says="asks for a password (no echo)",
        args=_sh("stty -echo; echo ONSET; exec sleep 600"),
        agent_set=CHATTY,
        pty=True,
        listed=False,
        **_awaiting("blocked_on_input"),
    ),
    Trouble(
        name="permission-dialog",
        says="permission dialog",
        agent_set={"scenario": "permission", "pace_s": "0.1"},
        pty=True,
        onset=b"May I pretend",
        **_awaiting("permission_prompt"),
    ),
    Trouble(
        name="retry-storm",
        says="retry storm of an agent whose provider is overloaded",
        agent_set=_mock(),
        steps=_script(
            ONSET,
            _for_ever(_event(type="notice", claim="overloaded", attempt=1, retry_in_s=0.1), "sleep_s = 0.1"),
        ),
        sentinel_set={"storm_s": "3"},
        cause="retry_storm",
    ),
    Trouble(
        name="same-error",
        says="the same error for ever",
        agent_set=_mock(),
        steps=_script(ONSET, _for_ever(_tool("make all", code=2))),
        sentinel_set={"loop_limit": "16"},
        cause="looping",
    ),
    Trouble(
        name="same-error-in-text",
        says="the same error for ever, of a program without events",
        args=_sh('echo ONSET; while :; do echo "$(date +%T) Error: $((i=i+1)) connections refused"; sleep 0.2; done'),
        agent_set=CHATTY,
        cause="looping",
        levels=frozenset({Level.SUSPECT}),
        remedy=Action.NOTIFY,
        ends=None,
    ),
    Trouble(
        name="abab",
        says="ABAB loop",
        agent_set=_mock(),
        steps=_script(ONSET, _for_ever(_tool("apply the patch"), _tool("revert the patch"))),
        cause="looping",
        levels=frozenset({Level.SUSPECT}),
        remedy=Action.NOTIFY,
        ends=None,
    ),
    Trouble(
        name="tool-loop",
        says="tool loop without end: the same successful call",
        agent_set=_mock(),
        steps=_script(ONSET, _for_ever(_tool("ls", for_s=0.02))),
        sentinel_set={"loop_limit": "8"},
        cause="looping",
    ),
    Trouble(
        name="flood",
        says="output flood",
        args=_sh(f"echo ONSET; {sys.executable} -S -c \"import time\nwhile 1: print('x' * 99_999); time.sleep(0.02)\""),
        agent_set=CHATTY,
        sentinel_set={"flood_bytes": "2000000"},
        cause="runaway",
    ),
    Trouble(
        name="not-exiting",
        says="says that it is done, and doesn't exit",
        agent_set=_mock(),
        steps=_script(BEGIN, ONSET, _event(type="result", status="success", turns=1), "sleep_s = inf"),
        sentinel_set={"final_s": "2"},
        cause="not_exiting",
        limit_s=2.0,
        listed=False,
        ends=Lifecycle.SUCCEEDED,
    ),
)

ENDS = (
    End(
        name="empty-answer",
        says="exit 0 with an empty answer",
        agent_set=_mock(),
        steps=_script(BEGIN, "exit = 0"),
        becomes=Lifecycle.FAILED,
        says_why="without a result",
    ),
    End(
        name="grandchild-holds-the-pipe",
        says="leader exits while a grandchild holds the pipe: the tree is ended, the code is the leader's",
        args=_sh("sh -c 'sleep 600 & exec sleep 600' & echo done; exit 7"),
        becomes=Lifecycle.FAILED,
        says_why="exit code 7",
    ),
    End(
        name="rate-limit-with-reset",
        says="rate limit with a reset time",
        agent_set=_mock(scenario="rate-limit", reset_s="1"),
        becomes=Lifecycle.WAITING,
        says_why="limit",
    ),
    End(
        name="rate-limit-without-reset",
        says="rate limit without a reset time",
        agent_set=_mock(),
        steps=_script(BEGIN, _event(type="limit"), 'finish = "limited"'),
        becomes=Lifecycle.WAITING,
        says_why="limit",
    ),
    End(
        name="auth-failure",
        says="auth failure",
        agent_set=_mock(),
        steps=_script(BEGIN, _event(type="notice", claim="auth_failed", text="401"), 'finish = "error"'),
        becomes=Lifecycle.HELD,
        says_why="401",
    ),
    End(
        name="overload",
        says="provider overload that the agent gave up on",
        agent_set=_mock(),
        steps=_script(BEGIN, _event(type="notice", claim="overloaded", text="529"), 'finish = "error"'),
        becomes=Lifecycle.WAITING,
        says_why="529",
    ),
    End(
        name="context-exhausted",
        says="context exhausted",
        agent_set=_mock(),
        steps=_script(BEGIN, _event(type="notice", claim="context_exhausted", text="too long"), 'finish = "error"'),
        becomes=Lifecycle.FAILED,
        says_why="too long",
    ),
    End(
        name="crash",
        says="crash of the agent",
        agent_set={"scenario": "crash", "pace_s": "0.1"},
        becomes=Lifecycle.WAITING,
        says_why="SIGABRT",
        listed=False,
    ),
    End(
        name="over-time",
        says="over its time limit",
        args=_sh("while :; do sleep 0.2; echo $((i=i+1)); done"),
        agent_set=CHATTY,
        timeout_s=2.0,
        becomes=Lifecycle.TIMED_OUT,
        says_why="time limit",
        listed=False,
    ),
)

HEALTHY = (
    Healthy(
        name="compile",
        says="compile without output",
        args=_sh(f"{' '.join(_py('busy', str(HEALTHY_S)))} >/dev/null; echo built"),
        agent_set=CHATTY,
    ),
    Healthy(
        name="test-run",
        says="CPU-bound test run: dots without a line's end",
        args=_py("dots", str(HEALTHY_S)),
        agent_set=CHATTY,
    ),
    Healthy(
        name="download",
        says="long download into a file, nothing printed",
        args=_py("download", "file"),
        agent_set=CHATTY,
    ),
    Healthy(
        name="download-into-memory",
        says="long download that only receives",
        args=_py("download", "memory"),
        agent_set=CHATTY,
        needs_net=True,
    ),
    Healthy(
        name="install-with-a-bar",
        says="an installation with a progress bar, in a terminal",
        args=_py("download", "bar"),
        agent_set=CHATTY,
        pty=True,
        listed=False,
    ),
    Healthy(
        name="slow-tokens",
        says="slow token stream, one token in half the stall time",
        agent_set=_mock(scenario="slow", tokens="6", delay_s=str(STALL_S / 2)),
    ),
    Healthy(
        name="one-shot",
        says="one-shot mode, silent to its end, without a sign of life",
        args=_sh(f"sleep {HEALTHY_S}; echo '{{}}'"),
    ),
    Healthy(
        name="tool-with-time-out",
        says="tool call with a time-out of its own, longer than anything set",
        agent_set=_mock(),
        sentinel_set={"tool_stall_s": "1"},
        steps=_script(
            BEGIN,
            _event(type="tool", state="open", id="1", name="Bash", budget_s=30.0),
            f"sleep_s = {HEALTHY_S}",
            _event(type="tool", state="closed", id="1", ok=True),
            SUCCESS,
        ),
    ),
    Healthy(
        name="sleep-in-a-tool",
        says="`sleep` in a tool call without a time-out",
        agent_set=_mock(),
        steps=_script(BEGIN, f'tool = "shell"\ninput = "sleep"\nfor_s = {HEALTHY_S}', SUCCESS),
        listed=False,
    ),
    Healthy(
        name="quotes-every-error",
        says="a log that quotes every error message of the dictionary, then silent work",
        args=_sh(f"cat {' '.join(QUOTED)}; {' '.join(_py('busy', str(HEALTHY_S)))}"),
        agent_set=CHATTY,
    ),
    Healthy(
        name="prints-this-page",
        says="an agent that prints the page about detection, then silent work",
        args=_sh(f"cat {ROOT / 'docs/detection.md'}; {' '.join(_py('busy', str(HEALTHY_S)))}"),
        agent_set=CHATTY,
    ),
    Healthy(
        name="errors-and-works-on",
        says="logs an error for each of many files, and works on",
        args=_sh('for i in $(seq 40); do echo "Error: no part$i-$(date +%N).txt: skipped"; sleep 0.2; done; echo ok'),
        agent_set=CHATTY,
        listed=False,
        told=True,
    ),
    Healthy(
        name="polls",
        says="looks at a build twelve times, with the same answer",
        agent_set=_mock(),
        steps=_script(BEGIN, "repeat = 12\nsteps = [{" + _tool("gh run view", for_s=0.5) + "}]", SUCCESS),
        listed=False,
        told=True,
    ),
    Healthy(
        name="polls-in-a-shell",
        says="a shell that sleeps, looks, and sleeps again, without a word",
        args=_sh(f"for i in $(seq {int(HEALTHY_S)}); do sleep 1; done; echo ready"),
        agent_set=CHATTY,
        listed=False,
    ),
    Healthy(
        name="copies-files",
        says="copies files, nothing printed",
        args=_sh(
            f"for i in $(seq {2 * HEALTHY_S:.0f}); do dd if=/dev/zero of=/dev/null count=999 2>&-; sleep .5; done"
        ),
        agent_set=CHATTY,
        listed=False,
    ),
    Healthy(
        name="pager",
        says="`less` waits for a key: told, and left alone",
        args=_sh(f"LESS= less {ROOT / 'README.md'}; echo read"),
        agent_set=CHATTY,
        pty=True,
        listed=False,
        told=True,
        answer="q",
    ),
    Healthy(
        name="answered",
        says="a permission dialog that somebody answers late",
        agent_set={"scenario": "permission", "pace_s": "0.1"},
        pty=True,
        listed=False,
        told=True,
        answer="y",
    ),
)

ALL: tuple[Scenario, ...] = (*TROUBLES, *ENDS, *HEALTHY)
