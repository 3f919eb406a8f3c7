"""The failures, and what the right verdict on each is. Owns what is expected; nothing of it is read off a run.

Where a program can't show the cause (`HIDDEN`), the right answer is `unknown`: no cause is named, and the job isn't
called a success.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One thing that a provider does, and what should be made of it.

    Attributes:
        name: A scenario of the fake provider.
        causes: The claims of which one should be read; empty: none.
        ends: What should become of the job: lifecycles, of which one is right.
        options: Of the scenario.
        seconds: How long a program gets to show its verdict; it is stopped then, or when the verdict is there.
        about: For the reader of the table.
    """

    name: str
    about: str
    causes: tuple[str, ...]
    ends: tuple[str, ...]
    options: Mapping[str, object] | None = None
    seconds: float = 60.0

    @property
    def fine(self) -> bool:
        """Whether the job should succeed."""
        return self.ends == ("succeeded",)


def _case(name: str, about: str, causes: str, ends: str, **more: object) -> Case:
    return Case(
        name=name,
        about=about,
        causes=tuple(causes.split()),
        ends=tuple(ends.split()),
        **more,  # type: ignore[arg-type]
    )


ALL = (
    _case("ok", "an answer", "completed", "succeeded"),
    _case("tool", "a tool call, then an answer", "completed", "succeeded"),
    _case("toolfail", "a tool that exits with 3, then an answer", "completed", "succeeded"),
    _case("401", "the key is wrong", "auth_failed", "held"),
    _case("403", "the key may not do this", "auth_failed", "held"),
    _case("404", "no such model", "model_unavailable", "failed"),
    _case("quota", "the credit, or the day's quota, is used up", "billing", "held"),
    _case("toolong", "the prompt is too long", "context_exhausted", "failed"),
    _case("429", "too many requests", "rate_limited", "waiting"),
    _case("429", "the same, for an hour (Retry-After)", "rate_limited", "waiting", options={"retry-after": 3600}),
    _case("529", "overloaded", "overloaded", "waiting"),
    _case("500", "an error of the provider's", "overloaded", "waiting"),
    _case("close", "the connection is reset", "network_down", "waiting"),
    _case("closemid", "the same in the middle of the answer", "network_down", "waiting failed"),
    _case("errmid", "the stream reports an error", "overloaded network_down", "waiting failed"),
    _case("badjson", "a page of HTML with status 200", "failed network_down", "failed waiting"),
    _case("maxtokens", "the answer is cut at its limit", "failed budget_exceeded", "failed"),
    _case("refusal", "the model refuses", "failed", "failed"),
    _case("empty", "an empty answer", "", "failed"),
    _case("first2-529", "overloaded twice, then an answer", "completed", "succeeded"),
    _case("first1-429", "too many requests once, then an answer", "completed", "succeeded", options={"retry-after": 2}),
    _case("after1-429", "a tool call, then too many requests", "rate_limited", "waiting"),
    _case("hangpre", "no answer at all", "", "running", seconds=25.0),
    _case("hang", "headers, then silence", "", "running", seconds=25.0),
    _case("hangmid", "silence in the middle of the answer", "", "running", seconds=25.0),
    _case("toolloop", "the same tool call for ever", "", "running failed", seconds=20.0),
    _case("huge", "an answer of 20,000 words", "completed", "succeeded", options={"words": 20000}),
)

#: Ten for every change: each is over, or shows its cause, within seconds.
QUICK = ("ok", "tool", "401", "403", "404", "quota", "toolong", "529", "closemid", "empty")

#: (agent, case) -> how its program passes trouble off as an ordinary answer: then Logist has to take it for one.
LOOKS_FINE: Mapping[tuple[str, str], str] = {
    **{
        (agent, "refusal"): "shows a refusal as an ordinary answer"
        for agent in ("gemini", "qwen", "copilot", "aider", "pi")
    },
    **{(agent, "maxtokens"): "shows a cut answer as a whole one" for agent in ("gemini", "qwen", "copilot")},
}

#: What a program can't show isn't waited for, seconds.
HIDDEN_S = 15.0

#: (agent, case) -> why its program can't show the cause.
HIDDEN: Mapping[tuple[str, str], str] = {
    ("codex", "429+3600"): "sleeps through Retry-After in silence",
    ("codex", "badjson"): "an empty answer is all it sees",
    ("codex", "refusal"): "shows a refusal as an empty answer",
    ("qwen", "429+3600"): "sleeps through Retry-After in silence",
    ("opencode", "429+3600"): "sleeps through Retry-After in silence",
    ("pi", "429+3600"): "sleeps through Retry-After in silence",
    ("opencode", "529"): "prints nothing while it tries again",
    ("opencode", "500"): "prints nothing while it tries again",
    ("opencode", "429"): "prints nothing while it tries again",
    ("opencode", "close"): "prints nothing while it tries again",
    ("opencode", "quota"): "prints nothing while it tries again",
    ("opencode", "after1-429"): "prints nothing while it tries again",
    ("opencode", "closemid"): "begins again at once, without a word of why",
    ("opencode", "badjson"): "begins again at once, without a word of why",
    ("qwen", "close"): "prints nothing while it tries again",
    ("opencode", "errmid"): "prints nothing while it tries again",
    ("gemini", "errmid"): "says that it failed, and nothing of why",
    ("gemini", "close"): "says that it failed, and nothing of why",
}

#: Agents that try again for long before they say a word.
PATIENT_S: Mapping[str, float] = {"qwen": 150.0}

#: (agent, case) -> what is right there, where the program really differs.
DIFFERS: Mapping[tuple[str, str], tuple[str, str]] = {
    ("gemini", "quota"): ("rate_limited", "waiting"),  # Google's daily quota resets by itself
    ("claude", "errmid"): ("completed", "succeeded"),  # it asks again without a stream, and gets its answer
    ("aider", "maxtokens"): ("context_exhausted", "failed"),  # one text for both limits
    ("aider", "after1-429"): ("completed", "succeeded"),  # it has no tools: the first answer is the last
    ("mini", "huge"): ("", "failed"),  # an answer without a command is none to it
    ("mini", "errmid"): ("", "failed"),  # it doesn't stream: an answer without a command
    ("mini", "badjson"): ("overloaded", "failed waiting"),  # litellm calls it an InternalServerError
}


def key_of(case: Case) -> str:
    """Return a case's name with what its options add."""
    after = (case.options or {}).get("retry-after")
    return f"{case.name}+{after}" if after is not None else case.name


def expected(agent: str, case: Case) -> tuple[Case, str | None]:
    """Return what is right for `agent`, and why its program can't show it, where that is so."""
    at = (agent, key_of(case))
    if at in DIFFERS:
        causes, ends = DIFFERS[at]
        case = replace(case, causes=tuple(causes.split()), ends=tuple(ends.split()))
    if agent in PATIENT_S:
        case = replace(case, seconds=max(case.seconds, PATIENT_S[agent]))
    hidden = HIDDEN.get(at) or LOOKS_FINE.get(at)
    if at in HIDDEN:
        case = replace(case, seconds=min(case.seconds, HIDDEN_S))
    return case, hidden


def chosen(names: list[str] | None) -> list[Case]:
    """Return the cases called `names`, or all."""
    return [case for case in ALL if names is None or key_of(case) in names]
