"""Takes its time to import; it works."""

import time

from logist_core.api import AgentRecord, hookimpl

time.sleep(2.1)


class Slow:
    def plan(self, job, ctx): ...

    def parse(self, line, stream):
        return ()

    def resume(self, job, ctx, last):
        return None

    def outcome(self, exit, signals):
        return None

    def probe(self, ctx): ...

    def unstick(self):
        return None


@hookimpl
def logist_agents():
    return [AgentRecord(name="slow", summary="Slow to import.", factory=lambda settings: Slow())]
