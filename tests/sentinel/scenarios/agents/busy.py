"""Works on the processor for so many seconds, and prints nothing but its end."""

import sys
import time

until = time.monotonic() + float(sys.argv[1])
while time.monotonic() < until:
    sum(range(10_000))
print("built", flush=True)
