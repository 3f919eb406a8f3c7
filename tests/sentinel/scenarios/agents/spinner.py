"""A spinner over a stream that hangs: the glyph turns and the seconds count, the tokens stand still."""

import itertools
import time

print("thinking about it", flush=True)
print("ONSET", flush=True)
for second, glyph in zip(itertools.count(), itertools.cycle("⠋⠙⠹⠸⠼⠴⠦⠧")):
    print(f"\r{glyph} Working… ({second // 10}s · 1.2k tokens)", end="", flush=True)
    time.sleep(0.1)
