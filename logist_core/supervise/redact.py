"""Keeps values of declared secrets out of what is written about a job: its journal and the observer's checkpoint.

Agents quote what they were given ("invalid key sk-..."), and such a line becomes evidence. Invariant: no text of it
reaches the disk through us with the value of a variable in it that the user (`--secret`) or the agent's plan declared.
The agent's own output is its own: that is redacted wherever it is shown.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import TYPE_CHECKING

from logist_core.types._json import JSON

if TYPE_CHECKING:
    from logist_core.jobs.store import JobStore
    from logist_core.types.job import JobSpec
    from logist_core.types.launch import LaunchSpec

_REDACTED = "[redacted]"
#: Shorter values aren't looked for: replacing every `1` or `yes` spoils the evidence and protects nothing.
_MIN_CHARS = 4


class Secrets:
    """The values that must not be written down."""

    def __init__(self, values: Iterable[str]) -> None:
        """Look for `values` as they are, and as they look inside a JSON string."""
        forms = {form for value in values for form in (value, json.dumps(value)[1:-1])}
        self._forms = sorted((form for form in forms if len(form) >= _MIN_CHARS), key=len, reverse=True)

    def scrub(self, value: JSON) -> JSON:
        """Return `value` with every text in it redacted; the very same object where there is nothing to look for."""
        if not self._forms:
            return value
        if isinstance(value, str):
            return self._text(value)
        if isinstance(value, dict):
            return {self._text(name): self.scrub(item) for name, item in value.items()}
        if isinstance(value, list):
            return [self.scrub(item) for item in value]
        return value

    def _text(self, text: str) -> str:
        for form in self._forms:
            text = text.replace(form, _REDACTED)
        # Evidence is cut to a length, and the cut may go through a secret.
        body = text.removesuffix("…")
        for form in self._forms:
            for size in range(min(len(form) - 1, len(body)), _MIN_CHARS - 1, -1):
                if body.endswith(form[:size]):
                    return body[:-size] + _REDACTED + text[len(body) :]
        return text


def secrets_of(store: JobStore, spec: JobSpec, plan: LaunchSpec) -> Secrets:
    """Return the secrets of a job's present attempt, as far as their values are still known."""
    names = {*spec.secrets, *plan.secrets}
    known = (store.environment(spec.id) or {}) if names else {}
    return Secrets(known[name] for name in names if name in known)
