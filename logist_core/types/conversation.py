"""What an agent said and did, as its own stream tells it: what `logist show` is made of."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class EntryKind(StrEnum):
    """What an entry tells."""

    PROMPT = "prompt"  # what the agent was told; the first one is the job's
    TEXT = "text"  # what the agent said
    THINKING = "thinking"
    TOOL = "tool"  # a tool call was opened
    RESULT = "result"  # a tool call was closed
    NOTICE = "notice"  # the agent's program about itself: a retry, an error, a compaction
    USAGE = "usage"  # tokens and money alone
    END = "end"  # the run's own last word, with its totals


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One thing that happened in a conversation. None and "": not known, or not told.

    Attributes:
        kind: See `EntryKind`.
        text: The words; for TOOL what it was asked (the command, the query), for RESULT what came back.
        turn: The agent's id of the turn (of the model's message) that it belongs to. None: a new turn begins with what
            the agent says or does after something else came in.
        call: The tool call's id, for TOOL and RESULT.
        tool: The tool's name.
        path: The file that the tool works on.
        writes: Whether the tool may have changed that file.
        ok: For RESULT and END: False where it failed.
        partial: This text continues that of the entry before it (a streamed piece).
        tokens_in, tokens_out: Of the turn; for END of the whole run, which then counts instead of the sum.
        cost_usd: As `tokens_in`.
        turns: For END: how many turns the agent counted.
    """

    kind: EntryKind
    text: str = ""
    turn: str | None = None
    call: str | None = None
    tool: str | None = None
    path: str | None = None
    writes: bool = False
    ok: bool | None = None
    partial: bool = False
    tokens_in: int | None = None
    tokens_out: int | None = None
    cost_usd: float | None = None
    turns: int | None = None
