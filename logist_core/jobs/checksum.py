"""A JSON object on one line that carries its own CRC-32 as its last member.

Invariant: `unseal(seal(body)) == body`, and any change of up to 32 neighbouring bits is noticed.
"""

from __future__ import annotations

from zlib import crc32

_KEY = b',"crc":"'
_LENGTH = len(_KEY) + 8 + len(b'"}')


def seal(body: bytes) -> bytes:
    """Return the JSON object `body` (not empty, no newline in it) with its checksum, as a line."""
    return body[:-1] + b'%s%08x"}\n' % (_KEY, crc32(body))


def unseal(line: bytes) -> bytes | None:
    """Return the object in `line` (without its newline) as it was sealed; None: it isn't as it was."""
    cut = len(line) - _LENGTH
    if cut < 1 or not line.startswith(_KEY, cut) or not line.endswith(b'"}'):
        return None
    body = line[:cut] + b"}"
    return body if line[-10:-2] == b"%08x" % crc32(body) else None
