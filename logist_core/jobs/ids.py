"""Job ids: 16 characters that sort by time of creation and are safe as a path, an argument and a host name.

Invariant: within one process every id is greater than the one before, also when the clock stands still or goes back.
"""

from __future__ import annotations

import os
import threading
import time

from logist_core.errors import JobNotFound

LENGTH = 16
#: Crockford's base 32: no i, l, o, u, so that an id can be read out and typed.
_DIGITS = "0123456789abcdefghjkmnpqrstvwxyz"
_ALLOWED = frozenset("0123456789abcdefghijklmnopqrstuvwxyz")
_TIME_LENGTH = 10
_RANDOM_LENGTH = LENGTH - _TIME_LENGTH
_RANDOM_BITS = 5 * _RANDOM_LENGTH

_lock = threading.Lock()
#: pid, milliseconds and random part of the last id. The pid is there because a fork copies this state: two children
#: would otherwise count on from the same number.
_last = (0, 0, 0)


def new_id(now: float | None = None) -> str:
    """Return a new id: 10 digits of the time in milliseconds, base 32, then 6 of chance.

    Args:
        now: Unix time, seconds; None: the clock.
    """
    global _last  # noqa: PLW0603 -- the invariant of this module is about the whole process
    millis = time.time_ns() // 1_000_000 if now is None else int(now * 1000)
    chance = int.from_bytes(os.urandom(4), "big") >> (32 - _RANDOM_BITS)
    if now is None:
        with _lock:
            pid, last_millis, last_chance = _last
            if pid == os.getpid() and millis <= last_millis:
                # The high bits of the random part are full once in 2^30: go on with the next millisecond then.
                carry, chance = divmod(last_chance + 1, 1 << _RANDOM_BITS)
                millis = last_millis + carry
            _last = (os.getpid(), millis, chance)
    return _encode(millis, _TIME_LENGTH) + _encode(chance, _RANDOM_LENGTH)


def _encode(number: int, length: int) -> str:
    digits = []
    for _ in range(length):
        number, digit = divmod(number, 32)
        digits.append(_DIGITS[digit])
    return "".join(reversed(digits))


def is_id(text: str) -> bool:
    """Say whether `text` may be used as a directory's name: an id, or something else that could never hurt."""
    return len(text) == LENGTH and _ALLOWED.issuperset(text)


def checked(text: str) -> str:
    """Return `text` if it is an id. No text reaches a path without coming through here.

    Raises:
        JobNotFound: It isn't, so no job can have it.
    """
    if not is_id(text):
        raise JobNotFound(f"{shown(text)} is not a job id", hint="logist ls")
    return text


def shown(text: str) -> str:
    """Return `text` quoted, with control characters escaped and cut to a length that fits into one line."""
    return ascii(text if len(text) <= 80 else text[:77] + "...")
