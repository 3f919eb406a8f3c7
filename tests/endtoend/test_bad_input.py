"""Bad input costs one clear line and a documented exit code; nothing is lost, half-made or run."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
from pathlib import Path

import pytest
from support.logist import Logist


def refused(logist: Logist, *args: str, code: int, says: str, **options: object) -> str:
    result = logist(*args, code=code, **options)
    lines = result.stderr.strip().splitlines()
    assert says in lines[0], result.stderr
    assert len(lines) <= 2, result.stderr
    assert len(lines) == 1 or lines[1].startswith("Try: "), result.stderr
    assert "Traceback" not in result.stderr
    return result.stderr


def jobs(logist: Logist) -> list[str]:
    path = logist.home / "jobs"
    return [p.name for p in path.iterdir()] if path.exists() else []


def test_an_unknown_agent_names_the_nearest_and_the_install_line(logist: Logist) -> None:
    err = refused(logist, "run", "-a", "mok", "hi", code=7, says="mok")
    assert "mock" in err
    assert jobs(logist) == []


def test_an_unknown_agent_with_json_is_one_object_on_stderr(logist: Logist) -> None:
    error = json.loads(logist("doctor", "--agent", "podcast", "--json", code=7).stderr)["error"]
    assert error["exit_code"] == 7
    assert error["kind"] == "plugin_unavailable"
    assert "pip install logist-agent-podcast" in error["hint"]


def test_an_agent_whose_program_is_not_installed_fails_to_start_and_says_how_to_get_it(logist: Logist) -> None:
    result = logist("run", "-a", "claude", "hi", code=5, env={"PATH": "/usr/bin:/bin"})
    assert "npm install -g @anthropic-ai/claude-code" in result.stderr
    (status,) = logist.json("ls", "--all")
    assert status["lifecycle"] == "failed_to_start"


def test_a_program_that_does_not_exist_fails_to_start(logist: Logist) -> None:
    result = logist("run", "-a", "command", "--", "no-such-program-at-all", code=5)
    assert "no-such-program-at-all" in result.stderr


@pytest.mark.parametrize(
    ("args", "stdin", "says"),
    [
        (("run", "-a", "mock", "-"), "a\0b", "NUL"),
        (("run", "-a", "mock", "-"), "x" * (2 << 20), "1 MiB"),
        (("run", "-a", "mock", "-"), "", "empty"),
        (("run", "-a", "mock", "-C", "/no/such/dir", "hi"), None, "/no/such/dir"),
        (("run", "-a", "mock", "--timeout", "soon", "hi"), None, "soon"),
        (("run", "-a", "mock", "--label", "=", "hi"), None, "label"),
        (("run", "-a", "mock", "--agent-set", "scenaro=hang", "hi"), None, "scenario"),
        (("run", "-a", "mock", "-f", "/no/such/file"), None, "/no/such/file"),
        (("frobnicate",), None, "frobnicate"),
    ],
)
def test_a_request_that_cannot_be_used_is_refused(
    logist: Logist, args: tuple[str, ...], stdin: str | None, says: str
) -> None:
    result = logist(*args, code=2, input=stdin)
    assert says in result.stderr
    assert "Traceback" not in result.stderr
    assert jobs(logist) == []


def test_an_unknown_job_is_not_found(logist: Logist) -> None:
    logist.shell("exit 0")
    refused(logist, "status", "nope", code=3, says="nope")


def test_a_home_that_cannot_be_written_is_one_line(logist: Logist) -> None:
    subprocess.run(["mkdir", "-p", str(logist.home)], check=True)
    (logist.home / "VERSION").write_text("{}")
    blocked = logist.home.parent / "file"
    blocked.write_text("")
    refused(logist, "run", "-a", "mock", "hi", code=1, says=str(blocked), env={"LOGIST_HOME": str(blocked / "home")})


def test_a_corrupt_state_file_is_rebuilt_without_a_word(logist: Logist) -> None:
    job = logist.shell("exit 4")
    truth = logist.ended(job)
    for garbage in (b"{", b"\xff" * 100, b'{"schema": 99}', b"null", b"[]"):
        (logist.home / "jobs" / job / "state.json").write_bytes(garbage)
        assert logist.status(job) == truth


def test_a_torn_journal_line_costs_only_itself(logist: Logist) -> None:
    job = logist.shell("exit 4")
    truth = logist.ended(job)
    journal = logist.home / "jobs" / job / "events.log"
    with journal.open("ab") as file:
        file.write(b'{"seq":99,"kind":"job.fin')
    assert logist.status(job) == truth
    logist("retry", job)
    again = logist.ended(job)
    assert (again["lifecycle"], again["attempt"]) == ("failed", 2)


def test_a_job_of_a_newer_version_is_named_and_left_alone(logist: Logist) -> None:
    old = logist.shell("exit 0")
    job = logist.shell("exit 0")
    logist.ended(old), logist.ended(job)
    spec = logist.home / "jobs" / job / "spec.json"
    raw = json.loads(spec.read_text())
    spec.write_text(json.dumps({**raw, "schema": 99}))
    newer = spec.read_bytes()
    result = logist("retry", job, code=None)
    assert result.returncode != 0
    assert "newer" in result.stderr
    assert spec.read_bytes() == newer
    assert old in [s["id"] for s in logist.json("ls", "--all")]


def test_a_home_of_a_newer_layout_is_refused(logist: Logist) -> None:
    logist.ended(logist.shell("exit 0"))
    logist("supervise", "--stop", code=None)
    version = logist.home / "VERSION"
    before = version.read_text()
    version.write_text('{"layout": 99}')
    refused(logist, "ls", code=1, says="newer")
    version.write_text(before)


def test_a_full_disk_at_the_start_is_one_line_and_leaves_nothing(logist: Logist, tmp_path: Path) -> None:
    small = tmp_path / "small"
    small.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(small)], capture_output=True, check=False
    )
    if mounted.returncode != 0:
        pytest.skip("can't mount a small file system here (needs root)")
    try:
        home = small / "home"
        logist("ls", env={"LOGIST_HOME": str(home)})
        filler = os.open(small / "filler", os.O_WRONLY | os.O_CREAT)
        with contextlib.suppress(OSError):
            while True:
                os.write(filler, b"x" * 4096)
        os.close(filler)
        result = logist("run", "-a", "mock", "hi", code=1, env={"LOGIST_HOME": str(home)})
        assert "No space left" in result.stderr
        assert "Traceback" not in result.stderr
        assert list((home / "jobs").glob("[0-9a-z]*")) == []
    finally:
        subprocess.run(["umount", "-l", str(small)], check=True)
