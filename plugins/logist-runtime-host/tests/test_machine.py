"""HostRuntime, asked in any order, agrees with the model of all runtimes."""

from __future__ import annotations

import pytest
from logist_runtime_host import keeper
from logist_runtime_host.files import AttemptFiles

from logist_core.api import RuntimeHandle
from logist_core.testing.runtime_machine import RuntimeMachine, machine_test


class HostMachine(RuntimeMachine):
    factory = "logist_runtime_host.runtime:HostRuntime"
    own_descriptors = 1  # the link to the server that forks keepers

    def supervising(self, handle: RuntimeHandle) -> list[int]:
        """Return guard and pump: who is in the keeper's session."""
        with AttemptFiles(str(handle.data["directory"])) as files:
            session = (files.read("shim.json") or {}).get("session")
        return [p.pid for p in keeper.SYSTEM.processes() if p.session == session and p.state not in "ZX"]


TestHostMachine = pytest.mark.usefixtures("lab")(machine_test(HostMachine))
