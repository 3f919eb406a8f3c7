"""Writes the user's configuration file: one key at a time, everything else in it untouched.

Invariant: the file is replaced atomically, under a lock, so that it is never half written and no concurrent
`config set` is lost; a new file is 0600.
"""

from __future__ import annotations

import fcntl
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from logist_core.config.files import read_toml
from logist_core.config.layers import check_core
from logist_core.config.schema import CORE_SETTINGS, SETTINGS_TABLES, Key
from logist_core.config.text import printable
from logist_core.config.values import parse_value
from logist_core.errors import ConfigError, UsageError
from logist_core.hookspecs import Setting
from logist_core.types._json import JSON

if TYPE_CHECKING:
    from tomlkit import TOMLDocument


def set_value(path: Path, key: Key, text: str, setting: Setting | None = None) -> JSON:
    """Set one key and return its typed value; see `Config.set_user`."""
    setting = setting or CORE_SETTINGS.get(key.dotted)
    if setting is None:
        raise UsageError(f"{printable(key.dotted, 80)}: the plugin that has this setting isn't known")
    try:
        value = parse_value(setting, text)
        if not key.kind:
            value = check_core(key.dotted, setting, value)
    except ValueError as error:
        raise UsageError(f"{key.dotted} {error}") from None
    # People read durations better as they wrote them.
    written = text.strip() if setting.type == "duration" else value
    _edit(path, lambda document: _put(path, document, _steps(key), written))
    return value


def unset_value(path: Path, key: Key) -> bool:
    """Remove one key; return whether it was there."""
    if not path.exists():
        return False
    removed = []
    _edit(path, lambda document: removed.append(_drop(document, _steps(key))))
    return removed[0]


def _steps(key: Key) -> tuple[str, ...]:
    if key.kind:
        return (SETTINGS_TABLES[key.kind], key.plugin, key.setting)
    return tuple(key.dotted.split("."))


def _put(path: Path, document: TOMLDocument, steps: tuple[str, ...], value: JSON) -> None:
    import tomlkit

    table: Any = document
    for depth, step in enumerate(steps[:-1]):
        if step not in table:
            # A super table prints no header of its own: `[agents.claude]`, not `[agents]` before it.
            table[step] = tomlkit.table(is_super_table=depth < len(steps) - 2)
        table = table[step]
        if not hasattr(table, "keys"):
            raise ConfigError(f"{printable(path, 400)}: {step} must be a table")
    table[steps[-1]] = value


def _drop(document: TOMLDocument, steps: tuple[str, ...]) -> bool:
    table: Any = document
    for step in steps[:-1]:
        table = table.get(step) if hasattr(table, "keys") else None
    if not hasattr(table, "keys") or steps[-1] not in table:
        return False
    del table[steps[-1]]
    return True


def _edit(path: Path, change: Callable[[TOMLDocument], None]) -> None:
    import tomlkit

    try:
        # A link stays a link: people keep this file in a repository of dot-files.
        target = Path(os.path.realpath(path))
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with _locked(target.parent):
            _, text = read_toml(target, owned=False)
            document = tomlkit.parse(text)
            change(document)
            _replace(target, tomlkit.dumps(document).encode())
    except OSError as error:
        raise ConfigError(f"{printable(path, 400)}: can't be written: {error.strerror}") from None


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    # The directory itself is the lock: no lock file is left behind in the user's configuration.
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _replace(target: Path, content: bytes) -> None:
    import tempfile

    mode = stat.S_IMODE(target.stat().st_mode) if target.exists() else 0o600
    descriptor, temporary = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    try:
        with open(descriptor, "wb") as file:
            os.fchmod(file.fileno(), mode)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, target)
    except BaseException:
        os.unlink(temporary)
        raise
