"""Runs `keeper.py` with coverage measured: named by LOGIST_HOST_KEEPER_WRAPPER in tests, see the README.

Coverage's own `.pth` file, or `process_startup`, starts the measurement; its `fork` and `_exit` patches keep it on.
"""

from __future__ import annotations

import runpy
import sys

try:
    import coverage

    coverage.process_startup()
except ImportError:
    pass

sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
