"""A fake model provider on 127.0.0.1: owns the connections, and a record of every request.

A process of its own, standard library only: `python -m fake_provider.server --record FILE` prints its port on one line
and serves until its standard input ends or it is killed, so that it never outlives the test that started it.

The first part of a request's path names a scenario, what follows is the provider's own API (see `wires`):

    /r/<scenario>[,option=value...]/v1/messages        values are percent-encoded

Scenarios (`turns`; every request gets the same answer unless it says otherwise):

    ok                 `text` (default: a greeting)
    tool               a call of `tool` (default: the agent's shell, with `command`), then, once its result came, `text`
    toolfail toollong toolbackground toolstdin      the same with a command that fails, takes 30 s, leaves a process
                       behind, or reads its standard input
    toolloop           the same call, whatever comes back
    401 403 404 529 .. that status, with the provider's own form of the error
    429                the same; `retry-after=N` adds the header
    usage-limit        429 with the headers of a subscription whose limit is used up until `resets-at` (Unix time)
    quota toolong      as the provider says it: the credit is used up, the prompt is too long
    hangpre hang       nothing at all; response headers, then silence
    hangmid            `after` chunks (default: 2) of the answer, then silence
    close closemid     the connection is reset before the headers, or after 2 chunks
    errmid             the stream reports an error after 2 chunks
    maxtokens refusal empty   the answer is cut at the output limit, refused, has no text
    badjson            status 200 with a page of HTML
    huge               `words` words (default: 200,000)
    slow               a chunk of `text` every `ms` milliseconds (default: 200), `chunks` (default: 20) of them
    seq                `of=529:529:ok`: the first request gets the first, and so on; the last goes on for ever
    first2-529         fails so often, then works
    after1-429         works so often, with a call of the shell, then fails

With `submit=COMMAND` a good answer comes with a call of the shell, for agents that end with a command.

Invariant: an answer depends only on the scenario, the request's body and the number of requests before it under the
same path prefix. Requests that an agent makes beside the conversation (a title for it) are recorded as `aside`, get a
plain answer and don't count.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import struct
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote

from fake_provider.turns import GREETING, Request, Turn, find_scenario
from fake_provider.wires import Wire, find_wire


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
                line = json.dumps({"nth": nth, "at": time.time(), "scenario": prefix, **entry})
                os.write(self._fd, line.encode() + b"\n")
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
        wire = find_wire("/" + rest)
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
        request = Request(
            nth=nth, options=options, tool_result_came=wire.tool_result_came(body), tools=wire.tools(body)
        )
        turn = Turn(text=GREETING) if aside else find_scenario(name)(request)
        self._answer(wire, turn, path, body)

    def _answer(self, wire: Wire, turn: Turn, path: str, body: Mapping[str, Any]) -> None:
        model = str(body.get("model", "fake"))
        if turn.silent_after == -1:
            threading.Event().wait()
        if turn.closed_after == -1:
            self._reset()
        elif turn.failure:
            status, error = wire.error(turn, model)
            self._json(status, error, turn.headers)
        elif turn.raw is not None:
            self._raw(200, turn.raw, {"Content-Type": "text/html"})
        elif not wire.streams(path, body) and turn.silent_after is None and turn.closed_after is None:
            self._json(200, wire.whole(turn, model), turn.headers)
        else:
            self._stream(wire.stream(turn, model), turn)

    def _json(self, status: int, body: Mapping[str, Any], headers: Mapping[str, str]) -> None:
        self._raw(status, json.dumps(body).encode(), {"Content-Type": "application/json", **headers})

    def _raw(self, status: int, raw: bytes, headers: Mapping[str, str]) -> None:
        self.send_response(status)
        for key, value in {"Content-Length": str(len(raw)), **headers}.items():
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
                at_text = not part
                if turn.silent_after == 0 or (at_text and chunks == turn.silent_after):
                    threading.Event().wait()
                if at_text and chunks == turn.closed_after:
                    self._reset()
                    return
                if part:
                    self.wfile.write(b"%x\r\n%s\r\n" % (len(part), part))
                    self.wfile.flush()
                else:
                    chunks += 1
                    time.sleep(turn.delay_s)
            self.wfile.write(b"0\r\n\r\n")
        except OSError:
            self.close_connection = True  # the agent went away in the middle; that is what some tests are about

    def _reset(self) -> None:
        """End the connection with a reset, as a dying proxy does, not with an orderly end."""
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.shutdown(socket.SHUT_RD)
        self.connection.close()

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: what came is in the record."""


class Server(ThreadingHTTPServer):
    """Serves on a free port of 127.0.0.1."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, recorder: Recorder) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.recorder = recorder

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: agents that give up in the middle are the point of some tests."""


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
