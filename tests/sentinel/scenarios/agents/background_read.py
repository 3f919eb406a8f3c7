"""A child in the background that reads from the terminal, and is stopped for it (SIGTTIN); needs a terminal."""

import os
import sys

print("ONSET", flush=True)
child = os.fork()
if child == 0:
    os.setpgid(0, 0)
    sys.stdin.readline()
    os._exit(0)
os.waitpid(child, 0)
