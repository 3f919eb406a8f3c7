"""A disk that loses power: from what was done to it, every state that it may then legally be in.

The model: data is safe once its file was forced to disk after it was written; a name (made, moved or removed) once its
directory was. What isn't safe may be there, or not, or, of data, in part; each independently of the others, except that
of one file's data the later isn't there without the earlier.
"""

from __future__ import annotations

import base64
import json
import os
import random
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Operation = dict[str, Any]
#: What is on a disk: each file's content, None for a directory.
State = dict[str, bytes | None]


@dataclass
class _File:
    data: bytes = b""
    cut: bool = False  # what was written later isn't there either


@dataclass
class Disk:
    """A directory as it was, and what was done to it since."""

    base: State
    inodes: dict[int, str]
    operations: list[Operation] = field(default_factory=list)

    @classmethod
    def of(cls, root: Path) -> Disk:
        """Take in a directory that is wholly on the disk."""
        base: State = {}
        inodes = {}
        for directory, names, files in os.walk(root):
            for name in names:
                base[os.path.join(directory, name)] = None
            for name in files:
                path = os.path.join(directory, name)
                base[path] = Path(path).read_bytes()
                inodes[os.stat(path).st_ino] = path
        return cls(base, inodes)

    def load(self, record: Path) -> None:
        """Take in what a recorder wrote."""
        self.operations = [json.loads(line) for line in record.read_bytes().splitlines()]

    def states(self, rng: random.Random, samples: int) -> Iterator[tuple[int, State]]:
        """Yield (operations done, state after a cut): all and nothing of what wasn't safe, and mixtures."""
        seen = set()
        for count in range(len(self.operations) + 1):
            safe = self._safe(count)
            for share in (1.0, 0.0, *(rng.random() for _ in range(samples))):
                state = self._after(count, safe, rng, share)
                mark = hash((self._facts(count), tuple(sorted(state.items(), key=lambda item: item[0]))))
                if mark not in seen:
                    seen.add(mark)
                    yield count, state

    def _facts(self, count: int) -> tuple[bool, ...]:
        return (self.ran(count), self.is_safe(count, "exit.json"), self.is_safe(count, '"job.finished"'))

    def ran(self, count: int) -> bool:
        """Say whether the agent's program may have run before the cut."""
        return any(operation["op"] == "gate" for operation in self.operations[:count])

    def is_safe(self, count: int, what: str) -> bool:
        """Say whether a record of this name, or a journal line with this text, is surely on the disk."""
        safe = self._safe(count)
        for index, operation in enumerate(self.operations[:count]):
            if index in safe and operation["op"] in ("link", "rename") and operation["path"].endswith("/" + what):
                return True
            if index in safe and operation["op"] == "write" and what.encode() in base64.b64decode(operation["data"]):
                return True
        return False

    def _safe(self, count: int) -> set[int]:
        data, names, safe = set(), set(), set()
        for index in range(count - 1, -1, -1):
            operation = self.operations[index]
            kind = operation["op"]
            if kind == "sync":
                data.add(operation["ino"])
            elif kind == "sync names":
                names.add(operation["path"])
            elif kind in ("write", "truncate"):
                if operation["ino"] in data:
                    safe.add(index)
            elif kind != "gate" and os.path.dirname(operation["path"]) in names:
                safe.add(index)
            if kind == "create":
                data.discard(operation["ino"])  # what came before was another file of that number
        return safe

    def _after(self, count: int, safe: set[int], rng: random.Random, share: float) -> State:
        inodes = {ino: _File(self.base[path] or b"") for ino, path in self.inodes.items()}
        names: dict[str, _File | None] = {path: None for path, data in self.base.items() if data is None}
        names |= {path: inodes[ino] for ino, path in self.inodes.items()}
        for index, operation in enumerate(self.operations[:count]):
            kind, there = operation["op"], index in safe or rng.random() < share
            if kind == "create":
                inodes[operation["ino"]] = _File()
                if there:
                    names[operation["path"]] = inodes[operation["ino"]]
            elif kind in ("write", "truncate"):
                file = inodes.setdefault(operation["ino"], _File())
                if kind == "truncate":
                    file.data = file.data[: operation["size"]] if there else file.data
                elif not file.cut:
                    data = base64.b64decode(operation["data"])
                    file.cut = not there
                    file.data += data if there else data[: int(len(data) * rng.choice((0.0, rng.random())))]
            elif kind == "mkdir" and there:
                names[operation["path"]] = None
            elif kind == "unlink" and there:
                names.pop(operation["path"], None)
            elif kind in ("link", "rename") and there and operation["source"] in names:
                names[operation["path"]] = names[operation["source"]]
                if kind == "rename":
                    del names[operation["source"]]
        return {
            path: None if file is None else file.data
            for path, file in names.items()
            if all(str(parent) in names or len(str(parent)) < len(min(names)) for parent in Path(path).parents)
        }


def build(root: Path, state: State) -> None:
    """Make `root` what a state says, private as a home is."""
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir(mode=0o700)
    for path, data in sorted(state.items()):
        if data is None:
            Path(path).mkdir(mode=0o700, exist_ok=True)
        else:
            fd = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
            os.write(fd, data)
            os.close(fd)
