"""How much of everything a run measures."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Scale:
    """Sizes of one run.

    Attributes:
        repeats: How often a latency is measured.
        jobs: Short jobs for the throughput; `cli_jobs` of them through the command line.
        widths: How many of them at once.
        idle: Numbers of idle jobs whose memory is measured; the CPU is measured with the last.
        quiet_s: For how long the CPU of idle jobs is measured.
        capture_mib, pty_mib: Output written into a file, and through a terminal.
        listed: Numbers of jobs in the home for `ls`.
        watched: Numbers of printing jobs for the latency from a line to the state; `samples` lines are timed.
        reattached: Numbers of running jobs that a new supervisor has to find.
        log_mib: Size of the log that is classified, with each of these numbers of rules.
    """

    name: str
    repeats: int
    jobs: int
    cli_jobs: int
    widths: tuple[int, ...]
    idle: tuple[int, ...]
    quiet_s: float
    capture_mib: int
    pty_mib: int
    listed: tuple[int, ...]
    reattached: tuple[int, ...]
    watched: tuple[int, ...]
    samples: int
    log_mib: int = 192
    rules: tuple[int, ...] = (50, 200, 1_000)


FULL = Scale(
    name="full",
    repeats=11,
    jobs=200,
    cli_jobs=24,
    widths=(1, 8, 64),
    idle=(10, 100),
    quiet_s=10.0,
    capture_mib=512,
    pty_mib=32,
    listed=(1_000, 10_000),
    reattached=(1, 100),
    watched=(1, 100),
    samples=100,
)
THOUSAND = replace(
    FULL,
    name="thousand",
    jobs=500,
    idle=(10, 100, 1_000),
    quiet_s=60.0,
    capture_mib=2_048,
    reattached=(1, 100, 1_000),
    watched=(1, 100, 1_000),
    samples=200,
)
PART = replace(
    FULL,
    name="part",
    repeats=5,
    jobs=48,
    cli_jobs=4,
    widths=(1, 8),
    idle=(10, 40),
    capture_mib=128,
    pty_mib=8,
    listed=(1_000,),
    reattached=(1, 40),
    watched=(1, 40),
    samples=40,
    log_mib=32,
)
SMALL = Scale(
    name="small",
    repeats=1,
    jobs=6,
    cli_jobs=1,
    widths=(3,),
    idle=(2,),
    quiet_s=0.1,
    capture_mib=2,
    pty_mib=1,
    listed=(12,),
    reattached=(2,),
    log_mib=2,
    rules=(20,),
    watched=(2,),
    samples=4,
)
