"""What commands share: this home's jobs, the plugins and the configuration, each opened when first used.

Invariant: creating an `App` opens and imports nothing, so a command pays only for what it touches; only a command
that makes jobs, or must be able to, makes a home.
"""

from __future__ import annotations

import os
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from logist_core.errors import JobNotFound, UsageError

if TYPE_CHECKING:
    from logist_core.config import Config
    from logist_core.jobs.home import Home
    from logist_core.jobs.store import JobStore
    from logist_core.registry import Registry

#: Set by `--unsafe-fs`; an environment variable, so that the supervisor that is started agrees.
UNSAFE_FS = "LOGIST_UNSAFE_FS"


class App:
    """The state of one call of `logist`; click passes it to commands as `ctx.obj`."""

    def __init__(self) -> None:
        """Open nothing."""
        self._home: Home | None = None

    @property
    def home_path(self) -> Path:
        """Where the home is, whether it exists or not."""
        from logist_core.platform import default_home

        return default_home(os.environ)

    @property
    def home(self) -> Home:
        """The home that is there.

        Raises:
            JobNotFound: There is none, hence no job.
            HomeError: It can't be used.
        """
        if self._home is None:
            path = self.home_path
            if not os.path.lexists(path):
                raise JobNotFound(f"there is no job: nothing is in {path} yet", hint='logist run "say hello"')
            self._home = self._open(path, create=False)
        return self._home

    def make_home(self) -> Home:
        """Return the home, made where there is none, and known to be writable.

        Raises:
            HomeError: It can't be used.
        """
        self._home = self._open(self.home_path, create=True)
        return self._home

    def _open(self, path: Path, *, create: bool) -> Home:
        from logist_core.jobs.home import Home

        return Home.open(path, create=create, unsafe_fs=os.environ.get(UNSAFE_FS, "") not in {"", "0"})

    @cached_property
    def store(self) -> JobStore:
        """The jobs of the home; raises as `home` does."""
        from logist_core.jobs.store import JobStore

        return JobStore(self.home)

    @cached_property
    def registry(self) -> Registry:
        """The installed plugins, by metadata; none is imported yet."""
        from logist_core.registry import Registry

        return Registry.discover()

    @cached_property
    def config(self) -> Config:
        """The configuration as seen from the present directory."""
        from logist_core.config import Config

        return Config.load(current_directory(), os.environ)


def current_directory() -> Path:
    """Return the present directory.

    Raises:
        UsageError: It has been removed.
    """
    try:
        return Path.cwd()
    except OSError as error:
        raise UsageError("the present directory has been removed", hint="cd to one that exists") from error
