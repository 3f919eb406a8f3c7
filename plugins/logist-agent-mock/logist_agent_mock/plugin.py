"""Offers the mock agent to Logist. Invariant: importing this module imports nothing of the agent itself."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any

from logist_core.api import Agent, AgentRecord, Setting, hookimpl

SCENARIOS = (
    "success",
    "error",
    "hang",
    "stream-hang",
    "spinner",
    "crash",
    "permission",
    "question",
    "rate-limit",
    "overloaded",
    "auth",
    "flood",
    "slow",
    "loop",
    "fork",
)

SETTINGS: Mapping[str, Setting] = MappingProxyType(
    {
        "scenario": Setting(type="str", default="success", help="What happens.", choices=SCENARIOS),
        "script": Setting(type="str", default="", help="A TOML file of steps to play instead of a scenario."),
        "replay": Setting(type="str", default="", help="A JSON-lines recording to play instead of a scenario."),
        "speed": Setting(type="float", default=1.0, help="Replay this many times as fast; 0: without pauses."),
        "format": Setting(
            type="str",
            default="text",
            help="Text for people and the dictionary, or one JSON event a line.",
            choices=("text", "json"),
            project=True,
        ),
        "seed": Setting(type="int", default=0, help="Same seed, same words and figures.", project=True),
        "pace_s": Setting(type="float", default=0.1, help="Seconds between two steps of a scenario.", project=True),
        "delay_s": Setting(type="float", default=20.0, help="slow: seconds between two tokens.", project=True),
        "tokens": Setting(type="int", default=30, help="slow: how many tokens it writes.", project=True),
        "reset_s": Setting(type="float", default=60.0, help="rate-limit: seconds until the limit resets."),
        "limit_file": Setting(
            type="str",
            default="",
            help="rate-limit: a file that keeps the reset, so that all jobs that name it meet the same limit.",
        ),
        "flood_bytes": Setting(type="int", default=10_000_000, help="flood: bytes to write; 0: for ever."),
        "child_s": Setting(type="float", default=600.0, help="fork: seconds that the left-over processes live."),
        "trouble_turns": Setting(
            type="int",
            default=0,
            help="How many turns of a session go as the scenario says before they succeed; 0: all of them.",
        ),
        "stdin": Setting(
            type="str",
            default="auto",
            help="auto: open where an answer is waited for; null: nobody answers; open: always open.",
            choices=("auto", "null", "open"),
        ),
        "provider": Setting(type="str", default="", help="Whose trouble it shares with other jobs; empty: nobody's."),
        "account": Setting(
            type="str", default="", help="Whose limits it shares with other jobs; empty: it is on its own."
        ),
        "ignore": Setting(
            type="list", default=[], help="Signals to ignore, without SIG.", choices=("HUP", "INT", "QUIT", "TERM")
        ),
    }
)


def _make(settings: Mapping[str, Any]) -> Agent:
    from logist_agent_mock.agent import MockAgent

    return MockAgent(settings)


@hookimpl
def logist_agents() -> Iterable[AgentRecord]:
    """Return the mock agent's record."""
    return [
        AgentRecord(
            name="mock",
            summary="Plays scenarios, scripts and recordings; no model, no network, no cost.",
            factory=_make,
            settings=SETTINGS,
        )
    ]
