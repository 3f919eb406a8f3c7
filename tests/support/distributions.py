"""Small distributions of the tests, installed into a directory of their own: by hand for speed, or by the real uv."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path

_TESTS = Path(__file__).parent.parent
BROKEN = _TESTS / "broken_plugins"
THIRD_PARTY = _TESTS / "thirdparty"

BROKEN_NAMES = tuple(sorted(path.parent.name for path in BROKEN.glob("*/pyproject.toml")))


def install(project: Path, site: Path) -> None:
    """Do what an installer does with a pure-Python project: copy its modules, write its metadata."""
    about = tomllib.loads((project / "pyproject.toml").read_text())["project"]
    for path in project.iterdir():
        if path.suffix == ".py":
            shutil.copy(path, site)
        elif path.is_dir() and (path / "__init__.py").exists():
            shutil.copytree(path, site / path.name, ignore=shutil.ignore_patterns("__pycache__"))
    write_metadata(site, about["name"], about["version"], about["entry-points"], about.get("dependencies", ()))


def install_broken(site: Path, *names: str) -> None:
    for name in names:
        install(BROKEN / name, site)


def write_metadata(
    site: Path,
    name: str,
    version: str,
    points: Mapping[str, Mapping[str, str]] | str,
    requires: tuple[str, ...] | list[str] = (),
) -> Path:
    """Write a `.dist-info`; `points` as in a pyproject, or the raw text of `entry_points.txt`."""
    info = site / f"{name.replace('-', '_')}-{version}.dist-info"
    info.mkdir(parents=True)
    needs = "".join(f"Requires-Dist: {requirement}\n" for requirement in requires)
    (info / "METADATA").write_text(f"Metadata-Version: 2.4\nName: {name}\nVersion: {version}\n{needs}")
    if not isinstance(points, str):
        groups = []
        for group, named in points.items():
            groups.append(f"[{group}]\n" + "".join(f"{key} = {value}\n" for key, value in named.items()))
        points = "\n".join(groups)
    (info / "entry_points.txt").write_text(points)
    return info


def write_plugin(site: Path, kind: str, name: str, code: str, *, dist: str | None = None, version: str = "1.0") -> None:
    """Write a plugin of one module, for the entry point `name` of the kind `agent`, `runtime` ..."""
    group = {"agent": "logist.agents", "runtime": "logist.runtimes"}.get(kind, f"logist.{kind}")
    if kind == "sentinel":
        group = "logist.sentinels"
    dist = dist or f"logist-{kind}-{name}"
    module = dist.replace("-", "_") + "_module"
    (site / f"{module}.py").write_text(code)
    write_metadata(site, dist, version, {group: {name: module}})


def python_path(site: Path) -> str:
    """Return the PYTHONPATH with which children see `site`, beside what they see anyway."""
    return os.pathsep.join(filter(None, [str(site), os.environ.get("PYTHONPATH")]))


def uv() -> str:
    found = os.environ.get("UV") or shutil.which("uv")
    assert found, "the tests need uv: pip install uv"
    return found


def install_for_real(site: Path, *projects: Path, scratch: Path) -> None:
    """Build and install with uv, without network and without dependencies. The projects are copied to `scratch`."""
    copies = []
    for project in projects:
        copy = scratch / project.name
        shutil.copytree(project, copy, ignore=shutil.ignore_patterns("__pycache__"))
        copies.append(str(copy))
    command = [uv(), "pip", "install", "--quiet", "--offline", "--no-deps", "--no-build-isolation"]
    command += ["--python", sys.executable, "--target", str(site), *copies]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
