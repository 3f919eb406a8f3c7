"""A stream that stops in the middle: the server at PORT has said enough, and there is nothing else to do."""

import os
import socket
import sys

stream = socket.create_connection(("127.0.0.1", int(os.environ["SCENARIO_PORT"])))
stream.sendall(b"hang")
print(stream.recv(64).decode(), flush=True)
print("ONSET", flush=True)
while stream.recv(64):
    pass
sys.exit("the stream went on")
