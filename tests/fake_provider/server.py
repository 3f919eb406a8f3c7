"""A fake model provider on 127.0.0.1: owns the scenarios, their wire form, and a record of every request.

A process of its own, standard library only: `python server.py --record FILE` prints its port on one line and serves
until its standard input ends or it is killed, so that it never outlives the test that started it.

The first part of a request's path names a scenario, what follows is the provider's own API:

    /r/<scenario>[,option=value...]/v1/messages        values are percent-encoded

Scenarios (every request gets the same answer unless it says otherwise):

    ok                 `text` (default: a greeting)
    tool               a call of `tool` (default: Bash, with `command`), then, once its result came back, `text`
    401 403 404 529 .. that status, with the provider's own form of the error
    429                the same; `retry-after=N` adds the header
    usage-limit        429 with the headers of a subscription whose limit is used up until `resets-at` (Unix time)
    quota              400: the credit balance is too low
    toolong            400: the prompt is too long
    hang               response headers, then silence
    hangmid            `after` chunks (default: 2) of the answer, then silence
    slow               a chunk of `text` every `ms` milliseconds (default: 200), `chunks` (default: 20) of them
    seq                `of=529:529:ok`: the first request gets the first, and so on; the last goes on for ever
    first2-529         the same as `seq,of=529:529:ok`

Invariant: an answer depends only on the scenario, the request's body and the number of requests before it under the
same path prefix. Requests that an agent makes beside the conversation (a title for it) are recorded as `aside`, get a
plain answer and don't count. Protocols of other providers are added to `PROTOCOLS`; scenarios know nothing of them.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Protocol
from urllib.parse import unquote

GREETING = "Hello from the fake model."


@dataclass(frozen=True, kw_only=True)
class Turn:
    """What the model does on one request, in no provider's terms.

    Attributes:
        text: What it says, cut into words for a stream.
        tool: Name and input of the tool that it calls after the text.
        status: HTTP status; anything but 200 is an error of `error` with `text` as its message.
        error: The provider's name for the error.
        headers: Added to the response.
        silent_after: After so many chunks of text nothing more comes, and the connection stays open.
        delay_s: Pause before each chunk of text.
    """

    text: str = GREETING
    tool: tuple[str, Mapping[str, Any]] | None = None
    status: int = 200
    error: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    silent_after: int | None = None
    delay_s: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Request:
    """What a scenario may look at."""

    nth: int
    options: Mapping[str, str]
    tool_result_came: bool


Scenario = Callable[[Request], Turn]

_ERRORS = {
    400: ("invalid_request_error", "The request is not valid (fake)."),
    401: ("authentication_error", "invalid x-api-key"),
    403: ("permission_error", "Your API key does not have permission to use the specified resource (fake)."),
    404: ("not_found_error", "model: fake"),
    429: ("rate_limit_error", "This request would exceed your rate limit (fake). Please try again later."),
    500: ("api_error", "Internal server error"),
    529: ("overloaded_error", "Overloaded"),
}


def _ok(request: Request) -> Turn:
    return Turn(text=request.options.get("text", GREETING))


def _tool(request: Request) -> Turn:
    if request.tool_result_came:
        return _ok(request)
    name = request.options.get("tool", "Bash")
    command = request.options.get("command", "echo from-tool > hello.txt; echo done")
    arguments = request.options.get("input")
    given = json.loads(arguments) if arguments else {"command": command, "description": "Run a command"}
    return Turn(text="I will use a tool.", tool=(name, given))


def _error(status: int) -> Scenario:
    def scenario(request: Request) -> Turn:
        error, message = _ERRORS.get(status, ("api_error", f"status {status} (fake)"))
        retry_after = request.options.get("retry-after")
        headers = {"retry-after": retry_after} if retry_after else {}
        return Turn(status=status, error=error, text=request.options.get("text", message), headers=headers)

    return scenario


def _usage_limit(request: Request) -> Turn:
    error, _ = _ERRORS[429]
    headers = {
        "anthropic-ratelimit-unified-status": "rejected",
        "anthropic-ratelimit-unified-reset": request.options["resets-at"],
        "anthropic-ratelimit-unified-representative-claim": "five_hour",
        "anthropic-ratelimit-unified-overage-status": "rejected",
    }
    return Turn(status=429, error=error, text="This request would exceed your account's limit.", headers=headers)


def _quota(request: Request) -> Turn:
    message = "Your credit balance is too low to access the Anthropic API. Please go to Plans & Billing."
    return Turn(status=400, error="invalid_request_error", text=message)


def _toolong(request: Request) -> Turn:
    return Turn(status=400, error="invalid_request_error", text="prompt is too long: 250000 tokens > 200000 maximum")


def _hang(request: Request) -> Turn:
    return Turn(silent_after=0)


def _hangmid(request: Request) -> Turn:
    return Turn(text=request.options.get("text", GREETING), silent_after=int(request.options.get("after", "2")))


def _slow(request: Request) -> Turn:
    chunks = int(request.options.get("chunks", "20"))
    return Turn(
        text=" ".join(f"token-{n}" for n in range(1, chunks + 1)), delay_s=int(request.options.get("ms", "200")) / 1e3
    )


def _seq(request: Request) -> Turn:
    names = request.options["of"].split(":")
    name = names[min(request.nth, len(names)) - 1]
    return find_scenario(name)(request)


def _first2_529(request: Request) -> Turn:
    return _error(529)(request) if request.nth <= 2 else _ok(request)


SCENARIOS: Mapping[str, Scenario] = {
    "ok": _ok,
    "tool": _tool,
    "usage-limit": _usage_limit,
    "quota": _quota,
    "toolong": _toolong,
    "hang": _hang,
    "hangmid": _hangmid,
    "slow": _slow,
    "seq": _seq,
    "first2-529": _first2_529,
}


def find_scenario(name: str) -> Scenario:
    """Return the scenario called `name`; three digits are the error with that status."""
    if name.isdigit() and len(name) == 3:
        return _error(int(name))
    return SCENARIOS[name]


class Wire(Protocol):
    """How one provider's API puts a `Turn` on the wire. To add a provider, fulfil this and name it in `PROTOCOLS`."""

    def tool_result_came(self, body: Mapping[str, Any]) -> bool:
        """Whether the conversation's last message answers a tool call."""
        ...

    def is_aside(self, body: Mapping[str, Any]) -> bool:
        """Whether the request is no part of the conversation that the user asked for."""
        ...

    def error(self, turn: Turn) -> Mapping[str, Any]:
        """Return the JSON body of an error."""
        ...

    def whole(self, turn: Turn, model: str) -> Mapping[str, Any]:
        """Return the JSON body of an answer that isn't streamed."""
        ...

    def stream(self, turn: Turn, model: str) -> Iterator[bytes]:
        """Yield the parts of a streamed answer. An empty part marks the place before a chunk of text."""
        ...


class AnthropicMessages:
    """The Anthropic Messages API."""

    def tool_result_came(self, body: Mapping[str, Any]) -> bool:
        """See `Wire`."""
        messages = body.get("messages") or [{}]
        content = messages[-1].get("content")
        return isinstance(content, list) and any(part.get("type") == "tool_result" for part in content)

    def is_aside(self, body: Mapping[str, Any]) -> bool:
        """See `Wire`. Claude Code gives its tools to every request but the one that asks for a title."""
        return not body.get("tools")

    def error(self, turn: Turn) -> Mapping[str, Any]:
        """See `Wire`."""
        return {"type": "error", "error": {"type": turn.error, "message": turn.text}, "request_id": "req_fake"}

    def whole(self, turn: Turn, model: str) -> Mapping[str, Any]:
        """See `Wire`."""
        content: list[Mapping[str, Any]] = [{"type": "text", "text": turn.text}]
        if turn.tool:
            content.append(self._tool_use(turn.tool, turn.tool[1]))
        return {
            **self._message(model),
            "content": content,
            "stop_reason": "tool_use" if turn.tool else "end_turn",
            "usage": {"input_tokens": 100, "output_tokens": 7},
        }

    def stream(self, turn: Turn, model: str) -> Iterator[bytes]:
        """See `Wire`."""
        yield self._sse("message_start", message=self._message(model))
        yield self._sse("ping")
        yield self._sse("content_block_start", index=0, content_block={"type": "text", "text": ""})
        for word in turn.text.split(" "):
            yield b""
            yield self._sse("content_block_delta", index=0, delta={"type": "text_delta", "text": word + " "})
        yield self._sse("content_block_stop", index=0)
        if turn.tool:
            yield self._sse("content_block_start", index=1, content_block=self._tool_use(turn.tool, {}))
            arguments = {"type": "input_json_delta", "partial_json": json.dumps(turn.tool[1])}
            yield self._sse("content_block_delta", index=1, delta=arguments)
            yield self._sse("content_block_stop", index=1)
        reason = "tool_use" if turn.tool else "end_turn"
        delta = {"stop_reason": reason, "stop_sequence": None}
        yield self._sse("message_delta", delta=delta, usage={"output_tokens": 7})
        yield self._sse("message_stop")

    @staticmethod
    def _message(model: str) -> Mapping[str, Any]:
        return {
            "id": f"msg_fake_{os.urandom(4).hex()}",
            "type": "message",
            "role": "assistant",
            "model": model,
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": {"input_tokens": 100, "output_tokens": 1},
        }

    @staticmethod
    def _tool_use(tool: tuple[str, Mapping[str, Any]], given: Mapping[str, Any]) -> Mapping[str, Any]:
        return {"type": "tool_use", "id": f"toolu_{os.urandom(4).hex()}", "name": tool[0], "input": given}

    @staticmethod
    def _sse(event: str, **data: Any) -> bytes:
        return f"event: {event}\ndata: {json.dumps({'type': event, **data})}\n\n".encode()


#: End of a request's path -> the protocol spoken there.
PROTOCOLS: Mapping[str, Wire] = {"/v1/messages": AnthropicMessages()}


class Recorder:
    """Appends each request as a line of JSON to a file, and counts them for each path prefix."""

    def __init__(self, path: str | None) -> None:
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()
        self._fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600) if path else None

    def record(self, prefix: str, entry: Mapping[str, Any], *, counts: bool) -> int:
        """Write `entry` with its number, and return the number: 1, 2, 3 ... within `prefix`; 0 if it doesn't count."""
        with self._lock:
            self._counts[prefix] += counts
            nth = self._counts[prefix] if counts else 0
            if self._fd is not None:
                # Not buffered: a line is in the file before the request is answered, and tests rely on that.
                os.write(self._fd, json.dumps({"nth": nth, "scenario": prefix, **entry}).encode() + b"\n")
            return nth


class Handler(BaseHTTPRequestHandler):
    """Answers one connection."""

    protocol_version = "HTTP/1.1"
    server: Server

    def do_HEAD(self) -> None:
        """Some clients look whether the host answers before they send a request."""
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_GET = do_HEAD

    def do_POST(self) -> None:
        """Play the scenario of the path."""
        raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        path = self.path.partition("?")[0]
        _, _, tail = path.partition("/r/")
        prefix, _, rest = tail.partition("/")
        wire = PROTOCOLS.get("/" + rest)
        if wire is None:
            self._json(404, {"error": f"no such path: {path}"}, {})
            return
        try:
            body = json.loads(raw)
        except ValueError:
            self._json(400, {"error": "the body is not JSON"}, {})
            return
        name, *pairs = prefix.split(",")
        options = {key: unquote(value) for key, _, value in (pair.partition("=") for pair in pairs)}
        headers = {key.lower(): value for key, value in self.headers.items()}
        aside = wire.is_aside(body)
        entry = {"aside": aside, "path": path, "headers": headers, "body": body}
        nth = self.server.recorder.record(prefix, entry, counts=not aside)
        request = Request(nth=nth, options=options, tool_result_came=wire.tool_result_came(body))
        turn = Turn() if aside else find_scenario(name)(request)
        self._answer(wire, turn, body)

    def _answer(self, wire: Wire, turn: Turn, body: Mapping[str, Any]) -> None:
        model = str(body.get("model", "fake"))
        if turn.status != 200:
            self._json(turn.status, wire.error(turn), turn.headers)
        elif not body.get("stream") and turn.silent_after is None:
            self._json(200, wire.whole(turn, model), turn.headers)
        else:
            self._stream(wire.stream(turn, model), turn)

    def _json(self, status: int, body: Mapping[str, Any], headers: Mapping[str, str]) -> None:
        raw = json.dumps(body).encode()
        self.send_response(status)
        for key, value in {"Content-Type": "application/json", "Content-Length": str(len(raw)), **headers}.items():
            self.send_header(key, value)
        self.end_headers()
        self.wfile.write(raw)

    def _stream(self, parts: Iterator[bytes], turn: Turn) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self.wfile.flush()
        chunks = 0
        try:
            for part in parts:
                if turn.silent_after == 0 or (not part and chunks == turn.silent_after):
                    threading.Event().wait()
                if part:
                    self.wfile.write(b"%x\r\n%s\r\n" % (len(part), part))
                    self.wfile.flush()
                else:
                    chunks += 1
                    time.sleep(turn.delay_s)
            self.wfile.write(b"0\r\n\r\n")
        except OSError:
            self.close_connection = True  # the agent went away in the middle; that is what some tests are about

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: what came is in the record."""


class Server(ThreadingHTTPServer):
    """Serves on a free port of 127.0.0.1."""

    daemon_threads = True

    def __init__(self, recorder: Recorder) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.recorder = recorder


def main() -> None:
    """Serve until standard input ends."""
    parser = argparse.ArgumentParser(description="A fake model provider on 127.0.0.1.")
    parser.add_argument("--record", help="append each request to this file, as a line of JSON")
    options = parser.parse_args()
    server = Server(Recorder(options.record))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(server.server_address[1], flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
