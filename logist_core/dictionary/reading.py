"""Reads single texts as Logist would read them from a job: structured lines by the agent's plugin, the rest by rules.

Invariant: a text is read by the same code as a running job's output, so that what is measured here is what happens.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from logist_core.errors import LogistError, UsageError
from logist_core.observe.arbitrate import arbitrate
from logist_core.observe.classify import signals_in
from logist_core.observe.matcher import Dictionary, Matcher
from logist_core.observe.reading import GuardedParser
from logist_core.types.signals import Activity, Signal

if TYPE_CHECKING:
    from logist_core.protocols import Agent
    from logist_core.registry import Registry

#: How a text reached us -> the channel of the rules that read it. `json` is read line by line, see `TextReader`.
STREAMS = {"tty": "screen", "stderr": "stderr", "text": "text", "title": "title", "json": "text"}


class TextReader:
    """Reads texts of any agent with one dictionary.

    Args:
        dictionary: All rules in force.
        registry: For the plugins that read structured lines; None: rules alone.
    """

    def __init__(self, dictionary: Dictionary, registry: Registry | None) -> None:
        """Make nothing yet."""
        self.dictionary = dictionary
        self._registry = registry
        self._matchers: dict[tuple[str, str | None], Matcher] = {}
        self._agents: dict[str, Agent | None] = {}

    def matcher(self, agent: str, version: str | None = None) -> Matcher:
        """Return the rules for an agent, made once."""
        key = (agent, version)
        if key not in self._matchers:
            self._matchers[key] = self.dictionary.for_agent(agent, version)
        return self._matchers[key]

    def without(self, rule_ids: Iterable[str]) -> TextReader:
        """Return a reader that lacks these rules (full ids); plugins are kept."""
        gone = set(rule_ids)
        reader = TextReader(self.dictionary, self._registry)
        reader._agents = self._agents
        for agent, version in self._matchers:
            chosen = self.dictionary.rules_for(agent, version)
            reader._matchers[agent, version] = (
                Matcher(kept)
                if len(kept := [entry for entry in chosen if entry[0] not in gone]) < len(chosen)
                else self._matchers[agent, version]
            )
        return reader

    def signals(
        self, text: str, *, agent: str, stream: str, now: float = 0.0, version: str | None = None
    ) -> list[Signal]:
        """Return what is claimed by `text`, the whole output of one stream.

        Args:
            text: As printed.
            agent: The agent's name.
            stream: One of `STREAMS`.
            now: Unix time, seconds, for times without a date.
            version: The agent's version, where it is known.
        """
        matcher = self.matcher(agent, version)
        if stream != "json":
            return signals_in(matcher, text, STREAMS[stream], now)
        plugin = self._agent(agent)
        if plugin is None:
            return signals_in(matcher, text, "text", now)
        parser = GuardedParser(plugin, agent)
        made: list[Signal] = []
        at = 0
        for start, end in _objects(text):
            made += _read_part(matcher, text, at, start, "text", now)
            event = " ".join(text[start:end].split("\n"))
            offset = len(text[:start].encode("utf-8", "replace"))
            made += parser.parse(event, "out", offset, now) or _read_part(matcher, text, start, end, "json", now)
            at = end
        return made + _read_part(matcher, text, at, len(text), "text", now)

    def activity(self, text: str, *, agent: str, stream: str, now: float = 0.0) -> Activity:
        """Return what `text` alone, as the whole output of an ended attempt, says; `unknown` where it says nothing."""
        return arbitrate(self.signals(text, agent=agent, stream=stream, now=now), now, ended=True)

    def _agent(self, name: str) -> Agent | None:
        if name not in self._agents:
            self._agents[name] = _made(self._registry, name)
        return self._agents[name]


def check_stream(stream: str) -> str:
    """Return `stream`; raises `UsageError` for one that there isn't."""
    if stream not in STREAMS:
        raise UsageError(f"there is no stream {stream!r:.60}", hint=f"one of {', '.join(STREAMS)}")
    return stream


def _made(registry: Registry | None, name: str) -> Agent | None:
    """Return the installed agent plugin of that name with its default settings, or None."""
    if registry is None or name not in registry.names("agent"):
        return None
    from logist_core.config.settings import default_of, settings_of

    try:
        settings = settings_of(registry.record("agent", name))
        return registry.create("agent", name, {key: default_of(setting) for key, setting in settings.items()})
    except LogistError:
        return None


def _objects(text: str) -> Iterator[tuple[int, int]]:
    """Yield the places of JSON objects that begin a line. A sample's may be wrapped over several lines."""
    decode = json.JSONDecoder(strict=False).raw_decode
    at = 0
    while at < len(text):
        line_end = text.find("\n", at) + 1 or len(text)
        start = at + len(text[at:line_end]) - len(text[at:line_end].lstrip(" \t"))
        if text[start : start + 1] == "{":
            try:
                _, end = decode(text, start)
            except (ValueError, RecursionError):
                pass
            else:
                yield start, end
                line_end = text.find("\n", end) + 1 or len(text)
        at = line_end


def _read_part(matcher: Matcher, text: str, start: int, end: int, channel: str, now: float) -> list[Signal]:
    part = text[start:end]
    if not part.strip():
        return []
    offset = len(text[:start].encode("utf-8", "replace"))
    signals = signals_in(matcher, part, channel, now)
    return [replace(signal, offset=(signal.offset or 0) + offset) for signal in signals]
