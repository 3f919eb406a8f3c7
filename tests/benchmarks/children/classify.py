"""Finds which rules match which lines of a log, with one engine, in a process of its own; prints what that took.

Runs on any Python: `re2` comes from an environment of the peers, where Logist is not.

    python classify.py ENGINE LOG RULES PART     RULES: a JSON list of regexes; PART: a size in bytes
"""

from __future__ import annotations

import hashlib
import json
import sys
import time
from collections.abc import Callable, Iterable, Iterator

PIECE = 64 * 1024


def pieces(path: str) -> Iterator[bytes]:
    with open(path, "rb") as log:
        while piece := log.read(PIECE):
            yield piece


def lines(path: str) -> Iterator[tuple[int, bytes]]:
    offset = 0
    with open(path, "rb") as log:
        for line in log:
            yield offset, line.rstrip(b"\n")
            offset += len(line)


Run = Callable[[str], Iterator[tuple[int, int]]]


def logist(rules: list[str]) -> Run:
    from logist_core.observe.lines import LineCutter
    from logist_core.observe.matcher import Matcher
    from logist_core.types.signals import Claim, Rule

    made = (Rule(id=f"any/{n}", claim=Claim.FAILED, regex=rule, guard=False) for n, rule in enumerate(rules))
    matcher = Matcher((str(n), rule) for n, rule in enumerate(made))
    matcher.scan(b"-\n", "text")

    def run(path: str) -> Iterator[tuple[int, int]]:
        cutter = LineCutter(1 << 20)
        for piece in pieces(path):
            for block in cutter.feed(piece):
                for hit in matcher.scan(block.data, "text", block.offset):
                    yield hit.offset, int(hit.rule_id)

    return run


def naive(rules: list[str]) -> Run:
    import regex

    compiled = [regex.compile(rule) for rule in rules]

    def run(path: str) -> Iterator[tuple[int, int]]:
        for offset, line in lines(path):
            text = line.decode("utf-8", "replace")
            for number, pattern in enumerate(compiled):
                if pattern.search(text):
                    yield offset, number

    return run


def re2(rules: list[str]) -> Run:
    from re2 import Options, Set

    options = Options()
    options.max_mem = 512 << 20
    matcher = Set.SearchSet(options)
    for rule in rules:
        matcher.Add(rule)
    matcher.Compile()

    def run(path: str) -> Iterator[tuple[int, int]]:
        for offset, line in lines(path):
            for number in matcher.Match(line) or ():
                yield offset, number

    return run


def nothing(rules: list[str]) -> Run:
    def run(path: str) -> Iterator[tuple[int, int]]:
        for _ in pieces(path):
            pass
        yield from ()

    return run


ENGINES = {"logist": logist, "naive": naive, "re2": re2, "nothing": nothing}


def digest(pairs: Iterable[tuple[int, int]]) -> str:
    return hashlib.sha256(json.dumps(sorted(pairs)).encode()).hexdigest()


def peak_kib() -> int:
    """Return the most memory that this program had; `getrusage` would count what its parent had at the fork."""
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))


def main() -> None:
    engine, path, rules, part = sys.argv[1:]
    made_in = time.process_time()
    run = ENGINES[engine](json.loads(rules))
    began, began_cpu = time.perf_counter(), time.process_time()
    pairs = list(run(path))
    wall, cpu = time.perf_counter() - began, time.process_time() - began_cpu
    made_in = began_cpu - made_in
    first = [pair for pair in pairs if pair[0] < int(part)]
    found = {
        "wall_s": wall,
        "cpu_s": cpu,
        "made_in_s": made_in,
        "rss_kib": peak_kib(),
        "lines": len({offset for offset, _ in pairs}),
        "digest": digest(pairs),
        "part_lines": len({offset for offset, _ in first}),
        "part_digest": digest(first),
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main()
