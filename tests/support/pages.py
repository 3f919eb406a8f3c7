"""The documentation as tests see it: pages, their blocks, their headings and links; and a shell that runs them.

A page's blocks are run by these marks behind the three backticks:

`console`
    Lines that begin with `$ ` are commands, run by bash in their order, all of a page in one shell in an empty
    directory, with a home of its own. The lines below a command are its output, stdout and stderr together: `...` in
    a line stands for anything, a line of `...` for any lines. Ids, times, durations, sizes and pids may differ, and
    so may the width of columns. Without lines below it a command must print nothing. `console any-order`: each
    line must be there, in whatever order. `console linux-6.15`: left out on other systems and older kernels.
`toml title="DIR/FILE"`, `python title="DIR/FILE"`
    A file: written before the page's commands run. `uv pip install ./DIR` really builds and installs it, into a
    directory that only this page sees.
`python run`
    A program: run in an interpreter of its own.
`python`, `toml`
    Must compile, or parse.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from support.distributions import python_path, uv
from support.logist import Logist

ROOT = Path(__file__).resolve().parents[2]

_FENCE = re.compile(r"^```(?P<info>[^`\n]*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
_GENERATED = re.compile(r"<!-- generated: [^\n]* -->.*?<!-- end of [^\n]* -->", re.DOTALL)
_MAY_DIFFER = (
    (r"\b01[0-9a-hjkmnp-tv-z]{14}\b", "<id>"),
    (r"\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b", "<uuid>"),
    (r"\b\d\d:\d\d:\d\d\b", "<time>"),
    (r"\b\d+(\.\d+)?(ms|s|m|h|d)\b", "<for>"),
    (r"\(\d+(\.\d+)? [KMG]?i?B\)", "<size>"),
    (r"\b(out|err)\+\d+", r"\1+<n>"),
    (r"\bpid +\d+", "pid <n>"),
    (r"^\d+ (?=/|\.\.\.)", "<n> "),
    (r"[ \t]+", " "),
)


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, the words behind it, its text and the line it begins at."""

    page: Path
    line: int
    language: str
    words: tuple[str, ...]
    title: str | None
    text: str
    generated: bool

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def documentation() -> list[Path]:
    return [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]


def all_pages() -> list[Path]:
    return [*documentation(), *sorted((ROOT / "plugins").glob("*/README.md"))]


def blocks(page: Path) -> Iterator[Block]:
    text = page.read_text()
    generated = [match.span() for match in _GENERATED.finditer(text)]
    for match in _FENCE.finditer(text):
        title = re.search(r'title="([^"]+)"', match["info"])
        language, *words = re.sub(r'title="[^"]+"', "", match["info"]).split() or [""]
        yield Block(
            page=page,
            line=text.count("\n", 0, match.start()) + 1,
            language=language,
            words=tuple(words),
            title=title[1] if title else None,
            text=match["text"],
            generated=any(start <= match.start() < end for start, end in generated),
        )


def prose(page: Path) -> str:
    """Return a page without its blocks."""
    return _FENCE.sub("", page.read_text())


def anchors(page: Path) -> set[str]:
    """Return the anchors that a page's headings make, as code hosts make them."""
    found: set[str] = set()
    for heading in re.findall(r"^#{1,6} +(.+?) *$", prose(page), re.MULTILINE):
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).replace("`", "")
        anchor = re.sub(r"[^\w\- ]", "", plain.lower()).replace(" ", "-")
        number = 0
        while (unique := anchor if not number else f"{anchor}-{number}") in found:
            number += 1
        found.add(unique)
    return found


def links(page: Path) -> list[str]:
    return re.findall(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)", prose(page))


def runs_here(block: Block) -> bool:
    """Say whether this machine has the kernel that a block asks for by a word such as `linux-6.15`."""
    wanted = [word.removeprefix("linux-") for word in block.words if word.startswith("linux-")]
    if not wanted:
        return True
    have = tuple(int(number) for number in re.findall(r"\d+", os.uname().release)[:2])
    return sys.platform == "linux" and all(have >= tuple(map(int, word.split("."))) for word in wanted)


def commands(block: Block) -> list[tuple[str, str]]:
    """Return the commands of a console block, each with the output that the page shows."""
    found: list[tuple[str, str]] = []
    for line in block.text.splitlines(keepends=True):
        if line.startswith("$ "):
            found.append((line[2:].rstrip("\n"), ""))
        else:
            assert found, f"{block}: output before the first command"
            found[-1] = (found[-1][0], found[-1][1] + line)
    return found


def agrees(shown: str, real: str, *, any_order: bool = False) -> bool:
    """Say whether real output is what a page shows."""
    wanted, got = _normal(shown), _normal(real)
    if any_order:
        return all(any(re.fullmatch(_line(line), other) for other in got) for line in wanted if line != "...")
    pattern = "".join(r"(?:.*\n)*?" if line == "..." else _line(line) + "\n" for line in wanted)
    return re.fullmatch(pattern, "".join(f"{line}\n" for line in got)) is not None


def _line(line: str) -> str:
    return r"[^\n]*".join(re.escape(piece) for piece in line.split("..."))


def _normal(text: str) -> list[str]:
    lines = []
    for written in text.splitlines():
        line = written
        for pattern, instead in _MAY_DIFFER:
            line = re.sub(pattern, instead, line)
        lines.append(line.rstrip())
    while lines and not lines[-1]:
        lines.pop()
    return lines


class Shell:
    """Runs a page's blocks: one bash, an empty directory, a `logist` and a `uv` of its own on the PATH."""

    def __init__(self, logist: Logist, directory: Path) -> None:
        self._logist, self.site = logist, directory / "site"
        self.cwd, self.tmp, bin_dir = directory / "work", directory / "tmp", directory / "bin"
        for made in (self.cwd, self.tmp, bin_dir, self.site):
            made.mkdir()
        _script(bin_dir / "logist", f'exec "{sys.executable}" -m logist_core "$@"')
        _script(bin_dir / "pytest", f'exec "{sys.executable}" -m pytest "$@"')
        install = f'"{uv()}" pip install --offline --no-deps --no-build-isolation --python "{sys.executable}"'
        _script(bin_dir / "uv", f'[ "$1 $2" = "pip install" ] && shift 2 && exec {install} --target "{self.site}" "$@"')
        self.environment = {
            **logist.environment,
            "PATH": f"{bin_dir}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": python_path(self.site),
            "TMPDIR": str(self.tmp),
            "COLUMNS": "140",
        }

    def run(self, words: list[str], *, timeout_s: float = 90.0) -> list[str]:
        """Run commands; return the output of each."""
        script = "".join(f"printf '\\036'\n{word}\n" for word in words)
        done = subprocess.run(
            ["bash", "-c", script],
            cwd=self.cwd,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=timeout_s,
            check=False,
        )
        return done.stdout.split("\036")[1:]

    def clean_up(self) -> None:
        """End what runs in homes that the page made itself."""
        for version in self.tmp.glob("*/VERSION"):
            environment = {**self._logist.environment, "LOGIST_HOME": str(version.parent)}
            left = Logist(version.parent, environment).clean_up()
            assert not left, left


def _script(path: Path, line: str) -> None:
    path.write_text(f"#!/bin/sh\n{line}\n")
    path.chmod(0o755)
