"""A long run against everything at once: real jobs, real kills at random, and an oracle that trusts only the kernel.

    python -m logist_core.testing.soak --minutes 2 --seed 7

Invariant: nothing is signalled that isn't this run's own, and the home of a failed run is kept as it was.

The parts: `workload` (jobs that write down for themselves what they did), `processes` (who is who, verified),
`oracle` (what must hold, pure judgement over what was read), `chaos` (the random acts), `__main__` (the command).
Needs Linux and the default plugins.
"""

from __future__ import annotations
