from __future__ import annotations

from typing import Any

import pytest
from logist_sentinel_default.plugin import SETTINGS, logist_sentinels

from logist_core.api import Sentinel
from logist_core.testing.sentinel_contract import SentinelContract

pytestmark = pytest.mark.fast

#: Short thresholds, so that random histories of some minutes cross all of them; multiples of 1/64 s.
SHORT = {
    "stall_s": 24.0,
    "tool_stall_s": 40.0,
    "buffered_stall_s": 64.0,
    "blind_stall_s": 96.0,
    "storm_s": 48.0,
    "no_progress_s": 128.0,
}


def make(settings: dict[str, Any]) -> Sentinel:
    (record,) = logist_sentinels()
    return record.factory(settings)


class _Contract(SentinelContract):
    def scaled(self, sentinel: Sentinel, factor: float) -> Sentinel:
        in_force = dict(sentinel.settings())
        for name, setting in SETTINGS.items():
            if setting.type == "duration":
                in_force[name] *= factor
        return make(in_force)


class TestShortThresholds(_Contract):
    hang_found_within_s = 30.0

    @pytest.fixture
    def sentinel(self) -> Sentinel:
        return make(SHORT)


class TestStoppingAtOnce(_Contract):
    hang_found_within_s = 30.0

    @pytest.fixture
    def sentinel(self) -> Sentinel:
        return make(
            {
                **SHORT,
                "on_stall": "stop",
                "on_stopped": "resume",
                "windows": 1,
                "grace_s": 0.0,
                "max_interventions": 0,
                "cooldown_s": 100.0,
            }
        )


class TestObserving(_Contract):
    hang_found_within_s = 30.0

    @pytest.fixture
    def sentinel(self) -> Sentinel:
        return make({**SHORT, "mode": "observe", "blind_stall_s": 0.0, "no_progress_s": 0.0})
