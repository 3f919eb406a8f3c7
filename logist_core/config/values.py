"""Checks one value against its `Setting`, whether it came from TOML or from the command line.

Invariant: what is returned has the setting's type and is JSON; anything else is a ValueError that says what was
expected and what was there.
"""

from __future__ import annotations

import math

from logist_core.config.durations import MAX_DURATION_S, parse_duration
from logist_core.config.text import listed, nearest, printable, quoted
from logist_core.errors import UsageError
from logist_core.hookspecs import Setting
from logist_core.types._json import JSON

#: `Setting.type` -> how it is called in messages.
TYPE_NAMES = {
    "str": "text",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "duration": "a duration (90, 5m, 2h30m)",
    "list": "a list of texts",
}

_WORDS = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}
_MAX_INT = 2**63 - 1


def check_value(setting: Setting, value: object) -> JSON:
    """Return `value`, as a configuration file gave it, in the setting's type (durations in seconds).

    Raises:
        ValueError: It has another type, or isn't among the choices. The text completes `<key> `.
    """
    checked = _CHECKS[setting.type](value)
    if checked is None:
        raise ValueError(f"must be {TYPE_NAMES[setting.type]}, not {_described(value)}")
    _check_choices(setting, checked)
    return checked


def parse_value(setting: Setting, text: str) -> JSON:
    """Return `text`, as the command line gave it, in the setting's type. A list is written `a,b,c`.

    Raises:
        ValueError: As in `check_value`.
    """
    value: object = text
    if setting.type in ("int", "float"):
        value = _number(text, whole=setting.type == "int")
    elif setting.type == "bool":
        value = _WORDS.get(text.strip().lower(), text)
    elif setting.type == "list":
        value = [item.strip() for item in text.split(",") if item.strip()]
    return check_value(setting, value)


def _number(text: str, *, whole: bool) -> object:
    try:
        return int(text) if whole else float(text)
    except ValueError:
        return text


def _text(value: object) -> str | None:
    # NUL can't be passed to a program, and a lone surrogate can't be written as UTF-8.
    if not isinstance(value, str) or "\0" in value or any("\ud800" <= char <= "\udfff" for char in value):
        return None
    return value


def _int(value: object) -> int | None:
    if isinstance(value, bool) or not isinstance(value, int) or abs(value) > _MAX_INT:
        return None
    return value


def _float(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def _bool(value: object) -> bool | None:
    return value if isinstance(value, bool) else None


def _duration(value: object) -> float | None:
    if isinstance(value, str):
        try:
            return parse_duration(value)
        except UsageError:
            return None
    seconds = _float(value)
    return None if seconds is None or not 0 <= seconds <= MAX_DURATION_S else seconds


def _list(value: object) -> list[str] | None:
    if not isinstance(value, list | tuple):
        return None
    items = [text for item in value if (text := _text(item)) is not None]
    return items if len(items) == len(value) else None


_CHECKS = {"str": _text, "int": _int, "float": _float, "bool": _bool, "duration": _duration, "list": _list}


def _check_choices(setting: Setting, value: JSON) -> None:
    if not setting.choices:
        return
    for item in value if isinstance(value, list) else [value]:
        if str(item) not in setting.choices:
            close = nearest(str(item), setting.choices)
            meant = f"; did you mean {close[0]}?" if close else ""
            raise ValueError(f"must be one of {listed(setting.choices)}, not {quoted(item, 60)}{meant}")


def _described(value: object) -> str:
    kinds = ((bool, "true or false"), (str, "the text"), (int | float, "the number"), (list | tuple, "the list"))
    for kind, words in kinds:
        if isinstance(value, kind):
            return f"{words} {printable(repr(value), 60)}" if kind is not bool else str(value).lower()
    return "a table" if isinstance(value, dict) else f"a {printable(type(value).__name__, 40)}"
