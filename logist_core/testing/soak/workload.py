"""The jobs of a soak. Each says in a side file of its own, which no part of Logist touches, what it really did.

Invariant: a job's spec alone tells what its output and its exit must be, whoever submitted it.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path

from logist_core.types.job import JobSpec

#: The exit code of a job that was asked to stop and did so in its own way; no plan has it as its own.
POLITE_CODE = 3
#: `end ATTEMPT CODE TIME` comes before the exit itself, so it is there for every exit that wasn't a signal.
SCRIPT = r"""
exec 2>/dev/null  # a shell says there that its child was terminated
side=$1 code=$2 lines=$3 pause=$4 manner=$5
echo "start $LOGIST_ATTEMPT $$" >>"$side"
finish() { trap '' TERM; echo "end $LOGIST_ATTEMPT $1 $(date +%s)" >>"$side"; exit "$1"; }
case $manner in
  deaf) trap '' TERM ;;
  polite) trap 'finish 3' TERM ;;
  leaves) sleep 600 & setsid sleep 600 & ;;
  reads) echo ready; read -r answer; echo "got $answer" ;;
esac
i=0
while [ "$i" -lt "$lines" ]; do
  i=$((i + 1)); echo "line $i"
  [ "$pause" = 0 ] || sleep "$pause"
done
finish "$code"
"""
_MARK = "logist-soak"
_CODES = (0, 0, 0, 1, 7, 37, 126, 127, 255)


@dataclass(frozen=True, slots=True)
class Plan:
    """What one job is to do.

    Attributes:
        side: The job's own file.
        code: The exit code at its natural end.
        lines: `line 1` ... `line N` are its output.
        pause: Seconds between two lines, as text; `0` for a flood.
        manner: `plain`, `deaf` (ignores TERM), `polite` (exits with `POLITE_CODE` on TERM), `leaves` (processes
            behind it) or `reads` (waits for one line of input first).
        pty: Whether it has a terminal.
    """

    side: Path
    code: int
    lines: int
    pause: str
    manner: str
    pty: bool

    @property
    def args(self) -> tuple[str, ...]:
        """The words after `--`."""
        return ("sh", "-c", SCRIPT, _MARK, str(self.side), str(self.code), str(self.lines), self.pause, self.manner)

    @property
    def lasts_s(self) -> float:
        """How long it takes at least, seconds, once it has what it waits for."""
        return float(self.pause) * self.lines

    @property
    def output(self) -> bytes:
        """All that it prints, with the line ends of a file."""
        return b"".join(b"line %d\n" % n for n in range(1, self.lines + 1))


def plan_of(spec: JobSpec) -> Plan | None:
    """Return the plan that a job was submitted with; None for a job that isn't a soak's."""
    if len(spec.args) != 9 or spec.args[3] != _MARK:
        return None
    side, code, lines, pause, manner = spec.args[4:]
    return Plan(Path(side), int(code), int(lines), pause, manner, bool(spec.pty))


def random_plan(rng: random.Random, side: Path) -> Plan:
    """Return something for a job to do, for at most about eight seconds."""
    code = rng.choice(_CODES)
    kind = rng.choice(("quick", "slow", "slow", "flood", "deaf", "polite", "leaves", "reads"))
    pty = kind == "reads" or rng.random() < 0.3
    if kind == "quick":
        return Plan(side, code, rng.randrange(4), "0", "plain", pty)
    if kind == "flood":
        return Plan(side, code, rng.randrange(5_000, 40_000), "0", "plain", pty)
    manner = "plain" if kind == "slow" else kind
    return Plan(side, code, rng.randrange(5, 40), rng.choice(("0.05", "0.1", "0.2")), manner, pty)


@dataclass(frozen=True, slots=True)
class SideStory:
    """What a job says of its attempts.

    Attributes:
        starts: How often each attempt was begun; more than once is the worst that can happen.
        ends: Attempt number to (exit code, Unix time in whole seconds).
    """

    starts: dict[int, int]
    ends: dict[int, tuple[int, int]]


def read_side(side: Path) -> SideStory:
    """Return what the job wrote into its side file. A line that a kill cut off tells nothing."""
    story = SideStory({}, {})
    try:
        text = side.read_text()
    except FileNotFoundError:
        return story
    for line in text.splitlines():
        match line.split():
            case ["start", attempt, _]:
                story.starts[int(attempt)] = story.starts.get(int(attempt), 0) + 1
            case ["end", attempt, code, at]:
                story.ends[int(attempt)] = (int(code), int(at))
            case _:
                pass
    return story
