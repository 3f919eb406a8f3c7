"""Plays scenarios as real jobs, many at once, and writes down what became of each. Judges nothing: see `judge`."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.ground import Ground
from logist_runtime_host.runtime import HostRuntime
from sentinel.scenarios.catalogue import HEALTHY_S, STALL_S, End, Healthy, Scenario, Trouble

from logist_core.errors import LogistError
from logist_core.supervise.client import poke
from logist_core.supervise.control import stop
from logist_core.supervise.planfile import load_plan
from logist_core.supervise.submit import SubmitRequest, submit
from logist_core.types.job import JobEvent, JobStatus
from logist_core.types.launch import LaunchSpec
from logist_core.types.watch import Action, Level

#: So many jobs run at once: more only wait for the processor while they start.
WIDE = 8
#: What isn't found by then isn't found.
PATIENCE_S = 6 * STALL_S
_LOOK_S = 0.05


@dataclass
class Story:
    """What became of one scenario.

    Attributes:
        verdicts: Unix time, level, cause and evidence of each verdict in the journal, oldest first.
        acts: Unix time, action and cause of each act.
        onset: Unix time of the beginning of the trouble, to one look (0.05 s); None: it never began.
        status: As last seen.
        attempts: How many there were.
        waited: The reasons for which the job had to wait.
    left: What it was when it was ended by us; "": it ended by itself.
    """

    scenario: Scenario
    verdicts: list[tuple[float, Level, str, tuple[str, ...]]] = field(default_factory=list)
    acts: list[tuple[float, Action, str]] = field(default_factory=list)
    onset: float | None = None
    status: JobStatus | None = None
    waited: list[str] = field(default_factory=list)
    left: str = ""

    @property
    def touched(self) -> list[Action]:
        return [action for _, action, _ in self.acts if action not in (Action.NONE, Action.NOTIFY)]

    def found(self) -> tuple[float, Level, str, tuple[str, ...]] | None:
        """Return the first verdict that the scenario asks for."""
        wanted = self.scenario
        assert isinstance(wanted, Trouble)
        return next((v for v in self.verdicts if v[1] in wanted.levels and v[2] == wanted.cause), None)

    @property
    def latency_s(self) -> float | None:
        found = self.found()
        return None if found is None or self.onset is None else found[0] - self.onset


def counts_network() -> bool:
    """Whether the runtime knows the bytes on an attempt's sockets."""
    from support.attempts import attempts_in_a_place_of_their_own

    with attempts_in_a_place_of_their_own() as attempts:
        attempt = attempts.shell("exec sleep 60")
        vitals = HostRuntime().stats(attempt.handle)
        return vitals is not None and vitals.net_bytes is not None


#: Takes the plans of what was played, the environment that they ran in, and a directory of its own.
Then = Callable[[Mapping[str, tuple[Scenario, LaunchSpec]], Mapping[str, str], Path], None]


def play(scenarios: Sequence[Scenario], *, then: Then | None = None) -> dict[str, Story]:
    """Run the scenarios in one home under one supervisor; return their stories by name.

    Args:
        scenarios: What to play.
        then: Called at the end, while the home and the server are still there.
    """
    watches: list[_Watch] = []
    with Ground() as ground, server() as port, _supervised(ground), _looking_for_onsets(watches):
        waiting = list(reversed(scenarios))
        while waiting or any(not watch.over for watch in watches):
            # One at a time, so that those that run already are looked at in between.
            if waiting and sum(not watch.over for watch in watches) < WIDE:
                watches.append(_Watch(ground, waiting.pop(), port))
            for watch in watches:
                if not watch.over:
                    watch.look()
            time.sleep(0 if waiting else _LOOK_S)
        if then is not None:
            plans = {watch.story.scenario.name: (watch.story.scenario, watch.plan()) for watch in watches}
            then(plans, {**ground.environment, **_given(port)}, ground.root / "peers")
    return {watch.story.scenario.name: watch.story for watch in watches}


@contextlib.contextmanager
def _supervised(ground: Ground) -> Iterator[None]:
    # As many hangs as here come together in one home in years: the cap on a whole home isn't what is played.
    (ground.root / "config.toml").write_text("interventions_per_hour = 1000\n")
    with ground.supervisor(WIDE):
        yield


@contextlib.contextmanager
def _looking_for_onsets(watches: list[_Watch]) -> Iterator[None]:
    """Note when each trouble begins, on time whatever else is to be done."""
    over = threading.Event()

    def look() -> None:
        while not over.wait(_LOOK_S):
            for watch in list(watches):
                watch.find_onset()

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


class _Watch:
    def __init__(self, ground: Ground, scenario: Scenario, port: int) -> None:
        self._ground, self.story = ground, Story(scenario)
        self._job = _submit(ground, scenario, port)
        self._journal = ground.store.journal_path(self._job)
        self._read = 0
        self._since: float | None = None
        self._answered = self._ending = False
        self.over = False

    def plan(self) -> LaunchSpec:
        """Return how its first attempt was started."""
        return load_plan(str(self._ground.store.attempt_dir(self._job, 1)))

    def look(self) -> None:
        size = os.stat(self._journal).st_size
        if size != self._read:
            self._read = size
            self._take(self._ground.store.events(self._job))
        status = self.story.status
        if status is None:
            return
        if self._since is None and status.attempts:
            self._since = time.monotonic()
        self._answer(status)
        if status.lifecycle.ended or status.lifecycle.value == "held":
            self.over = True
            if not status.lifecycle.ended:
                self._end()
        elif not self._ending and self._is_enough(status):
            self.story.left = status.lifecycle.value
            self._end()
            self.over = True

    def _take(self, events: Sequence[JobEvent]) -> None:
        story = self.story
        data = [(event, event.data) for event in events]
        story.verdicts = [
            (event.at, Level(str(d["level"])), str(d["cause"]), tuple(map(str, d.get("evidence") or ())))
            for event, d in data
            if event.kind == "sentinel.verdict"
        ]
        story.acts = [
            (event.at, Action(str(d["action"])), str(d["cause"])) for event, d in data if event.kind == "sentinel.acted"
        ]
        story.waited = [str(d.get("reason")) for event, d in data if event.kind == "job.waiting"]
        story.status = self._ground.store.status(self._job)

    def find_onset(self) -> None:
        scenario, story = self.story.scenario, self.story
        if isinstance(scenario, Trouble) and story.onset is None and not self.over:
            for path in Path(self._ground.store.job_dir(self._job)).glob("attempts/1/*.log"):
                with contextlib.suppress(OSError):
                    if scenario.onset in path.read_bytes()[: 1 << 16]:
                        story.onset = time.time()

    def _answer(self, status: JobStatus) -> None:
        scenario = self.story.scenario
        if isinstance(scenario, Healthy) and scenario.answer and self.story.acts and not self._answered:
            if time.time() - self.story.acts[0][0] < STALL_S:
                return  # whoever is told takes longer than the stall time to come
            self._answered = True
            self._ground.logist("send", self._job, scenario.answer)

    def _is_enough(self, status: JobStatus) -> bool:
        """Whether nothing more is to be learnt from a job that goes on."""
        scenario = self.story.scenario
        if self._since is None:
            return False
        late = time.monotonic() - self._since > PATIENCE_S + HEALTHY_S
        if isinstance(scenario, Trouble):
            if scenario.ends is not None:
                return late
            found = self.story.found()
            acted = any(action is scenario.remedy for _, action, _ in self.story.acts)
            return late or (found is not None and acted and time.time() - found[0] > STALL_S / 2)
        if isinstance(scenario, End):
            return late or bool(self.story.waited)
        return late

    def _end(self) -> None:
        self._ending = True
        with contextlib.suppress(LogistError):
            stop(self._ground.store, self._job, mode="kill", by="scenarios")
            poke(self._ground.home, self._job)


def _submit(ground: Ground, scenario: Scenario, port: int) -> str:
    agent_set = dict(scenario.agent_set)
    if scenario.steps:
        path = ground.root / f"{scenario.name}.toml"
        path.write_text(scenario.steps)
        agent_set["script"] = str(path)
    request = SubmitRequest(
        cwd=str(ground.root),
        environment={**ground.environment, **_given(port)},
        agent=scenario.agent,
        args=scenario.args,
        prompt=None if scenario.args else scenario.says,
        pty=scenario.pty,
        timeout_s=scenario.timeout_s,
        agent_set=agent_set,
        sentinel_set={"stall_s": str(STALL_S), **scenario.sentinel_set},
    )
    job = submit(ground.store, ground.registry, ground.config, request).id
    poke(ground.home, job)
    return job


def _given(port: int) -> dict[str, str]:
    return {"SCENARIO_PORT": str(port), "TERM": "xterm"}


@contextlib.contextmanager
def server() -> Iterator[int]:
    """Serve, as another machine would: bytes for `HEALTHY_S` seconds, or, to whoever says `hang`, half an answer."""
    listening = socket.create_server(("127.0.0.1", 0))
    over = threading.Event()

    def serve(connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            connection.settimeout(0.3)
            with contextlib.suppress(TimeoutError):
                if connection.recv(4) == b"hang":
                    connection.sendall(b"half an ans")
                    over.wait()
                    return
            until = time.monotonic() + HEALTHY_S
            while time.monotonic() < until and not over.wait(0.2):
                connection.sendall(b"x" * 20_000)

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=serve, args=(listening.accept()[0],), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield listening.getsockname()[1]
    finally:
        over.set()
        listening.close()
