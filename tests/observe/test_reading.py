"""Signals from hits and from plugins: safe to print and to store, whoever made them."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from logist_core.observe.matcher import Hit
from logist_core.observe.reading import GuardedParser, clean_fields, is_retry, signal_of
from logist_core.types._json import plain
from logist_core.types.signals import Claim, Rule, Signal, Source

pytestmark = pytest.mark.fast


class Plugin:
    def __init__(self, answer: Any) -> None:
        self.answer = answer

    def parse(self, line: str, stream: str) -> Iterable[Signal]:
        return self.answer(line) if callable(self.answer) else self.answer


def parser_of(answer: Any) -> GuardedParser:
    return GuardedParser(Plugin(answer), "test")  # type: ignore[arg-type]


def event(**changes: Any) -> Signal:
    return Signal(**{"claim": Claim.WORKING, "source": Source.EVENT, "rule": "test:event", **changes})


def test_captured_groups_become_fields_of_their_kind() -> None:
    rule = Rule(
        id="any/r",
        claim=Claim.RATE_LIMITED,
        regex="x",
        fields={
            "n": "int",
            "f": "float",
            "d": "seconds",
            "t": "time",
            "s": "str",
            "bad": "int",
            "none": "str",
            "inf": "float",
        },
        lease_s=5.0,
        final=True,
        confidence=0.7,
    )
    captured = {"n": "1,200", "f": "0.5", "d": "2m", "t": "1783173600", "s": "a\x1bb", "bad": "x", "inf": "inf"}
    hit = Hit(rule=rule, rule_id="t/any/r", offset=3, text="one\ntwo\u202e", captured=captured)
    signal = signal_of(hit, source=Source.TEXT, stream="err", now=9.0)
    assert signal.fields == {"n": 1200, "f": 0.5, "d": 120.0, "t": 1_783_173_600.0, "s": "a b"}
    assert (signal.text, signal.offset, signal.at, signal.stream) == ("one two", 3, 9.0, "err")
    assert (signal.lease_s, signal.final, signal.confidence, signal.rule) == (5.0, True, 0.7, "t/any/r")


def test_a_plugin_s_signals_get_their_place_and_time() -> None:
    (signal,) = parser_of([event(text="\x1b[31mhi", offset=99, at=0.0, stream="out")]).parse("line", "err", 7, 5.0)
    assert (signal.stream, signal.offset, signal.at, signal.text) == ("err", 7, 5.0, "[31mhi")


def test_a_signal_without_text_shows_its_line() -> None:
    (signal,) = parser_of([event()]).parse('{"a": 1}', "out", 0, 0.0)
    assert signal.text == '{"a": 1}'


def test_without_a_plugin_nothing_is_parsed() -> None:
    assert GuardedParser(None, "none").parse("{}", "out", 0, 0.0) == []


def test_a_plugin_that_raises_is_reported_once_and_asked_again() -> None:
    def sometimes(line: str) -> list[Signal]:
        if line == "bad":
            raise KeyError("\x1b[2Jmissing")
        return [event()]

    parser = parser_of(sometimes)
    assert [len(parser.parse(line, "out", 3, 0.0)) for line in ("bad", "good", "bad")] == [0, 1, 0]
    assert len(parser.reports) == 1
    assert "KeyError" in parser.reports[0]
    assert "\x1b" not in parser.reports[0]


@pytest.mark.parametrize("answer", [[object()], ["text"], None, 5])
def test_nonsense_is_reported_and_makes_no_signal(answer: Any) -> None:
    parser = parser_of(answer)
    assert parser.parse("{}", "out", 0, 0.0) == []
    assert len(parser.reports) == 1


def test_a_slow_plugin_is_switched_off(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(range(100))
    monkeypatch.setattr(time, "perf_counter", lambda: float(next(clock)))
    parser = parser_of(lambda _line: [event()])
    assert [len(parser.parse("{}", "out", 0, 0.0)) for _ in range(5)] == [1, 1, 1, 0, 0]
    assert "switched off" in parser.reports[0]


def test_an_endless_answer_is_cut() -> None:
    def endless(_line: str) -> Iterable[Signal]:
        while True:
            yield event()

    assert len(parser_of(endless).parse("{}", "out", 0, 0.0)) == 32


JUNK = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=20), st.binary(max_size=5)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=8), inner, max_size=3)),
    max_leaves=8,
)


@given(JUNK, JUNK, JUNK, st.text(max_size=30), st.text(max_size=800))
def test_whatever_a_plugin_puts_in_what_comes_out_can_be_stored(
    fields: Any, confidence: Any, lease: Any, rule: str, text: str
) -> None:
    made = event(fields=fields, confidence=confidence, lease_s=lease, rule=rule, text=text)
    for signal in parser_of([made]).parse("{}", "out", 0, 0.0):
        assert json.loads(json.dumps(plain(signal), allow_nan=False))["stream"] == "out"
        assert 0.0 <= signal.confidence <= 1.0
        assert signal.lease_s is None or signal.lease_s > 0
        assert len(signal.text) <= 500


def test_fields_are_few_short_and_plain() -> None:
    many = {f"n{i}": i for i in range(100)}
    assert len(clean_fields(many)) == 24
    assert clean_fields({"ok": "x" * 900, "no-name": 1, "list": [1], "big": 10**30, "nan": float("nan"), 5: 6}) == {
        "ok": "x" * 499 + "…"
    }
    assert clean_fields("text") == {}


def test_a_claim_that_is_no_claim_is_a_fault() -> None:
    parser = parser_of([event(claim="sleeping")])
    assert parser.parse("{}", "out", 0, 0.0) == []
    assert "ValueError" in parser.reports[0]


def test_a_retry_is_trouble_that_says_when_or_how_often() -> None:
    assert is_retry(event(claim=Claim.OVERLOADED, fields={"attempt": 2}))
    assert is_retry(event(claim=Claim.RATE_LIMITED, fields={"retry_in_s": 2}))
    assert not is_retry(event(claim=Claim.RATE_LIMITED))
    assert not is_retry(event(fields={"attempt": 2}))
