"""The `logist` command: runs what was asked, and turns every error into one line and one exit code.

Invariant: nothing leaves `run` as an exception, and nothing heavy is imported here: a plain `logist ls`, which
prompts and scripts call all the time, doesn't even load the parser of options.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import NoReturn

from logist_core.cli.output import prepare_streams, put
from logist_core.errors import ExitCode, LogistError, is_passing

#: The forms of `logist ls` that need no parser; anything else goes the usual way.
_PLAIN_LS = {
    "-a": "all",
    "--all": "all",
    "-q": "quiet",
    "--quiet": "quiet",
    "--json": "json",
}


def main(args: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and exit with its code."""
    prepare_streams()
    arguments = list(sys.argv[1:] if args is None else args)
    code = run(arguments)
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        _drop_stdout()
    sys.exit(code)


def run(arguments: list[str]) -> int:
    """Run the command line; return its exit code. Nothing that happens in a command leaves here as an exception."""
    as_json = _asks_for_json(arguments)
    try:
        return _dispatch(arguments)
    except LogistError as error:
        if _debugging():
            _print_traceback()
        return _fail(error.kind, error.message, error.hint, error.exit_code, as_json)
    except KeyboardInterrupt:
        return ExitCode.INTERRUPTED
    except BrokenPipeError:
        # The reader has what it wanted (`logist logs job | head`).
        _drop_stdout()
        return ExitCode.FAILURE
    except Exception as error:  # noqa: BLE001  the last line of defence: a defect is reported as one
        if _debugging():
            _print_traceback()
        if isinstance(error, OSError) and is_passing(error):  # the machine's shortage, not our defect
            from logist_core.jobs.files import hint_for

            where = f": {error.filename}" if error.filename else ""
            return _fail("failure", f"{error.strerror}{where}", hint_for(error) or "try again", 1, as_json)
        message = f"internal error: {type(error).__name__}: {error}"
        return _fail("internal", message, "the same with LOGIST_DEBUG=1 shows where; please report it", 1, as_json)


def _dispatch(arguments: list[str]) -> int:
    if arguments[:1] == ["ls"] and all(word in _PLAIN_LS for word in arguments[1:]):
        from logist_core.cli.app import App
        from logist_core.cli.listing import list_jobs

        asked = {_PLAIN_LS[word] for word in arguments[1:]}
        list_jobs(App(), show_all="all" in asked, quiet="quiet" in asked, as_json="json" in asked)
        return ExitCode.OK
    from logist_core.cli.group import invoke

    return invoke(arguments)


def _asks_for_json(arguments: Sequence[str]) -> bool:
    before_raw = arguments[: arguments.index("--")] if "--" in arguments else arguments
    return "--json" in before_raw


def _debugging() -> bool:
    return os.environ.get("LOGIST_DEBUG", "") not in {"", "0"}


def _print_traceback() -> None:
    import traceback

    from logist_core.cli.text import clean

    put(clean(traceback.format_exc()), stream=sys.stderr)


def _fail(kind: str, message: str, hint: str | None, code: int, as_json: bool) -> int:
    """Say what went wrong, on stderr, in the form that was asked for."""
    from logist_core.cli.text import one_line

    try:
        if as_json:
            import json

            error = {"kind": kind, "message": message, "hint": hint, "exit_code": int(code)}
            put(json.dumps({"error": error}) + "\n", stream=sys.stderr)
        else:
            put(f"logist: {one_line(message, 2000)}\n", stream=sys.stderr)
            if hint:
                put(f"Try: {one_line(hint, 2000)}\n", stream=sys.stderr)
    except OSError:
        pass  # nobody listens on stderr; the exit code still says it
    return int(code)


def _drop_stdout() -> None:
    """Keep the interpreter from complaining about the closed pipe when it flushes at exit."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, sys.stdout.fileno())
    os.close(null)
