"""What `logist run` makes of its options, and what it refuses. Nothing is started here."""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from logist_core.cli import prompt as prompt_module

Run = Callable[..., Any]


def submitted(jobs: Any, ran: Any) -> Any:
    assert ran.code == 0, ran.err
    return jobs.store.spec(ran.out.strip())


def test_options_become_a_spec(jobs: Any, logist_here: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOKEN_X", "secret-value")
    first = jobs.ended(name="first")
    options = [
        *("-a", "mock", "-r", "host", "-C", str(tmp_path), "--name", "it", "--label", "a=b", "--label", "c=d=e"),
        *("--env", "X=1", "--env", "EMPTY=", "--secret", "TOKEN_X", "--timeout", "5m", "--priority", "-3"),
        *("--after", "first", "--no-pty", "--linger"),
    ]
    spec = submitted(jobs, logist_here("run", "-d", *options, "mend it", "--", "--json", "-x", "--", "y"))
    assert (spec.agent, spec.runtime, spec.cwd, spec.name, spec.prompt) == (
        "mock",
        "host",
        str(tmp_path),
        "it",
        "mend it",
    )
    assert spec.labels == {"a": "b", "c": "d=e"}
    assert spec.env == {"X": "1", "EMPTY": ""}
    assert (spec.timeout_s, spec.priority, spec.pty, spec.linger) == (300.0, -3, False, True)
    assert spec.after == (first,)
    assert spec.args == ("--json", "-x", "--", "y")
    assert spec.secrets == ("TOKEN_X",)
    assert "secret-value" not in (jobs.store.job_dir(spec.id) / "spec.json").read_text()


def test_without_options_the_defaults_hold(jobs: Any, logist_here: Run) -> None:
    spec = submitted(jobs, logist_here("run", "-d", "-a", "mock", "hi"))
    assert (spec.cwd, spec.pty, spec.args, spec.timeout_s) == (os.getcwd(), None, (), None)


@pytest.mark.parametrize(
    ("args", "code", "says"),
    [
        (("two", "words"), 2, 'logist run "two words"'),
        (("",), 2, "empty"),
        (("a\0b",), 2, "NUL"),
        (("\udcff",), 2, "UTF-8"),
        (("x" * (2 << 20),), 2, "2.0 MiB"),
        (("hi", "-C", "/nope"), 2, "/nope"),
        (("hi", "--timeout", "soon"), 2, "--timeout: 'soon' is not a duration"),
        (("hi", "--timeout", "0"), 2, "longer than 0"),
        (("hi", "--label", "novalue"), 2, "--label takes KEY=VALUE"),
        (("hi", "--label", "a=1", "--label", "a=2"), 2, "twice"),
        (("hi", "--label", "a b=1"), 2, "label"),
        (("hi", "--env", "PATH"), 2, "passed on anyway"),
        (("hi", "--env", "1X=2"), 2, "1X"),
        (("hi", "--secret", "A=b"), 2, "no secret"),
        (("hi", "--secret", "NOT_SET_X"), 2, "NOT_SET_X"),
        (("hi", "--secret", "HOME", "--env", "HOME=/x"), 2, "stored"),
        (("hi", "--name", "../x"), 2, "../x"),
        (("hi", "--name", "taken"), 2, "exists already"),
        (("hi", "--after", "nosuchjob"), 3, "nosuchjob"),
        (("hi", "-f", "x"), 2, "-f FILE"),
        (("-f", "/nope"), 2, "No such file"),
        (("-f", "/"), 2, "Is a directory"),
        (("-f", "a\0b"), 2, "can't read the prompt"),
        (("hi", "-a", "mok"), 7, "mock"),
        (("hi", "-r", "hst"), 7, "host"),
        (("hi", "--sentinel", "nope"), 7, "nope"),
        (("hi", "--agent-set", "scenaro=hang"), 2, "scenario"),
        (("hi", "--priority", "high"), 2, "high"),
    ],
)
def test_what_cannot_be_used_is_refused_in_one_line_and_makes_nothing(
    jobs: Any, logist_here: Run, args: tuple[str, ...], code: int, says: str
) -> None:
    taken = jobs.running(name="taken")
    ran = logist_here("run", "-a", "mock", *args)
    assert (ran.code, ran.out) == (code, "")
    assert says in ran.err
    assert len(ran.err.splitlines()) <= 2
    assert "Traceback" not in ran.err
    assert jobs.store.ids() == [taken]


def stdin_is(monkeypatch: pytest.MonkeyPatch, data: bytes) -> None:
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(data), isatty=lambda: False, fileno=lambda: -1))


def test_a_prompt_from_standard_input_or_a_file_is_taken_as_it_is(
    jobs: Any, logist_here: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "task").write_bytes("ünïcode\n".encode())
    assert submitted(jobs, logist_here("run", "-d", "-a", "mock", "-f", str(tmp_path / "task"))).prompt == "ünïcode\n"
    stdin_is(monkeypatch, b"from a pipe\n")
    assert submitted(jobs, logist_here("run", "-d", "-a", "mock", "-")).prompt == "from a pipe\n"


@pytest.mark.parametrize(
    ("data", "says"),
    [(b"a\xffb", "byte 1 is 0xff"), (b"", "empty"), (b"a\0", "NUL"), (b"x" * 3_000_000, "2.9 MiB")],
)
def test_a_prompt_from_standard_input_is_checked(
    jobs: Any, logist_here: Run, monkeypatch: pytest.MonkeyPatch, data: bytes, says: str
) -> None:
    stdin_is(monkeypatch, data)
    ran = logist_here("run", "-a", "mock", "-")
    assert ran.code == 2
    assert says in ran.err


def test_an_endless_standard_input_does_not_fill_the_memory(
    jobs: Any, logist_here: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prompt_module, "_MOST_BYTES", 100)
    stdin_is(monkeypatch, b"x" * 101)
    assert "longer than" in logist_here("run", "-a", "mock", "-").err


def test_a_directory_that_was_removed_is_named(
    jobs: Any, logist_here: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    ran = logist_here("run", "-a", "mock", "hi")
    assert ran.code == 2
    assert "has been removed" in ran.err


def test_a_supervisor_that_does_not_come_up_is_reported_with_the_id_of_the_job(
    jobs: Any, logist_here: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    from logist_core.errors import LogistError
    from logist_core.supervise import client

    def fail(*_: object, **__: object) -> None:
        raise LogistError("the supervisor did not come up", hint="see its log")

    monkeypatch.setattr(client, "notify", fail)
    ran = logist_here("run", "-d", "-a", "mock", "hi")
    assert ran.code == 1
    (job,) = jobs.store.ids()
    assert f"queued as {job}; see its log" in ran.err


def test_a_home_that_cannot_be_made_is_one_line(logist_here: Run, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    ran = logist_here("--home", str(tmp_path / "file" / "home"), "run", "-a", "mock", "hi")
    assert ran.code == 1
    assert str(tmp_path / "file") in ran.err
    assert len(ran.err.splitlines()) <= 2
