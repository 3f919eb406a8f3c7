"""What a configuration file may hold: the core's own keys, and one table of settings for each plugin.

    agent = "claude"             # which plugin to use
    max_jobs = 4

    [plugins]
    disable = ["logist-agent-old"]

    [agents.claude]              # that plugin's settings
    model = "opus"

Which one (`agent`) and its settings (`agents.NAME`) have different names because TOML allows a key only one type.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from logist_core.config.text import listed, nearest, printable, quoted
from logist_core.errors import UsageError
from logist_core.hookspecs import Setting

#: Kind of plugin -> the table that holds the settings of its plugins.
SETTINGS_TABLES: Mapping[str, str] = MappingProxyType(
    {"agent": "agents", "runtime": "runtimes", "sentinel": "sentinels"}
)

#: Dotted key -> the core's own setting. `project` as in `Setting`.
CORE_SETTINGS: Mapping[str, Setting] = MappingProxyType(
    {
        "agent": Setting(type="str", default=None, help="Agent of jobs that name none.", project=True),
        "runtime": Setting(type="str", default=None, help="Runtime of jobs that name none.", project=True),
        "sentinel": Setting(type="str", default=None, help="Sentinel of jobs that name none.", project=True),
        "max_jobs": Setting(
            type="int", default=None, help="How many jobs may run at once; unset: one for each processor core."
        ),
        "max_log_bytes": Setting(
            type="int",
            default=1 << 30,
            help="Keep each log of an attempt within so many bytes, its beginning and its end; 0: keep all of it.",
        ),
        "max_restarts": Setting(
            type="int",
            default=4,
            help="How often a job whose agent crashed is started again, in the same session, before it fails.",
        ),
        "interventions_per_hour": Setting(
            type="int",
            default=5,
            help="How often sentinels may act in one hour, on all jobs together; beyond that they only tell.",
        ),
        "on_budget": Setting(
            type="str",
            default="pause",
            choices=("pause", "stop"),
            help="What happens to a job that has used up its budget: it is held for a person, or it fails.",
        ),
        "limits.margin_s": Setting(
            type="duration", default=120.0, help="Wait so long beyond a limit's reset, at most; at most a tenth of it."
        ),
        "limits.gap_s": Setting(
            type="duration",
            default=15.0,
            help="Between two jobs that go on after the same limit, at most; at most a tenth of the wait.",
        ),
        "limits.start_gap_s": Setting(
            type="duration", default=1.0, help="Between the starts of two jobs of the same account."
        ),
        "limits.backoff_first_s": Setting(
            type="duration", default=30.0, help="The first wait where no reset is known; doubled each time."
        ),
        "limits.backoff_most_s": Setting(type="duration", default=600.0, help="The longest wait of that kind."),
        "plugins.disable": Setting(
            type="list", default=[], help="Distributions whose plugins are left out (`logist-agent-old`)."
        ),
    }
)


@dataclass(frozen=True, slots=True)
class Key:
    """A dotted key, taken apart.

    Attributes:
        dotted: As written, normalised.
        kind, plugin, setting: For a plugin's setting (`agents.claude.model`); empty for a key of the core.
    """

    dotted: str
    kind: str = ""
    plugin: str = ""
    setting: str = ""


def parse_key(text: str) -> Key:
    """Take a dotted key apart.

    Raises:
        UsageError: No such key; the hint names the nearest.
    """
    dotted = text.strip()
    if dotted in CORE_SETTINGS:
        return Key(dotted)
    head, *rest = dotted.split(".")
    for kind, table in SETTINGS_TABLES.items():
        if head == table and len(rest) == 2 and all(rest):
            return Key(dotted, kind, rest[0], rest[1])
        if head == kind and rest:
            raise UsageError(
                f"{printable(dotted, 80)}: `{kind}` is the name of the {kind} to use",
                hint=f"{table}.{printable('.'.join(rest), 80)}",
            )
        if head == table:
            raise UsageError(f"{printable(dotted, 80)} names no setting", hint=f"{table}.NAME.SETTING")
    raise UsageError(f"there is no key {quoted(dotted, 80)}", hint=unknown_key_hint(dotted))


def unknown_key_hint(key: str) -> str:
    """Return what to try instead of `key`."""
    if close := nearest(key, [*CORE_SETTINGS, *SETTINGS_TABLES.values()]):
        return " or ".join(close)
    return f"keys: {listed(CORE_SETTINGS)}; tables: {listed(f'{table}.NAME' for table in SETTINGS_TABLES.values())}"
