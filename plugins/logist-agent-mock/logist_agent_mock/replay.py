"""Recordings: what may stand in one, checked line by line before it is played.

A recording is JSON lines, each `{"t": seconds, "stream": "out" | "err", "data": text}`, where `"base64"` may stand in
place of `"data"`; the last line may instead be `{"t": seconds, "exit": code}` or `{"t": seconds, "signal": name}`.
"""

from __future__ import annotations

import binascii
import json
from pathlib import Path

from logist_agent_mock.steps import FATAL_SIGNALS
from logist_core.api import UsageError

#: A longer line is no recording but a mistake (a log given in its place).
MAX_LINE_CHARACTERS = 16 * 1024 * 1024
MAX_SECONDS = 1e9


def check_replay(path: Path) -> None:
    """Read the whole recording once.

    Raises:
        UsageError: It can't be read or a line isn't as it must be; names file and line.
    """
    try:
        with path.open(encoding="utf-8") as recording:
            last_t = 0.0
            over = False
            lines = 0
            while line := recording.readline(MAX_LINE_CHARACTERS + 1):
                lines += 1
                if over:
                    raise _Wrong("stands after the line that ends the recording")
                last_t, over = _check_line(line, last_t)
    except OSError as error:
        raise UsageError(f"can't read the recording {path}: {error.strerror or error}") from None
    except UnicodeDecodeError:
        raise UsageError(f"{path} is not UTF-8 text", hint="use `base64` for such data") from None
    except _Wrong as wrong:
        raise UsageError(
            f"{path}: line {lines} {wrong}", hint='a line is {"t": 0.5, "stream": "out", "data": "text"}'
        ) from None
    if lines == 0:
        raise UsageError(f"{path}: the recording is empty")


class _Wrong(Exception):
    """What is wrong with a line."""


def _check_line(line: str, last_t: float) -> tuple[float, bool]:
    if len(line) > MAX_LINE_CHARACTERS:
        raise _Wrong(f"is longer than {MAX_LINE_CHARACTERS} characters")
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        raise _Wrong("is not JSON") from None
    if not isinstance(record, dict):
        raise _Wrong("is not a JSON object")
    t = record.get("t")
    if not isinstance(t, int | float) or isinstance(t, bool) or not last_t <= t <= MAX_SECONDS:
        raise _Wrong(f"needs `t`: a number of seconds, not less than the {last_t:g} before it")
    if "exit" in record:
        code = record["exit"]
        if not isinstance(code, int) or isinstance(code, bool) or not 0 <= code <= 255:
            raise _Wrong("needs an `exit` from 0 to 255")
        return t, True
    if "signal" in record:
        if record["signal"] not in FATAL_SIGNALS:
            raise _Wrong("needs a `signal` that is one of " + ", ".join(FATAL_SIGNALS))
        return t, True
    if record.get("stream") not in ("out", "err"):
        raise _Wrong('needs a `stream` that is "out" or "err"')
    if "base64" in record:
        try:
            binascii.a2b_base64(record["base64"], strict_mode=True)
        except (ValueError, TypeError):
            raise _Wrong("has a `base64` that is none") from None
    elif not isinstance(record.get("data"), str):
        raise _Wrong("needs `data`: a string")
    return t, False
