"""Reads the two kinds of log: one line by line, one as a terminal shows it. Owns the position in each of them.

Invariant: what a stream returns doesn't depend on how the log had grown between two reads, except that a line without
an end is read early once it stands, and that a terminal shows only what it shows at a read.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Protocol

from logist_core.observe.lines import Block, LineCutter
from logist_core.observe.matcher import WHILE_VISIBLE, Hit, Matcher, best_of_lines
from logist_core.observe.progress import LINES_A_READ
from logist_core.observe.reading import in_screen_order, is_retry, signal_of
from logist_core.observe.screen import Screen, open_screen
from logist_core.observe.tail import Tail
from logist_core.observe.text import clean_block, last_title, line_text, sanitise
from logist_core.types._json import JSON
from logist_core.types.signals import Signal, Source

#: Longest line kept, bytes; of a longer one the beginning is read.
MAX_TEXT_LINE = 1 << 20
#: Structured lines may be longer: the last event of a run holds the whole answer, and it is the one that matters.
MAX_JSON_LINE = 8 << 20
#: A line without an end is read once it has not grown for so long, seconds: a prompt waits on such a line.
STABLE_S = 1.5
#: A terminal's log that is further ahead than this is not replayed but joined near its end.
SKIP_BEHIND = 32 << 20
#: So many hits of one read become signals, the first quarter and the last three: a log may quote every error there is.
HITS_A_READ = 400
#: What is replayed of a terminal's log to know its screen again.
REPLAY_BYTES = 256 << 10

#: Longest title that is put together from two reads, bytes.
MAX_TITLE = 1_100
#: Visible work is claimed again after so long, seconds, while the screen changes: its lease goes on.
RENEW_S = 20.0


class Reader(Protocol):
    """Who a stream reads for."""

    def parse_event(self, line: str, stream: str, offset: int, now: float) -> list[Signal]:
        """Return what the agent plugin reads in one structured line, and count it."""
        ...

    def count_lines(self, lines: Sequence[str | None], now: float) -> None:
        """Count lines of text as news, in their order; None stands for a line that says: trying again."""
        ...


class LineStream:
    """A log that is read line by line: piped output, structured or not, and standard error."""

    def __init__(
        self, directory: str, name: str, *, structured: bool, matcher: Matcher, saved: Mapping[str, JSON]
    ) -> None:
        """Begin where `saved` says."""
        self.tail = Tail(os.path.join(directory, f"{name}.log"), saved.get("offset", 0))
        self.last_read = 0
        self._name = name
        self._channel = "stderr" if name == "err" else "text"
        self._json = structured
        self._matcher = matcher
        max_line = MAX_JSON_LINE if structured else MAX_TEXT_LINE
        self._cutter = LineCutter(max_line, self.tail.offset, cut=saved.get("cut", False))
        self._context: tuple[str, ...] = tuple(saved.get("context", ()))
        self._truncations = 0
        self._dropped = 0
        self._problems: list[str] = []
        # The line without an end: how far it had grown, since when it stands there, and what was read in it.
        self._grown_to = (0, -1)
        self._stands_since = 0.0
        self._peeked_at: int | None = saved.get("peeked_at")
        self._peeked: tuple[str, ...] = tuple(saved.get("peeked", ()))

    def read(self, max_bytes: int, now: float, reader: Reader) -> list[Signal]:
        """Read on, at most `max_bytes`; return the signals of what was read, in the log's order."""
        data = self.tail.read(max_bytes)
        self.last_read = len(data)
        if self.tail.truncations != self._truncations:
            self._truncations = self.tail.truncations
            self._problems.append(f"{self._name}.log became shorter; it is read again from its new beginning")
            self._cutter.restart(self.tail.offset - len(data))
        if self.tail.dropped != self._dropped:
            self._tell_dropped()
            # What comes first is, most likely, the rest of a line.
            self._cutter.restart(self.tail.offset - len(data), cut=True)
        made: list[Signal] = []
        for block in self._cutter.feed(data):
            made += self._read_block(block, now, reader)
        if not self.tail.behind:
            made += self._peek(now)
        return made

    def skip_to_last(self, keep_bytes: int) -> int:
        """Leave out what is unread but the last `keep_bytes`; return how many bytes that is."""
        self.tail.look()
        left_out = self.tail.skip_to(self.tail.size - keep_bytes)
        if left_out:
            self._cutter.restart(self.tail.offset, cut=True)
            self._context = ()
        return left_out

    def finish(self, now: float, reader: Reader) -> list[Signal]:
        """Return the signals of what was held back: nothing more will come."""
        made: list[Signal] = []
        early, self._peeked_at = (self._peeked_at, self._peeked), None
        for block in self._cutter.finish():
            made += self._read_block(block, now, reader)
        # What was read early stands: a prompt that nobody answered is why an attempt may have been ended.
        return [signal for signal in made if signal.offset != early[0] or signal.rule not in early[1]]

    def checkpoint(self) -> dict[str, JSON]:
        """Return the position, and what can't be read again, as plain JSON."""
        cut = self._cutter.cut
        return {
            # The partial line is read again, except where it is too long to be worth it.
            "offset": self.tail.offset if cut else self._cutter.line_start,
            "cut": cut,
            "context": list(self._context),
            "peeked_at": self._peeked_at,
            "peeked": list(self._peeked),
        }

    def take_problems(self) -> list[str]:
        """Return what went wrong since the last call, a line each."""
        taken, self._problems = self._problems, []
        return taken

    def _tell_dropped(self) -> None:
        if not self._dropped:  # once: a flood that outruns us drops again and again
            self._problems.append(f"{self._name}.log: output was dropped by --max-log-bytes before it was read")
        self._dropped = self.tail.dropped

    def _read_block(self, block: Block, now: float, reader: Reader) -> list[Signal]:
        if not self._json or b"{" not in block.data:
            return self._read_text(block.data, block.offset, now, reader)
        made: list[Signal] = []
        text_start, at = 0, 0
        data = block.data
        while at < len(data):
            end = data.find(b"\n", at) + 1 or len(data)
            line = data[at:end]
            if line.lstrip()[:1] == b"{":
                made += self._read_text(data[text_start:at], block.offset + text_start, now, reader)
                events = self._read_event(line, block, at, now, reader)
                made += events or ()
                text_start = at if events is None else end
            at = end
        made += self._read_text(data[text_start:], block.offset + text_start, now, reader)
        return made

    def _read_event(self, line: bytes, block: Block, at: int, now: float, reader: Reader) -> list[Signal] | None:
        """Return the signals of a structured line; None: it is no JSON object, or this text is worth reading."""
        offset = block.offset + at
        if block.cut:  # an event too long to be kept; its words are the model's, so they aren't matched either
            reader.count_lines([line_text(line[:1_000])], now)
            return []
        text = line.decode("utf-8", "replace").strip()
        try:
            if not isinstance(json.loads(text), dict):
                return None
        except (ValueError, RecursionError):
            return None
        made = reader.parse_event(text, self._name, offset, now)
        if made:
            return made
        # Standard error is the program's own: a structured log line that the plugin doesn't know may be matched.
        if self._name == "err":
            return None
        hits = best_of_lines(self._matcher.scan(line, "json", offset))
        return [signal_of(hit, source=Source.TEXT, stream=self._name, now=now) for hit in hits]

    def _read_text(self, data: bytes, offset: int, now: float, reader: Reader) -> list[Signal]:
        if not data:
            return []
        hits = best_of_lines(self._matcher.scan(data, self._channel, offset, self._context))
        if len(hits) > HITS_A_READ:
            hits = hits[: HITS_A_READ // 4] + hits[-3 * HITS_A_READ // 4 :]
        self._context = self._matcher.context_after(data, self._context)
        made = [signal_of(hit, source=Source.TEXT, stream=self._name, now=now) for hit in hits]
        retries = [signal for signal in made if is_retry(signal)]
        self._count(data, offset, {signal.offset for signal in retries}, now, reader)
        if self._peeked_at is not None and self._peeked_at < offset + len(data):
            made = self._after_peek(made, now)
        return made

    def _count(self, data: bytes, offset: int, retry_offsets: set[int | None], now: float, reader: Reader) -> None:
        lines: list[str | None] = []
        end = len(data)
        while end > 0 and len(lines) < LINES_A_READ:
            start = data.rfind(b"\n", 0, end - 1) + 1
            if offset + start in retry_offsets:
                lines.append(None)
            elif end - start > 1:
                lines.append(line_text(clean_block(data[start : min(end, start + 2_000)].rstrip(b"\n"))))
            end = start
        lines.reverse()
        reader.count_lines(lines, now)

    def _peek(self, now: float) -> list[Signal]:
        """Read the line that has no end, once, when it has stood long enough."""
        partial = self._cutter.partial
        if not partial or (self._json and partial.lstrip()[:1] == b"{"):
            self._grown_to = (0, -1)
            return []
        grown_to = (self._cutter.line_start, len(partial))
        if grown_to != self._grown_to:
            self._grown_to, self._stands_since = grown_to, now
            return []
        if now - self._stands_since < STABLE_S or self._peeked_at == self._cutter.line_start:
            return []
        hits = best_of_lines(self._matcher.scan(partial, self._channel, self._cutter.line_start, self._context))
        self._peeked_at = self._cutter.line_start
        self._peeked = tuple(hit.rule_id for hit in hits)
        return [signal_of(hit, source=Source.TEXT, stream=self._name, now=now) for hit in hits]

    def _after_peek(self, made: list[Signal], now: float) -> list[Signal]:
        """Return `made` without what was said early, and withdraw what the whole line doesn't say any more.

        A prompt is withdrawn in any case: its line has ended, so it was answered.
        """
        at, early = self._peeked_at, self._peeked
        self._peeked_at, self._peeked = None, ()
        again = {s.rule for s in made if s.offset == at and s.rule in early and s.claim not in WHILE_VISIBLE}
        made = [signal for signal in made if signal.offset != at or signal.rule not in early]
        return [_withdrawal("line-ended", rule, self._name, at, now) for rule in early if rule not in again] + made


class TerminalStream:
    """A terminal's log: what it shows is read, not the bytes."""

    def __init__(self, directory: str, cols: int, rows: int, *, matcher: Matcher, saved: Mapping[str, JSON]) -> None:
        """Begin where `saved` says."""
        self.tail = Tail(os.path.join(directory, "out.log"), saved.get("offset", 0))
        self.last_read = 0
        self._matcher = matcher
        self._cols, self._rows = cols, rows
        self._screen_: Screen | None = None
        self._truncations = 0
        self._dropped = 0
        self._problems: list[str] = []
        # What was seen at the last look, by rule and text; `_states` is the part that is only true while visible.
        self._shown: dict[tuple[str, str], None] = dict.fromkeys((r, t) for r, t in saved.get("shown", ()))
        self._states: set[tuple[str, str]] = {(rule, text) for rule, text in saved.get("states", ())}
        self._said_at: float = saved.get("said_at", 0.0)
        self._unfinished_title = b""
        self._off_context: tuple[str, ...] = tuple(saved.get("context", ()))

    def read(self, max_bytes: int, now: float, reader: Reader) -> list[Signal]:
        """Read on, at most `max_bytes`; return the signals of what was read, in the log's order."""
        screen = self._screen()
        if self.tail.look() > SKIP_BEHIND:
            left_out = self.tail.skip_to(self.tail.size - REPLAY_BYTES)
            screen.reset()
            self._problems.append(f"out.log: {left_out} bytes of terminal output were left out to catch up")
        data = self.tail.read(max_bytes)
        self.last_read = len(data)
        if self.tail.truncations != self._truncations:
            self._truncations = self.tail.truncations
            screen.reset()
            self._problems.append("out.log became shorter; it is read again from its new beginning")
        if self.tail.dropped != self._dropped:
            if not self._dropped:
                self._problems.append("out.log: output was dropped by --max-log-bytes before it was read")
            self._dropped = self.tail.dropped
            screen.reset()
        if not data:
            return []
        failures = screen.failures
        off = screen.feed(data)
        if screen.failures != failures:
            self._problems.append("the terminal emulator failed; its screen was cleared")
        offset = self.tail.offset - len(data)
        made = self._read_scrolled_off(off, offset, now)
        made += self._read_screen(screen.lines(), off, offset=offset, now=now, reader=reader)
        made += self._read_title(data, offset, now)
        return made

    def skip_to_last(self, keep_bytes: int) -> int:
        """Leave out what is unread but the last `keep_bytes`, or what makes the screen; return how many bytes."""
        self.tail.look()
        left_out = (
            self.tail.skip_to(self.tail.size - min(keep_bytes, REPLAY_BYTES)) if self.tail.behind > keep_bytes else 0
        )
        if left_out:
            self._screen().reset()
            self._off_context = ()
        return left_out

    def finish(self, now: float, reader: Reader) -> list[Signal]:
        """Return the signals of what was held back: nothing more will come."""
        return []

    def checkpoint(self) -> dict[str, JSON]:
        """Return the position, and what can't be read again, as plain JSON."""
        return {
            "offset": self.tail.offset,
            "shown": [list(key) for key in self._shown],
            "states": sorted(list(key) for key in self._states),
            "said_at": self._said_at,
            "context": list(self._off_context),
        }

    def take_problems(self) -> list[str]:
        """Return what went wrong since the last call, a line each."""
        taken, self._problems = self._problems, []
        return taken

    def _screen(self) -> Screen:
        if self._screen_ is None:
            self._screen_ = open_screen(self._cols, self._rows)
            if self.tail.offset:  # after a restart: show again what was shown
                self._screen_.feed(self.tail.peek(max(0, self.tail.offset - REPLAY_BYTES), self.tail.offset))
        return self._screen_

    def _hits(self, lines: Sequence[str], channel: str, offset: int, context: Sequence[str] = ()) -> list[Hit]:
        block = "".join(f"{line}\n" for line in lines).encode("utf-8", "replace")
        return [replace(hit, offset=offset) for hit in best_of_lines(self._matcher.scan(block, channel, 0, context))]

    def _read_scrolled_off(self, lines: list[str], offset: int, now: float) -> list[Signal]:
        if not lines:
            return []
        made = []
        for hit in self._hits(lines, "scrolled", offset, self._off_context):
            # Seen while it was on the screen: said already.
            if (hit.rule_id, sanitise(hit.text)) not in self._shown:
                made.append(signal_of(hit, source=Source.TEXT, stream="out", now=now))
        block = "".join(f"{line}\n" for line in lines).encode("utf-8", "replace")
        self._off_context = self._matcher.context_after(block, self._off_context)
        return made

    def _read_screen(
        self, lines: list[str], off: list[str], *, offset: int, now: float, reader: Reader
    ) -> list[Signal]:
        shown: dict[tuple[str, str], Signal] = {}
        retry_lines: set[str] = set()
        for hit in self._hits(lines, "screen", offset, self._off_context):
            signal = signal_of(hit, source=Source.SCREEN, stream="out", now=now)
            shown.setdefault((signal.rule, signal.text), signal)
            if is_retry(signal):
                retry_lines.update(hit.text.split("\n"))
        states = {key for key, signal in shown.items() if signal.claim in WHILE_VISIBLE}
        new = shown.keys() - self._shown
        said = shown.keys() if states != self._states or now - self._said_at >= RENEW_S else new
        if states and said is not new:
            self._said_at = now
        made = [
            replace(_withdrawal("left-screen", rule, "out", offset, now), source=Source.SCREEN)
            for rule in sorted({rule for rule, _ in self._states} - {rule for rule, _ in states})
        ]
        # Messages are told once; what is only true while visible is told again, all of it, so that the order holds.
        made += in_screen_order(shown[key] for key in shown if key in new or (key in said and key in states))
        self._shown, self._states = dict.fromkeys(shown), states
        changed = [line for line in [*off[-LINES_A_READ:], *lines] if line_text(line.encode()) not in retry_lines]
        reader.count_lines([*changed, *(None for signal in made if is_retry(signal))], now)
        return made

    def _read_title(self, data: bytes, offset: int, now: float) -> list[Signal]:
        data = self._unfinished_title + data
        last = data.rfind(b"\x1b]")
        self._unfinished_title = data[last:][:MAX_TITLE] if last >= 0 else b""
        title = last_title(data)
        if title is None:
            return []
        hits = self._hits([title], "title", offset)
        return [signal_of(hit, source=Source.TITLE, stream="out", now=now) for hit in hits]


def _withdrawal(why: str, rule: str, stream: str, offset: int | None, now: float) -> Signal:
    return Signal(
        claim=None,
        source=Source.TEXT,
        rule=f"observer:{why}",
        stream=stream,
        offset=offset,
        at=now,
        fields={"clears": rule},
    )
