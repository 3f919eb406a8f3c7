"""The soak: it holds for a few seconds, and its oracle finds what it is there to find."""

from __future__ import annotations

import os
import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.logist import Logist
from support.waiting import eventually

from logist_core.jobs.home import Home
from logist_core.testing.soak import processes
from logist_core.testing.soak.chaos import Chaos, Violated
from logist_core.testing.soak.oracle import AttemptEvidence, JobEvidence, Kill, both_dead_at, judge
from logist_core.testing.soak.workload import Plan, SideStory, plan_of, random_plan, read_side
from logist_core.types.job import AttemptStatus, Exit, JobEvent, JobSpec, JobStatus, Lifecycle

PLAN = Plan(Path("/side"), 7, 3, "0", "plain", False)


def soak(*args: str, code: int) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "logist_core.testing.soak", *args],
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


# The run


def test_a_short_soak_with_a_fixed_seed_holds_and_leaves_nothing(tmp_path: Path) -> None:
    root = tmp_path / "soak"
    said = soak("--minutes", "0.12", "--seed", "7", "--home", str(root), code=0)
    assert said.startswith("soak: seed 7, 0.12 minutes\n")
    assert re.search(r"^soak: all held, in \d+ s \(seed 7\)$", said, re.M)
    assert re.search(r"^  checks +[1-9]", said, re.M)
    assert re.search(r"^  submit +[1-9]", said, re.M)
    assert re.search(r"^  dead \w+ +[1-9]", said, re.M)
    assert processes.family(root) == []


def test_a_home_that_is_in_use_is_refused(tmp_path: Path) -> None:
    (tmp_path / "precious").touch()
    assert "is not empty" in soak("--home", str(tmp_path), code=2)


def test_without_a_home_it_makes_one_and_removes_it(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "logist_core.testing.soak", "--minutes", "0"],
        env={**os.environ, "TMPDIR": str(tmp_path)}, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.match(r"soak: seed \d+, 0 minutes\n", done.stdout)
    assert list(tmp_path.iterdir()) == []


FAILING = """
import sys
from logist_core.testing.soak import __main__ as soak
from logist_core.testing.soak.chaos import Chaos, Kill, Violated

def check(self):
    for status in self.statuses():
        if status.lifecycle.ended:
            (self.home.jobs / status.id / "events.log").write_bytes(b"gone")
            self.kills[status.id, 1] = [Kill("guard", 5.0)]
            raise Violated(status.id, "made up")

Chaos.check = check
soak._REPORT_S = 0.1
sys.exit(soak.main(sys.argv[1:]))
"""


def test_a_broken_invariant_is_named_with_the_seed_and_the_job_is_kept(tmp_path: Path) -> None:
    root = tmp_path / "soak"
    done = subprocess.run(
        [sys.executable, "-c", FAILING, "--minutes", "0.2", "--seed", "9", "--home", str(root)],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 1, done.stdout + done.stderr
    job = re.search(r"^soak: VIOLATED \(seed 9\): made up\nsoak: job (\w{16}), as it was then: ", done.stdout, re.M)
    assert job, done.stdout
    assert (root / "failed" / job[1] / "spec.json").exists()
    assert "soak: killed of attempt 1: guard at 5.000\n" in done.stdout
    assert re.search(r"^soak: \d+ s: \d+ jobs \(", done.stdout, re.M)
    assert processes.family(root) == []


# What it finds on a real home


@pytest.fixture
def chaos(logist: Logist, monkeypatch: pytest.MonkeyPatch) -> Iterator[Chaos]:
    for name in ("HOME", "LOGIST_HOME", "LOGIST_CONFIG", "XDG_RUNTIME_DIR"):
        monkeypatch.setenv(name, logist.environment[name])
    chaos = Chaos(Home.open(logist.home), random.Random(1))
    try:
        yield chaos
    finally:
        chaos.clean_up()


def submitted(logist: Logist, plan: Plan) -> str:
    return logist.submit("-a", "command", *(["--pty"] if plan.pty else []), "--", *plan.args)


def ended(logist: Logist, plan: Plan) -> str:
    job = submitted(logist, plan)
    logist.ended(job)
    return job


def test_a_job_that_did_as_it_was_told_is_found_right(logist: Logist, chaos: Chaos, tmp_path: Path) -> None:
    for number, pty in enumerate((False, True)):
        ended(logist, replace(PLAN, side=tmp_path / f"side{number}", pty=pty))
    chaos.check()


def test_every_act_is_survived(logist: Logist, chaos: Chaos, tmp_path: Path) -> None:
    quick = ended(logist, replace(PLAN, side=tmp_path / "quick"))
    job = submitted(logist, replace(PLAN, side=tmp_path / "side", lines=60, pause="0.1", pty=True))
    reader = submitted(logist, replace(PLAN, side=tmp_path / "reader", manner="reads", pty=True))
    for each in (job, reader):
        logist.until(each, "running")
    alive = [chaos._store.status(each) for each in (job, reader)]
    chaos._attach(alive)
    chaos._follow(alive)
    chaos._run_in_foreground()
    chaos._kill_follower()
    chaos._freeze(alive)
    for role in ("guard", "pump"):
        chaos._kill_halves(alive[:1], (role,))
    chaos._kill_supervisor()
    chaos._recover()
    chaos._submit()
    chaos._retry([chaos._store.status(quick)])
    chaos._stop([chaos._store.status(reader)], "stop")
    assert [kill.role for kill in chaos.kills[job, 1]] == ["guard", "pump"]
    chaos._drain(lambda: None)
    assert chaos._store.status(job).lifecycle.ended
    assert len(chaos._store.status(quick).attempts) == 2


@pytest.mark.parametrize(
    ("harm", "says"),
    [
        (lambda job, side: side.write_text(side.read_text() + "start 1 99\n"), "it was run 2 times"),
        (lambda job, side: side.write_text(side.read_text().replace("end 1 7", "end 1 8")), "the job's own was 8"),
        (
            lambda job, side: side.write_text(side.read_text() + "start 2 99\n"),
            "attempt 2 ran and isn't in the journal",
        ),
        (lambda job, side: (job / "attempts/1/out.log").write_bytes(b"line 1\nline 3\n"), "its output has 14 bytes"),
        (lambda job, side: flip_a_byte(job / "events.log"), "damaged|can't be read"),
        (lambda job, side: lie_in_the_cache(job), "state.json isn't what"),
    ],
    ids=["ran twice", "wrong code", "unknown attempt", "output lost", "damaged journal", "wrong cache"],
)
def test_what_is_wrong_on_the_disk_is_found(logist: Logist, chaos: Chaos, tmp_path: Path, harm, says: str) -> None:
    plan = replace(PLAN, side=tmp_path / "side")
    job = ended(logist, plan)
    harm(logist.home / "jobs" / job, plan.side)
    with pytest.raises(Violated, match=says) as caught:
        chaos.check()
    assert caught.value.job == job
    kept = chaos.keep(job)
    assert (kept / job / "events.log").exists()
    assert (kept / f"{job}.side").exists()


def flip_a_byte(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[50] ^= 1
    path.write_bytes(data)


def lie_in_the_cache(job: Path) -> None:
    from logist_core.jobs.checksum import seal, unseal

    body = unseal((job / "state.json").read_bytes().rstrip(b"\n"))
    assert body is not None
    (job / "state.json").write_bytes(seal(body.replace(b'"failed"', b'"succeeded"')))


def test_a_process_that_outlives_its_job_is_found(
    logist: Logist, chaos: Chaos, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("logist_core.testing.soak.chaos.LINGER_LIMIT_S", -1.0)
    job = ended(logist, replace(PLAN, side=tmp_path / "side"))
    nonce = chaos._store.status(job).attempts[0].nonce
    marks = {**logist.environment, "LOGIST_NONCE": nonce}
    with subprocess.Popen(["sleep", "60"], env=marks) as left:
        try:
            eventually(lambda: any(f.nonce == nonce for f in processes.family(logist.home)))
            with pytest.raises(Violated, match=f"process {left.pid} of it lives: sleep 60"):
                chaos.check()
        finally:
            left.kill()


def test_a_killed_stranger_is_found(chaos: Chaos) -> None:
    chaos._canaries = [subprocess.Popen(["true"])]
    chaos._canaries[0].wait()
    with pytest.raises(Violated, match="a stranger"):
        chaos.check()


def test_what_a_soak_leaves_is_ended_at_its_clean_up(logist: Logist, chaos: Chaos, tmp_path: Path) -> None:
    job = submitted(logist, replace(PLAN, side=tmp_path / "side", lines=600, pause="0.1"))
    logist.until(job, "running")
    assert processes.family(logist.home)
    chaos.clean_up()
    assert processes.family(logist.home) == []


def test_a_process_is_opened_only_as_what_it_was_recorded(logist: Logist, chaos: Chaos, tmp_path: Path) -> None:
    job = submitted(logist, replace(PLAN, side=tmp_path / "side", lines=600, pause="0.1"))
    logist.until(job, "running")
    directory = logist.attempt_dir(job)
    for role, opened in (
        ("guard", processes.open_half(directory, "shim.lock")),
        ("pump", processes.open_half(directory, "pump.lock")),
        ("agent", processes.open_leader(directory)),
        ("supervisor", processes.open_supervisor(logist.home)),
    ):
        assert opened is not None, role
        assert processes.pid_of(opened) > 1
        assert not processes.has_ended(opened)
        os.close(opened)
    record = directory / "child.json"
    truth = record.read_text()
    record.write_text(re.sub(r'"start": "\d+"', '"start": "1"', truth))
    assert processes.open_leader(directory) is None
    record.write_text(truth)
    record = logist.home / "supervisor.json"
    truth = record.read_text()
    record.write_text(re.sub(r'"boot_id":\s*"[^"]+"', '"boot_id":"another"', truth))
    assert processes.open_supervisor(logist.home) is None
    record.write_text(truth)
    assert processes.open_half(directory, "launch.lock") is None


def test_a_signal_to_what_has_ended_is_none() -> None:
    with subprocess.Popen(["true"]) as process:
        fd = os.pidfd_open(process.pid)
        process.wait()
        assert processes.has_ended(fd, 5.0)
        assert processes.send(fd, signal.SIGKILL) is False
        assert processes.pid_of(fd) == -1
        os.close(fd)


# The workload


@given(st.integers())
@pytest.mark.fast
def test_every_job_can_be_told_from_its_spec_alone(seed: int) -> None:
    plan = random_plan(random.Random(seed), Path("/side"))
    spec = JobSpec(id="0" * 16, agent="command", runtime="host", cwd="/", created_at=0.0, args=plan.args, pty=plan.pty)
    assert plan_of(spec) == plan
    assert plan.lasts_s <= 8.0
    assert plan_of(replace(spec, args=("sh", "-c", "exit 0"))) is None


@pytest.mark.parametrize("manner", ["plain", "deaf", "polite", "reads"])
def test_the_script_prints_what_its_plan_says_and_tells_its_exit(tmp_path: Path, manner: str) -> None:
    plan = Plan(tmp_path / "side", 37, 4, "0", manner, False)
    environment = {**os.environ, "LOGIST_ATTEMPT": "2"}
    done = subprocess.run(plan.args, env=environment, input=b"go\n", stdout=subprocess.PIPE, timeout=30, check=False)
    assert done.returncode == 37
    assert done.stdout.endswith(plan.output)
    story = read_side(plan.side)
    assert story.starts == {2: 1}
    assert story.ends[2][0] == 37
    assert abs(story.ends[2][1] - time.time()) < 60


@pytest.mark.fast
def test_a_cut_line_of_a_side_file_tells_nothing(tmp_path: Path) -> None:
    side = tmp_path / "side"
    assert read_side(side) == SideStory({}, {})
    side.write_text("start 1 99\nstart 1 100\nend 1 7 1000\nsta")
    assert read_side(side) == SideStory({1: 2}, {1: (7, 1000)})


# The oracle, on what no real run should ever show


def evidence(
    *,
    state: str = "exited",
    exit: Exit | None = Exit(code=7),  # noqa: B008 - frozen
    lifecycle: Lifecycle = Lifecycle.FAILED,
    plan: Plan = PLAN,
    kills: tuple[Kill, ...] = (),
    out: bytes = PLAN.output,
    starts: int = 1,
    end: tuple[int, int] | None = (7, 1000),
    kinds: tuple[str, ...] = ("job.created", "attempt.starting"),
    kernel_tells_exits: bool = True,
) -> JobEvidence:
    attempt = AttemptStatus(number=1, state=state, nonce="", exit=exit)
    status = JobStatus(id="j", name=None, agent="command", runtime="host", lifecycle=lifecycle, attempts=(attempt,))
    events = [
        JobEvent(seq=n, at=0.0, boot_s=0.0, boot_id="", writer="w", kind=kind, data={"attempt": 1})
        for n, kind in enumerate(kinds, 1)
    ]
    side = SideStory({1: starts} if starts else {}, {} if end is None else {1: end})
    return JobEvidence(plan, status, events, side, [AttemptEvidence(attempt, kills, out)], kernel_tells_exits)


TERMINAL = replace(PLAN, pty=True)
BOTH = (Kill("guard", 998.0), Kill("pump", 999.0))
CANCELLED = ("job.created", "attempt.starting", "job.cancel_requested")
LOST = {"state": "lost", "exit": None, "lifecycle": Lifecycle.LOST}
KILLED = {"exit": Exit(signal=9), "end": None}

RIGHT = {
    "it ended by itself": {},
    "it was killed by us": {**KILLED, "kills": (Kill("agent", 5.0),), "out": b"line 1\n"},
    "it was stopped": {**KILLED, "exit": Exit(signal=15), "kinds": CANCELLED, "lifecycle": Lifecycle.CANCELLED},
    "its end was unseen by guard and pump": {**LOST, "kills": BOTH},
    "it was killed with guard and pump": {**LOST, "end": None, "kills": (*BOTH, Kill("agent", 999.1))},
    "an old kernel tells nothing of it": {**LOST, "kills": BOTH[:1], "kernel_tells_exits": False},
    "its terminal went with guard and pump": {"plan": TERMINAL, **KILLED, "exit": Exit(signal=1), "kills": BOTH},
    "a pump took a little output with it": {"plan": TERMINAL, "kills": BOTH[1:], "out": b"line 1\r\n"},
    "it was cancelled in the queue": {
        "kinds": ("job.created", "attempt.starting", "job.requeued"),
        "lifecycle": Lifecycle.CANCELLED,
    },
    "it never began": {
        "state": "failed_to_start", "exit": None, "starts": 0, "end": None, "out": b"",
        "lifecycle": Lifecycle.FAILED_TO_START,
    },
}  # fmt: skip

WRONG = {
    "it hasn't ended": {"lifecycle": Lifecycle.RUNNING},
    "it was run 2 times": {"starts": 2},
    "recorded as never started": {"state": "failed_to_start", "lifecycle": Lifecycle.FAILED_TO_START},
    "the job's own was 7": {"exit": Exit(code=0), "lifecycle": Lifecycle.SUCCEEDED},
    "never ended by itself": {"end": None},
    "signal 9 is recorded, and nobody sent it": KILLED,
    "which is none": {"exit": None},
    "not both dead at any time": {**LOST, "kills": BOTH[:1]},
    "neither ended nor was killed": {**LOST, "end": None, "kills": BOTH},
    "it is lost though it ended": {**LOST, "end": (7, 2000), "kills": BOTH},
    "its state is running at the end": {"state": "running"},
    "isn't the beginning of what it printed": {**KILLED, "kills": (Kill("agent", 5.0),), "out": b"line 2\n"},
    "its output has 7 bytes": {"out": b"line 1\n"},
    "bytes of its output are missing": {"plan": TERMINAL, "kills": BOTH[1:], "out": PLAN.output + b"more"},
    "it is succeeded": {"lifecycle": Lifecycle.SUCCEEDED},
}


@pytest.mark.fast
@pytest.mark.parametrize("case", RIGHT)
def test_the_oracle_is_content_when(case: str) -> None:
    assert judge(evidence(**RIGHT[case])) == []


@pytest.mark.fast
@pytest.mark.parametrize("says", WRONG)
def test_the_oracle_says(says: str) -> None:
    assert any(says in problem for problem in judge(evidence(**WRONG[says])))


@pytest.mark.fast
@given(st.lists(st.tuples(st.sampled_from(["guard", "pump", "agent"]), st.floats(0, 1000)), max_size=6))
def test_guard_and_pump_were_both_dead_only_if_both_were_killed(kills: list[tuple[str, float]]) -> None:
    found = both_dead_at([Kill(role, at) for role, at in kills])
    if found is not None:
        assert {"guard", "pump"} <= {role for role, _ in kills}
        assert found in [at for _, at in kills]
