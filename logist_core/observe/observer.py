"""Reads one attempt's output and says what the agent is doing. Owns everything that is remembered of an attempt's text.

Invariants: what it remembers is bounded whatever the attempt prints; `checkpoint` holds all of it that can't be read
again, so that an observer made from it goes on as if it had never stopped; and an agent plugin that raises, is slow
or returns nonsense costs a report in `problems`, nothing else.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from logist_core.observe.arbitrate import arbitrate, next_change
from logist_core.observe.loops import Echoes, Repeats
from logist_core.observe.matcher import Matcher
from logist_core.observe.progress import News, normalised
from logist_core.observe.reading import GuardedParser, is_retry
from logist_core.observe.streams import LineStream, TerminalStream
from logist_core.observe.usage import Meter
from logist_core.types._json import JSON, plain
from logist_core.types.launch import OutputFormat
from logist_core.types.signals import Activity, Claim, Signal, Source
from logist_core.types.watch import Loop, OpenTool

if TYPE_CHECKING:
    from logist_core.protocols import Agent
    from logist_core.types.job import Usage

#: So many signals are kept for `Agent.outcome`.
MAX_SIGNALS = 1_000

#: So many of the last claims are weighed for `activity`: what is older has long been overruled or has run out.
WEIGHED = 128

_CHECKPOINT_VERSION = 1
_TELLING_CHARS = 40  # of an error's key, its checksum included
_MAX_OPEN_TOOLS = 256
_MAX_PROBLEMS = 50
_TRIM = 250  # signals above the limit before they are trimmed: once in a while, not each time


class Observer:
    """The reader of one attempt.

    Args:
        directory: The attempt's directory, with `out.log` and, without a terminal, `err.log`.
        agent: The plugin whose `parse` reads structured lines, or None.
        agent_name: Its name, for reports.
        output: The format of standard output.
        pty: The attempt has a terminal: `out.log` is what was sent to it.
        cols, rows: The terminal's size.
        matcher: The rules for this agent.
        checkpoint: What `checkpoint` returned, possibly in another process; None: from the beginning.

    Attributes:
        session_id: The conversation's id, as last seen.
        progress: Counts news; never falls. See `logist_core.observe.progress`.
        progress_at: Unix time, seconds, of the last news.
        retries: Retry lines and events since the last news.
        problems: What went wrong while reading, a line each, for the journal: truncated logs, a plugin's faults.
    """

    def __init__(
        self,
        directory: str,
        *,
        agent: Agent | None,
        agent_name: str,
        output: OutputFormat,
        pty: bool,
        cols: int,
        rows: int,
        matcher: Matcher,
        checkpoint: Mapping[str, JSON] | None = None,
    ) -> None:
        """Begin at the checkpoint; nothing is read yet."""
        saved = _usable(checkpoint)
        self._parser = GuardedParser(agent, agent_name)
        structured = output is OutputFormat.JSON_LINES
        self._signals: list[Signal] = [_signal_from(item) for item in saved.get("signals", ())]
        self._weighed = deque((s for s in self._signals if _is_weighed(s)), maxlen=WEIGHED)
        self._news = News(saved.get("news", ()))
        self.progress: int = saved.get("progress", 0)
        self.progress_at: float | None = saved.get("progress_at")
        self.retries: int = saved.get("retries", 0)
        self.session_id: str | None = saved.get("session_id")
        self._matcher = matcher
        self._agent_version: str | None = None
        if isinstance(version := saved.get("agent_version"), str):
            self._know_version(version)
        self._meter = Meter(saved.get("usage"))
        self.problems: list[str] = []
        self._reports_taken = 0
        self._now: float = saved.get("now", 0.0)
        self._tools: dict[str, _Tool] = {i: _Tool(*fields) for i, fields in saved.get("tools", {}).items()}
        self._repeats = Repeats(saved.get("repeats"))
        self._echoes = Echoes(saved.get("echoes"))
        self._ended: bool = saved.get("ended", False)
        self._activity: tuple[float, float | None, Activity] | None = None
        streams = saved.get("streams", {})
        show_screen = pty and not structured
        # A screen shows what it showed before whenever anything on it changes.
        self._counts_echoes = not show_screen
        self._out: LineStream | TerminalStream = (
            TerminalStream(directory, cols, rows, matcher=matcher, saved=streams.get("out", {}))
            if show_screen
            else LineStream(directory, "out", structured=structured, matcher=matcher, saved=streams.get("out", {}))
        )
        self._err = LineStream(directory, "err", structured=structured, matcher=matcher, saved=streams.get("err", {}))

    @property
    def caught_up(self) -> bool:
        """Whether all that was in the logs at the last look has been read."""
        return self._out.tail.behind == 0 and self._err.tail.behind == 0

    @property
    def read_bytes(self) -> tuple[int, int]:
        """How far `out.log` and `err.log` have been read."""
        return self._out.tail.offset, self._err.tail.offset

    @property
    def output_bytes(self) -> int:
        """Bytes that the attempt has written so far, all streams; never falls."""
        return self._out.tail.written + self._err.tail.written

    @property
    def usage(self) -> Usage:
        """What the agent says that this attempt has used so far."""
        return self._meter.used

    def feed(self, now: float, max_bytes: int = 1 << 20) -> list[Signal]:
        """Read what is new, and return the new signals, also those that claim nothing, in the order of each log.

        Args:
            now: Unix time, seconds.
            max_bytes: Read at most so many bytes; the rest waits for the next call (`caught_up`).
        """
        self._now = max(self._now, now)
        share = max(1, max_bytes // 2) if self._err.tail.look() else max_bytes
        made = self._take(self._err, share, now)
        made += self._take(self._out, max(1, max_bytes - self._err.last_read), now)
        self._note_problems()
        return made

    def skip_to_last(self, keep_bytes: int, keep_terminal_bytes: int) -> int:
        """Leave out what is unread but the end of each log; return how many bytes that is.

        Args:
            keep_bytes: What is kept of a log that is read line by line.
            keep_terminal_bytes: What is kept of a terminal's, which takes far longer to read.
        """
        kept = keep_terminal_bytes if isinstance(self._out, TerminalStream) else keep_bytes
        return self._out.skip_to_last(kept) + self._err.skip_to_last(keep_bytes)

    def finish(self, now: float) -> list[Signal]:
        """Read the lines that have no end: the attempt has ended. Call it when caught up."""
        made = [*self._accept(self._out, self._out.finish(now, self), now)]
        made += self._accept(self._err, self._err.finish(now, self), now)
        self._ended = True
        self._activity = None
        self._tools.clear()
        self._note_problems()
        return made

    def activity(self, now: float) -> Activity:
        """Return what the agent is doing at `now` (Unix seconds), leases and confirmations applied."""
        if self._activity is not None:
            computed_at, until, activity = self._activity
            if computed_at <= now and (until is None or now < until):
                return activity
        activity = arbitrate(tuple(self._weighed), now, ended=self._ended)
        self._activity = (now, self.next_change(now), activity)
        return activity

    def next_change(self, now: float) -> float | None:
        """Return the Unix time at which `activity` may change though nothing is read; None: never by itself."""
        return None if self._ended else next_change(tuple(self._weighed), now)

    def signals(self) -> Sequence[Signal]:
        """Return the signals that matter, oldest first, at most `MAX_SIGNALS`."""
        self._trim()
        return tuple(self._signals)

    def open_tools(self, now_s: float) -> tuple[OpenTool, ...]:
        """Return the tool calls that are under way.

        Args:
            now_s: The present on the clock of `Observation.now_s`. A call's `since_s` is when it was first asked for
                here, so that no other clock gets into the difference.
        """
        for tool in self._tools.values():
            if tool.since_s is None or tool.since_s > now_s:
                tool.since_s = now_s
        return tuple(
            OpenTool(id=i, name=tool.name, since_s=tool.since_s or 0.0, budget_s=tool.budget_s)
            for i, tool in self._tools.items()
        )

    @property
    def loop(self) -> Loop | None:
        """What the agent does over and over again: its actions where they are known, else its lines of output."""
        return self._repeats.loop() or self._echoes.loop()

    def checkpoint(self) -> dict[str, JSON]:
        """Return what another observer needs to go on from here: plain JSON."""
        return {
            "version": _CHECKPOINT_VERSION,
            "agent_version": self._agent_version,
            "now": self._now,
            "streams": {"out": self._out.checkpoint(), "err": self._err.checkpoint()},
            "signals": [plain(signal) for signal in self.signals()],
            "news": self._news.marks(),
            "progress": self.progress,
            "progress_at": self.progress_at,
            "retries": self.retries,
            "session_id": self.session_id,
            "usage": plain(self.usage),
            "tools": {i: [tool.name, tool.since_s, tool.budget_s, tool.action] for i, tool in self._tools.items()},
            "repeats": self._repeats.plain(),
            "echoes": self._echoes.plain(),
            "ended": self._ended,
        }

    def parse_event(self, line: str, stream: str, offset: int, now: float) -> list[Signal]:
        """Return what the agent plugin reads in one structured line, and count it as news or as a retry."""
        made = self._parser.parse(line, stream, offset, now)
        if any(is_retry(signal) for signal in made):
            self.retries += 1
        elif self._news.event(line):
            self._progressed(now)
        return made

    def count_lines(self, lines: Sequence[str | None], now: float) -> None:
        """Count lines of text as news, in their order; None stands for a line that says: trying again."""
        for line in lines:
            if line is None:
                self.retries += 1
            elif self._news.line(line):
                self._progressed(now)
                self._echoes.forget()
            elif self._counts_echoes:
                self._echoes.add(line, normalised(line))

    def _know_version(self, version: str) -> None:
        self._agent_version = version
        self._matcher.know_version(version)

    def _progressed(self, now: float) -> None:
        self.progress += 1
        self.progress_at = now
        self.retries = 0

    def _take(self, stream: LineStream | TerminalStream, max_bytes: int, now: float) -> list[Signal]:
        return self._accept(stream, stream.read(max_bytes, now, self), now)

    def _accept(self, stream: LineStream | TerminalStream, made: list[Signal], now: float) -> list[Signal]:
        for signal in made:
            self._remember(signal)
        if made:
            self._activity = None
        for text in stream.take_problems():
            self._problem(text)
        return made

    def _remember(self, signal: Signal) -> None:
        fields = signal.fields
        self._meter.add(signal)
        if isinstance(session := fields.get("session_id"), str) and session:
            self.session_id = session
        if isinstance(version := fields.get("version"), str) and version != self._agent_version:
            self._know_version(version)
        self._note_step(signal)
        if isinstance(closed := fields.get("tool_closed"), str):
            self._tools.pop(closed, None)
        if isinstance(opened := fields.get("tool_open"), str) and len(self._tools) < _MAX_OPEN_TOOLS:
            name, budget = fields.get("tool"), fields.get("tool_budget_s")
            self._tools[opened] = _Tool(
                name if isinstance(name, str) else None,
                None,
                float(budget) if isinstance(budget, int | float) and not isinstance(budget, bool) else None,
                _text(fields.get("action")),
            )
        if signal.final:
            self._tools.clear()
        self._keep(signal)

    def _note_step(self, signal: Signal) -> None:
        """Take in an action that is over, or an error: what loops are made of."""
        fields = signal.fields
        tool = self._tools.get(str(fields.get("tool_closed")))
        action = _text(fields.get("action")) or (tool.action if tool is not None else None)
        error, result = _text(fields.get("error")), _text(fields.get("result"))
        if "tool_open" in fields or (action is None and error is None):
            return
        failing = error is not None or signal.claim is Claim.TOOL_ERROR
        # The same error counts as the same step whatever led to it, unless it says next to nothing.
        telling = error is not None and len(error) >= _TELLING_CHARS
        key = error if telling and error is not None else " -> ".join(filter(None, (action, error or result)))
        self._repeats.add(key, failing=failing)

    def _keep(self, signal: Signal) -> None:
        kept = self._signals
        # A run of bare `working` needs its first, for `since`, and its last, for the lease.
        if len(kept) > 1 and _is_bare_work(signal) and all(
            _is_bare_work(s) and s.source is signal.source for s in kept[-2:]
        ):  # fmt: skip
            self._pop_weighed(kept.pop())
        kept.append(signal)
        if _is_weighed(signal):
            self._weighed.append(signal)
        if len(kept) > MAX_SIGNALS + _TRIM:
            self._trim()

    def _trim(self) -> None:
        kept = self._signals
        surplus = len(kept) - MAX_SIGNALS
        if surplus > 0:
            # What says how the work stands outlives what only says that it goes on.
            old = range(len(kept) - 200)
            drop = set(sorted(old, key=lambda i: (kept[i].claim not in (None, Claim.WORKING), i))[:surplus])
            self._signals = [s for i, s in enumerate(kept) if i not in drop]

    def _pop_weighed(self, signal: Signal) -> None:
        if self._weighed and self._weighed[-1] is signal:
            self._weighed.pop()

    def _note_problems(self) -> None:
        for text in self._parser.reports[self._reports_taken :]:
            self._problem(text)
        self._reports_taken = len(self._parser.reports)

    def _problem(self, text: str) -> None:
        if len(self.problems) < _MAX_PROBLEMS:
            self.problems.append(text)


class _Tool:
    def __init__(
        self, name: str | None, since_s: float | None, budget_s: float | None, action: str | None = None
    ) -> None:
        self.name, self.since_s, self.budget_s, self.action = name, since_s, budget_s, action


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _is_weighed(signal: Signal) -> bool:
    return signal.claim is not None or "clears" in signal.fields or "tool_closed" in signal.fields


def _is_bare_work(signal: Signal) -> bool:
    return signal.claim is Claim.WORKING and not signal.fields and not signal.final


def _usable(checkpoint: Mapping[str, JSON] | None) -> Mapping[str, JSON]:
    """Return a checkpoint that this version wrote; for any other, an empty one: the logs are read from the start."""
    if checkpoint is not None and checkpoint.get("version") == _CHECKPOINT_VERSION:
        return checkpoint
    return {}


def _signal_from(item: Mapping[str, JSON]) -> Signal:
    known = {**item, "claim": None if item["claim"] is None else Claim(item["claim"]), "source": Source(item["source"])}
    return Signal(**known)
