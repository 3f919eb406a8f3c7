"""Says whether a scenario came out right, and why not. Pure."""

from __future__ import annotations

from sentinel.scenarios.catalogue import End, Healthy, Trouble
from sentinel.scenarios.play import Story

from logist_core.types.job import Lifecycle

#: The supervisor samples at least so often at these thresholds, seconds.
SAMPLING_S = 0.25


def wrong(story: Story) -> list[str]:
    """Return what is wrong, a line each; nothing where all is right. Lateness is no error here: see the report."""
    scenario = story.scenario
    match scenario:
        case Trouble():
            return _trouble(story, scenario)
        case End():
            return _end(story, scenario)
        case Healthy():
            return _healthy(story, scenario)
    raise AssertionError(scenario)


def seen(story: Story) -> str:
    """Return all that was said and done, for an error's text."""
    lines = [f"onset {story.onset}"]
    lines += [f"verdict {at:.2f} {level} {cause} {evidence}" for at, level, cause, evidence in story.verdicts]
    lines += [f"act {at:.2f} {action} {cause}" for at, action, cause in story.acts]
    if story.status is not None:
        lines.append(f"{story.status.lifecycle} {story.status.outcome} {story.status.reason} {story.status.activity}")
    return "\n".join(lines)


def _trouble(story: Story, scenario: Trouble) -> list[str]:
    faults = []
    found = story.found()
    if found is None:
        faults.append(f"not found as {scenario.cause}")
    elif story.onset is None or found[0] < story.onset:
        faults.append("found before it began")
    if not any(action is scenario.remedy for _, action, _ in story.acts):
        faults.append(f"remedy {scenario.remedy} was not taken")
    if scenario.remedy.value == "notify" and story.touched:
        faults.append(f"touched: {story.touched}")
    if story.status is None or (scenario.ends is not None and story.status.lifecycle is not scenario.ends):
        faults.append(f"became {story.status and story.status.lifecycle}, not {scenario.ends}")
    return faults


def _end(story: Story, scenario: End) -> list[str]:
    status = story.status
    became = Lifecycle.WAITING if story.waited else status and status.lifecycle
    if status is None or became is not scenario.becomes:
        return [f"became {became}, not {scenario.becomes}"]
    faults = [] if not story.touched else [f"touched: {story.touched}"]
    said = f"{status.reason} {status.activity.text} {status.activity.state} {story.waited}"
    if scenario.says_why not in said:
        faults.append(f"doesn't say {scenario.says_why!r}: {said}")
    return faults


def _healthy(story: Story, scenario: Healthy) -> list[str]:
    faults = [f"touched: {story.touched}"] if story.touched else []
    if story.acts and not scenario.told:
        faults.append("somebody was told of it")
    if story.status is None or story.status.lifecycle is not Lifecycle.SUCCEEDED:
        faults.append(f"became {story.status and story.status.lifecycle}, not succeeded")
    return faults
