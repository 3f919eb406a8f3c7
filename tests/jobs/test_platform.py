"""What the operating system is asked, and what is made of its answers."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from logist_core import platform
from logist_core.errors import HomeError
from logist_core.jobs.locks import file_lock

MOUNTS = r"""22 27 0:21 / /proc rw,relatime - proc proc rw
27 1 254:0 / / rw,relatime - ext4 /dev/vda rw
30 27 0:40 / /home rw shared:1 master:2 - nfs4 server:/home rw
31 30 254:1 / /home/me/local rw - xfs /dev/vdb rw
32 27 0:41 / /mnt/my\040disk rw - fuse.sshfs me@host:/ rw
33 27 0:42 / /mnt/back\134slash rw - fuseblk /dev/sda1 rw
34 27 0:43 / /stacked rw - ext4 /dev/a rw
35 27 0:44 / /stacked rw - tmpfs none rw
garbage
"""


@pytest.fixture
def fake_linux(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A Linux whose /proc, /etc and /tmp lie below the returned path."""
    for directory in ("proc/self", "etc", "tmp", "dev/shm", "var/lib/dbus"):
        (tmp_path / directory).mkdir(parents=True)
    monkeypatch.setattr(platform, "_os", platform.Linux(str(tmp_path)))
    monkeypatch.setattr(platform, "_cached", {})
    return tmp_path


@pytest.mark.fast
@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/", "ext4"),
        ("/etc", "ext4"),
        ("/home", "nfs4"),
        ("/homestead", "ext4"),
        ("/home/me", "nfs4"),
        ("/home/me/local/x", "xfs"),
        ("/mnt/my disk/x", "fuse.sshfs"),
        ("/mnt/back\\slash", "fuseblk"),
        ("/stacked/x", "tmpfs"),
    ],
)
def test_a_path_is_on_the_file_system_of_its_longest_and_latest_mount(path: str, kind: str) -> None:
    assert platform.fs_type_of(MOUNTS, path) == kind


@pytest.mark.fast
def test_an_empty_mount_table_says_nothing() -> None:
    assert platform.fs_type_of("", "/") is None


@pytest.mark.parametrize(
    ("kind", "refused"),
    [
        ("ext4", False),
        ("tmpfs", False),
        ("overlay", False),
        ("btrfs", False),
        ("fuse.fuse-overlayfs", False),
        ("nfs", True),
        ("nfs4", True),
        ("cifs", True),
        ("9p", True),
        ("virtiofs", True),
        ("fuse.sshfs", True),
        ("fuse.anything-else", True),
    ],
)
def test_network_file_systems_are_told_from_local_ones(fake_linux: Path, kind: str, refused: bool) -> None:
    (fake_linux / "proc/self/mountinfo").write_text(f"1 0 0:1 / / rw - {kind} none rw\n")
    assert platform.is_network_fs(fake_linux) == (kind if refused else None)


def test_without_a_mount_table_no_file_system_is_called_a_network_one(fake_linux: Path) -> None:
    assert platform.is_network_fs(fake_linux) is None


def test_the_file_system_of_this_machine_is_known() -> None:
    assert platform._os.fs_type("/proc") == "proc"


def test_the_boot_id_is_the_kernels() -> None:
    assert platform.boot_id() == Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def test_an_unknown_boot_is_called_unknown(fake_linux: Path) -> None:
    assert platform.boot_id() == "unknown"


def test_both_clocks_go_forward_and_suspension_counts_in_one_of_them() -> None:
    assert platform.boot_s() <= platform.boot_s()
    assert platform.awake_s() <= platform.awake_s()
    assert platform.boot_s() >= platform.awake_s() - 0.001


def test_a_machine_id_is_hashed_and_stable(fake_linux: Path) -> None:
    (fake_linux / "etc/machine-id").write_text("0123456789abcdef0123456789abcdef\n")
    first = platform.machine_id()
    assert len(first) == 32
    assert "0123456789abcdef" not in first
    assert platform.machine_id() == first


@pytest.mark.parametrize("content", ["", "uninitialized\n"])
def test_another_machine_id_is_used_where_the_first_is_empty(
    fake_linux: Path, monkeypatch: pytest.MonkeyPatch, content: str
) -> None:
    (fake_linux / "etc/machine-id").write_text(content)
    by_host = platform.machine_id()
    (fake_linux / "var/lib/dbus/machine-id").write_text("feed\n")
    monkeypatch.setattr(platform, "_cached", {})
    assert platform.machine_id() != by_host


def test_a_process_is_known_by_its_start_and_a_dead_one_is_not() -> None:
    mine = platform.process_start(os.getpid())
    assert mine is not None
    assert mine.isdigit()
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    assert platform.process_start(child.pid) is not None
    assert int(platform.process_start(child.pid) or 0) >= int(mine)
    child.communicate()
    assert platform.process_start(child.pid) is None


@pytest.mark.parametrize("pid", [0, -1])
def test_no_pid_is_no_process(pid: int) -> None:
    assert platform.process_start(pid) is None


def test_a_programs_name_cannot_forge_its_start(fake_linux: Path) -> None:
    directory = fake_linux / "proc/77"
    directory.mkdir()
    (directory / "stat").write_text("77 (a) R 1 2 3) S " + " ".join(str(n) for n in range(4, 50)) + "\n")
    assert platform.process_start(77) == "22"
    (directory / "stat").write_text("77 (x) S 1\n")
    assert platform.process_start(77) is None


def test_the_pid_namespace_is_named_where_it_is_known(fake_linux: Path) -> None:
    assert platform.pid_namespace() == ""
    assert platform.Linux().pid_namespace().isdigit()


def test_the_holder_of_a_lock_is_known(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    assert platform.lock_holder(path) is None
    with file_lock(path, 1):
        assert platform.lock_holder(path) == os.getpid()
    assert platform.lock_holder(path) is None


@pytest.mark.fast
@pytest.mark.parametrize(
    ("env", "path"),
    [
        ({"LOGIST_HOME": "/a/b/../c"}, "/a/c"),
        ({"LOGIST_HOME": "", "XDG_STATE_HOME": "/s"}, "/s/logist"),
        ({"XDG_STATE_HOME": "/s", "HOME": "/h"}, "/s/logist"),
        ({"XDG_STATE_HOME": "relative", "HOME": "/h"}, "/h/.local/state/logist"),
        ({"HOME": "/h"}, "/h/.local/state/logist"),
    ],
    ids=str,
)
def test_the_default_home_follows_the_environment(
    env: dict[str, str], path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(platform, "_os", platform.Linux())
    assert platform.default_home(env) == Path(path)


@pytest.mark.fast
def test_the_default_home_is_the_users_where_nothing_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "_os", platform.Linux())
    assert platform.default_home({}) == Path(os.path.expanduser("~")) / ".local/state/logist"
    assert platform.default_config_dir({"XDG_CONFIG_HOME": "/c"}) == Path("/c/logist")
    assert platform.default_config_dir({"HOME": "/h"}) == Path("/h/.config/logist")


def test_the_runtime_directory_is_private(memory_base: Path) -> None:
    path = platform.runtime_dir()
    assert path == memory_base / "logist"
    assert stat.S_IMODE(path.stat().st_mode) == 0o700
    assert platform.runtime_dir() == path


@pytest.mark.parametrize("base", ["", "relative", "/nonexistent", "/dev/null"])
def test_the_runtime_directory_falls_back_to_tmp(fake_linux: Path, base: str) -> None:
    path = platform.runtime_dir({"XDG_RUNTIME_DIR": base})
    assert path == fake_linux / f"tmp/logist-{os.geteuid()}"


def test_a_runtime_directory_that_others_can_write_is_not_trusted(fake_linux: Path, tmp_path: Path) -> None:
    base = tmp_path / "open"
    base.mkdir()
    base.chmod(0o777)
    assert platform.runtime_dir({"XDG_RUNTIME_DIR": str(base)}).parent == fake_linux / "tmp"


def test_a_planted_link_in_place_of_the_runtime_directory_is_refused(fake_linux: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir(mode=0o700)
    (fake_linux / f"tmp/logist-{os.geteuid()}").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(HomeError, match="not a directory that Logist can use"):
        platform.runtime_dir({})


def test_a_runtime_directory_that_others_can_enter_is_refused_with_the_command_that_mends_it(fake_linux: Path) -> None:
    path = fake_linux / f"tmp/logist-{os.geteuid()}"
    path.mkdir()
    path.chmod(0o755)
    with pytest.raises(HomeError, match="other users") as caught:
        platform.runtime_dir({})
    assert caught.value.hint == f"chmod 700 {path}"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a directory away")
def test_another_users_runtime_directory_is_refused(fake_linux: Path) -> None:
    path = fake_linux / f"tmp/logist-{os.geteuid()}"
    path.mkdir(mode=0o700)
    os.chown(path, 12345, 12345)
    with pytest.raises(HomeError, match="belongs to user 12345"):
        platform.runtime_dir({})


def test_a_runtime_directory_that_cannot_be_made_is_a_clear_error(fake_linux: Path) -> None:
    (fake_linux / "tmp").rmdir()
    with pytest.raises(HomeError, match="can't make the directory"):
        platform.runtime_dir({})


def test_the_mode_is_right_under_any_umask(fake_linux: Path) -> None:
    before = os.umask(0o377)
    try:
        path = platform.runtime_dir({})
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o700


def test_memory_is_a_private_directory_on_a_tmpfs(memory_base: Path) -> None:
    path = platform.memory_dir()
    assert path is not None
    assert platform._os.fs_type(str(path)) in ("tmpfs", "ramfs")
    assert stat.S_IMODE(path.stat().st_mode) == 0o700


@pytest.mark.parametrize(("kind", "found"), [("tmpfs", True), ("ext4", False)])
def test_memory_is_dev_shm_where_that_is_in_memory_and_nowhere_else(fake_linux: Path, kind: str, found: bool) -> None:
    (fake_linux / "proc/self/mountinfo").write_text(f"1 0 0:1 / / rw - {kind} none rw\n")
    expected = fake_linux / f"dev/shm/logist-{os.geteuid()}" if found else None
    assert platform.memory_dir({}) == expected


def test_a_runtime_directory_on_a_disk_is_not_memory(fake_linux: Path, tmp_path: Path) -> None:
    base = tmp_path / "run"
    base.mkdir(mode=0o700)
    (fake_linux / "proc/self/mountinfo").write_text("1 0 0:1 / / rw - ext4 none rw\n")
    assert platform.memory_dir({"XDG_RUNTIME_DIR": str(base)}) is None


def test_data_are_synced(tmp_path: Path) -> None:
    with (tmp_path / "x").open("wb") as file:
        fd = file.fileno()
        platform.sync_data(fd)
    with pytest.raises(OSError, match="Bad file descriptor"):
        platform.sync_data(fd)


# The macOS branch: what of it is pure, and its calls against a stand-in for libc.


@pytest.mark.fast
def test_a_start_time_is_read_from_a_bsdinfo_of_macos() -> None:
    raw = bytes(120) + (1_700_000_000).to_bytes(8, "little") + (42).to_bytes(8, "little")
    assert platform.start_of_bsdinfo(raw) == "1700000000.000042"


@pytest.mark.fast
def test_a_file_system_is_read_from_a_statfs_of_macos() -> None:
    assert platform.fs_type_of_statfs(bytes(72) + b"apfs".ljust(16, b"\0") + bytes(3000)) == "apfs"


class FakeLibc:
    """libc and libproc of a macOS, as far as `MacOS` asks them."""

    def __init__(self, works: bool = True) -> None:
        self.works = works

    def sysctlbyname(self, name: bytes, buffer: Any, size: Any, new: None, length: Any) -> int:
        buffer.value = b"UUID-" + name
        return 0 if self.works else -1

    def statfs(self, path: bytes, buffer: Any) -> int:
        buffer[72:76] = b"nfs\0"
        return 0 if self.works else -1

    def gethostuuid(self, uuid: Any, wait: Any) -> int:
        uuid[0] = 255
        return 0 if self.works else -1

    def proc_pidinfo(self, pid: int, flavor: int, arg: Any, buffer: Any, size: int) -> int:
        buffer[120:121] = b"\x07"
        return size if self.works else 0


@pytest.mark.parametrize("works", [True, False])
def test_macos_is_asked_by_its_own_calls(monkeypatch: pytest.MonkeyPatch, works: bool, tmp_path: Path) -> None:
    import ctypes

    monkeypatch.setattr(ctypes, "CDLL", lambda name: FakeLibc(works))
    mac = platform.MacOS()
    assert mac.boot_id() == ("UUID-kern.bootsessionuuid" if works else "")
    assert mac.fs_type("/x") == ("nfs" if works else None)
    assert mac.machine_id() == ("ff" + "00" * 15 if works else "")
    assert mac.process_start(1) == ("7.000000" if works else None)


def test_macos_without_libproc_knows_no_start(monkeypatch: pytest.MonkeyPatch) -> None:
    import ctypes

    def missing(name: str) -> None:
        raise OSError(name)

    monkeypatch.setattr(ctypes, "CDLL", missing)
    assert platform.MacOS().process_start(1) is None


def test_macos_without_a_call_says_nothing_rather_than_something_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    import ctypes

    monkeypatch.setattr(ctypes, "CDLL", lambda name: SimpleNamespace())
    assert (platform.MacOS().boot_id(), platform.MacOS().machine_id()) == ("", "")


def test_macos_has_directories_of_its_own_and_no_memory(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    mac = platform.MacOS()
    monkeypatch.setattr(platform, "_os", mac)
    monkeypatch.setattr(mac, "fs_type", lambda path: "apfs")
    assert platform.default_home({"HOME": "/Users/me"}) == Path("/Users/me/Library/Application Support/logist")
    assert platform.memory_dir({}) is None
    assert platform.is_network_fs(tmp_path) is None
    assert (mac.runtime_base(), mac.pid_namespace(), mac.lock_holder("/x")) == ("/tmp", "0", None)
    monkeypatch.setattr(time, "CLOCK_UPTIME_RAW", time.CLOCK_MONOTONIC, raising=False)
    assert mac.awake_s() <= mac.boot_s() + 0.001


def test_macos_syncs_fully_or_as_far_as_it_can(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import fcntl

    asked: list[int] = []

    def refuse(fd: int, command: int) -> int:
        asked.append(command)
        raise OSError(45, "Operation not supported")

    with (tmp_path / "x").open("wb") as file:
        monkeypatch.setattr(fcntl, "fcntl", refuse)
        platform.MacOS().sync(file.fileno())
    assert asked == [getattr(fcntl, "F_FULLFSYNC", 51)]
