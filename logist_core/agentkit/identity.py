"""Who an agent's account is, without saying anything of its secrets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from logist_core.api import credential_id


@dataclass(frozen=True, slots=True)
class Identity:
    """Whose provider and whose account an attempt uses; see `LaunchSpec.provider` and `LaunchSpec.credential`."""

    provider: str | None = None
    credential: str | None = None


def host_of(url: str | None) -> str | None:
    """Return host and port of a base URL, in lower case, without user, password and path; None where it has none."""
    try:
        parts = urlsplit(url or "")
        host, port = parts.hostname, parts.port
    except ValueError:
        return None
    if not host or not host.isascii() or not host.isprintable():
        return None
    return f"{host.lower()}:{port}" if port else host.lower()


def by_key(
    environment: Mapping[str, str], keys: Sequence[str], *, provider: str | None, base_urls: Sequence[str] = ()
) -> Identity:
    """Return the identity that an environment's first API key gives.

    Args:
        environment: Where to look.
        keys: Names of variables with a key, the one that the agent prefers first.
        provider: Who answers where no variable says otherwise.
        base_urls: Names of variables with another address for it.
    """
    address = next((host for name in base_urls if (host := host_of(environment.get(name)))), None)
    provider = address or provider
    secret = next((environment[name] for name in keys if environment.get(name)), None)
    if provider is None or secret is None:
        return Identity(provider)
    return Identity(provider, credential_id(provider, "key", secret))
