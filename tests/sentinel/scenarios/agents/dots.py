"""A test run: a dot for each test, no new line, work on the processor in between."""

import sys
import time

until = time.monotonic() + float(sys.argv[1])
while time.monotonic() < until:
    pause = time.monotonic() + 0.2
    while time.monotonic() < pause:
        sum(range(10_000))
    print(".", end="", flush=True)
print("\n40 passed in 8.0s", flush=True)
