"""The Anthropic Messages API."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from fake_provider.turns import Turn
from fake_provider.wires.base import Body, event, new_id, spoken

_ERRORS: Mapping[str, tuple[int, str, str]] = {
    "400": (400, "invalid_request_error", "The request is not valid (fake)."),
    "401": (401, "authentication_error", "invalid x-api-key"),
    "403": (403, "permission_error", "Your API key does not have permission to use the specified resource (fake)."),
    "404": (404, "not_found_error", "model: fake"),
    "429": (429, "rate_limit_error", "This request would exceed your rate limit (fake). Please try again later."),
    "500": (500, "api_error", "Internal server error"),
    "529": (529, "overloaded_error", "Overloaded"),
    "quota": (
        400,
        "invalid_request_error",
        "Your credit balance is too low to access the Anthropic API. Please go to Plans & Billing.",
    ),
    "toolong": (400, "invalid_request_error", "prompt is too long: 250000 tokens > 200000 maximum"),
}
_STOPS = {"stop": "end_turn", "length": "max_tokens", "refusal": "refusal"}


class AnthropicMessages:
    """See `Wire`."""

    def tool_result_came(self, body: Body) -> bool:
        """See `Wire`."""
        messages = body.get("messages") or [{}]
        content = messages[-1].get("content")
        return isinstance(content, list) and any(part.get("type") == "tool_result" for part in content)

    def tools(self, body: Body) -> tuple[str, ...]:
        """See `Wire`."""
        return tuple(tool.get("name", "") for tool in body.get("tools") or ())

    def is_aside(self, body: Body) -> bool:
        """See `Wire`. Claude Code gives its tools to every request but the one that asks for a title."""
        return not body.get("tools")

    def error(self, turn: Turn, model: str) -> tuple[int, Body]:
        """See `Wire`."""
        status, kind, message = _ERRORS.get(turn.failure) or (int(turn.failure), "api_error", "an error (fake)")
        error = {"type": kind, "message": turn.text or message}
        return status, {"type": "error", "error": error, "request_id": "req_fake"}

    def whole(self, turn: Turn, model: str) -> Body:
        """See `Wire`."""
        content: list[Mapping[str, Any]] = [{"type": "text", "text": turn.text}]
        if turn.tool:
            content.append(self._tool_use(turn.tool, turn.tool[1]))
        return {
            **self._message(model),
            "content": content,
            "stop_reason": "tool_use" if turn.tool else _STOPS[turn.finish],
            "usage": {"input_tokens": 100, "output_tokens": 7},
        }

    def stream(self, turn: Turn, model: str) -> Iterator[bytes]:
        """See `Wire`."""
        yield event("message_start", message=self._message(model))
        yield event("ping")
        yield event("content_block_start", index=0, content_block={"type": "text", "text": ""})
        for word, fails in spoken(turn):
            yield b""
            if fails:
                yield event("error", error={"type": "overloaded_error", "message": "Overloaded"})
                return
            yield event("content_block_delta", index=0, delta={"type": "text_delta", "text": word})
        yield event("content_block_stop", index=0)
        if turn.tool:
            yield event("content_block_start", index=1, content_block=self._tool_use(turn.tool, {}))
            arguments = {"type": "input_json_delta", "partial_json": json.dumps(turn.tool[1])}
            yield event("content_block_delta", index=1, delta=arguments)
            yield event("content_block_stop", index=1)
        reason = "tool_use" if turn.tool else _STOPS[turn.finish]
        delta = {"stop_reason": reason, "stop_sequence": None}
        yield event("message_delta", delta=delta, usage={"output_tokens": 7})
        yield event("message_stop")

    def streams(self, path: str, body: Body) -> bool:
        """See `Wire`."""
        return bool(body.get("stream"))

    @staticmethod
    def _message(model: str) -> Body:
        return {
            "id": new_id("msg_fake_"),
            "type": "message",
            "role": "assistant",
            "model": model,
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": {"input_tokens": 100, "output_tokens": 1},
        }

    @staticmethod
    def _tool_use(tool: tuple[str, Mapping[str, Any]], given: Mapping[str, Any]) -> Body:
        return {"type": "tool_use", "id": new_id("toolu_"), "name": tool[0], "input": given}
