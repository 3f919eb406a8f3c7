"""What an error of a model provider means: from the agent's own code, the HTTP status and the error's words.

Pure and total. For messages that the agent itself wrote about its provider; never for what a model or a tool said. The
words are those of Anthropic, OpenAI, Google and of what speaks their protocols, as agents pass them on.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from logist_core.api import Claim

Words = tuple[Claim, re.Pattern[str]]

_BY_STATUS = {
    401: Claim.AUTH_FAILED,
    402: Claim.BILLING,
    403: Claim.AUTH_FAILED,
    404: Claim.MODEL_UNAVAILABLE,
    408: Claim.NETWORK_DOWN,
    413: Claim.CONTEXT_EXHAUSTED,
    429: Claim.RATE_LIMITED,
}

# Before code and status: these words say more than a 400, a 403 or a 429 does.
_SPECIFIC: Sequence[Words] = (
    # A request that is too large for a minute's allowance is not too large for the model.
    (Claim.RATE_LIMITED, re.compile(r"tokens? per (?:min|day)|requests? per (?:min|day)|\b[TR]P[MD]\b", re.I)),
    (Claim.RATE_LIMITED, re.compile(r"temporarily limiting requests|exhausted your (?:daily|capacity)", re.I)),
    (
        Claim.BILLING,
        re.compile(
            r"credit balance|insufficient[_ ](?:quota|credits?|funds|balance)|exceeded your current quota"
            r"|out of (?:extra )?(?:usage )?credits|check your plan and billing|payment required"
            r"|(?:billing|monthly spend|spend(?:ing)?) (?:hard )?(?:limit|cap)\b",
            re.I,
        ),
    ),
    (
        Claim.CONTEXT_EXHAUSTED,
        re.compile(
            r"prompt is too long|conversation (?:is )?too long|request too large|maximum context length"
            r"|context[_ ]length[_ ]exceeded|context[_ ]?window|input token count|maximum number of (?:input )?tokens"
            r"|ran out of room|ContextOverflow",
            re.I,
        ),
    ),
    (Claim.RATE_LIMITED, re.compile(r"(?:hit|reached) your [\w ]{0,30}limit|limit reached|usage limit", re.I)),
    (
        Claim.MODEL_UNAVAILABLE,
        re.compile(
            r"model[^.\n]{0,80} (?:does not exist|(?:is|was) not (?:found|available|supported)|not found)"
            r"|model_not_found|ModelNotFound|(?:no such|unknown|selected) model|^\W*(?:api error:? )?model: \S+\W*$",
            re.I,
        ),
    ),
    (Claim.AUTH_FAILED, re.compile(r"api[_ ]key (?:not valid|invalid)|(?:invalid|incorrect) (?:x-)?api[- _]key", re.I)),
)

_STATUS_IN_WORDS = re.compile(
    r"(?:^\W*|\b(?:status|code|error|HTTP(?:/[\d.]+)?)\W{0,4}(?:code\W{0,3})?)([45]\d\d)\b", re.I
)

# After them, where there is neither a code nor a status.
_GENERAL: Sequence[Words] = (
    (
        Claim.AUTH_FAILED,
        re.compile(
            r"please run /login|not logged in|oauth token|authenticat|unauthori[sz]ed|forbidden|permission[_ ]denied"
            r"|does not have permission|no api key|auth(?:entication)? (?:method|type)|refresh token",
            re.I,
        ),
    ),
    (Claim.RATE_LIMITED, re.compile(r"rate[ _-]?limit|too many requests|resource[ _]?(?:has been )?exhausted", re.I)),
    (
        Claim.OVERLOADED,
        re.compile(
            r"overloaded|high (?:load|demand)|at capacity|no capacity|temporarily unavailable"
            r"|internal (?:server )?error|server_error|server had an error"
            r"|service unavailable|bad gateway|gateway timeout",
            re.I,
        ),
    ),
    (
        Claim.NETWORK_DOWN,
        re.compile(
            r"(?:unable|cannot|could ?n[o']t) (?:to )?connect|connection (?:error|refused|reset|closed|terminated|lost)"
            r"|fetch failed|^\W*(?:API Error: )?terminated\b|socket (?:hang up|connection)"
            r"|stream (?:disconnected|closed)"
            r"|(?:timed?[ -]?out|timeout)|ECONN|ETIMEDOUT|ENOTFOUND|EAI_AGAIN|network error|certificate|premature close"
            r"|no stream activity|error sending request|waiting for network|incomplete chunked read"
            r"|peer closed|connection was closed",
            re.I,
        ),
    ),
)


def classify(
    words: str = "",
    *,
    status: int | None = None,
    code: str | None = None,
    codes: Mapping[str, Claim] | None = None,
    first: Sequence[Words] = (),
) -> Claim | None:
    """Return the claim that an error supports, or None where it is no error that is known.

    Args:
        words: The agent's message about it; a status is read out of it where there is none.
        status: The HTTP status of the provider's answer.
        code: The agent's own error code.
        codes: What its codes mean.
        first: Words of this agent that come before all others.
    """
    words = words[:2000]
    if status is None and (found := _STATUS_IN_WORDS.search(words)):
        status = int(found[1])
    return (
        _by_words(first, words)
        or _by_words(_SPECIFIC, words)
        or (codes or {}).get(code or "")
        or _by_status(status)
        or _by_words(_GENERAL, words)
    )


def _by_status(status: int | None) -> Claim | None:
    if status is not None and 500 <= status <= 599:
        return Claim.OVERLOADED
    return _BY_STATUS.get(status) if status is not None else None


def _by_words(table: Sequence[Words], words: str) -> Claim | None:
    return next((claim for claim, pattern in table if pattern.search(words)), None)
