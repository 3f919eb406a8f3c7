"""The home is ours, private and of a layout we know, or it isn't used."""

from __future__ import annotations

import json
import os
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from logist_core import platform
from logist_core.errors import HomeError
from logist_core.jobs.home import Home

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away and mount")


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077, 0o377])
def test_a_new_home_is_private_under_any_umask(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        home = Home.open(tmp_path / "home")
    finally:
        os.umask(before)
    assert [mode(path) for path in (home.path, home.jobs, home.trash)] == [0o700] * 3
    assert mode(home.path / "VERSION") == 0o600
    assert json.loads((home.path / "VERSION").read_text()) == {"layout": 1}


def test_a_home_is_opened_again_as_it_was(tmp_path: Path) -> None:
    assert Home.open(tmp_path / "a/b/home") == Home.open(tmp_path / "a/b/home")
    assert mode(tmp_path / "a") == 0o700


def test_the_default_home_comes_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOGIST_HOME", str(tmp_path / "mine"))
    assert Home.open().path == tmp_path / "mine"


def test_opening_for_reading_makes_nothing(tmp_path: Path) -> None:
    with pytest.raises(HomeError, match="there is no Logist home at") as caught:
        Home.open(tmp_path / "home", create=False)
    assert "logist run" in str(caught.value.hint)
    assert list(tmp_path.iterdir()) == []
    Home.open(tmp_path / "home")
    assert Home.open(tmp_path / "home", create=False).path == tmp_path / "home"


@pytest.mark.parametrize("bits", [0o755, 0o770, 0o701])
def test_a_home_that_others_can_use_is_refused_with_the_command_that_mends_it(tmp_path: Path, bits: int) -> None:
    path = tmp_path / "home"
    path.mkdir()
    path.chmod(bits)
    with pytest.raises(HomeError, match="other users") as caught:
        Home.open(path)
    assert caught.value.hint == f"chmod 700 {path}"
    assert list(path.iterdir()) == []
    subprocess.run(caught.value.hint.split(), check=True)
    assert Home.open(path).path == path


@needs_root
def test_another_users_home_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "home"
    path.mkdir(mode=0o700)
    os.chown(path, 12345, 12345)
    with pytest.raises(HomeError, match="belongs to user 12345"):
        Home.open(path)


@needs_root
def test_another_users_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir(mode=0o700)
    link = tmp_path / "home"
    link.symlink_to(tmp_path / "mine")
    os.lchown(link, 12345, 12345)
    with pytest.raises(HomeError, match="symbolic link of user 12345"):
        Home.open(link)


def test_a_link_of_ones_own_leads_to_the_real_home(tmp_path: Path) -> None:
    Home.open(tmp_path / "real")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    assert Home.open(tmp_path / "link").path == tmp_path / "real"


def test_a_file_in_place_of_the_home_is_refused(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("")
    with pytest.raises(HomeError, match="not a directory"):
        Home.open(tmp_path / "home")


def test_a_file_on_the_way_to_the_home_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(HomeError, match="can't make the home"):
        Home.open(tmp_path / "file/home")
    with pytest.raises(HomeError, match="can't open the home"):
        Home.open(tmp_path / "file/home", create=False)


@pytest.mark.parametrize("name", ["jobs", "trash"])
@pytest.mark.parametrize("kind", ["link", "file"])
def test_what_is_planted_in_place_of_a_directory_is_refused(tmp_path: Path, name: str, kind: str) -> None:
    path = tmp_path / "home"
    path.mkdir(mode=0o700)
    (tmp_path / "elsewhere").mkdir()
    if kind == "link":
        (path / name).symlink_to(tmp_path / "elsewhere")
    else:
        (path / name).write_text("")
    with pytest.raises(HomeError, match=f"{name} is not a directory"):
        Home.open(path)
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_a_newer_layout_is_refused_and_left_alone(tmp_path: Path) -> None:
    Home.open(tmp_path / "home")
    version = tmp_path / "home/VERSION"
    version.write_text('{"layout":2}')
    for create in (True, False):
        with pytest.raises(HomeError, match=r"written by a newer version of Logist \(layout 2"):
            Home.open(tmp_path / "home", create=create)
    assert version.read_text() == '{"layout":2}'


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"layout":"1"}', '{"layout":0}', '{"layout":true}', "\0"])
def test_a_version_file_that_says_nothing_is_refused_by_name(tmp_path: Path, content: str) -> None:
    Home.open(tmp_path / "home")
    (tmp_path / "home/VERSION").write_text(content)
    with pytest.raises(HomeError, match="VERSION"):
        Home.open(tmp_path / "home")


def test_a_link_in_place_of_the_version_file_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "home").mkdir(mode=0o700)
    (tmp_path / "target").write_text('{"layout":1}')
    (tmp_path / "home/VERSION").symlink_to(tmp_path / "target")
    with pytest.raises(HomeError, match="VERSION is not a regular file"):
        Home.open(tmp_path / "home")


def test_a_network_file_system_is_refused_unless_it_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(platform._os, "fs_type", lambda path: "nfs4")
    with pytest.raises(HomeError, match="file system of type nfs4") as caught:
        Home.open(tmp_path / "home")
    assert "--unsafe-fs" in str(caught.value.hint)
    assert Home.open(tmp_path / "home", unsafe_fs=True).path == tmp_path / "home"


UNPRIVILEGED = """
import os, sys
from pathlib import Path
from logist_core.errors import HomeError
from logist_core.jobs.home import Home
os.setuid(12345)
try:
    Home.open(Path(sys.argv[1]))
except HomeError as error:
    print(error.message, "|", error.hint)
"""


@needs_root
def test_a_home_that_cannot_be_made_is_one_clear_error(
    tmp_path: Path, run_python: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    done = run_python(UNPRIVILEGED, "/proc/home")
    assert "can't make the home /proc/home" in done.stdout, done.stderr
    assert "LOGIST_HOME" in done.stdout


@needs_root
def test_a_home_that_cannot_be_written_is_one_clear_error(
    tmp_path: Path, run_python: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    code = UNPRIVILEGED.replace("os.setuid(12345)", "os.setuid(12345); os.access = lambda *a: False")
    base = Path("/dev/shm") / f"logist-home-{os.getpid()}"
    base.mkdir(mode=0o500)
    try:
        os.chown(base, 12345, 12345)
        done = run_python(code, base)
    finally:
        base.rmdir()
    assert f"{base} can't be written" in done.stdout, done.stderr


def unshare(*argv: str) -> list[str]:
    return ["unshare", "--mount", "sh", "-c", *argv]


@needs_root
def test_a_read_only_home_can_be_read_and_not_written(
    tmp_path: Path, run_python: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    Home.open(tmp_path / "home")
    code = """
import sys
from pathlib import Path
from logist_core.errors import HomeError
from logist_core.jobs.home import Home
print(Home.open(Path(sys.argv[1]), create=False).path)
try:
    Home.open(Path(sys.argv[1]))
except HomeError as error:
    print(error.message)
"""
    mount = f'mount --bind "{tmp_path}" "{tmp_path}" && mount -o remount,bind,ro "{tmp_path}" && exec "$@"'
    done = run_python(code, tmp_path / "home", prefix=(*unshare(mount), "sh"))
    if "mount" in done.stderr:
        pytest.skip(f"this machine doesn't let us mount: {done.stderr.strip()}")
    assert done.stdout.splitlines() == [str(tmp_path / "home"), f"{tmp_path / 'home'} can't be written"], done.stderr
