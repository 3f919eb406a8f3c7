"""Runs a fake provider in a network namespace of its own, and commands inside it: nothing there reaches the outside.

Invariant: every process started here is ended by the context manager that started it, and the namespace goes with
the last of them. What can't run on this machine is skipped with the reason, or, where `LOGIST_REQUIRE_REAL` is set,
fails with it.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import quote

import pytest

TESTS = Path(__file__).resolve().parents[1]
ROOT = Path(__file__).resolve().parents[2]
DUMMY_KEY = "sk-ant-dummy-0123456789"


def unavailable(reason: str) -> NoReturn:
    """Skip the running test for `reason`, or fail it where real programs are required."""
    if os.environ.get("LOGIST_REQUIRE_REAL"):
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


@functools.cache
def namespace_command() -> tuple[str, ...] | None:
    """Return what to put before a command to run it in a new network namespace, or None where that is impossible."""
    if not all(shutil.which(tool) for tool in ("unshare", "nsenter", "ip")):
        return None
    for flags in (("--net",), ("--user", "--map-root-user", "--net")):
        command = ("unshare", *flags, "--", "sh", "-c", 'ip link set lo up && exec "$@"', "sh")
        if subprocess.run([*command, "true"], capture_output=True, check=False).returncode == 0:
            return command
    return None


class Provider:
    """A running fake provider.

    Attributes:
        port: Its port on 127.0.0.1, inside its namespace.
        pid: Its process id.
    """

    def __init__(self, process: subprocess.Popen[str], record: Path, enter: tuple[str, ...]) -> None:
        assert process.stdout is not None
        self.pid = process.pid
        self.port = int(process.stdout.readline())
        self._record = record
        self._enter = enter

    def url(self, scenario: str, **options: object) -> str:
        """Return the base URL under which `scenario` is played; `options` as in the server's docstring."""
        given = "".join(f",{key.replace('_', '-')}={quote(str(value), safe='')}" for key, value in options.items())
        return f"http://127.0.0.1:{self.port}/r/{scenario}{given}"

    def inside(self, argv: Sequence[str]) -> list[str]:
        """Return the command line that runs `argv` inside the provider's network namespace."""
        return [*self._enter, *argv]

    def requests(self, scenario: str | None = None) -> list[dict[str, Any]]:
        """Return the requests of conversations so far, oldest first, of one scenario or of all."""
        lines = self._record.read_bytes().split(b"\n")[:-1]
        entries = [json.loads(line) for line in lines]
        named = [e for e in entries if scenario is None or e["scenario"].partition(",")[0] == scenario]
        return [entry for entry in named if not entry["aside"]]


@contextlib.contextmanager
def run_provider(directory: Path) -> Iterator[Provider]:
    """Run a fake provider that keeps its record in `directory`."""
    command = namespace_command()
    if command is None:
        unavailable("needs a network namespace: root, or unprivileged user namespaces, with unshare, nsenter and ip")
    record = directory / "requests.jsonl"
    record.touch()
    argv = [*command, sys.executable, "-m", "fake_provider.server", "--record", str(record)]
    env = {**os.environ, "PYTHONPATH": str(TESTS)}
    process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=env)
    enter: tuple[str, ...] = ("nsenter", "--target", str(process.pid), "--net")
    if "--user" in command:
        enter = (*enter, "--user", "--preserve-credentials")
    try:
        yield Provider(process, record, (*enter, "--"))
    finally:
        process.kill()
        process.communicate()


@functools.cache
def agent_program(name: str) -> str:
    """Return the path of the pinned CLI of the agent `name`, as `.ci/install-agents` left it."""
    script = ROOT / ".ci" / "install-agents"
    found = subprocess.run([str(script), "--offline", name], capture_output=True, text=True, check=False)
    if found.returncode != 0:
        unavailable(f"the CLI of {name} for tests isn't installed; run {script.relative_to(ROOT)} {name}")
    return found.stdout.strip()


def clean_environment(home: Path, program: str, base_url: str) -> Mapping[str, str]:
    """Return the whole environment of a claude that talks to `base_url`, knows nobody and has `home` to itself."""
    return {
        "HOME": str(home),
        "PATH": f"{Path(program).parent}:/usr/local/bin:/usr/bin:/bin",
        "LANG": "C.UTF-8",
        "ANTHROPIC_BASE_URL": base_url,
        "ANTHROPIC_API_KEY": DUMMY_KEY,
    }
