"""Reads what agents print: from bytes in a log to one `Activity`, with the evidence.

Bytes are read by offset (`tail`), cut into lines (`lines`) or shown on a screen (`screen`), cleaned (`text`), matched
against the dictionary (`matcher`) or parsed by the agent's plugin (`reading`), and weighed (`arbitrate`); what is
news is counted (`progress`). `observer` puts it together for one attempt.
"""

from __future__ import annotations

from logist_core.observe.arbitrate import arbitrate
from logist_core.observe.classify import classify, signals_in
from logist_core.observe.matcher import Dictionary, Hit, Matcher
from logist_core.observe.observer import Observer

__all__ = ["Dictionary", "Hit", "Matcher", "Observer", "arbitrate", "classify", "signals_in"]
