"""What a scenario asks of a provider, in no provider's terms, and the scenarios by name."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

GREETING = "Hello from the fake model."

#: Names under which agents offer a shell -> how its arguments are spelled.
SHELLS: Mapping[str, Callable[[str], Mapping[str, Any]]] = {
    "Bash": lambda command: {"command": command, "description": "Run a command"},
    "bash": lambda command: {"command": command, "description": "Run a command"},
    "run_shell_command": lambda command: {"command": command, "description": "Run a command", "is_background": False},
    "exec_command": lambda command: {"cmd": command},
    "shell_command": lambda command: {"command": command},
    "shell": lambda command: {"command": ["bash", "-lc", command]},
}


@dataclass(frozen=True, kw_only=True)
class Turn:
    """What the model, or the provider in its place, does on one request.

    Attributes:
        text: What it says, cut into words for a stream; of an error the message, "" for the provider's own words.
        tool: Name and input of the tool that it calls after the text.
        failure: Which error it answers with: a status (`401`), `quota`, `toolong`; "" for none.
        headers: Added to the response.
        finish: Why the answer ends: `stop`, `length` (cut at the output limit), `refusal`.
        silent_after: After so many chunks of text nothing more comes, and the connection stays open; -1: not even
            the response's headers come.
        closed_after: After so many chunks the connection is reset; -1: before the headers.
        error_after: After so many chunks the stream itself reports an error.
        raw: Sent with status 200 in place of any answer.
        delay_s: Pause before each chunk of text.
    """

    text: str = ""
    tool: tuple[str, Mapping[str, Any]] | None = None
    failure: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    finish: str = "stop"
    silent_after: int | None = None
    closed_after: int | None = None
    error_after: int | None = None
    raw: bytes | None = None
    delay_s: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Request:
    """What a scenario may look at."""

    nth: int
    options: Mapping[str, str]
    tool_result_came: bool = False
    tools: tuple[str, ...] = ()


Scenario = Callable[[Request], Turn]


def _ok(request: Request) -> Turn:
    answer = Turn(text=request.options.get("text", GREETING))
    if "submit" in request.options:  # an agent that ends with a command, not with an answer
        return replace(_call(request, request.options["submit"]), text=answer.text)
    return answer


def _call(request: Request, command: str) -> Turn:
    """Call the tool that is asked for, or else the shell that this agent has."""
    shell = next((name for name in request.tools if name in SHELLS), "Bash")
    name = request.options.get("tool", shell)
    arguments = request.options.get("input")
    given = json.loads(arguments) if arguments else SHELLS.get(name, SHELLS["Bash"])(command)
    return Turn(text="I will use a tool.", tool=(name, given))


def _tool(request: Request) -> Turn:
    if request.tool_result_came:
        return _ok(request)
    return _call(request, request.options.get("command", "echo from-tool > hello.txt; echo done"))


def _tool_kind(command: str) -> Scenario:
    def scenario(request: Request) -> Turn:
        return _ok(request) if request.tool_result_came else _call(request, command)

    return scenario


def _toolloop(request: Request) -> Turn:
    return _call(request, "echo again")


def _failure(kind: str) -> Scenario:
    def scenario(request: Request) -> Turn:
        retry_after = request.options.get("retry-after")
        headers = {"retry-after": retry_after} if retry_after else {}
        return Turn(failure=kind, text=request.options.get("text", ""), headers=headers)

    return scenario


def _usage_limit(request: Request) -> Turn:
    headers = {
        "anthropic-ratelimit-unified-status": "rejected",
        "anthropic-ratelimit-unified-reset": request.options["resets-at"],
        "anthropic-ratelimit-unified-representative-claim": "five_hour",
        "anthropic-ratelimit-unified-overage-status": "rejected",
    }
    return Turn(failure="429", text="This request would exceed your account's limit.", headers=headers)


def _hang(request: Request) -> Turn:
    return Turn(text=GREETING, silent_after=0)


def _hangpre(request: Request) -> Turn:
    return Turn(text=GREETING, silent_after=-1)


def _hangmid(request: Request) -> Turn:
    return Turn(text=request.options.get("text", GREETING), silent_after=int(request.options.get("after", "2")))


def _close(request: Request) -> Turn:
    return Turn(text=GREETING, closed_after=-1)


def _closemid(request: Request) -> Turn:
    return Turn(text=GREETING, closed_after=2)


def _errmid(request: Request) -> Turn:
    return Turn(text=GREETING, error_after=2)


def _maxtokens(request: Request) -> Turn:
    return Turn(text=GREETING, finish="length")


def _refusal(request: Request) -> Turn:
    return Turn(text="I can't help with that.", finish="refusal")


def _empty(request: Request) -> Turn:
    return Turn(text="")


def _badjson(request: Request) -> Turn:
    return Turn(raw=b"<html><body><h1>Welcome to the portal</h1></body></html>")


def _huge(request: Request) -> Turn:
    return Turn(text=" ".join(["word"] * int(request.options.get("words", "200000"))))


def _slow(request: Request) -> Turn:
    chunks = int(request.options.get("chunks", "20"))
    words = " ".join(f"token-{n}" for n in range(1, chunks + 1))
    return Turn(text=words, delay_s=int(request.options.get("ms", "200")) / 1e3)


def _seq(request: Request) -> Turn:
    names = request.options["of"].split(":")
    return find_scenario(names[min(request.nth, len(names)) - 1])(request)


SCENARIOS: Mapping[str, Scenario] = {
    "ok": _ok,
    "tool": _tool,
    "toolfail": _tool_kind("echo boom >&2; exit 3"),
    "toollong": _tool_kind("sleep 30; echo late"),
    "toolbackground": _tool_kind("nohup sleep 300 >/dev/null 2>&1 & echo started"),
    "toolstdin": _tool_kind("read answer; echo got:$answer"),
    "toolloop": _toolloop,
    "usage-limit": _usage_limit,
    "quota": _failure("quota"),
    "toolong": _failure("toolong"),
    "hang": _hang,
    "hangpre": _hangpre,
    "hangmid": _hangmid,
    "close": _close,
    "closemid": _closemid,
    "errmid": _errmid,
    "maxtokens": _maxtokens,
    "refusal": _refusal,
    "empty": _empty,
    "badjson": _badjson,
    "huge": _huge,
    "slow": _slow,
    "seq": _seq,
}

_COUNTED = re.compile(r"(first|after)(\d{1,3})-([a-z0-9-]+)")


def find_scenario(name: str) -> Scenario:
    """Return the scenario called `name`; three digits are the error with that status.

    `first3-529` fails three times and then works; `after2-429` works twice and then fails.
    """
    if counted := _COUNTED.fullmatch(name):
        early, times, kind = counted[1] == "first", int(counted[2]), find_scenario(counted[3])
        otherwise = _ok if early else _tool
        return lambda request: kind(request) if (request.nth <= times) == early else otherwise(request)
    if name.isdecimal() and len(name) == 3:
        return _failure(name)
    return SCENARIOS[name]
