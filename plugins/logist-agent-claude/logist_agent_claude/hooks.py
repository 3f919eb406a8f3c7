"""What the payload that Claude Code hands to a hook program says, for streams into which a hook forwards it.

Hooks are the only exact word on dialogs: the event stream of an unattended run has none, and a screen has to be read.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from logist_agent_claude.failures import classify
from logist_core.api import Claim

_BY_NAME = {
    "PostToolUse": Claim.WORKING,
    "PreCompact": Claim.WORKING,
    "PreToolUse": Claim.WORKING,
    "SessionStart": Claim.WORKING,
    "Stop": Claim.COMPLETED,
    "SubagentStop": Claim.WORKING,
    "UserPromptSubmit": Claim.WORKING,
}
_BY_NOTIFICATION = {
    "elicitation_dialog": Claim.WAITING_INPUT,
    "idle_prompt": Claim.WAITING_INPUT,
    "permission_prompt": Claim.PERMISSION_PROMPT,
}


def hook_claim(payload: Mapping[str, Any]) -> Claim | None:
    """Return the claim of a payload with a `hook_event_name`, or None where it says nothing."""
    name = payload.get("hook_event_name")
    if name == "PermissionRequest":
        # AskUserQuestion asks for words; every other tool asks for a decision.
        return Claim.WAITING_INPUT if payload.get("tool_name") == "AskUserQuestion" else Claim.PERMISSION_PROMPT
    if name == "Notification":
        kind = payload.get("notification_type")
        return _BY_NOTIFICATION.get(kind) if isinstance(kind, str) else None
    if name == "StopFailure":
        error = payload.get("error")
        return classify(code=error if isinstance(error, str) else None) or Claim.FAILED
    return _BY_NAME.get(name) if isinstance(name, str) else None
