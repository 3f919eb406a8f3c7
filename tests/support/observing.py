"""A small dictionary, and an attempt's directory to write logs into."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from logist_core.observe import Matcher, Observer
from logist_core.types.launch import OutputFormat
from logist_core.types.signals import Claim, Rule, Signal, Source

RULES = (
    Rule(
        id="any/limit",
        claim=Claim.RATE_LIMITED,
        regex=r"(?i)^usage limit reached(?:, resets (?P<resets_at>.+))?",
        literals=("usage limit reached",),
        fields={"resets_at": "time"},
    ),
    Rule(
        id="any/retry",
        claim=Claim.OVERLOADED,
        regex=r"^overloaded; retrying in (?P<retry_in_s>\d+s) \(attempt (?P<attempt>\d+)\)",
        literals=("retrying in",),
        fields={"retry_in_s": "seconds", "attempt": "int"},
    ),
    Rule(id="any/prompt", claim=Claim.PERMISSION_PROMPT, regex=r"\[y/N\]$", literals=("[y/n]",)),
    Rule(
        id="any/choice",
        claim=Claim.PERMISSION_PROMPT,
        regex=r"^Do you want to [^\n]+\?\n(?:[^\n]*\n){0,5}\u276f 1\. Yes",
        before=6,
        literals=("1. yes",),
        channels=("screen", "text"),
    ),
    Rule(id="any/busy", claim=Claim.WORKING, regex=r"esc to interrupt", literals=("esc to interrupt",)),
    Rule(id="any/idle", claim=Claim.WAITING_INPUT, regex=r"^\? for help$", literals=("? for help",), confidence=0.55),
    Rule(id="any/panic", claim=Claim.CRASHED, regex=r"^PANIC: ", literals=("panic:",)),
    Rule(id="any/title", claim=Claim.WORKING, regex=r"^\* ", literals=("*",), channels=("title",)),
)


class JsonAgent:
    """Reads `{"say": ..., ...}` lines as signals."""

    def parse(self, line: str, stream: str) -> Iterable[Signal]:
        event = json.loads(line)
        if "say" in event:
            claim = None if event["say"] is None else Claim(event["say"])
            yield Signal(
                claim=claim,
                source=Source.EVENT,
                rule=f"test:{event.get('rule', 'event')}",
                text=line,
                final=event.get("final", False),
                fields=event.get("fields", {}),
            )


class Attempt:
    """An attempt's directory, what is written into it, and observers on it."""

    def __init__(self, directory: Path, matcher: Matcher) -> None:
        self.directory = directory
        self.matcher = matcher

    def observer(self, **changes: Any) -> Observer:
        arguments: dict[str, Any] = {
            "agent": None,
            "agent_name": "test",
            "output": OutputFormat.TEXT,
            "pty": False,
            "cols": 80,
            "rows": 24,
            "matcher": self.matcher,
        }
        return Observer(str(self.directory), **{**arguments, **changes})

    def json_observer(self, agent: Any = None, **changes: Any) -> Observer:
        return self.observer(agent=agent or JsonAgent(), output=OutputFormat.JSON_LINES, **changes)

    def out(self, text: str | bytes) -> None:
        self._append("out.log", text)

    def err(self, text: str | bytes) -> None:
        self._append("err.log", text)

    def _append(self, name: str, text: str | bytes) -> None:
        with open(self.directory / name, "ab") as log:
            log.write(text.encode() if isinstance(text, str) else text)


def claims(signals: Iterable[Signal]) -> list[str | None]:
    return [None if signal.claim is None else signal.claim.value for signal in signals]
