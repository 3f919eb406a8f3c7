"""The table of a run: what was found and what was touched, beside what people use today. Pure.

A page made from it is `docs/reference/sentinel-scenarios.md`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sentinel.scenarios.catalogue import ENDS, HEALTHY, STALL_S, TROUBLES, Healthy, Trouble
from sentinel.scenarios.judge import SAMPLING_S, wrong
from sentinel.scenarios.peers import PEERS, Fate
from sentinel.scenarios.play import Story

from logist_core.types.job import Lifecycle
from logist_core.types.watch import Action

Fates = Mapping[str, Mapping[str, Fate]]


def summary(stories: Mapping[str, Story], fates: Fates) -> list[str]:
    """Return the counts, a row each: who, found, with the cause, healthy jobs ended."""
    troubles = [stories[s.name] for s in TROUBLES if s.name in stories]
    healthy = [stories[s.name] for s in HEALTHY if s.name in stories]
    found = [story for story in troubles if story.found() is not None]
    touched = [story for story in healthy if story.touched]
    rows = [
        "| | troubles found | with their cause | healthy jobs ended |",
        "|---|---|---|---|",
        f"| Logist | {len(found)} of {len(troubles)} | {len(found)} | {len(touched)} of {len(healthy)} |",
    ]
    for peer in PEERS:
        of = fates.get(peer.name)
        if not of:
            continue
        ended = [name for name, fate in of.items() if fate.ended]
        tried_troubles = [s.name for s in TROUBLES if s.name in of and not of[s.name].left_out]
        tried_healthy = [s.name for s in HEALTHY if s.name in of and not of[s.name].left_out]
        reasons = sorted({fate.left_out for fate in of.values() if fate.left_out})
        note = f" (else: {'; '.join(reasons)})" if reasons else ""
        rows.append(
            f"| {peer.says}{note} | {sum(n in ended for n in tried_troubles)} of {len(tried_troubles)} | 0 | "
            f"{sum(n in ended for n in tried_healthy)} of {len(tried_healthy)} |"
        )
    return rows


def tables(stories: Mapping[str, Story], fates: Fates, *, network: bool) -> list[str]:
    """Return the three tables as lines of markdown."""
    names = [peer.name for peer in PEERS if fates.get(peer.name)]
    head = "".join(f" {name} |" for name in names)
    rule = "---|" * len(names)
    lines = [
        "### Trouble",
        "",
        f"| what happens | found | cause | after, s | allowed, s | remedy | work lost |{head}",
        f"|---|---|---|---|---|---|---|{rule}",
    ]
    for scenario in TROUBLES:
        story = stories.get(scenario.name)
        if story is not None:
            lines.append(_trouble(scenario, story) + _peers(scenario.name, names, fates, found="found"))
    lines += [
        "",
        "### Ends that are no success",
        "",
        "| what happens | the job then | why, in its own words |",
        "|---|---|---|",
    ]
    for end in ENDS:
        story = stories.get(end.name)
        if story is not None and story.status is not None:
            became = "waiting, goes on by itself" if story.waited else story.status.lifecycle.value
            why = (story.waited or [story.status.reason or ""])[-1]
            right = "" if not wrong(story) else " **(wrong)**"
            lines.append(f"| {end.says} | {became}{right} | {_cell(why)} |")
    lines += [
        "",
        "### Healthy",
        "",
        f"| what happens | ended or typed into | somebody told |{head}",
        f"|---|---|---|{rule}",
    ]
    for scenario_ in HEALTHY:
        story = stories.get(scenario_.name)
        if story is None and scenario_.needs_net and not network:
            lines.append(f"| {_says(scenario_)} | not played: sockets are not counted here | - |" + " - |" * len(names))
        elif story is not None:
            touched = ", ".join(story.touched) or "no"
            told = ", ".join(sorted({cause for _, _, cause in story.acts})) or "no"
            lines.append(
                f"| {_says(scenario_)} | {touched} | {told} |" + _peers(scenario_.name, names, fates, found="**ended**")
            )
    return lines


def lateness_s(stories: Mapping[str, Story]) -> list[float]:
    """Return by how much each verdict came later than its threshold, seconds."""
    return [
        story.latency_s - story.scenario.limit_s
        for story in stories.values()
        if isinstance(story.scenario, Trouble) and story.latency_s is not None and _timed(story.scenario)
    ]


def _timed(scenario: Trouble) -> bool:
    """Whether a threshold of time decides: loops are counted, prompts are read."""
    return scenario.cause not in ("looping", "permission_prompt")


def _trouble(scenario: Trouble, story: Story) -> str:
    late = "-" if story.latency_s is None else f"{story.latency_s:.1f}"
    allowed = f"{scenario.limit_s + SAMPLING_S:.2f}" if _timed(scenario) else "by count" if _counted(scenario) else "-"
    found = "yes" if not wrong(story) else "**no**"
    acted = list(dict.fromkeys(action for _, action, _ in story.acts))
    remedies = [a.value for a in acted if a is not Action.NOTIFY] or [a.value for a in acted]
    cause = next((c for _, _, c, _ in reversed(story.verdicts)), "-") if story.found() is None else scenario.cause
    return (
        f"| {_says(scenario)} | {found} | `{cause}` | {late} | {allowed} | {', '.join(remedies) or '-'} | "
        f"{_lost(story)} |"
    )


def _counted(scenario: Trouble) -> bool:
    return scenario.cause == "looping"


def _lost(story: Story) -> str:
    status = story.status
    if status is not None and status.lifecycle is Lifecycle.SUCCEEDED:
        attempts = len(status.attempts)
        return (
            "none: finished in the same attempt"
            if attempts == 1
            else f"none: same session, finished in attempt {attempts}"
        )
    if not story.touched:
        return "none: it is as it was"
    return "what the attempt had in hand"


def _peers(name: str, peers: Sequence[str], fates: Fates, *, found: str) -> str:
    cells = []
    for peer in peers:
        fate = fates[peer].get(name, Fate(left_out="-"))
        if fate.left_out:
            cells.append(" - |")
        elif fate.ended:
            cells.append(f" {found} after {fate.after_s:.0f} s |")
        else:
            cells.append(" missed |" if found == "found" else " no |")
    return "".join(cells)


def _says(scenario: Trouble | Healthy) -> str:
    return scenario.says if scenario.listed else f"{scenario.says} (ours)"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")[:90]


def page(stories: Mapping[str, Story], fates: Fates, *, network: bool) -> str:
    """Return all of it as markdown. `network`: bytes on sockets are counted here."""
    late = lateness_s(stories)
    worst = f"{max(late):.2f} s" if late else "-"
    median = f"{sorted(late)[len(late) // 2]:.2f} s" if late else "-"
    lines = [
        *summary(stories, fates),
        "",
        f"The default thresholds are scaled down: `stall_s` is {STALL_S:g} s instead of 120 s, and a look is due every "
        f"{SAMPLING_S:g} s. Verdicts came {median} after their threshold in the median, {worst} at worst, "
        f"{sum(value > SAMPLING_S for value in late)} of {len(late)} later than one sampling period, on "
        "a machine that was busy with the other scenarios.",
        "",
        *tables(stories, fates, network=network),
    ]
    return "\n".join(lines) + "\n"
