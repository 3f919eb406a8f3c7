"""Every benchmark at its smallest: what it measures is right, and nothing is lost. How long it takes is no matter."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.measures import MEASURES
from benchmarks.page import BEGIN, END, write
from benchmarks.report import Table, render
from benchmarks.scale import SMALL


@pytest.mark.parametrize("name", MEASURES)
def test_a_small_run_is_right(name: str) -> None:
    tables = MEASURES[name](SMALL)
    assert tables
    for table in tables:
        assert table.rows or table.unmeasured
        assert any(row.startswith(("logist", "all", "nothing", "2 jobs")) for row in table.rows) or table.unmeasured
        for figures in table.rows.values():
            assert all(figure is None or figure >= 0 for figure in figures)
        assert table.title in render(table)


def test_the_command_prints_the_tables_and_writes_json(tmp_path: Path) -> None:
    out = tmp_path / "figures.json"
    done = subprocess.run(
        [sys.executable, str(Path(__file__).parent), "--small", "--only", "listing", "--json", str(out)],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "logist ls --all, 12 jobs" in done.stdout
    (table,) = json.loads(out.read_text())["tables"]
    assert table["rows"]["logist ls, 12 jobs"]["ratio"] > 0


@pytest.mark.fast
def test_a_ratio_is_that_to_the_first_peer_that_was_measured() -> None:
    table = Table(
        "x", ("ms", "worst"), against=("missing", "peer"), ratio_of="ms", unmeasured={"missing": "not installed"}
    )
    table.add("peer", 4.0, 5.0)
    table.add("logist", 2.0, None)
    assert (table.reference(), table.ratio("logist")) == ("peer", 0.5)
    text = render(table)
    assert "ms / peer" in text
    assert "0.50x" in text
    assert "missing: not measured: not installed" in text


@pytest.mark.fast
def test_without_any_peer_there_is_no_ratio() -> None:
    table = Table("x", ("ms",), against=("missing",), ratio_of="ms")
    table.add("logist", 12345.6)
    assert table.ratio("logist") is None
    assert "12,346" in render(table)


@pytest.mark.fast
def test_a_page_gets_the_tables_between_its_marks_and_keeps_the_rest(tmp_path: Path) -> None:
    table = Table("things", ("ms",), against=("peer",), ratio_of="ms", unmeasured={"other": "not installed"})
    table.add("peer", 4.0)
    table.add("a|b", None)
    page = tmp_path / "page.md"
    page.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    machine = {"cores": 2, "kernel": "6.1.0-x", "python": "3.11.7", "load_at_start": (0.5, 1.0, 2.0)}
    for _ in range(2):
        write(page, [table], machine, "the command")
    text = page.read_text()
    assert text.startswith(f"before\n{BEGIN}\n")
    assert text.endswith(f"{END}\nafter\n")
    assert "old" not in text
    assert "By `the command` on 2 cores, Linux 6.1.0, CPython 3.11.7; load at the start 0.5/1.0/2.0." in text
    assert "| peer | 4.00 | 1.00x |" in text
    assert "| a\\|b | - | - |" in text
    assert text.count("- other: not measured: not installed") == 1
