"""Names for accounts that say nothing about their secrets."""

from __future__ import annotations


def credential_id(provider: str, kind: str, secret: str) -> str:
    """Return a name for the account that `secret` belongs to: `<provider>:<kind>-<8 hex digits>`.

    Equal for equal arguments, on every machine. 32 bits of a SHA-256 tell accounts apart, and give nothing of the
    secret away.

    Args:
        provider: `anthropic`, `openai`, `api.example.net:8080`.
        kind: What the secret is: `key`, `login`.
        secret: An API key, or whatever else tells one account from another (an account's id, an e-mail address).

    Example:
        >>> credential_id("anthropic", "key", "sk-ant-test")
        'anthropic:key-f4100aa8'
    """
    import hashlib  # not on the way of commands that only look

    digest = hashlib.sha256(f"{provider}\0{kind}\0{secret}".encode("utf-8", "surrogateescape")).hexdigest()
    return f"{provider}:{kind}-{digest[:8]}"
