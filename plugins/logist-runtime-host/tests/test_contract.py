"""HostRuntime keeps the contract of all runtimes."""

from __future__ import annotations

import pytest
from logist_runtime_host.runtime import HostRuntime

from logist_core.testing.runtime_contract import RuntimeContract


class TestHostRuntime(RuntimeContract):
    factory = "logist_runtime_host.runtime:HostRuntime"

    @pytest.fixture
    def runtime(self, lab) -> HostRuntime:
        return HostRuntime()
