"""Says what one text claims, on its own: for `logist patterns test` and for measuring a dictionary."""

from __future__ import annotations

from logist_core.observe.arbitrate import arbitrate
from logist_core.observe.matcher import Matcher, best_of_lines
from logist_core.observe.reading import in_screen_order, signal_of
from logist_core.types.signals import Activity, Signal, Source

_SOURCES = {"screen": Source.SCREEN, "title": Source.TITLE}


def signals_in(matcher: Matcher, text: str, channel: str, now: float) -> list[Signal]:
    """Return the signals of all lines of `text`, read as one piece of `channel`."""
    source = _SOURCES.get(channel, Source.TEXT)
    data = text.encode("utf-8", "replace")
    stream = "err" if channel == "stderr" else "out"
    hits = best_of_lines(matcher.scan(data, channel))
    signals = [signal_of(hit, source=source, stream=stream, now=now) for hit in hits]
    return in_screen_order(signals) if channel == "screen" else signals


def classify(matcher: Matcher, text: str, channel: str, now: float = 0.0) -> Activity:
    """Return what `text` alone, as the whole output of an ended attempt, says; `unknown` where it says nothing."""
    return arbitrate(signals_in(matcher, text, channel, now), now, ended=True)
