"""Plays the scenarios and prints their table. Exit code 1 where something didn't come out right."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from sentinel.scenarios.catalogue import ALL, Healthy, Scenario
from sentinel.scenarios.judge import seen, wrong
from sentinel.scenarios.peers import Fate, compare
from sentinel.scenarios.play import counts_network, play
from sentinel.scenarios.report import page

ROOT = Path(__file__).resolve().parents[3]
PAGE = ROOT / "docs/reference/sentinel-scenarios.md"
BEGIN, END = "<!-- measured -->\n", "<!-- end of what was measured -->\n"


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python tests/sentinel/scenarios", description=__doc__)
    parser.add_argument("--only", action="append", metavar="NAME", help="one scenario; repeatable")
    parser.add_argument("--peers", action="store_true", help="beside timeout, a watchdog and cli-agent-runner")
    parser.add_argument("--write", action="store_true", help=f"renew the table in {PAGE.relative_to(ROOT)}")
    options = parser.parse_args(arguments)
    network = counts_network()
    chosen: list[Scenario] = [
        scenario
        for scenario in ALL
        if (not options.only or scenario.name in options.only)
        and (network or not (isinstance(scenario, Healthy) and scenario.needs_net))
    ]
    fates: dict[str, dict[str, Fate]] = {}
    stories = play(chosen, then=(lambda *stage: fates.update(compare(*stage))) if options.peers else None)
    text = page(stories, fates, network=network)
    print(text)
    bad = [story for story in stories.values() if wrong(story)]
    for story in bad:
        print(f"{story.scenario.name}: {', '.join(wrong(story))}\n{seen(story)}\n", file=sys.stderr)
    if options.write:
        before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
        PAGE.write_text(f"{before}{BEGIN}{text}{END}{rest.partition(END)[2]}", encoding="utf-8")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
