"""What an error of the provider means, from the CLI's own error code, the HTTP status, and the CLI's own words.

Pure and total. The words are looked at only in messages that the CLI itself wrote (`<synthetic>`, or the `result` of
a failed run); never in what a model or a tool said.
"""

from __future__ import annotations

import re

from logist_core.api import Claim

#: The error codes of `assistant.error` and `api_retry.error` in the CLI's own schema of its output.
_BY_CODE = {
    "authentication_failed": Claim.AUTH_FAILED,
    "oauth_org_not_allowed": Claim.AUTH_FAILED,
    "billing_error": Claim.BILLING,
    "rate_limit": Claim.RATE_LIMITED,
    "overloaded": Claim.OVERLOADED,
    "server_error": Claim.OVERLOADED,
    "model_not_found": Claim.MODEL_UNAVAILABLE,
}

_BY_STATUS = {
    401: Claim.AUTH_FAILED,
    402: Claim.BILLING,
    403: Claim.AUTH_FAILED,
    404: Claim.MODEL_UNAVAILABLE,
    408: Claim.NETWORK_DOWN,
    413: Claim.CONTEXT_EXHAUSTED,
    429: Claim.RATE_LIMITED,
}

# Before code and status: these words say more than a 400 or a 403 does.
_SPECIFIC = (
    (Claim.BILLING, re.compile(r"credit balance|out of (?:extra )?(?:usage )?credits|monthly spend limit", re.I)),
    (Claim.CONTEXT_EXHAUSTED, re.compile(r"prompt is too long|conversation too long|request too large", re.I)),
    (Claim.RATE_LIMITED, re.compile(r"(?:hit|reached) your [\w ]{0,30}limit|limit reached|usage limit", re.I)),
    (Claim.RATE_LIMITED, re.compile(r"temporarily limiting requests", re.I)),
)

# After them, where there is neither a code nor a status.
_GENERAL = (
    (Claim.AUTH_FAILED, re.compile(r"please run /login|not logged in|invalid api key|oauth token|authenticat", re.I)),
    (Claim.MODEL_UNAVAILABLE, re.compile(r"issue with the selected model|is not available with the", re.I)),
    (Claim.OVERLOADED, re.compile(r"overloaded|high load|temporarily unavailable|internal server error", re.I)),
    (
        Claim.NETWORK_DOWN,
        re.compile(r"unable to connect|connection (?:error|refused|reset)|timed out|certificate|ECONN|ETIMEDOUT", re.I),
    ),
)


def classify(*, code: str | None = None, status: int | None = None, words: str = "") -> Claim | None:
    """Return the claim that an error supports, or None where it is no error that we know.

    Args:
        code: The CLI's error code.
        status: The HTTP status of the provider's answer.
        words: The CLI's own message.
    """
    return _by_words(_SPECIFIC, words) or _BY_CODE.get(code or "") or _by_status(status) or _by_words(_GENERAL, words)


def _by_status(status: int | None) -> Claim | None:
    if status is not None and 500 <= status <= 599:
        return Claim.OVERLOADED
    return _BY_STATUS.get(status) if status is not None else None


def _by_words(table: tuple[tuple[Claim, re.Pattern[str]], ...], words: str) -> Claim | None:
    return next((claim for claim, pattern in table if pattern.search(words)), None)
