"""The inside of an inspection: loads one plugin in a process that may be killed, and writes what it found.

Invariant: stdout holds the report and nothing else, whatever the plugin prints.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping

from logist_core.config.settings import default_of, settings_of
from logist_core.errors import LogistError
from logist_core.registry.catalog import make
from logist_core.registry.discovery import Entry
from logist_core.registry.faults import PluginFault, Reason, Rejected
from logist_core.registry.loading import Loaded, load
from logist_core.types._json import JSON, plain

# The parent keeps the time, and ends this process by a signal.
_NO_LIMIT_S = 86400.0


def main(entry: Mapping[str, str]) -> None:
    """Load the plugin and write its report to what was stdout."""
    answer = os.dup(1)
    os.dup2(2, 1)
    report = json.dumps(examine(Entry(**entry))).encode()
    with open(answer, "wb") as file:
        file.write(report)
    # Not through the plugin's atexit handlers and threads: they could hang for ever.
    os._exit(0)


def examine(entry: Entry) -> dict[str, JSON]:
    """Load one plugin, call its factory with its defaults, and return what `inspection.Report` holds, as JSON."""
    faults: list[PluginFault] = []
    loaded = None
    try:
        loaded = load(entry, limit_s=_NO_LIMIT_S)
        if loaded.slow:
            faults.append(loaded.slow.fault(entry))
        _make_with_defaults(loaded)
    except Rejected as rejected:
        faults.append(rejected.fault(entry))
    except LogistError as error:
        faults.append(Rejected(Reason.NOT_READY, error.message, error.hint, warning=True).fault(entry))
    record = loaded.record if loaded else None
    return {
        "summary": record.summary if record else None,
        "api": record.api if record else None,
        "import_s": round(loaded.import_s, 3) if loaded else None,
        "settings": plain(settings_of(record)) if record else {},
        "hooks": list(loaded.hooks) if loaded else [],
        "faults": plain(faults),
    }


def _make_with_defaults(loaded: Loaded) -> None:
    settings = {key: default_of(setting) for key, setting in settings_of(loaded.record).items()}
    make(loaded, settings, limit_s=_NO_LIMIT_S)
