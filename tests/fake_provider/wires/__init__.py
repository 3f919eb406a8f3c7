"""The protocols of model providers: from a turn to bytes. Owns what each of them calls things."""

from __future__ import annotations

from fake_provider.wires.anthropic import AnthropicMessages
from fake_provider.wires.base import Wire
from fake_provider.wires.chat import OpenAIChat
from fake_provider.wires.gemini import Gemini
from fake_provider.wires.responses import OpenAIResponses

#: End of a request's path -> the protocol spoken there.
PROTOCOLS: dict[str, Wire] = {
    "/v1/messages": AnthropicMessages(),
    "/chat/completions": OpenAIChat(),
    "/responses": OpenAIResponses(),
    ":streamGenerateContent": Gemini(),
    ":generateContent": Gemini(),
}


def find_wire(path: str) -> Wire | None:
    """Return the protocol of a request to `path`, or None."""
    return next((wire for ending, wire in PROTOCOLS.items() if path.endswith(ending)), None)
