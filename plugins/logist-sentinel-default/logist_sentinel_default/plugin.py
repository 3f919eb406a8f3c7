"""The plugin's entry: the record and its settings. Light; the policy is imported when a sentinel is made."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from logist_core.api import SentinelRecord, Setting, hookimpl

if TYPE_CHECKING:
    from logist_core.api import Sentinel

#: Thresholds may be set by a project, which knows its slow builds; what is permitted may not.
SETTINGS: Mapping[str, Setting] = MappingProxyType(
    {
        "mode": Setting(
            type="str",
            default="act",
            choices=("act", "observe", "off"),
            help="act: remedy; observe: only say what would have been done; off: judge nothing",
        ),
        "on_stall": Setting(
            type="str",
            default="resume",
            choices=("resume", "stop", "notify"),
            help="last remedy for a hang: end the attempt and resume the session (or stop where there is none), "
            "end the job, or only tell",
        ),
        "on_stopped": Setting(
            type="str",
            default="notify",
            choices=("notify", "stop", "resume"),
            help="remedy for an agent that a signal stopped (SIGSTOP, SIGTTIN): somebody may have meant it",
        ),
        "on_loop": Setting(
            type="str",
            default="stop",
            choices=("stop", "notify"),
            help="last remedy for an agent that repeats itself without end: end the job, or only tell",
        ),
        "stall_s": Setting(
            type="duration",
            default=120.0,
            project=True,
            help="seconds of proven silence after which an attempt is stalled; never less than the time in which the "
            "agent frees a silent stream by itself",
        ),
        "final_s": Setting(
            type="duration",
            default=None,
            project=True,
            help="seconds of proven silence, after the agent said that it is done, until it counts as not exiting; "
            "default: a sixth of stall_s",
        ),
        "suspect_s": Setting(
            type="duration",
            default=None,
            project=True,
            help="seconds of silence after which it is suspect; default: half of stall_s",
        ),
        "grace_s": Setting(
            type="duration",
            default=None,
            project=True,
            help="seconds from an attempt's start without a verdict; default: a twelfth of stall_s",
        ),
        "tool_stall_s": Setting(
            type="duration",
            default=600.0,
            project=True,
            help="seconds that an open tool call may be silent where the agent declared no time-out for it",
        ),
        "buffered_stall_s": Setting(
            type="duration",
            default=1800.0,
            project=True,
            help="seconds of proven silence after which an agent that prints nothing until its end is stalled",
        ),
        "blind_stall_s": Setting(
            type="duration",
            default=1800.0,
            project=True,
            help="seconds without output after which it is stalled though its signs of life are unknown; 0: never",
        ),
        "storm_s": Setting(
            type="duration",
            default=600.0,
            project=True,
            help="seconds of retry storm that are left to a provider in trouble",
        ),
        "no_progress_s": Setting(
            type="duration",
            default=3600.0,
            project=True,
            help="seconds without news, though it lives, after which somebody is told once; 0: never",
        ),
        "cooldown_s": Setting(
            type="duration",
            default=None,
            help="least seconds between two interventions; default: suspect_s",
        ),
        "windows": Setting(
            type="int",
            default=3,
            help="least number of looks in a row that found nothing moved, as far as they fit into stall_s",
        ),
        "max_interventions": Setting(
            type="int",
            default=2,
            help="interventions on a job before a stall ends it",
        ),
        "storm_retries": Setting(
            type="int",
            default=20,
            project=True,
            help="retries within stall_s, without news, that make a retry storm",
        ),
        "flood_bytes": Setting(
            type="int",
            default=32 * 1024 * 1024,
            project=True,
            help="bytes of output within stall_s, without news, that make a runaway",
        ),
        "loop_repeats": Setting(
            type="int",
            default=4,
            project=True,
            help="times that the same action with the same result, or the same error, makes a loop; a round of several "
            "steps makes one with one time less",
        ),
        "loop_limit": Setting(
            type="int",
            default=100,
            project=True,
            help="failing steps in a loop after which it is ended; five times as many where they succeed; 0: never",
        ),
        "idle_cpu": Setting(
            type="float",
            default=0.03,
            help="share of one core up to which a tree that prints nothing counts as idle",
        ),
        "spinner_cpu": Setting(
            type="float",
            default=0.25,
            help="share of one core that redrawing an unchanged screen may cost",
        ),
    }
)


def _make(settings: Mapping[str, Any]) -> Sentinel:
    from logist_sentinel_default.policy import DefaultSentinel
    from logist_sentinel_default.settings import Settings

    return DefaultSentinel(Settings.of(settings))


@hookimpl
def logist_sentinels() -> Iterable[SentinelRecord]:
    """Offer the default sentinel."""
    return [
        SentinelRecord(
            name="default",
            summary="Finds hangs by silence of output and signs of life together; resumes, then stops.",
            factory=_make,
            settings=SETTINGS,
        )
    ]
