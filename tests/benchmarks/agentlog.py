"""A log as agents write it, and rules that are met in it: the same for the same seed. Pure.

Nothing in the rules is beyond what every engine reads alike (no Unicode classes, no look-around), and no escape
sequence stands in a line that matches: engines that don't clean their input have to find the same.
"""

from __future__ import annotations

import json
import random

_SUBJECT_LIST = (
    "usage limit, weekly quota, session budget, request credit, api credential, access token, provider endpoint, "
    "model capacity, context window, connection pool, sandbox policy, permission request, billing account, retry "
    "schedule, stream deadline, plugin manifest, workspace lease, upload checksum, proxy certificate, tool invocation"
)
_VERB_LIST = (
    "reached, exhausted, exceeded, rejected, revoked, expired, interrupted, unavailable, overloaded, suspended, "
    "throttled, unreachable, cancelled, corrupted, blocked, downgraded, quarantined, mismatched, orphaned, postponed"
)
_SUBJECTS, _VERBS = _SUBJECT_LIST.split(", "), _VERB_LIST.split(", ")
_TAILS = ("", r" after [0-9]+ (?:seconds|attempts)", r"(?:, resets at|; retry in) [0-9]+", r" for [a-z]+-[0-9]+")
# The form of the rules of the dictionary: a message at the beginning of a line, behind what loggers put there.
_LEAD = r"""^[^a-zA-Z"'#]{0,8}(?:[^"'{}]{0,60}(?:error|warn(?:ing)?|fatal)[^"'{}]{0,20}[:\]] ?)?"""
#: One line in so many matches.
MATCHING = 200


def rules(count: int, *, plain: bool = False) -> list[str]:
    """Return `count` different regexes, half of them in any case; `plain`: a message anywhere in a line."""
    made = []
    for number in range(count):
        subject = _SUBJECTS[number % len(_SUBJECTS)]
        verb = _VERBS[number // len(_SUBJECTS) % len(_VERBS)]
        tail = _TAILS[number // (len(_SUBJECTS) * len(_VERBS)) % len(_TAILS)]
        lead = "(?i)" if number % 2 else ""
        made.append(f"{lead}{'' if plain else _LEAD}{subject} (?:was |has been |is )?{verb}{tail}")
    return made


def log(size: int, *, seed: int = 7) -> bytes:
    """Return `size` bytes of log, roughly: whole lines."""
    chance = random.Random(seed)
    part: list[str] = []
    length = 0
    while length < min(size, 4 << 20):
        line = _matching(chance) if chance.randrange(MATCHING) == 0 else _noise(chance)
        part.append(line)
        length += len(line) + 1
    text = ("\n".join(part) + "\n").encode()
    return text * max(1, size // len(text))


def _matching(chance: random.Random) -> str:
    # The first verbs are in the smallest set of rules as well: it matches as often.
    subject, verb = chance.choice(_SUBJECTS), chance.choice(_VERBS[:2])
    tail = chance.choice(("", " after 12 attempts", "; retry in 30", ", resets at 15", " for gpt-5"))
    lead = chance.choice(("", "Error: ", "2026-02-03T10:11:12Z error core::client: ", "  ! "))
    line = f"{lead}{subject} {chance.choice(('', 'was '))}{verb}{tail}"
    return line.upper() if chance.random() < 0.1 else line


def _noise(chance: random.Random) -> str:
    kind = chance.random()
    n = chance.randrange(10_000)
    path = f"src/{chance.choice(('core', 'cli', 'web', 'jobs'))}/{chance.choice(('index', 'store', 'view'))}_{n}.py"
    if kind < 0.22:
        text = " ".join(chance.choice(_PROSE) for _ in range(chance.randrange(8, 60)))
        event = {"type": "assistant", "message": {"role": "assistant", "content": [{"type": "text", "text": text}]}}
        return json.dumps({**event, "session_id": f"{n:032x}", "uuid": f"{n * 7919:036x}"})
    if kind < 0.40:
        took = f"\x1b[33m{n}\x1b[2mms\x1b[22m\x1b[39m"
        return f"\x1b[32m✓\x1b[39m {path} \x1b[2m(\x1b[22m{n % 40} tests\x1b[2m)\x1b[22m {took}"
    if kind < 0.65:
        return f"{'    ' * chance.randrange(4)}{chance.choice(_CODE).format(n=n)}"
    if kind < 0.80:
        return (
            f"2026-02-03T10:{n % 60:02}:{n % 59:02}.{n:06}Z  INFO request{{id={n}}}: handled in {n % 300} ms status=200"
        )
    if kind < 0.90:
        return f"{path}:{n % 900}: {' '.join(chance.choice(_PROSE) for _ in range(9))}"
    if kind < 0.92:  # near misses: a subject without its verb, and the reverse
        return f"the {chance.choice(_SUBJECTS)} of {path} is checked, then {chance.choice(_VERBS)[:-2]}ing"
    return " ".join(chance.choice(_PROSE) for _ in range(chance.randrange(3, 20))).capitalize() + "."


_PROSE_TEXT = (
    "the function reads a file and returns what was found there while tests run against another build of this module "
    "so that nothing depends on order when lines are cut let me look at how it is called before changing anything "
    "else in here now error handling seems fine but we should add a case for empty input and update docs as well"
)
_PROSE = _PROSE_TEXT.split()
_CODE = (
    "def handle_{n}(self, request: Request) -> Response:",
    "return self._store.get(key_{n}, default=None)",
    "if (response.status === {n}) {{ throw new Error(`failed: ${{response.status}}`); }}",
    "const value_{n} = await client.fetch(url, {{ retries: 3 }});",
    '+    assert result == expected_{n}, f"got {{result}}"',
    "-    logger.info('processed %d items', {n})",
    "for item in sorted(items, key=lambda i: i.rank_{n}):",
    "# see the notes on ordering, {n}",
)
