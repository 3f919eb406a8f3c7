"""What every agent plugin must hold: subclass `AgentContract` in your tests, and pytest runs all of it.

    from logist_core.testing.agent_contract import AgentContract

    class TestEcho(AgentContract):
        sample_lines = ('{"type": "said", "text": "hello"}',)

        @pytest.fixture
        def agent(self):
            return EchoAgent({})

Needs the extra `logist-core[testing]`. Invariant: the kit runs no agent and reaches no network; it only calls the
plugin's methods, and fails one that starts a process or opens a connection where it must not.
"""

from __future__ import annotations

import dataclasses
import json
import os
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis import strategies as st

from logist_core.api import (
    Agent,
    AgentContext,
    AttemptStatus,
    Claim,
    Conversational,
    Entry,
    Exit,
    ExitStatus,
    JobSpec,
    Last,
    LaunchSpec,
    Outcome,
    OutputFormat,
    Readiness,
    Result,
    Signal,
    Source,
    Stdin,
    UsageError,
)
from logist_core.types._json import plain

#: Words that mean "whatever conversation comes to mind". An agent resumes by id or not at all.
VAGUE_RESUMES = frozenset({"latest", "last", "--last", "--continue", "continue", "--resume=latest", "--restore-last"})
PARSE_LIMIT_S = 2.0
PROBE_LIMIT_S = 5.0
MARKER = "marker-of-a-secret-"

_SESSION = "5f3d6c1e-0000-4000-8000-00000000000a"
_OTHER_SESSION = "5f3d6c1e-0000-4000-8000-00000000000b"

# The fixtures hold no state that an example could leave behind: agents keep none, and a directory is made anew.
# No `explain`: on the large values that agents are given here it takes longer than all tests together.
_relaxed = settings(
    max_examples=60,
    deadline=None,
    phases=(Phase.explicit, Phase.reuse, Phase.generate, Phase.target, Phase.shrink),
    suppress_health_check=[
        HealthCheck.function_scoped_fixture,
        HealthCheck.differing_executors,
        HealthCheck.too_slow,
    ],
)

_scalars = (
    st.none()
    | st.booleans()
    | st.integers(min_value=-(2**70), max_value=2**70)
    | st.floats()
    | st.text(max_size=30)
    | st.sampled_from(["out", "err", "success", "error", "tool", "\x1b[31m", "\ud800", "a\0b"])
)
_json_values = st.recursive(
    _scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
_names = st.from_regex(r"[A-Z][A-Z0-9_]{0,20}(_API_KEY|_TOKEN|_SECRET|_PASSWORD|)", fullmatch=True)
_secrets = st.text(alphabet="0123456789abcdef", min_size=8, max_size=24).map(MARKER.__add__)
_environments = st.dictionaries(_names, _secrets, max_size=6)

_exits = (
    st.integers(0, 255).map(lambda code: ExitStatus(code=code))
    | st.integers(1, 64).map(lambda number: ExitStatus(signal=number))
    | st.text(max_size=40).map(lambda text: ExitStatus(exec_error=text))
)
# The observer and the plugins clean a signal's text before anybody judges by it.
_printable = st.text(max_size=40).filter(str.isprintable)
_signals = st.lists(
    st.builds(
        Signal,
        claim=st.none() | st.sampled_from(Claim),
        source=st.sampled_from(Source),
        rule=st.sampled_from(["any/limit", "default/x"]) | st.text(max_size=20),
        text=_printable,
        at=st.none() | st.floats(0, 1e10),
        final=st.booleans(),
        fields=st.dictionaries(
            st.sampled_from(["resets_at", "retry_in_s", "session_id", "turns", "attempt", "cost_usd", "tokens_out"])
            | st.text(max_size=6),
            _json_values,
            max_size=4,
        ),
    ),
    max_size=8,
)


class AgentContract:
    """The rules for an `Agent`. Subclass it, give the fixture `agent`, and sample lines where it has events.

    Attributes:
        sample_lines: Real lines of its structured output, at least one of each kind; empty for an agent whose
            output is text.
        resumes: Whether it can take a session up again by its id.
        hands_over: Whether it starts afresh instead, with a prompt that says what happened.
        sessions: A session id in its own form, and another one.
        program: Name of the program that it looks for; a stand-in is put on `PATH`. None: it needs none.
    """

    sample_lines: tuple[str, ...] = ()
    resumes: bool = False
    hands_over: bool = False
    sessions: tuple[str, str] = (_SESSION, _OTHER_SESSION)
    program: str | None = None

    @pytest.fixture
    def agent(self) -> Agent:
        """Return the agent under test."""
        raise NotImplementedError("a subclass of AgentContract needs a fixture `agent`")

    @pytest.fixture
    def job(self, tmp_path: Path) -> JobSpec:
        """Return a job that the agent can plan; override it where yours needs arguments or settings."""
        cwd = tmp_path / "work"
        cwd.mkdir()
        return JobSpec(
            id="0123456789abcdef", agent="it", runtime="host", cwd=str(cwd), created_at=0.0, prompt="say hello"
        )

    @pytest.fixture
    def environment(self, tmp_path: Path) -> Mapping[str, str]:
        """Return the inherited environment in which the agent can be found; override it to add what yours needs."""
        home = tmp_path / "home"
        home.mkdir()
        path = os.environ.get("PATH", os.defpath)
        if self.program is not None:
            stand_in = tmp_path / "bin" / self.program
            stand_in.parent.mkdir()
            stand_in.write_text("#!/bin/sh\necho 'stand-in 1.2.3'\n")
            stand_in.chmod(0o755)
            path = f"{stand_in.parent}{os.pathsep}{path}"
        return {"PATH": path, "HOME": str(home), "LANG": "C.UTF-8"}

    @pytest.fixture
    def directory(self, tmp_path: Path) -> Path:
        """Return the attempt's directory."""
        directory = tmp_path / "attempts" / "2"
        directory.mkdir(parents=True, mode=0o700)
        return directory

    @pytest.fixture
    def last_directory(self, tmp_path: Path) -> Path:
        """Return the directory of the attempt before."""
        directory = tmp_path / "attempts" / "1"
        directory.mkdir(parents=True, mode=0o700)
        return directory

    @pytest.fixture
    def ctx(self, environment: Mapping[str, str], directory: Path) -> AgentContext:
        """Return the context of the plan."""
        return AgentContext(environment=environment, directory=str(directory), attempt=2)

    # The object

    def test_it_is_an_agent(self, agent: Agent) -> None:
        """Has every method of the protocol."""
        assert isinstance(agent, Agent)

    # plan

    def test_a_plan_is_complete(self, agent: Agent, job: JobSpec, ctx: AgentContext) -> None:
        """Gives an absolute directory, a program, and nothing that a runtime can't pass on."""
        assert_launchable(agent.plan(job, ctx), job)

    def test_a_plan_runs_where_the_job_says(self, agent: Agent, job: JobSpec, ctx: AgentContext) -> None:
        """Runs in the job's own directory, not in the attempt's."""
        assert agent.plan(job, ctx).cwd == job.cwd

    @pytest.mark.parametrize("pty", [True, False])
    def test_a_plan_obeys_the_terminal_asked_for(
        self, agent: Agent, job: JobSpec, ctx: AgentContext, pty: bool
    ) -> None:
        """Has a terminal of the asked size, or none; or refuses in words."""
        try:
            launch = agent.plan(dataclasses.replace(job, pty=pty, cols=91, rows=17), ctx)
        except UsageError as refusal:
            assert refusal.message
            return
        assert launch.pty is pty
        assert not pty or (launch.cols, launch.rows) == (91, 17)
        assert not (pty and launch.stdin is Stdin.DATA), "a terminal has no end of file to send"

    def test_a_plan_starts_nothing(self, agent: Agent, job: JobSpec, ctx: AgentContext) -> None:
        """No process, no connection: a plan may be made and thrown away."""
        with nothing_started():
            agent.plan(job, ctx)

    def test_a_plan_can_be_made_again(self, agent: Agent, job: JobSpec, ctx: AgentContext) -> None:
        """After a death between plan and start the attempt is planned again; only the session's id may differ."""
        assert without_session(agent.plan(job, ctx)) == without_session(agent.plan(job, ctx))

    def test_a_plan_leaves_the_working_directory_alone(self, agent: Agent, job: JobSpec, ctx: AgentContext) -> None:
        """The user's tree belongs to the user."""
        before = sorted(Path(job.cwd).rglob("*"))
        agent.plan(job, ctx)
        assert sorted(Path(job.cwd).rglob("*")) == before

    @_relaxed
    @given(extra=_environments)
    def test_a_plan_shows_no_value_of_the_environment(
        self, agent: Agent, job: JobSpec, ctx: AgentContext, extra: Mapping[str, str]
    ) -> None:
        """Secrets are inherited in memory: not in argv, not in `env`, not in a file."""
        assert_no_marker(agent.plan(job, with_environment(ctx, extra)), ctx)

    @_relaxed
    @given(prompt=st.text(min_size=1, max_size=60).filter(lambda text: text.strip() != "" and "\0" not in text))
    def test_a_plan_takes_any_prompt(self, agent: Agent, job: JobSpec, ctx: AgentContext, prompt: str) -> None:
        """Dashes, quotes, escapes and line feeds are words; what can't be passed on is refused in words."""
        try:
            assert_launchable(agent.plan(dataclasses.replace(job, prompt=prompt), ctx), job)
        except UsageError as refusal:
            assert refusal.message

    @_relaxed
    @given(secret=_secrets)
    def test_a_credential_gives_nothing_away(self, agent: Agent, job: JobSpec, ctx: AgentContext, secret: str) -> None:
        """The account's name is the same for the same key, and holds no part of it."""
        names = agent.plan(job, ctx).secrets
        keyed = with_environment(ctx, dict.fromkeys(names, secret))
        launch = agent.plan(job, keyed)
        assert launch.credential == agent.plan(job, keyed).credential
        for shown in (launch.provider or "", launch.credential or ""):
            assert secret not in shown and secret[len(MARKER) :] not in shown
            assert shown.isprintable() and len(shown) <= 120

    # parse

    @_relaxed
    @given(line=st.text(), stream=st.sampled_from(["out", "err"]))
    def test_parse_takes_any_text(self, agent: Agent, line: str, stream: str) -> None:
        """Never raises."""
        assert_signals(list(agent.parse(line, stream)), stream)

    @_relaxed
    @given(event=st.dictionaries(st.text(max_size=12), _json_values, max_size=5))
    def test_parse_takes_any_object(self, agent: Agent, event: dict[str, Any]) -> None:
        """Never raises, whatever a JSON object holds; `NaN`, huge numbers and lone surrogates included."""
        assert_signals(list(agent.parse(json.dumps(event), "out")), "out")

    @_relaxed
    @given(data=st.data())
    def test_parse_takes_its_own_events_with_other_values(self, agent: Agent, data: st.DataObject) -> None:
        """Never raises where a known event has a field of the wrong type, lacks one, or has one more."""
        event = self._a_sample(data)
        for key in data.draw(st.lists(st.sampled_from(sorted(event)), unique=True), label="keys to spoil"):
            if data.draw(st.booleans(), label=f"drop {key}"):
                del event[key]
            else:
                event[key] = data.draw(_json_values, label=key)
        assert_signals(list(agent.parse(json.dumps(event), "out")), "out")

    @_relaxed
    @given(data=st.data())
    def test_parse_takes_lines_that_are_cut(self, agent: Agent, data: st.DataObject) -> None:
        """A torn line is no event, and no error."""
        line = json.dumps(self._a_sample(data))
        cut = line[: data.draw(st.integers(0, len(line) - 1), label="cut at")]
        assert_signals(list(agent.parse(cut, "out")), "out")

    def _a_sample(self, data: st.DataObject) -> dict[str, Any]:
        samples = [json.loads(line) for line in self.sample_lines]
        return dict(data.draw(st.sampled_from(samples or [{"type": "none"}]), label="sample"))

    @_relaxed
    @given(line=st.text(), data=st.data())
    def test_a_conversation_is_read_from_any_text(self, agent: Agent, line: str, data: st.DataObject) -> None:
        """An agent that tells its conversation never raises, and tells entries alone."""
        if not isinstance(agent, Conversational):
            return
        event = self._a_sample(data)
        event[data.draw(st.sampled_from(sorted(event)), label="key to spoil")] = data.draw(_json_values, label="value")
        for text in (line, json.dumps(event), *self.sample_lines):
            assert all(isinstance(entry, Entry) for entry in agent.conversation(text, "out"))

    def test_parse_understands_its_samples(self, agent: Agent) -> None:
        """At least one signal comes of the samples, and an agent that plans JSON has samples."""
        if self.sample_lines:
            assert [signal for line in self.sample_lines for signal in agent.parse(line, "out")]

    def test_samples_are_given_for_structured_output(self, agent: Agent, job: JobSpec, ctx: AgentContext) -> None:
        """The rules for `parse` are worth nothing without real lines."""
        structured = agent.plan(job, ctx).output is OutputFormat.JSON_LINES
        assert not structured or self.sample_lines, "set `sample_lines`: this agent's output is JSON lines"

    @pytest.mark.parametrize("stream", ["out", "err"])
    def test_parse_is_pure(self, agent: Agent, stream: str) -> None:
        """Same line, same signals; no file, process or connection."""
        lines = (*self.sample_lines, "", "{}", "plain text", '{"type": 1}')
        once = [list(agent.parse(line, stream)) for line in lines]  # what is imported late is imported now
        with nothing_started(files=True):
            again = [list(agent.parse(line, stream)) for line in lines]
        assert once == again

    @pytest.mark.parametrize(
        "line",
        [
            "x" * 1_000_000,
            "[" * 1_000_000,
            '{"type":' * 100_000,
            '{"type": "text", "text": "' + "a" * 1_000_000 + '"}',
            '{"type": "result", "result": "' + "\\u001b[31m" * 100_000 + '"}',
            '{"n": ' + "9" * 1_000_000 + "}",
            '{"a": [' + "1," * 500_000 + "1]}",
            " " * 1_000_000,
        ],
        ids=["letters", "brackets", "nested", "long-text", "escapes", "long-number", "long-array", "blanks"],
    )
    def test_parse_is_quick_on_a_megabyte(self, agent: Agent, line: str) -> None:
        """A hostile line must not stop supervision."""
        started = time.thread_time()
        assert_signals(list(agent.parse(line, "out")), "out")
        assert time.thread_time() - started < PARSE_LIMIT_S

    def test_parse_is_quick_on_a_sample_of_a_megabyte(self, agent: Agent) -> None:
        """Nor must an event that is genuine and huge."""
        for sample in self.sample_lines:
            event = {
                key: value * 100_000 if isinstance(value, str) and key != "type" else value
                for key, value in json.loads(sample).items()
            }
            started = time.thread_time()
            assert_signals(list(agent.parse(json.dumps(event)[:1_000_000], "out")), "out")
            assert_signals(list(agent.parse(json.dumps(event), "out")), "out")
            assert time.thread_time() - started < PARSE_LIMIT_S

    # outcome

    @_relaxed
    @given(exit=_exits, signals=_signals)
    def test_outcome_takes_any_end(self, agent: Agent, exit: ExitStatus, signals: list[Signal]) -> None:
        """Never raises, and is the same for the same end."""
        outcome = agent.outcome(exit, signals)
        assert outcome == agent.outcome(exit, list(signals))
        assert_outcome(outcome)

    @_relaxed
    @given(exit=_exits, signals=_signals)
    def test_a_failed_end_is_not_called_a_success(self, agent: Agent, exit: ExitStatus, signals: list[Signal]) -> None:
        """Success needs a program that ran, and exit code 0 or the agent's own final word."""
        assume(exit.code != 0)
        outcome = agent.outcome(exit, signals)
        said_so = any(signal.final and signal.claim is Claim.COMPLETED for signal in signals)
        if exit.exec_error is not None or not said_so:
            assert outcome is None or outcome.result is not Result.SUCCEEDED

    def test_an_end_without_a_word_is_no_success(self, agent: Agent) -> None:
        """Exit code 0 of an agent that talks in events, and said nothing, shows nothing."""
        if self.sample_lines:
            outcome = agent.outcome(ExitStatus(code=0), [])
            assert outcome is None or outcome.result is not Result.SUCCEEDED

    @_relaxed
    @given(exit=_exits)
    def test_outcome_reads_its_own_events(self, agent: Agent, exit: ExitStatus) -> None:
        """Its own signals, all of them at once and each alone, are judged without an error."""
        read = [signal for line in self.sample_lines for signal in agent.parse(line, "out")]
        assert_outcome(agent.outcome(exit, read))
        for signal in read:
            assert_outcome(agent.outcome(exit, [signal]))

    # resume

    def test_resume_keeps_the_session(
        self, agent: Agent, job: JobSpec, ctx: AgentContext, last_directory: Path
    ) -> None:
        """The conversation goes on under its own id, and the plan is as good as a first one."""
        session = self.sessions[0]
        launch = agent.resume(job, ctx, self._last(last_directory, session))
        if self.hands_over:
            assert launch is not None and launch.session_id is None
            assert launch.note, "a job that starts afresh says so"
            assert_launchable(launch, job)
            return
        if not self.resumes:
            assert launch is None, "set `resumes = True`: this agent does take up sessions"
            return
        assert launch is not None
        assert launch.session_id == session or any(session in argument for argument in launch.argv)
        assert_launchable(launch, job)

    def test_resume_takes_up_the_session_asked_for(
        self, agent: Agent, job: JobSpec, ctx: AgentContext, last_directory: Path
    ) -> None:
        """Never "the latest": two agents in one directory must not continue each other's work."""
        mine, theirs = self.sessions
        first = agent.resume(job, ctx, self._last(last_directory, mine))
        other = agent.resume(job, ctx, self._last(last_directory, theirs))
        for launch, foreign in ((first, theirs), (other, mine)):
            if launch is not None:
                assert not VAGUE_RESUMES & set(launch.argv)
                assert not any(foreign in argument for argument in launch.argv)
                assert launch.session_id != foreign

    def test_resume_without_a_session_is_none(
        self, agent: Agent, job: JobSpec, ctx: AgentContext, last_directory: Path
    ) -> None:
        """Nothing is known of a conversation: the supervisor plans anew and says so, or the agent hands over."""
        launch = agent.resume(job, ctx, self._last(last_directory, None))
        assert launch is None or (self.hands_over and launch.note)

    def test_resume_takes_no_session_that_is_none(
        self, agent: Agent, job: JobSpec, ctx: AgentContext, last_directory: Path
    ) -> None:
        """An id comes out of an agent's output: one that could be an option or a path is not passed on."""
        for session in ("--last", "-x", "../../etc/passwd", "a b", "\x1b[31m"):
            launch = agent.resume(job, ctx, self._last(last_directory, session))
            assert launch is None or not any(session in argument for argument in launch.argv)

    def test_resume_starts_nothing_and_can_be_made_again(
        self, agent: Agent, job: JobSpec, ctx: AgentContext, last_directory: Path
    ) -> None:
        """As for a plan."""
        with nothing_started():
            once = agent.resume(job, ctx, self._last(last_directory, self.sessions[0]))
        assert once == agent.resume(job, ctx, self._last(last_directory, self.sessions[0]))

    @_relaxed
    @given(extra=_environments)
    def test_resume_shows_no_value_of_the_environment(
        self, agent: Agent, job: JobSpec, ctx: AgentContext, last_directory: Path, extra: Mapping[str, str]
    ) -> None:
        """As for a plan."""
        launch = agent.resume(job, with_environment(ctx, extra), self._last(last_directory, self.sessions[0]))
        if launch is not None:
            assert_no_marker(launch, ctx)

    def _last(self, directory: Path, session_id: str | None) -> Last:
        attempt = AttemptStatus(
            number=1, state="exited", nonce="0" * 32, started_at=1.0, ended_at=2.0, exit=Exit(code=1)
        )
        return Last(
            attempt=attempt,
            session_id=session_id,
            directory=str(directory),
            prompt="go on, please",
            reason="usage limit",
        )

    # probe, unstick

    def test_probe_answers_in_time(self, agent: Agent, ctx: AgentContext) -> None:
        """Says how things stand within its time."""
        started = time.monotonic()
        readiness = agent.probe(ctx)
        assert time.monotonic() - started < PROBE_LIMIT_S
        assert isinstance(readiness, Readiness)
        assert_plain(readiness)

    def test_probe_answers_where_nothing_is_installed(self, agent: Agent) -> None:
        """A missing program is an answer, not an error."""
        readiness = agent.probe(AgentContext(environment={"PATH": "/nonexistent"}))
        assert readiness.installed or readiness.hint or readiness.problems

    def test_unstick_gives_keys_or_nothing(self, agent: Agent) -> None:
        """Keys that can be written to the agent's input."""
        keys = agent.unstick()
        assert keys is None or (isinstance(keys, bytes) and keys)


def assert_launchable(launch: LaunchSpec, job: JobSpec) -> None:
    """Fail unless a runtime can start `launch` and core can store it."""
    assert isinstance(launch, LaunchSpec)
    assert launch.argv and isinstance(launch.argv, tuple)
    assert all(isinstance(argument, str) and "\0" not in argument for argument in launch.argv)
    assert launch.argv[0]
    assert os.path.isabs(launch.cwd)
    assert all(isinstance(text, str) and "\0" not in text for pair in launch.env.items() for text in pair), (
        "variables are strings without NUL"
    )
    assert all(name and "=" not in name for name in launch.env)
    assert isinstance(launch.stdin_data, bytes)
    assert not launch.stdin_data or launch.stdin is Stdin.DATA
    assert launch.cols > 0 and launch.rows > 0
    for step in launch.stop.steps:
        assert (step.signal is None) != (step.keys is None), "a step sends a signal or keys"
        assert step.grace_s >= 0
    shown = dataclasses.replace(launch, stdin_data=b"", stop=dataclasses.replace(launch.stop, steps=()))
    written = json.loads(json.dumps(plain({**plain(shown), "stdin_data": None}), allow_nan=False))
    assert written == {**plain(shown), "stdin_data": None}


def assert_no_marker(launch: LaunchSpec, ctx: AgentContext) -> None:
    """Fail where a value of the environment shows in the plan or in a file of the attempt."""
    assert MARKER not in repr(launch), "a value of the environment is in the plan"
    for path in Path(ctx.directory).rglob("*"):
        if path.is_file():
            assert MARKER.encode() not in path.read_bytes(), f"a value of the environment is in {path.name}"
            assert path.stat().st_mode & 0o077 == 0, f"{path.name} can be read by others"


def assert_signals(signals: list[Signal], stream: str) -> None:
    """Fail unless all signals are well formed: bounded, printable, plain JSON."""
    for signal in signals:
        assert isinstance(signal, Signal)
        assert signal.claim is None or isinstance(signal.claim, Claim)
        assert signal.claim is not None or signal.fields, "a signal claims something or carries something"
        assert signal.source is Source.EVENT
        assert signal.stream == stream
        assert signal.rule
        assert len(signal.text) <= 500
        assert signal.text.isprintable(), "evidence is shown on terminals"
        assert 0.0 <= signal.confidence <= 1.0
        assert signal.lease_s is None or signal.lease_s >= 0.0
        assert len(json.dumps(plain(signal.fields))) <= 20_000, "fields are bounded"
        assert_plain(signal)


def assert_outcome(outcome: Outcome | None) -> None:
    """Fail unless the outcome is well formed."""
    if outcome is None:
        return
    assert isinstance(outcome, Outcome)
    assert isinstance(outcome.result, Result)
    assert outcome.claim is None or isinstance(outcome.claim, Claim)
    assert "\n" not in outcome.reason and "\x1b" not in outcome.reason, "a reason is one line"
    assert not (outcome.hold and outcome.then), "a job waits for a time or for a person"
    assert_plain(outcome)


def assert_plain(record: object) -> None:
    """Fail unless `record` comes back the same from JSON, without `NaN` and infinities."""
    form = plain(record)
    assert json.loads(json.dumps(form, allow_nan=False)) == form


def with_environment(ctx: AgentContext, extra: Mapping[str, str]) -> AgentContext:
    """Return `ctx` with more variables; what the agent needs to be found stays."""
    return dataclasses.replace(ctx, environment={**extra, **ctx.environment})


def without_session(launch: LaunchSpec) -> LaunchSpec:
    """Return `launch` with its session's id replaced wherever it stands."""
    if launch.session_id is None:
        return launch
    argv = tuple(argument.replace(launch.session_id, "<session>") for argument in launch.argv)
    return dataclasses.replace(launch, argv=argv, session_id="<session>")


_STARTS = frozenset({"subprocess.Popen", "os.fork", "os.forkpty", "os.posix_spawn", "os.exec", "os.system"})
_CONNECTS = frozenset({"socket.connect", "socket.bind", "socket.getaddrinfo"})
_guards: list[tuple[frozenset[str], list[str]]] = []
_hook_installed: list[bool] = []


def _audit(event: str, arguments: tuple[object, ...]) -> None:
    for forbidden, seen in _guards:
        if event in forbidden:
            seen.append(event)


@contextmanager
def nothing_started(*, files: bool = False) -> Iterator[None]:
    """Fail where the block starts a process, opens a connection or, with `files`, a file.

    Seen through Python's audit events, so that it doesn't matter by which function it was done.
    """
    if not _hook_installed:  # a hook can't be taken out again: one, idle while nobody guards
        sys.addaudithook(_audit)
        _hook_installed.append(True)
    seen: list[str] = []
    guard = (_STARTS | _CONNECTS | (frozenset({"open"}) if files else frozenset()), seen)
    _guards.append(guard)
    try:
        yield
    finally:
        _guards[:] = [other for other in _guards if other is not guard]
    assert not seen, f"it must not do that: {', '.join(seen)}"
