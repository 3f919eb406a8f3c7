"""How fast an agent can print: into files, and through a terminal."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import time
from pathlib import Path

from support.waiting import eventually

from benchmarks.ground import Ground
from benchmarks.peers import HOW, Tmux
from benchmarks.report import Table
from benchmarks.scale import Scale

_LINE = b'{"type":"assistant","message":{"text":"reading src/module.py"},"n":%06d}\n'


def measure(scale: Scale) -> list[Table]:
    tables = [
        Table(f"capture without a terminal, {scale.capture_mib} MiB of lines", ("MB/s", "until recorded, s"),
              against=("cat > file (floor)",), ratio_of="MB/s"),
        Table(f"capture through a terminal, {scale.pty_mib} MiB of lines", ("MB/s", "until recorded, s"),
              against=("script", "tmux pipe-pane"), ratio_of="MB/s"),
    ]  # fmt: skip
    with Ground() as ground:
        text = ground.root / "text"
        big = _write(text, scale.capture_mib)
        tables[0].add("cat > file (floor)", *_in_shell(ground.root, f"cat {text} >{ground.root}/floor"))
        if shutil.which("parallel"):
            results = ground.root / "results"
            tables[0].add("parallel --results", *_in_shell(ground.root, f"parallel --results {results} cat ::: {text}"))
        else:
            tables[0].unmeasured["parallel"] = HOW
        with ground.supervisor(2):
            ground.wait(ground.submit("true"))
            tables[0].add("logist", *_logist(ground, text, pty=False))
            tables[0].rows = {name: (big / 1e6 / took, all_) for name, (took, all_) in _both(tables[0])}
            _write(text, scale.pty_mib)
            _through_terminals(ground, text, tables[1])
            tables[1].add("logist --pty", *_logist(ground, text, pty=True))
            size = text.stat().st_size
            tables[1].rows = {name: (size / 1e6 / took, all_) for name, (took, all_) in _both(tables[1])}
    tables[0].notes.append(
        "MB/s as the agent sees it; `until recorded`: from its start to its exit in the journal, classified"
    )
    return tables


def _both(table: Table) -> list[tuple[str, tuple[float, float | None]]]:
    return [(name, (float(figures[0] or 0), figures[1])) for name, figures in table.rows.items()]


def _write(path: Path, mib: int) -> int:
    block = b"".join(_LINE % n for n in range(10_000))
    with path.open("wb") as file:
        while file.tell() < mib << 20:
            file.write(block)
        return file.tell()


def _in_shell(root: Path, script: str) -> tuple[float, None]:
    began = time.perf_counter()
    subprocess.run(["sh", "-c", script], cwd=root, check=True, stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
    return time.perf_counter() - began, None


def _through_terminals(ground: Ground, text: Path, table: Table) -> None:
    if shutil.which("script"):
        log = ground.root / "typescript"
        took, _ = _in_shell(ground.root, f"script -q -c 'cat {text}' {log}")
        assert text.stat().st_size < log.stat().st_size
        table.add("script", took, None)
    else:
        table.unmeasured["script"] = "not installed (bsdutils)"
    if not Tmux.installed():
        table.unmeasured["tmux pipe-pane"] = HOW
        return
    peer, log, times, gate = Tmux(ground.root), ground.root / "pane", ground.root / "tmux-times", ground.root / "gate"
    peer.start(f"while [ ! -e {gate} ]; do sleep 0.05; done; {_timed(text, times)}; sleep 1")
    peer.call(*peer._tmux(), "pipe-pane", f"cat >{log}")
    gate.touch()
    table.add("tmux pipe-pane", _took(times), None)
    peer.stop()


def _timed(text: Path, times: Path) -> str:
    return f"date +%s.%N >>{times}; cat {text}; date +%s.%N >>{times}"


def _took(times: Path) -> float:
    eventually(lambda: times.exists() and len(times.read_text().split()) == 2, within_s=300.0, what=str(times))
    began, ended = map(float, times.read_text().split())
    return ended - began


def _logist(ground: Ground, text: Path, *, pty: bool) -> tuple[float, float]:
    times = ground.root / f"times-{pty}"
    job = ground.submit("sh", "-c", _timed(text, times), pty=pty)
    (status,) = ground.wait(job)
    assert status.lifecycle == "succeeded", status
    out = ground.store.attempt_dir(job, 1) / "out.log"
    assert _digest(out) == _digest(text), "output was lost or changed"
    events = {event.kind: event.at for event in ground.store.events(job)}
    return _took(times), events["job.finished"] - events["attempt.running"]


def _digest(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        for line in file:
            digest.update(line.rstrip(b"\r\n") + b"\n")
    return digest.hexdigest()
