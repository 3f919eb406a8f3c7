"""The OpenAI Chat Completions API, which many other providers speak too."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from fake_provider.turns import Turn
from fake_provider.wires.base import Body, data, new_id, openai_error, spoken

_FINISHES = {"stop": "stop", "length": "length", "refusal": "content_filter"}
_USAGE = {"prompt_tokens": 100, "completion_tokens": 7, "total_tokens": 107}


class OpenAIChat:
    """See `Wire`."""

    def tool_result_came(self, body: Body) -> bool:
        """See `Wire`."""
        messages = body.get("messages") or [{}]
        return messages[-1].get("role") == "tool"

    def tools(self, body: Body) -> tuple[str, ...]:
        """See `Wire`."""
        return tuple(tool.get("function", {}).get("name", "") for tool in body.get("tools") or ())

    def is_aside(self, body: Body) -> bool:
        """See `Wire`. Some agents have no tools at all; a request for a title says so."""
        if body.get("tools"):
            return False
        system = json.dumps([message for message in body.get("messages") or () if message.get("role") == "system"])
        return "title" in system.lower() and "title generator" in system.lower()

    def error(self, turn: Turn, model: str) -> tuple[int, Body]:
        """See `Wire`."""
        return openai_error(turn, model)

    def whole(self, turn: Turn, model: str) -> Body:
        """See `Wire`."""
        message: dict[str, Any] = {"role": "assistant", "content": turn.text}
        if turn.tool:
            message["tool_calls"] = [self._call(turn)]
        finish = "tool_calls" if turn.tool else _FINISHES[turn.finish]
        choice = {"index": 0, "message": message, "finish_reason": finish}
        return {
            "id": new_id("chatcmpl-"),
            "object": "chat.completion",
            "created": 0,
            "model": model,
            "choices": [choice],
            "usage": _USAGE,
        }

    def stream(self, turn: Turn, model: str) -> Iterator[bytes]:
        """See `Wire`."""
        name = new_id("chatcmpl-")
        yield self._chunk(name, model, {"role": "assistant", "content": ""})
        for word, fails in spoken(turn):
            yield b""
            if fails:
                yield data(openai_error(Turn(failure="529"), model)[1])
                return
            yield self._chunk(name, model, {"content": word})
        if turn.tool:
            yield self._chunk(name, model, {"tool_calls": [{"index": 0, **self._call(turn)}]})
        yield self._chunk(name, model, {}, "tool_calls" if turn.tool else _FINISHES[turn.finish])
        yield data({**self._frame(name, model), "choices": [], "usage": _USAGE})
        yield b"data: [DONE]\n\n"

    def streams(self, path: str, body: Body) -> bool:
        """See `Wire`."""
        return bool(body.get("stream"))

    @staticmethod
    def _frame(name: str, model: str) -> dict[str, Any]:
        return {"id": name, "object": "chat.completion.chunk", "created": 0, "model": model}

    def _chunk(self, name: str, model: str, delta: Body, finish: str | None = None) -> bytes:
        return data({**self._frame(name, model), "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]})

    @staticmethod
    def _call(turn: Turn) -> dict[str, Any]:
        assert turn.tool
        function = {"name": turn.tool[0], "arguments": json.dumps(turn.tool[1])}
        return {"id": new_id("call_"), "type": "function", "function": function}
