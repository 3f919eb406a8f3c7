"""What a protocol has to know, and what several of them share."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from typing import Any, Protocol

from fake_provider.turns import Turn

Body = Mapping[str, Any]


class Wire(Protocol):
    """One provider's protocol."""

    def tool_result_came(self, body: Body) -> bool:
        """Whether the last message carries the result of a tool."""
        ...

    def tools(self, body: Body) -> tuple[str, ...]:
        """Return the names of the tools that the agent offers."""
        ...

    def is_aside(self, body: Body) -> bool:
        """Whether the request is no part of the conversation that the user asked for."""
        ...

    def error(self, turn: Turn, model: str) -> tuple[int, Body]:
        """Return status and JSON body of the error that `turn.failure` names."""
        ...

    def whole(self, turn: Turn, model: str) -> Body:
        """Return the JSON body of an answer that isn't streamed."""
        ...

    def stream(self, turn: Turn, model: str) -> Iterator[bytes]:
        """Yield the parts of a streamed answer. An empty part marks the place before a chunk of text."""
        ...

    def streams(self, path: str, body: Body) -> bool:
        """Whether a streamed answer is asked for."""
        ...


def words(turn: Turn) -> list[str]:
    """Return the chunks in which the text comes; none of an empty text."""
    return [word + " " for word in turn.text.split(" ")] if turn.text else []


def spoken(turn: Turn) -> Iterator[tuple[str, bool]]:
    """Yield (chunk, whether the stream reports an error in its place)."""
    for number, word in enumerate(words(turn)):
        yield word, turn.error_after == number


def new_id(prefix: str) -> str:
    """Return an id of an answer or a call."""
    return f"{prefix}{os.urandom(4).hex()}"


def data(value: object) -> bytes:
    """Return a server-sent event without a name."""
    return f"data: {json.dumps(value)}\n\n".encode()


def event(name: str, **fields: Any) -> bytes:
    """Return a server-sent event whose data repeats its name as `type`."""
    return f"event: {name}\ndata: {json.dumps({'type': name, **fields})}\n\n".encode()


def openai_error(turn: Turn, model: str) -> tuple[int, Body]:
    """Return an error as OpenAI words it."""
    limit = f"Rate limit reached for {model} in organization org-fake on requests per min (RPM): Limit 3, Used 3."
    told: Mapping[str, tuple[int, str, str, str]] = {
        "401": (401, "invalid_request_error", "invalid_api_key", "Incorrect API key provided: sk-ant-**6789."),
        "403": (403, "permission_error", "forbidden", "You do not have permission to use this resource."),
        "404": (404, "invalid_request_error", "model_not_found", f"The model `{model}` does not exist."),
        "429": (429, "requests", "rate_limit_exceeded", limit),
        "quota": (
            429,
            "insufficient_quota",
            "insufficient_quota",
            "You exceeded your current quota, please check your plan and billing details.",
        ),
        "500": (500, "server_error", "server_error", "The server had an error while processing your request."),
        "529": (
            503,
            "server_error",
            "server_overloaded",
            "The server is currently overloaded. Please try again later.",
        ),
        "toolong": (
            400,
            "invalid_request_error",
            "context_length_exceeded",
            "This model's maximum context length is 128000 tokens. However, your messages resulted in 250000 tokens.",
        ),
    }
    if turn.failure in told:
        status, kind, code, message = told[turn.failure]
    else:
        status, kind, code, message = int(turn.failure), "invalid_request_error", "unknown", f"status {turn.failure}"
    return status, {"error": {"message": turn.text or message, "type": kind, "param": None, "code": code}}
