"""How pages are read and compared: a comparison that lets everything pass would prove nothing."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from support.pages import ROOT, agrees, anchors, blocks, commands, runs_here

pytestmark = pytest.mark.fast


@pytest.mark.parametrize(
    ("shown", "real"),
    [
        ("", ""),
        ("one\ntwo\n", "one\ntwo\n"),
        ("one ... three\n", "one two three\n"),
        ("...\nlast\n", "first\nmiddle\nlast\n"),
        ("...\n", ""),
        ("first\n...\n", "first\n"),
        ("ID      STATE\n", "ID  STATE\n"),
        ("01m81q54y3kgyp9k failed in 0.7s, exit 7\n", "01m81rek510kjtc5 failed in 12s, exit 7\n"),
        ("13:29:31 running  (pid 1558)\n", "23:59:59 running  (pid 2)\n"),
        ("out.log (352 B)\n", "out.log (1.2 KiB)\n"),
    ],
)
def test_what_may_differ_does_not_matter(shown: str, real: str) -> None:
    assert agrees(shown, real)


@pytest.mark.parametrize(
    ("shown", "real"),
    [
        ("", "something\n"),
        ("one\n", "two\n"),
        ("one\n", "one\ntwo\n"),
        ("one\ntwo\n", "two\none\n"),
        ("exit 7\n", "exit 8\n"),
        ("one ... three\n", "one two\n"),
        ("a.b\n", "axb\n"),
        ("...\nlast\n", "last\nmore\n"),
    ],
)
def test_what_must_not_differ_is_found(shown: str, real: str) -> None:
    assert not agrees(shown, real)


def test_in_any_order_each_line_that_is_shown_must_be_there() -> None:
    assert agrees("b\na\n", "a\nb\nc\n", any_order=True)
    assert not agrees("b\nd\n", "a\nb\nc\n", any_order=True)


def test_blocks_know_their_marks_and_commands_their_output(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        '# A page\n\n```python title="x/y.py"\npass\n```\n\n```console any-order\n$ one\nout\nmore\n$ two\n```\n'
    )
    file, console = blocks(page)
    assert (file.language, file.title, file.text, file.line) == ("python", "x/y.py", "pass\n", 3)
    assert (console.words, console.title) == (("any-order",), None)
    assert commands(console) == [("one", "out\nmore\n"), ("two", "")]


@pytest.mark.parametrize(
    ("release", "runs"), [("6.15.0", True), ("6.18.44-x", True), ("7.0", True), ("6.8.0", False), ("5.15.1", False)]
)
def test_a_block_for_newer_kernels_is_left_out_on_older_ones(
    release: str, runs: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = tmp_path / "page.md"
    page.write_text("```console linux-6.15\n$ one\n```\n\n```console\n$ two\n```\n")
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(os, "uname", lambda: SimpleNamespace(release=release))
    newer, any_kernel = blocks(page)
    assert runs_here(newer) is runs
    assert runs_here(any_kernel)


def test_anchors_are_those_of_code_hosts() -> None:
    assert "a-plugin-in-twenty-lines" in anchors(ROOT / "README.md")
    assert "agentplan" in anchors(ROOT / "docs" / "reference" / "api.md")
