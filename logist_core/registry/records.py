"""Checks what a plugin hands out: its records, and what their factories make.

Invariant: a record that passes has a valid name, this core's API version, a callable factory, and settings whose
defaults have the type that they declare; a product that passes has every method of its protocol.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from logist_core.config.settings import Record, default_of
from logist_core.config.text import listed, printable, quoted
from logist_core.config.values import TYPE_NAMES
from logist_core.hookspecs import (
    API_VERSION,
    AgentRecord,
    PatternsRecord,
    RuntimeRecord,
    SentinelRecord,
    Setting,
)
from logist_core.protocols import Agent, Runtime, Sentinel
from logist_core.registry.discovery import NAME, Entry
from logist_core.registry.faults import Reason, Rejected
from logist_core.types.launch import RuntimeCaps
from logist_core.types.signals import PatternSet, Rule

RECORD_TYPES: Mapping[str, type[Record]] = {
    "agent": AgentRecord,
    "runtime": RuntimeRecord,
    "patterns": PatternsRecord,
    "sentinel": SentinelRecord,
}
_PROTOCOLS: Mapping[str, type] = {"agent": Agent, "runtime": Runtime, "sentinel": Sentinel}
_SETTING_NAME = re.compile(r"[a-z][a-z0-9_-]{0,47}")


def pick_record(entry: Entry, records: list[object]) -> Record:
    """Return the record of `entry` among all that its hook returned.

    Raises:
        Rejected: There is none, or it or one of its neighbours is wrong.
    """
    checked = [_check_type(entry.kind, record) for record in records]
    matching = [record for record in checked if record.name == entry.name]
    if not matching:
        offered = listed(record.name for record in checked)
        raise Rejected(
            Reason.NAME_MISMATCH,
            f"the entry point is named {entry.name}, but its records are: {offered}",
            "tell its author: record and entry point must have the same name",
        )
    if len(matching) > 1:
        raise Rejected(Reason.INVALID_RECORD, f"its hook returned {len(matching)} records named {entry.name}")
    record = matching[0]
    _check_api(entry, record)
    _check_record(record)
    return record


def check_product(kind: str, name: str, product: object) -> None:
    """Check what a factory returned.

    Raises:
        Rejected: It isn't what the protocol asks for; missing methods are named.
    """
    if kind == "patterns":
        _check_pattern_set(name, product)
        return
    protocol = _PROTOCOLS[kind]
    what = f"its factory returned {_described(product)}"
    if product is None or isinstance(product, type):
        raise Rejected(Reason.INCOMPLETE, f"{what}, not an object with the methods of {protocol.__name__}")
    methods = [name for name, value in vars(protocol).items() if callable(value) and not name.startswith("_")]
    missing = [method for method in methods if not callable(getattr(product, method, None))]
    if kind == "runtime" and not isinstance(getattr(product, "caps", None), RuntimeCaps):
        missing.insert(0, "caps (a RuntimeCaps)")
    if missing:
        raise Rejected(Reason.INCOMPLETE, f"{what}, which lacks of {protocol.__name__}: {', '.join(missing)}")


def _check_type(kind: str, record: object) -> Record:
    expected = RECORD_TYPES[kind]
    if not isinstance(record, expected):
        raise Rejected(
            Reason.WRONG_RECORD, f"its hook returned {_described(record)} where it must return {expected.__name__}"
        )
    if not isinstance(record.name, str) or not NAME.fullmatch(record.name):
        raise Rejected(Reason.INVALID_RECORD, f"its record has the name {printable(repr(record.name), 60)}")
    return record


def _check_api(entry: Entry, record: Record) -> None:
    api = record.api
    if isinstance(api, bool) or not isinstance(api, int) or api < 0:
        raise Rejected(Reason.INVALID_RECORD, f"its API version is {printable(repr(api), 40)}, not a whole number")
    if api == API_VERSION:
        return
    newer = api > API_VERSION
    raise Rejected(
        Reason.API_NEWER if newer else Reason.API_OLDER,
        f"{entry.dist} {entry.version} is written for plugin API {api}; this logist-core has API {API_VERSION}",
        f"pip install --upgrade {'logist-core' if newer else entry.dist}",
    )


def _check_record(record: Record) -> None:
    if not isinstance(record.summary, str) or not record.summary.strip():
        raise Rejected(Reason.INVALID_RECORD, "its record has no summary")
    if not callable(record.factory):
        raise Rejected(Reason.INVALID_RECORD, f"its record's factory is {_described(record.factory)}, not callable")
    if isinstance(record, PatternsRecord):
        return
    if not isinstance(record.settings, Mapping):
        raise Rejected(Reason.INVALID_SETTINGS, f"its settings are {_described(record.settings)}, not a mapping")
    for key, setting in record.settings.items():
        _check_setting(key, setting)


def _check_setting(key: object, setting: object) -> None:
    shown = printable(key, 60)
    if not isinstance(key, str) or not _SETTING_NAME.fullmatch(key):
        raise Rejected(Reason.INVALID_SETTINGS, f"its setting '{shown}' has no valid name")
    if not isinstance(setting, Setting):
        raise Rejected(Reason.INVALID_SETTINGS, f"its setting {shown} is {_described(setting)}, not a Setting")
    if not isinstance(setting.type, str) or setting.type not in TYPE_NAMES:
        raise Rejected(
            Reason.INVALID_SETTINGS,
            f"its setting {shown} has the type {printable(repr(setting.type), 40)}; types: {listed(TYPE_NAMES)}",
        )
    if not isinstance(setting.help, str) or not isinstance(setting.choices, tuple):
        raise Rejected(Reason.INVALID_SETTINGS, f"its setting {shown} needs a help text, and choices in a tuple")
    try:
        default_of(setting)
    except ValueError as error:
        raise Rejected(Reason.INVALID_SETTINGS, f"the default of its setting {shown} {error}") from None


def _check_pattern_set(name: str, product: object) -> None:
    if not isinstance(product, PatternSet):
        raise Rejected(Reason.INCOMPLETE, f"its factory returned {_described(product)}, not a PatternSet")
    if product.name != name:
        raise Rejected(Reason.INCOMPLETE, f"its factory returned a set named {quoted(product.name, 60)}")
    if not isinstance(product.rules, tuple) or not all(isinstance(rule, Rule) for rule in product.rules):
        raise Rejected(Reason.INCOMPLETE, "the rules of its set are not a tuple of Rule")


def _described(value: object) -> str:
    if isinstance(value, type):
        return f"the class {printable(value.__name__, 60)}"
    name = printable(type(value).__name__, 60)
    return "None" if value is None else f"{'an' if name[:1].lower() in 'aeiou' else 'a'} {name}"
