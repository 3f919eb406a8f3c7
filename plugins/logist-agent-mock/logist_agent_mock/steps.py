"""The steps that a mock run is made of: their vocabulary, its validation, and the scenarios written in it.

Invariant: what `check_steps` lets through, `program.py` can play; a scenario is nothing but a list of such steps.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from typing import Any

from logist_core.api import UsageError

Step = dict[str, Any]

#: Exit codes of the program; 0 and 1 mean what they always mean.
EXIT_USAGE = 2
EXIT_REFUSED = 4
EXIT_LIMITED = 75
EXIT_INTERRUPTED = 130

FATAL_SIGNALS = ("ABRT", "BUS", "FPE", "HUP", "ILL", "INT", "KILL", "QUIT", "SEGV", "TERM")
IGNORABLE_SIGNALS = ("HUP", "INT", "QUIT", "TERM")
RESULTS = ("success", "error", "refused", "limited", "interrupted")
ESCAPE = "\x1b"

#: Some thirty years, and what a file's format and a clock can hold with ease.
MAX_SECONDS = 1e9
MAX_INTEGER = 2**53

#: Far more than any test needs, far less than what would trouble an interpreter's stack.
_MAX_DEPTH = 20

_Check = Callable[[Any], str | None]


def _seconds(value: object) -> str | None:
    if value == math.inf or _finite_seconds(value) is None:
        return None
    return "a number of seconds, 0 or more (`inf`: for ever)"


def _finite_seconds(value: object) -> str | None:
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= MAX_SECONDS:
        return None
    return f"a finite number of seconds from 0 to {MAX_SECONDS:g}"


def _text(value: object) -> str | None:
    return None if isinstance(value, str) else "a string"


def _non_empty(value: object) -> str | None:
    return None if isinstance(value, str) and value else "a string that is not empty"


def _true(value: object) -> str | None:
    return None if value is True else "true"


def _boolean(value: object) -> str | None:
    return None if isinstance(value, bool) else "true or false"


def _integer(low: int, high: int = MAX_INTEGER) -> _Check:
    def check(value: object) -> str | None:
        if isinstance(value, int) and not isinstance(value, bool) and low <= value <= high:
            return None
        return f"a whole number, {low} or more" if high == MAX_INTEGER else f"a whole number from {low} to {high}"

    return check


def _one_of(*allowed: str) -> _Check:
    def check(value: object) -> str | None:
        return None if value in allowed else "one of " + ", ".join(allowed)

    return check


def _event(value: object) -> str | None:
    if not isinstance(value, Mapping) or not isinstance(value.get("type"), str):
        return 'a table with a string `type`, such as {type = "text", text = "hello"}'
    return None if _is_plain(value) else "a table of strings, finite numbers, booleans, arrays and tables"


def _is_plain(value: object) -> bool:
    """Tell whether JSON has a form for it: TOML's dates, `inf` and `nan` have none."""
    if isinstance(value, Mapping):
        return all(_is_plain(item) for item in value.values())
    if isinstance(value, list):
        return all(_is_plain(item) for item in value)
    if isinstance(value, int):
        return abs(value) <= MAX_INTEGER
    return isinstance(value, str) or (isinstance(value, float) and math.isfinite(value))


def _times(value: object) -> str | None:
    return None if value == "forever" or _integer(1)(value) is None else 'a whole number, 1 or more, or "forever"'


#: Verb -> (check of its value, checks of the keys that may stand beside it).
VERBS: Mapping[str, tuple[_Check, Mapping[str, _Check]]] = {
    "begin": (_true, {}),
    "print": (_text, {"end": _text}),
    "stderr": (_text, {"end": _text}),
    "event": (_event, {}),
    "tool": (_non_empty, {"input": _text, "for_s": _seconds, "ok": _boolean, "exit_code": _integer(0, 255)}),
    "sleep_s": (_seconds, {"until": _non_empty}),
    "spin_s": (_seconds, {}),
    "spinner_s": (_seconds, {"until": _non_empty}),
    "ask": (_non_empty, {"kind": _one_of("permission", "question")}),
    "read_stdin": (_one_of("line", "all"), {}),
    "tokens": (_integer(1), {"every_s": _finite_seconds}),
    "flood_bytes": (_integer(0), {}),
    "fork": (_one_of("child", "session", "daemon"), {"for_s": _finite_seconds}),
    "limit_s": (_finite_seconds, {"shared": _text}),
    "repeat": (_times, {}),
    "suspend": (_true, {}),
    "finish": (_one_of(*RESULTS), {"reason": _text}),
    "exit": (_integer(0, 255), {}),
    "die": (_one_of(*FATAL_SIGNALS), {}),
}


def check_steps(steps: object, where: str, *, at: str = "", depth: int = 0) -> list[Step]:
    """Return `steps` as the program plays them.

    Args:
        steps: What the file holds under `steps`.
        where: The file, for the error's text.
        at: Number of the enclosing step, for the error's text (`3.`).
        depth: How many `repeat`s enclose them.

    Raises:
        UsageError: With the file, the step's number and what it must be.
    """
    if not isinstance(steps, list) or not steps:
        place = f"step {at.rstrip('.')}: " if at else ""
        raise UsageError(
            f"{where}: {place}`steps` must be an array of tables with at least one step",
            hint='write [[steps]] and below it print = "hello"',
        )
    if depth > _MAX_DEPTH:
        raise UsageError(f"{where}: step {at.rstrip('.')}: more than {_MAX_DEPTH} repeats in one another")
    return [_check_step(step, where, f"{at}{number}", depth) for number, step in enumerate(steps, start=1)]


def _check_step(step: object, where: str, number: str, depth: int) -> Step:
    place = f"{where}: step {number}"
    if not isinstance(step, dict):
        raise UsageError(f"{place} must be a table", hint='write {print = "hello"}')
    verbs = [key for key in step if key in VERBS]
    if not verbs:
        asked = next(iter(step), "")
        near = get_close_matches(asked, VERBS, n=1)
        raise UsageError(
            f"{place} has no verb" + (f": `{_shown(asked)}` is none" if step else ""),
            hint=f"write `{near[0]}`" if near else "one of " + ", ".join(VERBS),
        )
    if len(verbs) > 1:
        raise UsageError(f"{place} has {len(verbs)} verbs ({', '.join(verbs)}): one step does one thing")
    verb = verbs[0]
    place = f"{place} (`{verb}`)"
    check, options = VERBS[verb]
    _require(check, step[verb], f"{place}: must be")
    checked: Step = {verb: step[verb]}
    for key, value in step.items():
        if key == verb or (verb == "repeat" and key == "steps"):
            continue
        if key not in options:
            known = ", ".join(options) or "no other key"
            raise UsageError(f"{place}: `{_shown(key)}` can't stand beside it", hint=f"it takes {known}")
        _require(options[key], value, f"{place}: `{key}` must be")
        checked[key] = value
    if verb == "repeat":
        checked["steps"] = check_steps(step.get("steps"), where, at=f"{number}.", depth=depth + 1)
    return checked


def _require(check: _Check, value: object, subject: str) -> None:
    wanted = check(value)
    if wanted is not None:
        shown = f'"{_shown(value)}"' if isinstance(value, str) else _shown(value)
        raise UsageError(f"{subject} {wanted}, not {shown}")


def _shown(value: object) -> str:
    """Return a foreign value as printable ASCII of bounded length."""
    text = value if isinstance(value, str) else ascii(value)
    text = ascii(text)[1:-1] if not (text.isascii() and text.isprintable()) else text
    return text if len(text) <= 60 else text[:57] + "..."


def wants_input(steps: Sequence[Step]) -> bool:
    """Tell whether a step waits for something on standard input."""
    return any(
        "ask" in step or "read_stdin" in step or "until" in step or wants_input(step.get("steps", ())) for step in steps
    )


_BEGIN: Step = {"begin": True}
_LOOK: Step = {"tool": "read_file", "input": "pretend to read the task"}
_TEST: Step = {"tool": "shell", "input": "pretend to run the tests"}
_DONE: Step = {"finish": "success"}

_TRACEBACK = """\
Traceback (most recent call last):
  File "mock_agent/session.py", line 212, in run
    self.turn(task)
  File "mock_agent/session.py", line 87, in turn
    raise RuntimeError("the state of the session is inconsistent")
RuntimeError: the state of the session is inconsistent
Fatal: the mock agent has crashed.
"""


def _say(text: str) -> Step:
    return {"event": {"type": "text", "text": text}}


def _notice(claim: str, text: str) -> Step:
    return {"event": {"type": "notice", "claim": claim, "text": text}}


def scenario_steps(name: str, settings: Mapping[str, Any]) -> list[Step]:
    """Return the steps of a scenario.

    Args:
        name: One of `plugin.SCENARIOS`.
        settings: Resolved and checked settings of the agent.
    """
    for_ever = math.inf
    scenarios: dict[str, list[Step]] = {
        "success": [
            _LOOK,
            _TEST,
            _say("Hello! I am the mock agent: I asked no model, touched no file and cost nothing."),
            _DONE,
        ],
        "error": [_LOOK, {**_TEST, "ok": False}, {"finish": "error", "reason": "the tests still fail"}],
        "hang": [_LOOK, _say("I will look into it."), {"sleep_s": for_ever}],
        "stream-hang": [
            _LOOK,
            {"spinner_s": for_ever, "until": ESCAPE},
            _say("The stuck stream was interrupted; I go on."),
            _TEST,
            _DONE,
        ],
        "spinner": [_LOOK, {"spinner_s": for_ever}],
        "crash": [_LOOK, {"stderr": _TRACEBACK, "end": ""}, {"die": "ABRT"}],
        "permission": [
            _LOOK,
            {"ask": "May I pretend to run `make clean`?", "kind": "permission"},
            {"tool": "shell", "input": "pretend to run `make clean`"},
            _DONE,
        ],
        "question": [
            _LOOK,
            {"ask": "Which of the two names shall I keep?", "kind": "question"},
            _say("Thank you, I keep that one."),
            _DONE,
        ],
        "rate-limit": [
            _LOOK,
            {"limit_s": settings["reset_s"], "shared": settings["limit_file"]},
            _TEST,
            _DONE,
        ],
        "overloaded": [_LOOK, _notice("overloaded", "529: the provider is overloaded"), {"finish": "error"}],
        "auth": [_LOOK, _notice("auth_failed", "401: the login is refused"), {"finish": "error"}],
        "flood": [{"flood_bytes": settings["flood_bytes"]}, _DONE],
        "slow": [{"tokens": settings["tokens"], "every_s": settings["delay_s"]}, _DONE],
        "loop": [{"repeat": "forever", "steps": [{**_TEST, "ok": False}]}],
        "fork": [
            *({"fork": kind, "for_s": settings["child_s"]} for kind in ("child", "session", "daemon")),
            _DONE,
        ],
    }
    return [_BEGIN, *scenarios[name]]
