"""Starting: what arrives at the program, what is said when it can't be executed, and that nothing starts twice."""

from __future__ import annotations

import json
import multiprocessing
import os
import stat
import subprocess
from pathlib import Path

import pytest
from logist_runtime_host import keeper, serving
from logist_runtime_host.files import place_of
from logist_runtime_host.runtime import HostRuntime

from logist_core.api import (
    KILL_NOW,
    AttemptKey,
    LaunchError,
    LaunchSpec,
    LogistError,
    ProbeState,
    RuntimeUnavailable,
    StartContext,
    Stdin,
    Unsupported,
)


def test_stdin_is_null_by_default(lab) -> None:
    attempt = lab.shell("readlink /proc/self/fd/0; cat; echo done")
    attempt.wait()
    assert attempt.out() == b"/dev/null\ndone\n"


@pytest.mark.parametrize("pty", [False, True], ids=["files", "terminal"])
def test_stdin_data_arrives_whole_and_ends(lab, pty: bool) -> None:
    data = b"\0\xff prompt " * 200_000  # 2 MB, not text
    attempt = lab.shell("cat | wc -c", stdin=Stdin.DATA, stdin_data=data, pty=pty)
    assert attempt.wait().exit.code == 0
    assert int(attempt.out()) == len(data)


def test_an_open_stdin_takes_what_is_written(lab) -> None:
    attempt = lab.shell("read a; echo got $a; read b; echo got $b", stdin=Stdin.OPEN)
    attempt.runtime.write(attempt.handle, b"one\n")
    attempt.out_has(b"got one")
    lab.kill(attempt.pump())
    attempt.runtime.write(attempt.handle, b"two\n")
    assert attempt.wait().exit.code == 0
    assert attempt.out() == b"got one\ngot two\n"


def test_more_input_than_a_pipe_holds_arrives_in_order(lab) -> None:
    data = b"".join(b"%08d\n" % i for i in range(60_000))
    attempt = lab.shell(f"head -c {len(data)}", stdin=Stdin.OPEN)
    attempt.runtime.write(attempt.handle, data)
    assert attempt.wait().exit.code == 0
    assert attempt.out() == data


def test_input_that_nobody_reads_is_refused_in_the_end(lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("logist_runtime_host.runtime._WRITE_TIMEOUT_S", 0.2)
    attempt = lab.shell("sleep 60", stdin=Stdin.OPEN)
    with pytest.raises(LogistError, match="doesn't read its input"):
        attempt.runtime.write(attempt.handle, b"x" * 200_000)
    assert attempt.probe().conditions == ()
    attempt.runtime.stop(attempt.handle, KILL_NOW)
    with pytest.raises(Unsupported, match="ended"):
        attempt.runtime.write(attempt.handle, b"x")


def test_writing_to_an_attempt_without_input_is_unsupported(lab) -> None:
    attempt = lab.shell("sleep 60")
    with pytest.raises(Unsupported, match="no input"):
        attempt.runtime.write(attempt.handle, b"x")
    attempt.runtime.stop(attempt.handle, KILL_NOW)


def test_a_closed_input_says_so(lab) -> None:
    attempt = lab.shell("exec 0<&-; echo closed; exec sleep 60", stdin=Stdin.OPEN)
    attempt.out_has(b"closed")
    with pytest.raises(Unsupported, match="closed"):
        attempt.runtime.write(attempt.handle, b"x")
    attempt.runtime.stop(attempt.handle, KILL_NOW)


def test_a_terminal_has_the_size_asked_for_and_is_the_controlling_one(lab) -> None:
    attempt = lab.shell(
        "stty size; tty; ps -o tpgid= -p $$ | tr -d ' '; echo $$; echo $TERM >/dev/tty",
        pty=True,
        cols=91,
        rows=17,
        env={"TERM": "dumb"},
    )
    assert attempt.wait().exit.code == 0
    size, tty, foreground, pid, term = attempt.out().decode().split("\r\n")[:5]
    assert (size, tty[:9], foreground, term) == ("17 91", "/dev/pts/", pid, "xterm-256color")


def test_signals_mask_umask_and_descriptors_are_those_of_a_fresh_process(lab) -> None:
    script = "grep -E '^Sig(Blk|Ign)' /proc/self/status; umask; ls /proc/self/fd | tr '\\n' ' '"
    old = os.umask(0o027)
    try:
        attempt = lab.shell(script)
    finally:
        os.umask(old)
    attempt.wait()
    blocked, ignored, umask, descriptors = attempt.out().decode().split("\n")[:4]
    assert int(blocked.split()[1], 16) == 0
    assert int(ignored.split()[1], 16) == 0
    assert umask == "0027"
    assert descriptors.split() == ["0", "1", "2", "3"]  # 3 is the directory that ls reads


def test_bytes_that_are_no_text_arrive_unchanged(lab) -> None:
    odd = os.fsdecode(b"caf\xe9\xff")
    attempt = lab.start("sh", "-c", 'printf %s "$1$ODD"', "sh", odd, env={"ODD": odd})
    attempt.wait()
    assert attempt.out() == b"caf\xe9\xff" * 2


def test_secrets_are_in_no_file_and_in_no_argument_list(lab) -> None:
    secret = "sesame-" + os.urandom(8).hex()
    attempt = lab.shell("sleep 60", env={"TOKEN": secret})
    lab.kill(attempt.guard())
    lab.eventually(lambda: attempt.record("shim.json").get("origin") == "pump", "a new guard")
    for path in attempt.directory.iterdir():
        assert secret.encode() not in path.read_bytes(), path
    for pid in (attempt.guard(), attempt.pump(), attempt.pid):
        assert secret.encode() not in Path(f"/proc/{pid}/cmdline").read_bytes()
    for pid in (attempt.guard(), attempt.pump()):
        assert secret.encode() not in keeper.SYSTEM.environment(pid)
    attempt.runtime.stop(attempt.handle, KILL_NOW)


def test_files_are_private_whatever_the_umask(lab) -> None:
    old = os.umask(0)
    try:
        attempt = lab.shell("true")
        attempt.wait()
    finally:
        os.umask(old)
    for path in attempt.directory.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path


@pytest.mark.parametrize(
    ("body", "mode", "text"),
    [
        (b"#!/no/such/interpreter\n", 0o755, "interpreter"),
        (b"just text\n", 0o755, "#! line"),
        (b"#!/bin/sh\n", 0o644, "Permission denied"),
    ],
)
def test_a_script_that_can_not_run_says_why(lab, body: bytes, mode: int, text: str) -> None:
    script = lab.root / "script"
    script.write_bytes(body)
    script.chmod(mode)
    with pytest.raises(LaunchError, match=text) as caught:
        lab.start(str(script))
    assert str(script) in caught.value.message


def test_too_long_arguments_say_so(lab) -> None:
    with pytest.raises(LaunchError, match="too long"):
        lab.start("true", "x" * 3_000_000)


@pytest.mark.parametrize(
    ("spec", "text"),
    [
        ({"argv": ()}, "no program"),
        ({"argv": ("a\0b",)}, "NUL"),
        ({"argv": ("true",), "cwd": "relative"}, "not absolute"),
        ({"argv": ("true",), "cwd": "/\0"}, "NUL"),
    ],
)
def test_what_can_not_be_asked_for_is_refused_before_anything_is_started(lab, spec: dict, text: str) -> None:
    attempt = lab.prepare()
    context = StartContext(directory=str(attempt.directory), environment={})
    with pytest.raises(LaunchError, match=text):
        lab.runtime.start(LaunchSpec(**{"cwd": "/", **spec}), attempt.key, context)
    assert list(attempt.directory.iterdir()) == []


def test_a_variable_with_a_bad_name_is_refused(lab) -> None:
    with pytest.raises(LaunchError, match="environment variable"):
        lab.shell("true", env={"A=B": "c"})


def test_a_missing_attempt_directory_is_a_launch_error_and_find_knows_nothing(lab) -> None:
    key = AttemptKey("job0", 1, "0" * 32)
    with pytest.raises(LaunchError, match="nowhere"):
        lab.runtime.start(LaunchSpec(argv=("true",), cwd="/"), key, StartContext(directory="/nowhere", environment={}))
    assert lab.runtime.find(key, "/nowhere") is None


def test_a_directory_of_another_attempt_is_refused(lab) -> None:
    attempt = lab.shell("true")
    attempt.wait()
    other = AttemptKey("job0", 2, "f" * 32)
    context = StartContext(directory=str(attempt.directory), environment={})
    with pytest.raises(LaunchError, match="belongs to another attempt"):
        lab.runtime.start(LaunchSpec(argv=("true",), cwd="/"), other, context)
    assert lab.runtime.find(other, str(attempt.directory)) is None
    assert lab.runtime.find(attempt.key, str(attempt.directory)) == attempt.handle


def start_in_process(arguments: tuple[str, str, int, str, str, str]) -> str:
    directory, job, number, nonce, script, runtime_dir = arguments
    os.environ["XDG_RUNTIME_DIR"] = runtime_dir
    context = StartContext(directory=directory, environment=dict(os.environ))
    spec = LaunchSpec(argv=("sh", "-c", script), cwd="/")
    return json.dumps(dict(HostRuntime().start(spec, AttemptKey(job, number, nonce), context).data))


def test_twenty_processes_start_the_same_attempt_and_it_runs_once(lab) -> None:
    attempt = lab.prepare()
    marker = lab.root / "ran"
    key = attempt.key
    task = (
        str(attempt.directory),
        key.job_id,
        key.attempt,
        key.nonce,
        f"echo x >> {marker}; sleep 0.3",
        os.environ["XDG_RUNTIME_DIR"],
    )
    with multiprocessing.get_context("fork").Pool(20) as pool:
        handles = pool.map(start_in_process, [task] * 20)
        pool.close()
        pool.join()
    assert len(set(handles)) == 1
    attempt.handle = lab.runtime.find(key, str(attempt.directory))
    attempt.wait()
    assert marker.read_text() == "x\n"


def test_a_hundred_very_short_jobs_lose_neither_output_nor_code(lab) -> None:
    from concurrent.futures import ThreadPoolExecutor

    attempts = [lab.prepare() for _ in range(100)]

    def run(attempt) -> None:
        context = StartContext(directory=str(attempt.directory), environment={})
        script = f"echo out {attempt.key.attempt}; exit {attempt.key.attempt}"
        pty = attempt.key.attempt % 2 == 0
        spec = LaunchSpec(argv=("/bin/sh", "-c", script), cwd="/", pty=pty)
        attempt.handle = lab.runtime.start(spec, attempt.key, context)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(run, attempts))
    for attempt in attempts:
        assert attempt.wait().exit.code == attempt.key.attempt
        assert attempt.out().replace(b"\r", b"") == b"out %d\n" % attempt.key.attempt


def test_a_keeper_that_can_not_even_start_leaves_the_key_usable(lab, monkeypatch: pytest.MonkeyPatch) -> None:
    attempt = lab.prepare()
    context = StartContext(directory=str(attempt.directory), environment={})
    spec = LaunchSpec(argv=("/bin/true",), cwd="/")
    with monkeypatch.context() as patch:
        patch.setattr(serving, "_interpreter", lambda: ["/no/such/python"])
        with pytest.raises(RuntimeUnavailable, match="can't start a keeper"):
            lab.runtime.start(spec, attempt.key, context)
        patch.setattr(serving, "_interpreter", lambda: ["/bin/false"])
        with pytest.raises(RuntimeUnavailable, match="could not be started"):
            lab.runtime.start(spec, attempt.key, context)
    attempt.handle = lab.runtime.start(spec, attempt.key, context)
    assert attempt.wait().exit.code == 0


def test_a_keeper_that_hangs_is_neither_waited_for_nor_believed(lab, monkeypatch: pytest.MonkeyPatch) -> None:
    attempt = lab.prepare()
    # The keeper's door answers nothing for a second.
    monkeypatch.setattr(serving, "_interpreter", lambda: ["/bin/sh", "-c", "sleep 1"])
    runtime = HostRuntime(start_timeout_s=0.3)
    with pytest.raises(LogistError, match="didn't answer") as caught:
        runtime.start(
            LaunchSpec(argv=("true",), cwd="/"),
            attempt.key,
            StartContext(directory=str(attempt.directory), environment={}),
        )
    assert not isinstance(caught.value, LaunchError | RuntimeUnavailable)
    assert runtime.find(attempt.key, str(attempt.directory)) is None


def test_find_waits_for_a_start_that_is_under_way(lab) -> None:
    attempt = lab.prepare()
    fd = os.open(attempt.directory, os.O_DIRECTORY)
    lock = keeper.lock_file(fd, "launch.lock", 1.0)
    with pytest.raises(LogistError, match="another process has been starting"):
        HostRuntime(start_timeout_s=0.1).find(attempt.key, str(attempt.directory))
    os.close(lock)
    os.close(fd)


def test_a_planted_link_in_the_place_of_a_log_is_not_followed(lab) -> None:
    attempt = lab.prepare()
    victim = lab.root / "victim"
    victim.write_text("precious")
    (attempt.directory / "out.log").symlink_to(victim)
    context = StartContext(directory=str(attempt.directory), environment={})
    with pytest.raises(RuntimeUnavailable):
        lab.runtime.start(LaunchSpec(argv=("/bin/echo", "x"), cwd="/"), attempt.key, context)
    assert victim.read_text() == "precious"
    assert lab.runtime.find(attempt.key, str(attempt.directory)) is None


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"directory": 7, "nonce": "0" * 32},
        {"directory": "x", "nonce": "0" * 32},
        {"directory": "/x", "nonce": "Z" * 32},
    ],
)
def test_what_is_no_handle_is_unknown(lab, data: dict) -> None:
    from logist_core.api import RuntimeHandle

    handle = RuntimeHandle(runtime="host", version=1, data=data)
    assert place_of(handle) is None
    runtime = HostRuntime()
    assert runtime.probe(handle).state is ProbeState.UNKNOWN
    assert runtime.stop(handle, KILL_NOW).state is ProbeState.UNKNOWN
    assert (runtime.stats(handle), runtime.watch(handle)) == (None, None)
    runtime.forget(handle)
    for call in (lambda: runtime.write(handle, b""), lambda: runtime.interrupt(handle)):
        with pytest.raises(Unsupported):
            call()
    with pytest.raises(Unsupported):
        runtime.attach(handle, cols=80, rows=24, read_only=True)


def test_a_foreign_runtime_directory_is_refused(lab, monkeypatch: pytest.MonkeyPatch) -> None:
    bad = lab.root / "bad"
    bad.mkdir()
    (bad / "logist").symlink_to(lab.root)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(bad))
    health = HostRuntime().health()
    assert (health.ok, health.hint) == (False, "set XDG_RUNTIME_DIR")
    with pytest.raises(RuntimeUnavailable, match="not a directory of yours"):
        lab.shell("true")
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(lab.root / ("x" * 100)))
    os.mkdir(lab.root / ("x" * 100))
    with pytest.raises(RuntimeUnavailable, match="too long for a socket"):
        lab.shell("true")
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(lab.root / "run"))


def test_a_launcher_that_dies_half_way_starts_nothing(lab) -> None:
    import socket

    ours, theirs = socket.socketpair()
    process = subprocess.Popen([*serving._interpreter(), str(theirs.fileno())], pass_fds=[theirs.fileno()])
    theirs.close()
    assert ours.recv(len(keeper.GREETING)) == keeper.GREETING
    ours.sendall(b"\0\0\x10\0{")
    ours.shutdown(socket.SHUT_WR)
    assert ours.recv(1) == b""  # it went
    process.wait()
    ours.close()


def test_the_start_does_not_depend_on_the_launcher_living_on(lab) -> None:
    attempt = lab.prepare()
    code = (
        "import os, sys, json; from logist_core.api import *; from logist_runtime_host.runtime import HostRuntime\n"
        "HostRuntime().start(LaunchSpec(argv=('sh','-c','sleep 0.3; echo alive; exit 3'), cwd='/'),"
        " AttemptKey(sys.argv[1], int(sys.argv[2]), sys.argv[3]),"
        " StartContext(directory=sys.argv[4], environment=dict(os.environ)))\n"
        "os.kill(os.getpid(), 9)"
    )
    import sys

    key = attempt.key
    subprocess.run(
        [sys.executable, "-c", code, key.job_id, str(key.attempt), key.nonce, str(attempt.directory)], check=False
    )
    attempt.handle = lab.runtime.find(key, str(attempt.directory))
    assert attempt.wait().exit.code == 3
    assert attempt.out() == b"alive\n"
