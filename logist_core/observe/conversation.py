"""From the entries that an agent's stream tells to turns, tools, files and totals. Pure.

Invariant: nothing that was told is lost but what exceeds `MOST_TEXT` characters, and nothing is made up: tokens and
money that nobody told are None, and a tool call without a result is open, not failed.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from logist_core.types.conversation import Entry, EntryKind

#: So many characters of one text are kept.
MOST_TEXT = 100_000


@dataclass(slots=True, kw_only=True)
class ToolUse:
    """One tool call.

    Attributes:
        name: The tool's; None where it wasn't told.
        text: What it was asked.
        path: The file that it works on.
        ok: None while it is open, and where its result doesn't say.
        closed: Whether a result came.
        result: What came back.
    """

    name: str | None
    text: str = ""
    path: str | None = None
    ok: bool | None = None
    closed: bool = False
    result: str = ""


@dataclass(slots=True, kw_only=True)
class Turn:
    """One turn: what the agent was told, what it said, the tools it used.

    Attributes:
        number: 1, 2, 3 ... within the attempt.
        prompts: What came in just before.
        texts: What it said, in order.
        thinking: What it thought, where it tells that.
        tools: Its calls, in order.
        notices: What the agent's program said of itself meanwhile.
        tokens_in, tokens_out, cost_usd: None where they weren't told.
    """

    number: int
    prompts: list[str] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    thinking: list[str] = field(default_factory=list)
    tools: list[ToolUse] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)
    tokens_in: int | None = None
    tokens_out: int | None = None
    cost_usd: float | None = None


@dataclass(slots=True, kw_only=True)
class Conversation:
    """What one attempt's stream tells.

    Attributes:
        turns: In order.
        ended: Whether the agent itself said that the run is over.
        ok: What it said of it.
        tokens_in, tokens_out, cost_usd: Of the whole attempt; None where nothing of the kind was told.
        files: Paths that tools worked on, each once, with whether one may have changed it.
    """

    turns: list[Turn] = field(default_factory=list)
    ended: bool = False
    ok: bool | None = None
    tokens_in: int | None = None
    tokens_out: int | None = None
    cost_usd: float | None = None
    files: dict[str, bool] = field(default_factory=dict)


class Reader:
    """Takes entries in, one at a time."""

    def __init__(self) -> None:
        """Begin with an empty conversation."""
        self.conversation = Conversation()
        self._id: str | None = None
        self._fresh = True  # the next thing that the agent says or does begins a turn
        self._waiting: list[str] = []
        self._open: dict[str, ToolUse] = {}
        self._end: Entry | None = None

    def take(self, entries: Iterable[Entry]) -> None:
        """Add `entries`."""
        for entry in entries:
            self._take(entry)

    def finish(self) -> Conversation:
        """Return what has come, with its totals."""
        told = self.conversation
        if self._waiting:
            self._begin(None)
        for name in ("tokens_in", "tokens_out", "cost_usd"):
            total = getattr(self._end, name) if self._end is not None else None
            known = [value for turn in told.turns if (value := getattr(turn, name)) is not None]
            setattr(told, name, total if total is not None else sum(known) if known else None)
        return told

    def _take(self, entry: Entry) -> None:
        if entry.kind is EntryKind.PROMPT:
            self._waiting.append(entry.text[:MOST_TEXT])
            self._fresh = True
        elif entry.kind is EntryKind.RESULT:
            self._close(entry)
        elif entry.kind is EntryKind.END:
            self._end = entry
            self.conversation.ended, self.conversation.ok = True, entry.ok
            if entry.text and entry.ok is False:
                self._current(entry).notices.append(entry.text[:MOST_TEXT])
        else:
            self._add(self._current(entry), entry)

    def _current(self, entry: Entry) -> Turn:
        said = entry.kind in (EntryKind.TEXT, EntryKind.THINKING, EntryKind.TOOL)
        another = entry.turn is not None and entry.turn != self._id
        if not self.conversation.turns or (said and (self._fresh if entry.turn is None else another)):
            return self._begin(entry.turn)
        return self.conversation.turns[-1]

    def _begin(self, turn_id: str | None) -> Turn:
        turn = Turn(number=len(self.conversation.turns) + 1, prompts=self._waiting)
        self._waiting, self._fresh, self._id = [], False, turn_id
        self.conversation.turns.append(turn)
        return turn

    def _add(self, turn: Turn, entry: Entry) -> None:
        text = entry.text[:MOST_TEXT]
        if entry.kind in (EntryKind.TEXT, EntryKind.THINKING) and text:
            said = turn.texts if entry.kind is EntryKind.TEXT else turn.thinking
            if entry.partial and said:
                said[-1] = (said[-1] + text)[:MOST_TEXT]
            else:
                said.append(text)
        elif entry.kind is EntryKind.TOOL:
            tool = ToolUse(name=entry.tool, text=text, path=entry.path)
            turn.tools.append(tool)
            if entry.call is not None:
                self._open[entry.call] = tool
        elif entry.kind is EntryKind.NOTICE and text:
            turn.notices.append(text)
        self._count(turn, entry)
        self._touch(entry)

    def _close(self, entry: Entry) -> None:
        self._fresh = True
        tool = self._open.pop(entry.call, None) if entry.call is not None else None
        if tool is None:  # its call was before the log begins, or was never told
            tool = ToolUse(name=entry.tool, path=entry.path)
            self._current(entry).tools.append(tool)
        tool.closed, tool.ok, tool.result = True, entry.ok, entry.text[:MOST_TEXT]
        tool.path = tool.path or entry.path
        self._touch(entry)

    def _count(self, turn: Turn, entry: Entry) -> None:
        # A stream repeats a turn's usage with each of its blocks, and corrects it: the last word counts.
        turn.tokens_in = turn.tokens_in if entry.tokens_in is None else entry.tokens_in
        turn.tokens_out = turn.tokens_out if entry.tokens_out is None else entry.tokens_out
        turn.cost_usd = turn.cost_usd if entry.cost_usd is None else entry.cost_usd

    def _touch(self, entry: Entry) -> None:
        if entry.path:
            files = self.conversation.files
            files[entry.path] = files.get(entry.path, False) or entry.writes
