"""Makes foreign text fit for one line of a message: names, summaries and exception texts of plugins, values of files.

Invariant: what `printable` returns has no control character, no escape, no bidirectional mark and no line break,
and is at most `limit` characters long.
"""

from __future__ import annotations

from collections.abc import Iterable

_ELLIPSIS = "…"


def printable(text: object, limit: int = 300) -> str:
    """Return `text` as one harmless line; whatever can't be shown is spelt out (`\\x1b`, `\\u202e`).

    Args:
        text: Anything; its `str` is taken, and a type whose `str` fails is named instead.
        limit: The longest result, in characters.
    """
    raw = _as_text(text)
    # Cutting first keeps the cost bounded: each character becomes at least one.
    shown = " ".join("".join(map(_shown, raw[: 2 * limit + 2])).split())
    if len(shown) <= limit and len(raw) <= 2 * limit + 2:
        return shown
    return shown[: max(limit - 1, 0)].rstrip() + _ELLIPSIS


def quoted(text: object, limit: int = 60) -> str:
    """Return `text` as `printable` does, in quotation marks."""
    return f"'{printable(text, limit)}'"


def nearest(word: str, known: Iterable[str]) -> list[str]:
    """Return up to three of `known` that a person may have meant by `word`, best first."""
    from difflib import get_close_matches

    return get_close_matches(word[:64], sorted(known), n=3, cutoff=0.55)


def listed(names: Iterable[str], limit: int = 12) -> str:
    """Return `a, b, c`, cut after `limit` names; `none` where there are none."""
    shown = [printable(name, 64) for name in names]
    if not shown:
        return "none"
    rest = len(shown) - limit
    return ", ".join(shown[:limit]) + (f" and {rest} more" if rest > 0 else "")


def _as_text(value: object) -> str:
    if isinstance(value, str):
        return str.__str__(value)
    try:
        return str(value)
    except Exception:  # noqa: BLE001 - a plugin's __str__ may raise anything; we still have to name the thing
        return f"<{type(value).__name__}>"


def _shown(char: str) -> str:
    if char.isprintable():
        return char
    if char.isspace():
        return " "
    return char.encode("unicode_escape").decode("ascii")
