"""Every scenario as a real job: trouble is found under its name and remedied, what is healthy is left alone.

A test plays all scenarios of a kind at once; to look at one of them: `python tests/sentinel/scenarios --only NAME`.
"""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from sentinel.scenarios.catalogue import ENDS, HEALTHY, TROUBLES, Scenario
from sentinel.scenarios.judge import seen, wrong
from sentinel.scenarios.play import counts_network, play

pytestmark = pytest.mark.timeout(300)


def faults(scenarios: Sequence[Scenario]) -> str:
    stories = play(scenarios)
    bad = [story for story in stories.values() if wrong(story)]
    return "\n\n".join(f"{s.scenario.name}: {', '.join(wrong(s))}\n{seen(s)}" for s in bad)


def test_every_trouble_is_found_under_its_name_and_remedied() -> None:
    assert faults(TROUBLES) == ""


def test_what_ends_by_itself_does_not_pass_for_a_success() -> None:
    assert faults(ENDS) == ""


def test_what_is_healthy_is_left_alone() -> None:
    network = counts_network()
    assert faults([scenario for scenario in HEALTHY if network or not scenario.needs_net]) == ""
