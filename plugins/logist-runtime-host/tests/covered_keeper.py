"""Runs the keeper with coverage measured: named by LOGIST_HOST_KEEPER_WRAPPER in tests, see the README.

Coverage's own `.pth` file starts the measurement, as it does in every process of a measured test run; its `fork` and
`_exit` patches keep it on. The keeper is imported under its own name, by which the configuration knows it.
"""

from __future__ import annotations

import sys

from logist_runtime_host import keeper

keeper.main(sys.argv[1:])
