"""What an agent's output claims, and what Logist concludes from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType

from logist_core.types._json import JSON


class Claim(StrEnum):
    """The vocabulary of signals (docs/reference/signals.md). A line that claims nothing yields no signal."""

    WORKING = "working"
    WAITING_INPUT = "waiting_input"
    PERMISSION_PROMPT = "permission_prompt"
    RATE_LIMITED = "rate_limited"
    OVERLOADED = "overloaded"
    AUTH_FAILED = "auth_failed"
    BILLING = "billing"
    CONTEXT_EXHAUSTED = "context_exhausted"
    TOOL_ERROR = "tool_error"
    CRASHED = "crashed"
    COMPLETED = "completed"
    FAILED = "failed"
    INTERRUPTED = "interrupted"
    NETWORK_DOWN = "network_down"
    UPDATE_PROMPT = "update_prompt"
    MODEL_UNAVAILABLE = "model_unavailable"
    BUDGET_EXCEEDED = "budget_exceeded"
    HOOK_BLOCKED = "hook_blocked"


class Source(StrEnum):
    """Where a signal was read, in the order in which sources overrule one another."""

    EVENT = "event"
    TITLE = "title"
    SCREEN = "screen"
    TEXT = "text"
    EXIT = "exit"
    PROCESS = "process"
    WORKSPACE = "workspace"


@dataclass(frozen=True, slots=True, kw_only=True)
class Signal:
    """One claim with its evidence.

    Attributes:
        claim: What is claimed; None for a signal that only carries `fields` (a session id, a token count).
        source: Where it was read.
        rule: Id of the rule that matched (`default/claude/limit-reset`), or `<agent>:<event>` for a parsed event.
        stream: `out` or `err`.
        offset: Byte offset in the stream's log of the line it was read from. The observer sets it.
        text: The line or event it rests on, sanitised, at most 500 characters.
        confidence: 0 to 1.
        at: Unix time at which it was read, seconds. The observer sets it.
        lease_s: After so many seconds without renewal the claim is no longer believed; None: no limit.
        final: True for the event with which the agent says that the run is over (`result`, `turn.completed`).
        fields: What was captured. Known names: `session_id` (str), `resets_at` (Unix s), `retry_in_s` (s),
            `attempt`, `max_attempts` (int), `model`, `tool`, `path`, the agent's own `version` (str),
            `tool_open`, `tool_closed` (a tool call's id), `tool_budget_s` (s), `tokens_in`, `tokens_out` (int),
            `cost_usd` (float), `turns` (int);
            `action` (what is done), `result` and `error` (what came of it): each a `step_key`, by which loops are
            found. An `action` may come with `tool_open`, and its `result` or `error` with `tool_closed`.
    """

    claim: Claim | None
    source: Source
    rule: str
    stream: str = "out"
    offset: int | None = None
    text: str = ""
    confidence: float = 1.0
    at: float | None = None
    lease_s: float | None = None
    final: bool = False
    fields: Mapping[str, JSON] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True, kw_only=True)
class Activity:
    """What the agent is doing, as far as the evidence goes. Unknown is None, never a guess.

    Attributes:
        state: A `Claim` value, or `unknown`.
        since: Unix time, seconds, of the first evidence for this state.
        expires: Unix time, seconds, at which the lease ends; None: no lease.
        source, rule, stream, offset, text, confidence: As in the `Signal` it rests on.
    """

    state: str = "unknown"
    since: float | None = None
    source: str | None = None
    rule: str | None = None
    stream: str | None = None
    offset: int | None = None
    text: str | None = None
    confidence: float | None = None
    expires: float | None = None


UNKNOWN_ACTIVITY = Activity()


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One entry of the dictionary: data, no code (docs/plugins/patterns.md).

    Attributes:
        id: `<agent or any>/<kebab-case name>`, unique in its pattern set.
        claim: What a hit claims.
        regex: `regex` syntax, applied to one cleaned line (no ANSI, no CR); named groups that `fields` names
            are captured.
        agents: Names of the agents it is for; `("*",)`: any.
        versions: A version range of the agent (`>=2.0,<3`), or None for any.
        channels: Which texts it may read: `text` (piped output that is not JSON), `stderr`, `screen` (a PTY),
            `title` (the terminal's title, also of a PTY), `json` (a structured line of which the agent's plugin has
            nothing to say; its regex must begin with the line, since words of a model are in such lines).
        before: How many lines before this one the regex sees as well (at most 12, blank lines not counted), joined by
            line feeds; the match must reach into the last line, and the literals must be in that one.
        literals: Lower-case strings of which at least one is in every line that can match: the prefilter.
        fields: Group name to kind: `str`, `int`, `float`, `seconds` (a duration), `time` (a reset time).
        lease_s: See `Signal.lease_s`.
        final: See `Signal.final`.
        guard: Leave out lines that look like a quotation of the message: code, a diff, a list, a search result, a
            template. Not applied to claims that are only true while they can be seen (prompts, spinners).
        confidence: 0 to 1.
        examples, counter_examples: Lines that must match, and lines that must not.
        overlaps: Ids of rules that claim something else and whose examples this one may match as well; `any/*`: all
            whose id begins so.
        source: Where the text is known from.
    """

    id: str
    claim: Claim
    regex: str
    agents: tuple[str, ...] = ("*",)
    versions: str | None = None
    channels: tuple[str, ...] = ("text", "stderr", "screen")
    before: int = 0
    literals: tuple[str, ...] = ()
    fields: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    lease_s: float | None = None
    final: bool = False
    guard: bool = True
    confidence: float = 0.8
    examples: tuple[str, ...] = ()
    counter_examples: tuple[str, ...] = ()
    overlaps: tuple[str, ...] = ()
    source: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PatternSet:
    """The rules of one pattern plugin, or of one layer of a user's, a project's or a job's own.

    Attributes:
        name: Of the set; the first part of a rule's full id.
        rules: Each replaces a rule of a weaker set that has the same id.
        disable: Ids of rules of weaker sets that are left out.
    """

    name: str
    rules: tuple[Rule, ...]
    disable: tuple[str, ...] = ()
