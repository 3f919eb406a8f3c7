"""A job's conversation for a person to read, and for programs. Pure.

Invariant: every text that comes from a job passes through `one_line` or `clean` before it is returned to be printed.
Secrets are taken out before: see `cmd_show`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import groupby

from logist_core.cli.formats import duration, moment
from logist_core.cli.output import paint
from logist_core.cli.show import exit_phrase
from logist_core.cli.text import clean, one_line
from logist_core.observe.conversation import Conversation, ToolUse, Turn
from logist_core.types._json import JSON
from logist_core.types.job import AttemptStatus

#: A text's first lines are shown, so many, unless all is asked for.
MOST_LINES = 12
#: Characters of what a tool was asked, and of what went wrong.
MOST_ASKED = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """One attempt and what its stream tells; None: its agent tells nothing, `tail` is then the end of its output."""

    attempt: AttemptStatus
    conversation: Conversation | None
    tail: tuple[str, ...] = ()


def lines_of(told: Told, *, task: str | None, full: bool, colour: bool, now: float) -> Iterator[str]:
    """Yield one attempt's lines; a prompt that is only the `task` again is left out."""
    attempt = told.attempt
    head = [f"attempt {attempt.number}"]
    if attempt.started_at is not None:
        head.append(moment(attempt.started_at, now))
    if attempt.resumed:
        head.append("went on with the session")
    if attempt.started_at is not None and attempt.ended_at is not None:
        head.append(f"{duration(attempt.ended_at - attempt.started_at)}")
    head.append(exit_phrase(attempt.exit) or attempt.state)
    yield paint(", ".join(head), "bold", on=colour)
    if told.conversation is None:
        yield from (f"    {one_line(line, 400)}" for line in told.tail)
        return
    for turn in told.conversation.turns:
        yield from _turn(turn, task, full=full, colour=colour)
    yield from _totals(told.conversation, colour=colour)


def _turn(turn: Turn, task: str | None, *, full: bool, colour: bool) -> Iterator[str]:
    for prompt in turn.prompts:
        if prompt == task:
            continue
        yield from _text(prompt, "  > ", "  > ", full, lambda line: paint(line, "cyan", on=colour))
    first = f"{turn.number:>3} "
    if full:
        for thought in turn.thinking:
            yield from _text(thought, first, "    ", full, lambda line: paint(line, "dim", on=colour))
            first = "    "
    for text in turn.texts:
        yield from _text(text, first, "    ", full)
        first = "    "
    for tool in turn.tools:
        yield first + _tool(tool, colour=colour)
        first = "    "
        if tool.result and (full or tool.ok is False):
            shown = full or MOST_LINES
            yield from _text(tool.result, "        ", "        ", shown, lambda line: paint(line, "dim", on=colour))
    for notice, again in groupby(turn.notices):
        times = len(list(again))
        repeated = f" ({times} times)" if times > 1 else ""
        yield first + paint(f"! {one_line(notice, 300)}{repeated}", "yellow", on=colour)
        first = "    "


def _text(
    text: str, first: str, other: str, full: bool | int, style: Callable[[str], str] = lambda line: line
) -> Iterator[str]:
    lines = [line.rstrip() for line in clean(text).strip().splitlines()]
    shown = lines if full is True or len(lines) <= MOST_LINES + 1 else lines[:MOST_LINES]
    for at, line in enumerate(shown):
        yield style((other if at else first) + line)
    if len(shown) < len(lines):
        yield style(f"{other}… {len(lines) - len(shown)} more lines (--full)")


def _tool(tool: ToolUse, *, colour: bool) -> str:
    words = [paint(one_line(tool.name or "tool", 60), "bold", on=colour)]
    asked = tool.path or ""
    if tool.text and tool.text != tool.path:
        asked = f"{asked}  {tool.text}" if asked else tool.text
    if asked:
        words.append(one_line(asked, MOST_ASKED))
    if tool.ok is False:
        words.append(paint("failed", "red", on=colour))
    elif not tool.closed:
        words.append(paint("no result", "yellow", on=colour))
    return "  ".join(words)


def _totals(told: Conversation, *, colour: bool) -> Iterator[str]:
    tools = [tool for turn in told.turns for tool in turn.tools]
    failed = sum(tool.ok is False for tool in tools)
    parts = [
        _count(len(told.turns), "turn"),
        _count(len(tools), "tool call") + (f" ({failed} failed)" if failed else ""),
    ]
    if told.tokens_in is not None or told.tokens_out is not None:
        parts.append(f"{_number(told.tokens_in)} tokens in, {_number(told.tokens_out)} out")
    if told.cost_usd is not None:
        parts.append(f"${told.cost_usd:.4f}")
    if not told.ended:
        parts.append("no last word")
    yield paint("    " + ", ".join(parts), "dim", on=colour)
    changed = [path for path, written in told.files.items() if written]
    if changed:
        shown = ", ".join(one_line(path, 120) for path in changed[:20])
        more = f" and {len(changed) - 20} more" if len(changed) > 20 else ""
        yield paint(f"    files written: {shown}{more}", "dim", on=colour)


def _count(number: int, word: str) -> str:
    return f"{number} {word}" + ("" if number == 1 else "s")


def _number(value: int | None) -> str:
    return "?" if value is None else f"{value:,}"


def to_json(told: Told) -> JSON:
    """Return one attempt as documented in docs/reference/json.md."""
    attempt, talk = told.attempt, told.conversation
    shared: dict[str, JSON] = {
        "attempt": attempt.number,
        "state": attempt.state,
        "resumed": attempt.resumed,
        "started_at": attempt.started_at,
        "ended_at": attempt.ended_at,
    }
    if talk is None:
        return {**shared, "turns": None, "tail": list(told.tail)}
    return {
        **shared,
        "ended": talk.ended,
        "ok": talk.ok,
        "tokens_in": talk.tokens_in,
        "tokens_out": talk.tokens_out,
        "cost_usd": talk.cost_usd,
        "files": [{"path": path, "written": written} for path, written in talk.files.items()],
        "turns": [_turn_json(turn) for turn in talk.turns],
    }


def _turn_json(turn: Turn) -> JSON:
    tools = [
        {
            "name": tool.name,
            "text": tool.text,
            "path": tool.path,
            "closed": tool.closed,
            "ok": tool.ok,
            "result": tool.result,
        }
        for tool in turn.tools
    ]
    return {
        "turn": turn.number,
        "prompts": list(turn.prompts),
        "texts": list(turn.texts),
        "thinking": list(turn.thinking),
        "tools": tools,
        "notices": list(turn.notices),
        "tokens_in": turn.tokens_in,
        "tokens_out": turn.tokens_out,
        "cost_usd": turn.cost_usd,
    }
