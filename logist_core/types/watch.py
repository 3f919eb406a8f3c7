"""What the sentinel sees of a running attempt, and what it may say about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from logist_core.types._json import JSON
from logist_core.types.launch import Vitals
from logist_core.types.signals import UNKNOWN_ACTIVITY, Activity


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenTool:
    """A tool call that the agent opened and has not closed.

    Attributes:
        id: The agent's id of the call.
        name: The tool, where known.
        since_s: On the clock of `Observation.now_s`.
        budget_s: The time-out that the agent declared for it, or None.
    """

    id: str
    name: str | None
    since_s: float
    budget_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Loop:
    """The agent's last steps repeat one another, but for numbers, times, ids and the directories of paths.

    Attributes:
        steps: The steps of one round, shortened: an action with its result, an error, or a line of output.
        times: How often the round was gone through, without anything else in between.
        failing: Whether every one of them is an error.
        source: `actions`: the agent's own events say so; `output`: lines that it prints again and again, which is
            weaker evidence.
    """

    steps: tuple[str, ...]
    times: int
    failing: bool = False
    source: str = "actions"


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """One look at one running attempt.

    Attributes:
        now_s: Seconds since the attempt started, suspended time left out; never falls.
        wall: Unix time, seconds; for evidence texts and reset times only.
        attempt: The attempt's number.
        activity: What the output says.
        output_bytes: Bytes written by the attempt so far, all streams; never falls.
        progress: Counts *normalised* news (new lines, changed screens without spinners and counters, agent
            events); never falls. Retry lines and redraws of the same screen don't count.
        progress_s: `now_s` of the last change of `progress`; 0 where there was none.
        retries: How many retry lines or events since the last real progress.
        open_tools: Tool calls that are under way.
        vitals: None where the runtime has none.
        buffered: See `LaunchSpec.buffered`.
        interventions: How often the sentinel already acted on this job.
        cancelling: A stop was asked for; the sentinel must keep out of the way.
        period_s: How long after the observation before it this one was meant to be made; None: not known. A much
            longer gap means that nobody looked: the supervisor was away, or the machine stood still.
        remedies: What could be carried out now: UNSTICK where the agent has a key for it and the attempt an input,
            INTERRUPT where it would not end the agent, RESUME where the session can be taken up again. None: not
            known; only NOTIFY, STOP and RESUME are then to be relied on.
        heals_s: See `LaunchSpec.heals_s`.
        loop: What the agent does over and over again, from the second time on; None: nothing that is known.
    """

    now_s: float
    wall: float
    attempt: int = 1
    activity: Activity = UNKNOWN_ACTIVITY
    output_bytes: int = 0
    progress: int = 0
    progress_s: float = 0.0
    retries: int = 0
    open_tools: tuple[OpenTool, ...] = ()
    vitals: Vitals | None = None
    buffered: bool = False
    interventions: int = 0
    cancelling: bool = False
    period_s: float | None = None
    remedies: tuple[Action, ...] | None = None
    heals_s: float | None = None
    loop: Loop | None = None


class Level(StrEnum):
    """The ladder of verdicts."""

    ACTIVE = "active"
    QUIET = "quiet"
    AWAITING_INPUT = "awaiting_input"
    AWAITING_PROVIDER = "awaiting_provider"
    SUSPECT = "suspect"
    STALLED = "stalled"


class Action(StrEnum):
    """What the sentinel asks the supervisor to do, mildest first."""

    NONE = "none"
    NOTIFY = "notify"
    UNSTICK = "unstick"  # the agent plugin's own key for a stuck stream
    INTERRUPT = "interrupt"
    STOP = "stop"  # end the attempt; the job fails, with this verdict as its reason
    RESUME = "resume"  # end the attempt and go on with the same session in the next


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """A sentinel's judgement of one observation.

    Attributes:
        level: See `Level`.
        cause: Why, in one word with underscores (`silent_hang`, `retry_storm`, `stopped`); "" while all is well.
        evidence: What it rests on, a line each, with figures and units.
        action: What to do now. Anything but NONE counts as an intervention, NOTIFY excepted.
        look_again_s: Seconds after which the next observation is worth making, on the clock of
            `Observation.now_s`; None: no wish. A sentinel knows its thresholds, core does not.
    """

    level: Level
    cause: str = ""
    evidence: tuple[str, ...] = ()
    action: Action = Action.NONE
    look_again_s: float | None = None


#: A sentinel's memory between two steps: plain JSON, kept on disk by core.
SentinelState = Mapping[str, JSON]
