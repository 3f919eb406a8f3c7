"""The OpenAI Responses API."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from fake_provider.turns import Turn
from fake_provider.wires.base import Body, event, new_id, openai_error, spoken

_USAGE = {
    "input_tokens": 100,
    "input_tokens_details": {"cached_tokens": 0},
    "output_tokens": 7,
    "output_tokens_details": {"reasoning_tokens": 0},
    "total_tokens": 107,
}


class OpenAIResponses:
    """See `Wire`."""

    def tool_result_came(self, body: Body) -> bool:
        """See `Wire`."""
        items = body.get("input")
        return isinstance(items, list) and bool(items) and str(items[-1].get("type", "")).endswith("_output")

    def tools(self, body: Body) -> tuple[str, ...]:
        """See `Wire`."""
        return tuple(str(tool.get("name") or tool.get("type")) for tool in body.get("tools") or ())

    def is_aside(self, body: Body) -> bool:
        """See `Wire`."""
        return False

    def error(self, turn: Turn, model: str) -> tuple[int, Body]:
        """See `Wire`."""
        return openai_error(turn, model)

    def whole(self, turn: Turn, model: str) -> Body:
        """See `Wire`."""
        return self._response(turn, model, "completed", self._items(turn))

    def stream(self, turn: Turn, model: str) -> Iterator[bytes]:
        """See `Wire`."""
        response = self._response(turn, model, "in_progress", [])
        yield event("response.created", response=response)
        items = self._items(turn)
        if turn.text:
            message = {**items[0], "content": []}
            yield event("response.output_item.added", output_index=0, item=message)
        for word, fails in spoken(turn):
            yield b""
            if fails:
                error = {"code": "server_error", "message": "The server had an error processing your request."}
                yield event("response.failed", response={**response, "status": "failed", "error": error})
                return
            item = items[0]["id"]
            yield event("response.output_text.delta", item_id=item, output_index=0, content_index=0, delta=word)
        for index, item in enumerate(items):
            yield event("response.output_item.done", output_index=index, item=item)
        if turn.finish == "length":
            ended = self._response(turn, model, "incomplete", items)
            yield event(
                "response.incomplete", response={**ended, "incomplete_details": {"reason": "max_output_tokens"}}
            )
            return
        yield event("response.completed", response=self._response(turn, model, "completed", items))

    def streams(self, path: str, body: Body) -> bool:
        """See `Wire`."""
        return bool(body.get("stream"))

    @staticmethod
    def _response(turn: Turn, model: str, status: str, items: list[dict[str, Any]]) -> dict[str, Any]:
        return {
            "id": new_id("resp_"),
            "object": "response",
            "created_at": 0,
            "model": model,
            "status": status,
            "output": items,
            "usage": _USAGE if status != "in_progress" else None,
        }

    @staticmethod
    def _items(turn: Turn) -> list[dict[str, Any]]:
        items: list[dict[str, Any]] = []
        if turn.text:
            part = {"type": "output_text", "text": turn.text, "annotations": []}
            if turn.finish == "refusal":
                part = {"type": "refusal", "refusal": turn.text}
            items.append(
                {
                    "type": "message",
                    "id": new_id("msg_"),
                    "role": "assistant",
                    "status": "completed",
                    "content": [part],
                }
            )
        if turn.tool:
            call = {"type": "function_call", "id": new_id("fc_"), "call_id": new_id("call_")}
            items.append({**call, "name": turn.tool[0], "arguments": json.dumps(turn.tool[1])})
        return items
