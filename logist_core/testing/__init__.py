"""The conformance kit for plugins: classes to subclass in a test module, fakes, and hypothesis strategies.

    from logist_core.testing import RuntimeContract

    class TestMyRuntime(RuntimeContract):
        @pytest.fixture
        def runtime(self): ...

Needs pytest and hypothesis: `logist-core[testing]`. The shipped plugins and the fakes pass the same kit.
"""

from __future__ import annotations

from logist_core.testing.agent_contract import AgentContract
from logist_core.testing.fake_runtime import FakeRuntime
from logist_core.testing.packaging import PackagingContract
from logist_core.testing.pattern_contract import PatternContract
from logist_core.testing.runtime_contract import RuntimeContract
from logist_core.testing.runtime_machine import RuntimeMachine, machine_test
from logist_core.testing.sentinel_contract import SentinelContract

__all__ = [
    "AgentContract",
    "FakeRuntime",
    "PackagingContract",
    "PatternContract",
    "RuntimeContract",
    "RuntimeMachine",
    "SentinelContract",
    "machine_test",
]
