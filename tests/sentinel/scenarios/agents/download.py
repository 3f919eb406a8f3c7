"""A long download from the server at PORT: bytes flow, nothing is printed until the end.

`file`: written to a file; `memory`: kept nowhere; `bar`: to a file, with a bar that turns in place.
"""

import os
import socket
import sys

how = sys.argv[1]
stream = socket.create_connection(("127.0.0.1", int(os.environ["SCENARIO_PORT"])))
got = 0
with open(os.devnull, "wb", buffering=0) as file:
    while data := stream.recv(65_536):
        got += len(data)
        if how != "memory":
            file.write(data)
        if how == "bar":
            print(f"\r[{'#' * (got // 50_000):<20}] {got // 10_000}%", end="", flush=True)
print(f"\ndownloaded {got} bytes", flush=True)
