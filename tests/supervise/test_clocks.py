"""How long a wait still lasts, whatever the wall clock is set to meanwhile, and after a reboot."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from logist_core import platform
from logist_core.supervise.clocks import Clocks, wait_left_s
from logist_core.types.job import JobEvent

pytestmark = pytest.mark.fast

seconds = st.floats(0, 1e6)
steps = st.floats(-1e6, 1e6)


def waiting(
    *, delay_s: float | None, not_before: float | None, boot_s: float = 100.0, same_boot: bool = True
) -> JobEvent:
    boot_id = platform.boot_id() if same_boot else "another"
    data = {"not_before": not_before, "delay_s": delay_s}
    return JobEvent(seq=1, at=1000.0, boot_s=boot_s, boot_id=boot_id, writer="x:1", kind="job.waiting", data=data)


def clocks(*, wall: float, boot: float) -> Clocks:
    return Clocks(wall=lambda: wall, awake=lambda: boot, boot=lambda: boot)


@given(seconds, seconds, steps)
def test_a_back_off_lasts_as_long_as_it_should_however_the_clock_is_set(
    delay: float, passed: float, step: float
) -> None:
    event = waiting(delay_s=delay, not_before=1000.0 + delay)
    left = wait_left_s(event, clocks(wall=1000.0 + passed + step, boot=100.0 + passed))
    assert left == pytest.approx(delay - passed, abs=1e-6)


@given(seconds, steps)
def test_a_time_of_day_is_that_of_the_clock_as_it_is_set_now(not_before: float, step: float) -> None:
    event = waiting(delay_s=None, not_before=not_before)
    assert wait_left_s(event, clocks(wall=1000.0 + step, boot=5.0)) == not_before - (1000.0 + step)


@given(seconds, steps)
def test_after_a_reboot_a_back_off_goes_on_and_never_lasts_longer_than_its_length(delay: float, passed: float) -> None:
    event = waiting(delay_s=delay, not_before=1000.0 + delay, same_boot=False)
    left = wait_left_s(event, clocks(wall=1000.0 + passed, boot=3.0))
    assert left <= delay
    assert left == pytest.approx(min(delay, delay - passed), abs=1e-6)


def test_a_wait_without_any_time_is_over() -> None:
    assert wait_left_s(waiting(delay_s=None, not_before=None), clocks(wall=1000.0, boot=5.0)) < 0
