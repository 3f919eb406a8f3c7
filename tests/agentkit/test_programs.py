"""Programs are found as the job would find them, and asked for no more than their version."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from logist_core.agentkit import find_program, option_value, read_json_file, readiness, write_private
from logist_core.api import LaunchError, Readiness


def program(directory: Path, script: str) -> Path:
    path = directory / "it"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


def ask(path: Path, logged_in: bool | None = True) -> Readiness:
    return readiness(str(path), {}, install="install it", login="log in", logged_in=logged_in)


@pytest.mark.parametrize(
    "said", ["2.1.197 (Claude Code)", "codex-cli 2.1.197", "GitHub Copilot CLI 2.1.197.", "v2.1.197"]
)
def test_a_version_is_found_in_what_it_prints(tmp_path: Path, said: str) -> None:
    ready = ask(program(tmp_path, f"echo '{said}'"))
    assert (ready.installed, ready.version, ready.problems) == (True, "2.1.197", ())


def test_a_program_that_prints_no_version_is_installed_all_the_same(tmp_path: Path) -> None:
    ready = ask(program(tmp_path, "true"))
    assert (ready.installed, ready.version, ready.problems) == (True, None, ())


def test_a_broken_program_is_a_problem(tmp_path: Path) -> None:
    ready = ask(program(tmp_path, "exit 3"))
    assert "exit code 3" in ready.problems[0]
    assert ready.hint == "install it"


def test_a_program_that_can_not_be_executed_is_a_problem(tmp_path: Path) -> None:
    path = tmp_path / "it"
    path.write_bytes(b"\x7fELF")
    path.chmod(0o755)
    assert "can't be run" in ask(path).problems[0]


def test_a_missing_login_is_a_problem(tmp_path: Path) -> None:
    ready = ask(program(tmp_path, "echo 1.2.3"), logged_in=False)
    assert (ready.problems, ready.hint) == (("not logged in",), "log in")


def test_a_missing_program_says_how_to_install_it(tmp_path: Path) -> None:
    ready = ask(tmp_path / "none")
    assert (ready.installed, ready.hint) == (False, "install it")


def test_a_relative_path_is_taken_from_the_jobs_directory(tmp_path: Path) -> None:
    path = program(tmp_path, "true")
    found = find_program("./it", {}, str(tmp_path))
    assert found is not None and path.samefile(found)
    assert find_program("it", {"PATH": str(tmp_path)}) == str(path)
    assert find_program("it", {"PATH": "/nonexistent"}) is None


@pytest.mark.parametrize("content", [b"", b"[1]", b"{", b"\xff", b'{"a": 1}'])
def test_a_configuration_is_an_object_or_nothing(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "c").write_bytes(content)
    assert read_json_file(tmp_path / "c") == ({"a": 1} if content.endswith(b"}") else {})
    assert read_json_file(tmp_path / "none") == {}


def test_a_private_file_is_for_this_user_alone_and_follows_no_link(tmp_path: Path) -> None:
    path = Path(write_private(str(tmp_path), "prompt.md", b"do it"))
    assert (path.read_bytes(), stat.S_IMODE(path.stat().st_mode)) == (b"do it", 0o600)
    (tmp_path / "trap").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(LaunchError):
        write_private(str(tmp_path), "trap", b"do it")
    assert not (tmp_path / "elsewhere").exists()


def test_the_value_of_an_option() -> None:
    assert option_value(("-m", "x", "--model=y"), "--model", "-m") == "x"
    assert option_value(("--model=y",), "--model", "-m") == "y"
    assert option_value(("--model",), "--model") is None
    assert option_value((), "--model") is None
