"""What conversations of several programs have in common: tool calls, messages made of blocks. Pure and total."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from logist_core.agentkit.fields import long_text, number, object_of, objects_of, read_object, text, whole
from logist_core.api import Entry, EntryKind

#: What says best what a tool was asked, the first that is there.
_TELLING = ("command", "cmd", "pattern", "query", "url", "prompt", "description", "skill")
_PATHS = ("file_path", "filePath", "notebook_path", "absolute_path", "path", "file")

Reader = Callable[[Mapping[str, Any]], Iterable[Entry]]


def entries_of(line: str, readers: Mapping[str, Reader]) -> list[Entry]:
    """Return what `readers`, by the event's `type`, read in one line; nothing for what is no event of theirs."""
    event = read_object(line)
    read = readers.get(text(event.get("type"))) if event is not None else None
    return list(read(event)) if event is not None and read is not None else []


def tool_entry(
    name: object, asked: object, *, call: object, writes: Iterable[str] = (), turn: str | None = None, **usage: Any
) -> Entry:
    """Return the entry of a tool call.

    Args:
        name: The tool's.
        asked: Its arguments, an object.
        call: Its id.
        writes: Names of tools that may change the file that they are given.
        turn: See `Entry`.
        **usage: `tokens_in` and its like.
    """
    arguments, tool = object_of(asked), text(name)
    return Entry(
        kind=EntryKind.TOOL,
        text=next((words for key in _TELLING if (words := long_text(arguments.get(key)))), ""),
        turn=turn,
        call=text(call) or None,
        tool=tool or None,
        path=next((path for key in _PATHS if (path := text(arguments.get(key)))), None),
        writes=tool in writes,
        **usage,
    )


def words_of(content: object) -> str:
    """Return the text of a message's content: a string, or blocks some of which have one."""
    if isinstance(content, str):
        return long_text(content)
    return "\n".join(filter(None, (long_text(block.get("text")) for block in objects_of(content))))


class Messages:
    """Reads the messages of a stream in which the assistant's and the user's turns are made of content blocks.

    A sub-agent's messages name the tool call that started it: its words belong to that call, whose result sums them
    up, so of them only the tools are told.
    """

    def __init__(self, *, writes: Iterable[str] = (), error_prefix: str | None = None) -> None:
        """`writes`: see `tool_entry`. `error_prefix`: with it begins what the program itself says, not the model."""
        self._writes = frozenset(writes)
        self._error_prefix = error_prefix

    def assistant(self, event: Mapping[str, Any]) -> Iterator[Entry]:
        """Read an `assistant` event."""
        message = object_of(event.get("message"))
        own = message.get("model") == "<synthetic>" or bool(event.get("error"))
        usage = object_of(message.get("usage"))
        sub = bool(event.get("parent_tool_use_id"))
        turn = None if sub else text(message.get("id")) or None
        tokens: dict[str, Any] = (
            {} if sub else {"tokens_in": tokens_in(usage), "tokens_out": whole(usage.get("output_tokens"))}
        )
        for block in objects_of(message.get("content")):
            kind, words = block.get("type"), long_text(block.get("text"))
            if kind == "tool_use":
                name, call = block.get("name"), block.get("id")
                yield tool_entry(name, block.get("input"), call=call, writes=self._writes, turn=turn, **tokens)
            elif kind == "text" and (own or (self._error_prefix and words.startswith(self._error_prefix))):
                yield Entry(kind=EntryKind.NOTICE, text=words)
            elif kind == "text" and not sub:
                yield Entry(kind=EntryKind.TEXT, text=words, turn=turn, **tokens)
            elif kind == "thinking" and not sub:
                yield Entry(kind=EntryKind.THINKING, text=long_text(block.get("thinking")), turn=turn, **tokens)

    def user(self, event: Mapping[str, Any]) -> Iterator[Entry]:
        """Read a `user` event: prompts, and what tools gave back."""
        content = object_of(event.get("message")).get("content")
        if isinstance(content, str):
            content = [{"type": "text", "text": content}]
        for block in objects_of(content):
            if block.get("type") == "tool_result":
                call, ok = text(block.get("tool_use_id")) or None, block.get("is_error") is not True
                yield Entry(kind=EntryKind.RESULT, call=call, ok=ok, text=words_of(block.get("content")))
            elif block.get("type") == "text" and not event.get("parent_tool_use_id"):
                yield Entry(kind=EntryKind.PROMPT, text=long_text(block.get("text")))

    def result(self, event: Mapping[str, Any]) -> Iterator[Entry]:
        """Read a `result` event."""
        usage, error = object_of(event.get("usage")), object_of(event.get("error"))
        subtype = text(event.get("subtype"))
        failed = event.get("is_error") is True or subtype.startswith("error")
        yield Entry(
            kind=EntryKind.END,
            text=long_text(event.get("result")) or long_text(error.get("message")) or subtype,
            ok=not failed,
            tokens_in=tokens_in(usage),
            tokens_out=whole(usage.get("output_tokens")),
            cost_usd=number(event.get("total_cost_usd")),
            turns=whole(event.get("num_turns")),
        )


def tokens_in(usage: Mapping[str, Any]) -> int | None:
    """Return a message's input tokens, those that were cached included; None where nothing is told."""
    told = [whole(usage.get(f"{kind}input_tokens")) for kind in ("", "cache_creation_", "cache_read_")]
    return None if told[0] is None else sum(count or 0 for count in told)
