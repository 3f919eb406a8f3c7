"""What agent plugins for command-line programs share. Public, like `logist_core.api`; nothing in the core uses it.

An agent plugin says what is its own (the command line, the events, who the account is) in a subclass of `CliAgent`;
what holds for all of them is here, once: how a prompt gets in, what may never be inherited, what an error of a provider
means, and what follows from an end.
"""

from __future__ import annotations

from logist_core.agentkit.cli_agent import CliAgent, CliTraits, Conversation, option_value, write_private
from logist_core.agentkit.ending import EndRules, judge_end
from logist_core.agentkit.fields import (
    event_signal,
    given,
    long_text,
    number,
    object_of,
    objects_of,
    read_object,
    text,
    whole,
)
from logist_core.agentkit.identity import Identity, by_key, host_of
from logist_core.agentkit.programs import find_program, read_json_file, readiness, runs_here
from logist_core.agentkit.resets import reset_time
from logist_core.agentkit.telling import Messages, entries_of, tokens_in, tool_entry, words_of
from logist_core.agentkit.trouble import classify

__all__ = [
    "CliAgent",
    "CliTraits",
    "Conversation",
    "EndRules",
    "Identity",
    "Messages",
    "by_key",
    "classify",
    "entries_of",
    "event_signal",
    "find_program",
    "given",
    "host_of",
    "judge_end",
    "long_text",
    "number",
    "object_of",
    "objects_of",
    "option_value",
    "read_json_file",
    "read_object",
    "readiness",
    "reset_time",
    "runs_here",
    "text",
    "tokens_in",
    "tool_entry",
    "whole",
    "words_of",
    "write_private",
]
