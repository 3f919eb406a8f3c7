"""Everything that depends on the operating system; no other module of core asks which one it runs on.

Invariant: what can't be known is None or an empty text, never a guess that could be taken for a fact.

Linux is what the tests run on. The macOS branch (`MacOS`) is written from Apple's documentation and is UNTESTED on a
real machine; its pure parts are tested with fakes.
"""

from __future__ import annotations

import os
import stat
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType

from logist_core.errors import HomeError

#: File systems on which `flock`, `rename` or `O_APPEND` of two machines, or of a machine and its host, don't exclude
#: one another. Names as in `/proc/self/mountinfo` (Linux) and `f_fstypename` (macOS).
_NETWORK_FS = frozenset(
    {
        *("nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "afs", "afpfs", "ceph", "lustre", "gpfs", "beegfs", "ocfs2"),
        *("gfs", "gfs2", "coda", "ncpfs", "webdav", "davfs", "glusterfs", "orangefs", "pvfs2", "virtiofs"),
        *("vboxsf", "prl_fs", "vmhgfs", "macfuse", "osxfuse"),
    }
)
#: FUSE is refused as a whole, for what is behind it can't be known, except for these, which are local and lock.
_LOCAL_FUSE = frozenset({"fuseblk", "fuse.fuse-overlayfs", "fuse.gocryptfs", "fuse.encfs", "fuse.cryfs"})
#: Bytes that a base directory may have, so that `logist/supervisor-<12 hex digits>.sock` below it still fits in 103.
MAX_SOCKET_BASE = 64
_MEMORY_FS = frozenset({"tmpfs", "ramfs"})

_DIR_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class Linux:
    """Linux by `/proc`, without ctypes: these calls are on the path of every command.

    Args:
        root: Stands before every absolute path that is read; for tests.
    """

    app_dirs: Mapping[str, tuple[str, str]] = MappingProxyType(
        {"state": ("XDG_STATE_HOME", ".local/state/logist"), "config": ("XDG_CONFIG_HOME", ".config/logist")}
    )

    def __init__(self, root: str = "") -> None:
        """Touch nothing yet."""
        self._root = root

    def _read(self, path: str) -> str | None:
        try:
            with open(self._root + path, encoding="utf-8", errors="replace") as file:
                return file.read()
        except OSError:
            return None

    def boot_id(self) -> str:
        """Return the kernel's random id of this boot."""
        return (self._read("/proc/sys/kernel/random/boot_id") or "").strip()

    def boot_s(self) -> float:
        """Return seconds since boot, suspended time included."""
        return time.clock_gettime(time.CLOCK_BOOTTIME)

    def awake_s(self) -> float:
        """Return seconds since boot, suspended time left out."""
        return time.clock_gettime(time.CLOCK_MONOTONIC)

    def machine_id(self) -> str:
        """Return the raw machine id (machine-id(5)), or an empty text."""
        for path in ("/etc/machine-id", "/var/lib/dbus/machine-id"):
            text = (self._read(path) or "").strip()
            if text and text != "uninitialized":
                return text
        return ""

    def process_start(self, pid: int) -> str | None:
        """Return field 22 of `/proc/PID/stat`: ticks since boot, so immune to changes of the clock."""
        text = self._read(f"/proc/{pid}/stat")
        if text is None:
            return None
        # The second field is the program's name in brackets; it may hold anything, brackets and spaces included.
        fields = text[text.rfind(")") + 2 :].split()
        return fields[19] if len(fields) > 19 else None

    def pid_namespace(self) -> str:
        """Return what tells one PID namespace from another."""
        try:
            return str(os.stat(f"{self._root}/proc/self/ns/pid").st_ino)
        except OSError:
            return ""

    def fs_type(self, path: str) -> str | None:
        """Return the type of the file system that holds `path`, from mountinfo: statfs(2) would need ctypes."""
        table = self._read("/proc/self/mountinfo")
        return None if table is None else fs_type_of(table, os.path.realpath(path))

    def lock_holder(self, path: str) -> int | None:
        """Return the pid that holds a `flock` on `path`, from `/proc/locks`, where the kernel shows it."""
        try:
            inode = str(os.stat(path).st_ino)
        except OSError:
            return None
        for line in (self._read("/proc/locks") or "").splitlines():
            # 1: FLOCK  ADVISORY  WRITE 4711 fd:00:1234 0 EOF. The device isn't compared: overlay and btrfs show
            # another one than stat(2), and the answer is only shown to a person.
            fields = line.split()
            if len(fields) > 5 and fields[1] == "FLOCK" and fields[5].rsplit(":", 1)[-1] == inode:
                return int(fields[4]) if fields[4].isdigit() and fields[4] != "0" else None
        return None

    def sync(self, fd: int) -> None:
        """Put the file's data, and the size that is needed to read it, on the disk."""
        os.fdatasync(fd)

    def conceal_process(self) -> None:
        """Forbid core dumps and foreign looks by prctl(2), and blank the environment in `/proc/self/environ`."""
        import ctypes

        libc = ctypes.CDLL(None)
        with suppress(OSError, AttributeError, ValueError, IndexError):
            for name, value in os.environ.items():
                os.unsetenv(name)  # else the C library may keep the string that is blanked below
                os.putenv(name, value)
            stat_line = self._read("/proc/self/stat") or ""
            fields = stat_line[stat_line.rfind(")") + 2 :].split()
            start, end = int(fields[47]), int(fields[48])  # env_start and env_end of proc_pid_stat(5)
            if 0 < start < end:
                ctypes.memset(start, 0, end - start)
            libc.prctl(4, 0, 0, 0, 0)  # PR_SET_DUMPABLE; lasts until the next exec, so what we start is as ever

    def runtime_base(self) -> str:
        """Return where sockets go when there is no `$XDG_RUNTIME_DIR`."""
        return f"{self._root}/tmp"  # noqa: S108 -- the directory made in it is private and verified

    def memory_base(self) -> str | None:
        """Return the world-writable directory that usually is in memory."""
        return f"{self._root}/dev/shm"  # noqa: S108 -- the directory made in it is private and verified


class MacOS:
    """macOS by libc and libproc through ctypes. UNTESTED on a real machine."""

    app_dirs: Mapping[str, tuple[str, str]] = MappingProxyType(
        {
            "state": ("XDG_STATE_HOME", "Library/Application Support/logist"),
            "config": ("XDG_CONFIG_HOME", "Library/Application Support/logist"),
        }
    )

    def boot_id(self) -> str:
        """Return `kern.bootsessionuuid`."""
        return _sysctl("kern.bootsessionuuid")

    def boot_s(self) -> float:
        """Return seconds since boot; clock_gettime(3) of macOS: CLOCK_MONOTONIC goes on while asleep."""
        return time.clock_gettime(time.CLOCK_MONOTONIC)

    def awake_s(self) -> float:
        """Return seconds since boot without sleep; clock_gettime(3): CLOCK_UPTIME_RAW stops while asleep."""
        return time.clock_gettime(getattr(time, "CLOCK_UPTIME_RAW", 8))

    def machine_id(self) -> str:
        """Return gethostuuid(3) as hex."""
        import ctypes

        class Timespec(ctypes.Structure):
            _fields_ = (("tv_sec", ctypes.c_long), ("tv_nsec", ctypes.c_long))

        uuid = (ctypes.c_ubyte * 16)()
        wait = Timespec(1, 0)
        function = getattr(ctypes.CDLL(None), "gethostuuid", None)
        if function is None or function(uuid, ctypes.byref(wait)) != 0:
            return ""
        return bytes(uuid).hex()

    def process_start(self, pid: int) -> str | None:
        """Return `pbi_start_tvsec.pbi_start_tvusec` of proc_pidinfo(PROC_PIDTBSDINFO)."""
        import ctypes

        try:
            libproc = ctypes.CDLL("/usr/lib/libproc.dylib")
        except OSError:
            return None
        buffer = ctypes.create_string_buffer(_PROC_BSDINFO_SIZE)
        size = libproc.proc_pidinfo(pid, _PROC_PIDTBSDINFO, ctypes.c_uint64(0), buffer, len(buffer))
        return start_of_bsdinfo(buffer.raw) if size == len(buffer) else None

    def pid_namespace(self) -> str:
        """Return a constant: macOS has no PID namespaces."""
        return "0"

    def fs_type(self, path: str) -> str | None:
        """Return `f_fstypename` of statfs(2)."""
        import ctypes

        buffer = ctypes.create_string_buffer(_STATFS_SIZE)
        function = getattr(ctypes.CDLL(None), "statfs$INODE64", None) or ctypes.CDLL(None).statfs
        if function(os.fsencode(path), buffer) != 0:
            return None
        return fs_type_of_statfs(buffer.raw)

    def lock_holder(self, path: str) -> int | None:
        """Return None: the holder of a `flock` isn't shown."""
        return None

    def sync(self, fd: int) -> None:
        """Ask the drive to write its cache: fsync(2) of macOS doesn't."""
        import fcntl

        try:
            fcntl.fcntl(fd, getattr(fcntl, "F_FULLFSYNC", 51))
        except OSError:  # not every file system has it
            os.fsync(fd)

    def conceal_process(self) -> None:
        """Forbid core dumps by setrlimit(2); what we start inherits that."""
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))

    def runtime_base(self) -> str:
        """Return where sockets go: `$TMPDIR` is too long for a socket's path."""
        return "/tmp"  # noqa: S108 -- the directory made in it is private and verified

    def memory_base(self) -> str | None:
        """Return None: there is no file system in memory unless someone makes one."""
        return None


_PROC_PIDTBSDINFO = 3
_PROC_BSDINFO_SIZE = 136  # sizeof(struct proc_bsdinfo); the two 64-bit start times are its last fields
_STATFS_SIZE = 2168  # sizeof(struct statfs) with 64-bit inodes; f_fstypename[16] at offset 72
_FSTYPENAME = slice(72, 88)


def start_of_bsdinfo(raw: bytes) -> str:
    """Return the start time in a `struct proc_bsdinfo` as `seconds.microseconds`."""
    seconds, micros = (int.from_bytes(raw[at : at + 8], "little") for at in (120, 128))
    return f"{seconds}.{micros:06d}"


def fs_type_of_statfs(raw: bytes) -> str:
    """Return `f_fstypename` of a `struct statfs` with 64-bit inodes."""
    return raw[_FSTYPENAME].split(b"\0", 1)[0].decode("ascii", "replace")


def _sysctl(name: str) -> str:
    import ctypes

    function = getattr(ctypes.CDLL(None), "sysctlbyname", None)
    buffer = ctypes.create_string_buffer(256)
    size = ctypes.c_size_t(len(buffer))
    if function is None or function(name.encode(), buffer, ctypes.byref(size), None, ctypes.c_size_t(0)) != 0:
        return ""
    return buffer.value.decode("ascii", "replace")


def fs_type_of(mountinfo: str, path: str) -> str | None:
    """Return the type of the file system of `path` by a mountinfo table (proc_pid_mountinfo(5)).

    Args:
        mountinfo: The table.
        path: Absolute, symbolic links resolved.
    """
    best: str | None = None
    best_length = -1
    for line in mountinfo.splitlines():
        before, separator, after = line.partition(" - ")
        fields = before.split(" ")
        if not separator or len(fields) < 5:
            continue
        point = _unescape(fields[4])
        covers = path == point or path.startswith(point if point.endswith("/") else point + "/")
        # Of two mounts on the same point the later one hides the earlier.
        if covers and len(point) >= best_length:
            best, best_length = after.split(" ", 1)[0], len(point)
    return best


def _unescape(text: str) -> str:
    if "\\" not in text:
        return text
    for code in ("040", "011", "012", "134"):  # space, tab, newline; the backslash itself comes last
        text = text.replace("\\" + code, chr(int(code, 8)))
    return text


_os: Linux | MacOS = MacOS() if sys.platform == "darwin" else Linux()
_cached: dict[str, str] = {}


def boot_id() -> str:
    """Return the id of this boot; the same in every process until the machine restarts."""
    if "boot_id" not in _cached:
        _cached["boot_id"] = _os.boot_id() or "unknown"
    return _cached["boot_id"]


def boot_s() -> float:
    """Return seconds since boot, suspended time included: orders events within one boot."""
    return _os.boot_s()


def awake_s() -> float:
    """Return seconds of a clock that stands still while the machine is suspended: for time limits."""
    return _os.awake_s()


def machine_id() -> str:
    """Return 32 hex digits that tell this machine from another.

    The system's own id is confidential (machine-id(5)), so it is hashed; without one, the host's name is.
    """
    if "machine_id" not in _cached:
        import hashlib

        raw = _os.machine_id() or f"host:{os.uname().nodename}"
        _cached["machine_id"] = hashlib.sha256(b"logist:" + raw.encode()).hexdigest()[:32]
    return _cached["machine_id"]


def process_start(pid: int) -> str | None:
    """Return when process `pid` started, in the system's own unit; None: there is no such process.

    With the pid and the boot id it names a process for good: a pid alone is used again.
    """
    return _os.process_start(pid) if pid > 0 else None


def pid_namespace() -> str:
    """Return what tells this PID namespace from another; a pid means nothing outside of its own."""
    return _os.pid_namespace()


def lock_holder(path: str | os.PathLike[str]) -> int | None:
    """Return the pid that holds the lock on `path`, for a message to a person; None: not known."""
    return _os.lock_holder(os.fspath(path))


def sync_data(fd: int) -> None:
    """Put a file's data on the disk, as far as the system lets us. Raises OSError; don't try again on this `fd`."""
    _os.sync(fd)


def conceal_process() -> None:
    """Keep what this process knows out of core dumps, `ps e` and other processes' hands, as far as the system lets us.

    To be called before there are threads. `os.environ`, and what programs inherit that we start, stay as they are.
    """
    _os.conceal_process()


def is_network_fs(path: str | os.PathLike[str]) -> str | None:
    """Return the type of the file system of `path` if files on it can't be locked safely, else None."""
    kind = _os.fs_type(os.fspath(path))
    if kind is None:
        return None
    fuse = kind.startswith("fuse") and kind not in _LOCAL_FUSE
    return kind if fuse or kind in _NETWORK_FS else None


def default_home(env: Mapping[str, str]) -> Path:
    """Return `$LOGIST_HOME`, else the platform's directory for state."""
    asked = env.get("LOGIST_HOME")
    return Path(os.path.abspath(asked)) if asked else _app_dir(env, "state")


def default_config_dir(env: Mapping[str, str]) -> Path:
    """Return the platform's directory for the user's configuration of Logist."""
    return _app_dir(env, "config")


def _app_dir(env: Mapping[str, str], what: str) -> Path:
    variable, below_home = _os.app_dirs[what]
    base = env.get(variable, "")
    # The XDG base directory specification: a path that isn't absolute is to be ignored.
    if os.path.isabs(base):
        return Path(base) / "logist"
    home = env.get("HOME", "")
    return Path(home if os.path.isabs(home) else os.path.expanduser("~")) / below_home


def runtime_dir(env: Mapping[str, str] = os.environ) -> Path:
    """Return the private directory for sockets, made if need be: `$XDG_RUNTIME_DIR/logist`, else `/tmp/logist-UID`.

    A base that leaves no room for a socket's name is passed over: such paths have about 100 bytes in all.

    Raises:
        HomeError: Someone else's directory, or a symbolic link, stands in its place.
    """
    base = env.get("XDG_RUNTIME_DIR", "")
    if len(os.fsencode(base)) <= MAX_SOCKET_BASE and _is_our_directory(base):
        return _private_dir(os.path.join(base, "logist"))
    return _private_dir(os.path.join(_os.runtime_base(), f"logist-{os.geteuid()}"))


def memory_dir(env: Mapping[str, str] = os.environ) -> Path | None:
    """Return a private directory whose files are never written to a disk (swap aside), or None.

    It is on a tmpfs: `$XDG_RUNTIME_DIR/logist`, else `/dev/shm/logist-UID`.
    """
    base = env.get("XDG_RUNTIME_DIR", "")
    if _is_our_directory(base) and _os.fs_type(base) in _MEMORY_FS:
        return _private_dir(os.path.join(base, "logist"))
    shared = _os.memory_base()
    if shared is not None and os.path.isdir(shared) and _os.fs_type(shared) in _MEMORY_FS:
        return _private_dir(os.path.join(shared, f"logist-{os.geteuid()}"))
    return None


def _is_our_directory(path: str) -> bool:
    """Say whether `path` can be trusted as a base: after `su`, the variable may name another user's directory."""
    if not os.path.isabs(path):
        return False
    try:
        found = os.stat(path)
    except OSError:
        return False
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid() and not found.st_mode & 0o022


def _private_dir(path: str) -> Path:
    """Make `path` (0700) if it isn't there, and verify owner, mode and kind through one descriptor."""
    made = False
    try:
        os.mkdir(path, 0o700)
        made = True
    except FileExistsError:
        pass
    except OSError as error:
        raise HomeError(f"can't make the directory {path}: {error.strerror}") from error
    try:
        fd = os.open(path, _DIR_FLAGS)
    except OSError as error:
        raise HomeError(
            f"{path} is not a directory that Logist can use: {error.strerror}", hint=f"rm {path}, if it is not needed"
        ) from error
    try:
        if made:
            os.fchmod(fd, 0o700)  # the umask may have taken away bits of the owner
        found = os.fstat(fd)
        if found.st_uid != os.geteuid():
            raise HomeError(f"{path} belongs to user {found.st_uid}, not to you", hint="set XDG_RUNTIME_DIR")
        if found.st_mode & 0o077:
            raise HomeError(f"{path} can be used by other users", hint=f"chmod 700 {path}")
    finally:
        os.close(fd)
    return Path(path)
