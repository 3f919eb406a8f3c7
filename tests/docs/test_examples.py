"""What the documentation shows really happens: its commands are run, its plugins built, installed and used."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from support import pages
from support.logist import Logist
from support.pages import ROOT, Block, Shell

BLOCKS = [block for page in pages.all_pages() for block in pages.blocks(page)]
PAGES = sorted({block.page for block in BLOCKS if block.language == "console"})
PROGRAMS = [block for block in BLOCKS if block.language == "python" and "run" in block.words]
SOURCES = [
    block
    for block in BLOCKS
    if block.language in ("python", "toml") and (not block.generated or block.title is not None)
]


@pytest.fixture
def shell(logist: Logist, tmp_path: Path) -> Iterator[Shell]:
    shell = Shell(logist, tmp_path)
    yield shell
    shell.clean_up()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_the_commands_of_a_page_print_what_it_shows(page: Path, shell: Shell) -> None:
    of_this_page = [block for block in BLOCKS if block.page == page]
    for block in of_this_page:
        if block.title is not None:
            path = shell.cwd / block.title
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block.text)
    steps = [
        (block, command, shown)
        for block in of_this_page
        if block.language == "console" and pages.runs_here(block)
        for command, shown in pages.commands(block)
    ]
    outputs = shell.run([command for _, command, _ in steps])
    assert len(outputs) == len(steps), outputs
    wrong = [
        f"{block}\n$ {command}\n{output}--- the page shows:\n{shown}"
        for (block, command, shown), output in zip(steps, outputs, strict=True)
        if not pages.agrees(shown, output, any_order="any-order" in block.words)
    ]
    assert not wrong, "\n\n".join(wrong)


@pytest.mark.parametrize("block", PROGRAMS, ids=str)
def test_a_program_of_a_page_runs(block: Block, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", block.text], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("block", SOURCES, ids=str)
def test_a_source_of_a_page_compiles(block: Block) -> None:
    if block.language == "toml":
        tomllib.loads(block.text)
    else:
        compile(block.text, str(block), "exec")


def test_the_first_commands_of_the_readme_are_those_that_ci_tries() -> None:
    first = next(pages.blocks(ROOT / "README.md"))
    assert first.text == 'pip install uv && uv run logist run --agent mock "say hello"\nuv run pytest\n'
    ci = (ROOT / ".ci/run").read_text()
    assert 'uv run logist run --agent mock "say hello"' in ci
    assert "uv run pytest" in ci
