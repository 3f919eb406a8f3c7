"""The Gemini API: generateContent and its stream."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from fake_provider.turns import Turn
from fake_provider.wires.base import Body, data, spoken

_ERRORS: Mapping[str, tuple[int, str, str]] = {
    "401": (400, "INVALID_ARGUMENT", "API key not valid. Please pass a valid API key."),
    "403": (403, "PERMISSION_DENIED", "The caller does not have permission"),
    "404": (404, "NOT_FOUND", "models/fake is not found for API version v1beta, or is not supported."),
    "429": (429, "RESOURCE_EXHAUSTED", "Resource has been exhausted (e.g. check quota)."),
    "quota": (
        429,
        "RESOURCE_EXHAUSTED",
        "You exceeded your current quota, please check your plan and billing details.",
    ),
    "500": (500, "INTERNAL", "An internal error has occurred. Please retry."),
    "529": (503, "UNAVAILABLE", "The model is overloaded. Please try again later."),
    "toolong": (
        400,
        "INVALID_ARGUMENT",
        "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).",
    ),
}
_DETAILS: Mapping[str, Mapping[str, Any]] = {
    "401": {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID"},
    "quota": {
        "@type": "type.googleapis.com/google.rpc.QuotaFailure",
        "violations": [{"quotaId": "GenerateRequestsPerDayPerProjectPerModel-FreeTier", "quotaValue": "50"}],
    },
}
_FINISHES = {"stop": "STOP", "length": "MAX_TOKENS", "refusal": "SAFETY"}


class Gemini:
    """See `Wire`."""

    def tool_result_came(self, body: Body) -> bool:
        """See `Wire`."""
        contents = body.get("contents") or [{}]
        return any("functionResponse" in part for part in contents[-1].get("parts") or ())

    def tools(self, body: Body) -> tuple[str, ...]:
        """See `Wire`."""
        groups = [tool.get("functionDeclarations") or () for tool in body.get("tools") or ()]
        return tuple(function.get("name", "") for group in groups for function in group)

    def is_aside(self, body: Body) -> bool:
        """See `Wire`. The CLI asks a small model which model to ask, and whether the last turn was complete."""
        return not body.get("tools")

    def error(self, turn: Turn, model: str) -> tuple[int, Body]:
        """See `Wire`."""
        code, status, message = _ERRORS.get(turn.failure) or (int(turn.failure), "UNKNOWN", "an error (fake)")
        error: dict[str, Any] = {"code": code, "message": turn.text or message, "status": status}
        if turn.failure in _DETAILS:
            error["details"] = [_DETAILS[turn.failure]]
        return code, {"error": error}

    def whole(self, turn: Turn, model: str) -> Body:
        """See `Wire`."""
        parts: list[Body] = [{"text": turn.text}] if turn.text else []
        if turn.tool:
            parts.append({"functionCall": {"name": turn.tool[0], "args": turn.tool[1]}})
        return self._chunk(parts, _FINISHES[turn.finish])

    def stream(self, turn: Turn, model: str) -> Iterator[bytes]:
        """See `Wire`."""
        for word, fails in spoken(turn):
            yield b""
            if fails:
                yield data(self.error(Turn(failure="529"), model)[1])
                return
            yield data(self._chunk([{"text": word}], None))
        last: list[Body] = []
        if turn.tool:
            last.append({"functionCall": {"name": turn.tool[0], "args": turn.tool[1]}})
        yield data(self._chunk(last, _FINISHES[turn.finish]))

    def streams(self, path: str, body: Body) -> bool:
        """See `Wire`."""
        return path.endswith(":streamGenerateContent")

    @staticmethod
    def _chunk(parts: list[Body], finish: str | None) -> Body:
        candidate: dict[str, Any] = {"content": {"role": "model", "parts": parts}, "index": 0}
        if finish:
            candidate["finishReason"] = finish
        usage = {"promptTokenCount": 100, "candidatesTokenCount": 7, "totalTokenCount": 107}
        return {"candidates": [candidate], "usageMetadata": usage, "modelVersion": "fake"}
