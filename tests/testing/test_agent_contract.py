"""The kit for agents finds what it is there to find: each kind of bad agent fails at the rule that it breaks."""

from __future__ import annotations

import dataclasses
import itertools
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from logist_core.api import (
    AgentContext,
    Claim,
    LaunchSpec,
    Outcome,
    OutputFormat,
    Readiness,
    Result,
    Signal,
    Source,
    Stdin,
)
from logist_core.testing import agent_contract
from logist_core.testing.agent_contract import AgentContract, nothing_started

EVENT = '{"type": "said", "text": "hello"}'


class Good:
    """The least agent that passes; the bad ones differ from it in one thing."""

    def plan(self, job, ctx):
        return LaunchSpec(argv=("/bin/true",), cwd=job.cwd, pty=bool(job.pty), cols=job.cols, rows=job.rows)

    def parse(self, line, stream):
        return ()

    def resume(self, job, ctx, last):
        if not re.fullmatch(r"\w[\w-]*", last.session_id or ""):
            return None
        return dataclasses.replace(self.plan(job, ctx), argv=("/bin/true", "--resume", last.session_id))

    def outcome(self, exit, signals):
        return None

    def probe(self, ctx):
        return Readiness(installed=True)

    def unstick(self):
        return None


class TestGood(AgentContract):
    resumes = True

    @pytest.fixture
    def agent(self):
        return Good()


NUMBERS = itertools.count()


def signal(**more: Any) -> Signal:
    return Signal(**{"claim": Claim.WORKING, "source": Source.EVENT, "rule": "it:said", **more})


def launch(**change: Any):
    return lambda self, job, ctx: dataclasses.replace(Good.plan(self, job, ctx), **change)


def file_left_open(self, job, ctx):
    Path(ctx.directory, "env").write_text(repr(dict(ctx.environment)))
    return Good.plan(self, job, ctx)


def process_started(self, job, ctx):
    subprocess.run(["true"], check=True)
    return Good.plan(self, job, ctx)


def tree_touched(self, job, ctx):
    Path(job.cwd, "AGENT.md").touch()
    return Good.plan(self, job, ctx)


def vague_resume(self, job, ctx, last):
    return dataclasses.replace(Good.plan(self, job, ctx), argv=("/bin/true", "--resume", "latest"))


def always(value):
    return lambda self, *_: value


def counting():
    seen = []

    def parse(self, line, stream):
        seen.append(line)
        return [signal(text=str(len(seen)), stream=stream)]

    return parse


def unchecked_resume(self, job, ctx, last):
    if last.session_id is None:
        return None
    return dataclasses.replace(Good.plan(self, job, ctx), argv=("/bin/true", "--resume", last.session_id))


def keyed(credential):
    return lambda self, job, ctx: dataclasses.replace(
        Good.plan(self, job, ctx), secrets=("A_KEY",), provider="x", credential=credential(ctx.environment.get("A_KEY"))
    )


BAD = {
    "session passed on unchecked": ("resume_takes_no_session_that_is_none", {"resume": unchecked_resume}),
    "key in the credential": ("a_credential_gives_nothing_away", {"plan": keyed(lambda key: f"x:{key}")}),
    "account of the day": ("a_credential_gives_nothing_away", {"plan": keyed(lambda key: f"x:{next(NUMBERS)}")}),
    "NUL out of a prompt": (
        "a_plan_takes_any_prompt",
        {"plan": lambda s, j, c: dataclasses.replace(Good.plan(s, j, c), argv=("/bin/true", f"{j.prompt}\0"))},
    ),
    "relative directory": ("a_plan_is_complete", {"plan": launch(cwd="work")}),
    "no program": ("a_plan_is_complete", {"plan": launch(argv=())}),
    "NUL in an argument": ("a_plan_is_complete", {"plan": launch(argv=("/bin/true", "a\0"))}),
    "NaN in a record": ("a_plan_is_complete", {"plan": launch(note=float("nan"))}),
    "data without a way in": ("a_plan_is_complete", {"plan": launch(stdin_data=b"x")}),
    "other directory": ("a_plan_runs_where_the_job_says", {"plan": launch(cwd="/")}),
    "process while planning": ("a_plan_starts_nothing", {"plan": process_started}),
    "other plan each time": (
        "a_plan_can_be_made_again",
        {"plan": lambda self, job, ctx: dataclasses.replace(Good.plan(self, job, ctx), note=str(next(NUMBERS)))},
    ),
    "file in the user's tree": ("a_plan_leaves_the_working_directory_alone", {"plan": tree_touched}),
    "secret in argv": (
        "a_plan_shows_no_value_of_the_environment",
        {"plan": lambda s, j, c: dataclasses.replace(Good.plan(s, j, c), argv=("/bin/true", *c.environment.values()))},
    ),
    "secret in env": (
        "a_plan_shows_no_value_of_the_environment",
        {"plan": lambda s, j, c: dataclasses.replace(Good.plan(s, j, c), env=c.environment)},
    ),
    "secret in a file": ("a_plan_shows_no_value_of_the_environment", {"plan": file_left_open}),
    "JSON without samples": (
        "samples_are_given_for_structured_output",
        {"plan": launch(output=OutputFormat.JSON_LINES)},
    ),
    "parse raises": ("parse_takes_any_text", {"parse": lambda self, line, stream: json.loads(line)}),
    "parse shows escapes": ("parse_takes_any_object", {"parse": always([signal(text="\x1b[31m")])}),
    "parse says nothing": ("parse_takes_any_object", {"parse": always([signal(claim=None)])}),
    "parse says too much": ("parse_takes_any_object", {"parse": always([signal(text="x" * 501)])}),
    "parse gives NaN": ("parse_takes_any_object", {"parse": always([signal(fields={"cost_usd": float("nan")})])}),
    "parse names another stream": ("parse_takes_any_object", {"parse": always([signal(stream="err")])}),
    "parse remembers": ("parse_is_pure", {"parse": counting()}),
    "parse reads files": (
        "parse_is_pure",
        {"parse": lambda self, line, stream: Path(__file__).read_bytes()[:0] or ()},
    ),
    "outcome of two minds": (
        "outcome_takes_any_end",
        {"outcome": always(Outcome(result=Result.FAILED, reason="two\nlines"))},
    ),
    "everything is a success": (
        "a_failed_end_is_not_called_a_success",
        {"outcome": always(Outcome(result=Result.SUCCEEDED))},
    ),
    "resumes the latest": ("resume_takes_up_the_session_asked_for", {"resume": vague_resume}),
    "forgets the session": (
        "resume_keeps_the_session",
        {"resume": lambda self, job, ctx, last: Good.plan(self, job, ctx)},
    ),
    "resumes out of nothing": (
        "resume_without_a_session_is_none",
        {"resume": lambda self, job, ctx, last: Good.plan(self, job, ctx)},
    ),
    "no keys": ("unstick_gives_keys_or_nothing", {"unstick": always(b"")}),
    "no word about what is missing": (
        "probe_answers_where_nothing_is_installed",
        {"probe": always(Readiness(installed=False))},
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_agent_is_found(tmp_path, name):
    rule, methods = BAD[name]
    agent = type("Bad", (Good,), methods)()
    contract = AgentContract()
    method = getattr(contract, f"test_{rule}")
    job = AgentContract.job.__wrapped__(contract, tmp_path)
    directories = {kind: tmp_path / kind for kind in ("directory", "last_directory")}
    for directory in directories.values():
        directory.mkdir()
    ctx = AgentContext(environment={"PATH": "/usr/bin:/bin"}, directory=str(directories["directory"]), attempt=2)
    values = {"agent": agent, "job": job, "ctx": ctx, "last_directory": directories["last_directory"]}
    if rule == "parse_is_pure":
        values["stream"] = "out"
    inner = getattr(method, "hypothesis", None)
    wanted = (inner.inner_test if inner else method).__code__.co_varnames
    with pytest.raises((AssertionError, ValueError, ExceptionGroup)):
        method(**{key: value for key, value in values.items() if key in wanted})


def test_a_parse_that_takes_its_time_is_found(monkeypatch):
    monkeypatch.setattr(agent_contract, "PARSE_LIMIT_S", 0.0)
    with pytest.raises(AssertionError):
        AgentContract().test_parse_is_quick_on_a_megabyte(Good(), "x" * 1_000_000)


def test_a_terminal_that_was_not_asked_for_is_found(tmp_path):
    agent = type("Bad", (Good,), {"plan": launch(pty=True, stdin=Stdin.NULL)})()
    job = AgentContract.job.__wrapped__(AgentContract(), tmp_path)
    with pytest.raises(AssertionError):
        AgentContract().test_a_plan_obeys_the_terminal_asked_for(agent, job, AgentContext(), False)


def test_the_guard_sees_processes_however_they_are_started():
    with pytest.raises(AssertionError, match=r"os\.posix_spawn"), nothing_started():
        os.waitpid(os.posix_spawn(sys.executable, [sys.executable, "-c", ""], {}), 0)


def test_a_subclass_without_an_agent_is_told_so():
    with pytest.raises(NotImplementedError, match="fixture `agent`"):
        AgentContract.agent.__wrapped__(AgentContract())
