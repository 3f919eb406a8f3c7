"""Which activities wait for a person. The one place that says so, for lists, the dashboard and hints."""

from __future__ import annotations

#: The agent waits for an answer that can be typed.
ASKS = frozenset({"permission_prompt", "waiting_input", "update_prompt"})
#: It waits for something that a person has to do.
NEEDS_A_PERSON = ASKS | {"auth_failed", "billing"}
