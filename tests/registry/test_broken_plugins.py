"""Every way in which a plugin can be broken, each a small distribution in tests/broken_plugins."""

from __future__ import annotations

import contextlib
import json
import sys
import time
from pathlib import Path

import pytest
from support.distributions import BROKEN_NAMES, install_broken, write_metadata, write_plugin

from logist_core.config import Config
from logist_core.errors import PluginUnavailable
from logist_core.registry import PluginFault, Reason, Registry, inspection
from logist_core.registry.discovery import Entry, scan
from logist_core.registry.probe import examine

#: Broken distribution -> (kind, reason, part of the detail, part of the hint).
FAULTS: dict[str, tuple[str, str, str, str]] = {
    "bad-arguments": ("agent", "invalid-hook", "config", ""),
    "bad-record-name": ("agent", "invalid-record", r"bad\x1b[2Jname", ""),
    "bad-settings": ("agent", "invalid-settings", "retries must be a whole number, not the text 'three'", ""),
    "class-product": ("agent", "incomplete", "returned the class Half", ""),
    "endless": ("agent", "wrong-return", "more than 256 records", ""),
    "exits": ("agent", "exited", "sys.exit(3) (broken_exits.py, line 5)", ""),
    "factory-raises": ("agent", "factory-failed", "OSError: the licence server is down", ""),
    "hook-raises": ("agent", "hook-failed", "KeyError: 'nothing' (broken_hook_raises.py, line 8)", ""),
    "hostile-text": ("agent", "import-failed", r"RuntimeError: \x1b]0;owned\x07\x1b[2J\u202egnp.exe state: ok", ""),
    "incomplete": ("agent", "incomplete", "a Half, which lacks of Agent: parse, outcome, probe, unstick", ""),
    "interrupts": ("agent", "interrupted", "KeyboardInterrupt itself (broken_interrupts.py, line 3)", ""),
    "late": ("agent", "late-generator", "RuntimeError: the second record could not be made", ""),
    "late-exit": ("agent", "exited", "sys.exit(no licence)", ""),
    "misnamed": ("agent", "name-mismatch", "named misnamed, but its records are: renamed", "same name"),
    "missing-import": ("agent", "import-failed", "No module named 'a_module_that_nobody_has'", ""),
    "newer-api": (
        "agent",
        "api-newer",
        "broken-newer-api 1.0 is written for plugin API 99; this logist-core has API 1",
        "pip install --upgrade logist-core",
    ),
    "no-caps": ("runtime", "incomplete", "lacks of Runtime: caps (a RuntimeCaps), health, start", ""),
    "no-factory": ("agent", "invalid-record", "factory is an object, not callable", ""),
    "no-hook": ("agent", "no-hook", "broken_no_hook doesn't implement logist_agents", ""),
    "no-record": ("agent", "wrong-record", "a tuple where it must return AgentRecord", ""),
    "no-summary": ("agent", "invalid-record", "no summary", ""),
    "old-import": ("agent", "import-failed", "SomethingThatNeverWas", "pip install --upgrade logist-core"),
    "older-api": ("agent", "api-older", "plugin API 0; this", "pip install --upgrade broken-older-api"),
    "patterns-text": ("patterns", "incomplete", "returned a str, not a PatternSet", ""),
    "prints": ("agent", "name-mismatch", "its records are: none", ""),
    "returns-coroutine": ("agent", "wrong-return", "returned coroutine, not a list", ""),
    "returns-none": ("agent", "wrong-return", "returned NoneType, not a list", ""),
    "returns-text": ("agent", "wrong-return", "returned str, not a list", ""),
    "sentinel-exits": ("sentinel", "exited", "sys.exit(1)", ""),
    "twice": ("agent", "invalid-record", "2 records named twice", ""),
    "unknown-hook": ("agent", "unknown-hook", "logist_job_events", "logist_job_event"),
    "wrapper": ("agent", "hook-wrapper", "is a hook wrapper", ""),
    "wrong-record": ("agent", "wrong-record", "a RuntimeRecord where it must return AgentRecord", ""),
}

#: Those that only a process of their own survives, or that show in metadata.
DEADLY = {"kills": ("agent", "code 7"), "crashes": ("agent", "SIGSEGV"), "patterns-kill": ("patterns", "code 9")}
OTHERS = {"hangs", "slow", "not-ready", "bad-point-name", "twin-one", "twin-two"}


def fault_of(faults: list[PluginFault] | tuple[PluginFault, ...], name: str) -> PluginFault:
    (fault,) = [fault for fault in faults if fault.name == name]
    return fault


def test_every_broken_distribution_is_tested() -> None:
    assert set(FAULTS) | set(DEADLY) | OTHERS == set(BROKEN_NAMES)
    assert not set(FAULTS) & set(DEADLY)


@pytest.mark.parametrize("name", FAULTS)
def test_a_broken_plugin_is_refused_with_its_culprit_and_its_reason(name: str, site: Path) -> None:
    kind, reason, detail, hint = FAULTS[name]
    install_broken(site, name)
    registry = Registry()
    with pytest.raises(PluginUnavailable) as caught:
        registry.create(kind, name, {}) if kind != "patterns" else unhealthy_patterns(registry, name)
    assert caught.value.message.isprintable()
    assert len(caught.value.message) < 500
    assert f"{kind} {name} of broken-{name} 1.0 can't be used: " in caught.value.message
    fault = fault_of(registry.faults, name)
    assert (fault.kind, fault.dist, fault.version, fault.severity) == (kind, f"broken-{name}", "1.0", "error")
    assert fault.reason == reason
    assert detail in fault.detail
    assert fault.detail.isprintable()
    assert hint in (fault.hint or "")


def unhealthy_patterns(registry: Registry, name: str) -> None:
    assert name not in [each.name for each in registry.patterns()]
    fault = fault_of(registry.faults, name)
    raise PluginUnavailable(f"patterns {name} of {fault.dist} {fault.version} can't be used: {fault.detail}")


@pytest.mark.parametrize("name", FAULTS)
def test_a_process_of_its_own_finds_the_same_fault(name: str, site: Path) -> None:
    kind, reason, detail, _ = FAULTS[name]
    install_broken(site, name)
    report = examine(Entry(kind, name, f"broken-{name}", "1.0", f"broken_{name.replace('-', '_')}"))
    json.dumps(report)
    assert [(fault["reason"], detail in fault["detail"]) for fault in report["faults"]] == [(reason, True)]


def test_all_of_them_at_once_are_reported_in_bounded_time_and_healthy_ones_work(site: Path) -> None:
    install_broken(site, *(name for name in BROKEN_NAMES if name != "hangs"))
    registry = Registry()
    started = time.monotonic()
    reports = {(report.entry.dist): report for report in registry.reports(limit_s=30)}
    assert time.monotonic() - started < 90
    for name, (kind, reason, detail, hint) in FAULTS.items():
        report = reports[f"broken-{name}"]
        assert (report.entry.kind, report.ok) == (kind, False)
        assert [(fault.reason, detail in fault.detail) for fault in report.faults] == [(reason, True)]
        assert hint in (report.faults[0].hint or "")
    for name, (kind, how) in DEADLY.items():
        report = reports[f"broken-{name}"]
        assert report.entry.kind == kind
        assert [(fault.reason, how in fault.detail) for fault in report.faults] == [("died", True)]
    slow = reports["broken-slow"]
    assert (slow.ok, slow.summary) == (True, "Slow to import.")
    assert [(fault.reason, fault.severity) for fault in slow.faults] == [("slow-import", "warning")]
    assert "its import took 2." in slow.faults[0].detail
    assert slow.import_s is not None and slow.import_s > 2
    not_ready = reports["broken-not-ready"]
    assert (not_ready.ok, not_ready.faults[0].reason) == (True, "not-ready")
    assert "agents.not-ready.endpoint" in (not_ready.faults[0].hint or "")
    assert reports["logist-agent-mock"].ok
    assert registry.select("agent", "mock", Config.load(None)).name == "mock"
    assert registry.record("agent", "mock").name == "mock"


def test_a_name_that_two_distributions_offer_is_nobodys(site: Path) -> None:
    install_broken(site, "twin-one", "twin-two")
    registry = Registry()
    with pytest.raises(PluginUnavailable) as caught:
        registry.record("agent", "twin")
    assert "broken-twin-one 1.0 and broken-twin-two 1.1" in caught.value.message
    assert "plugins.disable broken-twin-two" in (caught.value.hint or "")
    conflicts = [fault for fault in registry.faults if fault.reason == Reason.CONFLICT]
    assert [(fault.dist, fault.version) for fault in conflicts] == [
        ("broken-twin-one", "1.0"),
        ("broken-twin-two", "1.1"),
    ]
    assert [entry.dist for entry in registry.entries("agent") if entry.name == "twin"] == [
        "broken-twin-one",
        "broken-twin-two",
    ]
    reports = registry.reports("agent", name="twin")
    assert [report.ok for report in reports] == [False, False]
    assert [report.faults[0].reason for report in reports] == ["conflict", "conflict"]


def test_a_conflict_ends_when_all_providers_but_one_are_disabled(site: Path, own_configuration: Path) -> None:
    install_broken(site, "twin-one", "twin-two")
    own_configuration.write_text('[plugins]\ndisable = ["Broken_Twin.Two"]')
    registry = Registry()
    assert registry.record("agent", "twin").summary == "Number one."
    assert registry.faults == []
    assert [entry.dist for entry in registry.disabled()] == ["broken-twin-two"]


def test_an_entry_points_name_that_cannot_be_typed_is_a_fault_and_no_name(site: Path) -> None:
    install_broken(site, "bad-point-name")
    registry = Registry()
    assert "Bad Name" not in registry.names("agent")
    (fault,) = [fault for fault in registry.check("agent") if fault.dist == "broken-bad-point-name"]
    assert (fault.reason, fault.name) == ("invalid-name", "Bad Name")


def test_unreadable_entry_points_of_one_distribution_hide_no_other(site: Path) -> None:
    write_metadata(site, "broken-metadata", "3.0", "[logist.agents]\nthis is no assignment\n")
    write_plugin(site, "agent", "fine", "")
    found = scan()
    assert {"fine", "mock"} <= {entry.name for entry in found.entries}
    (fault,) = found.faults
    assert (fault.reason, fault.dist, fault.version, fault.kind) == ("bad-metadata", "broken-metadata", "3.0", "")
    registry = Registry()
    assert fault in registry.check()
    assert fault not in registry.check("agent")


def test_a_distribution_that_is_shadowed_does_not_count_when_metadata_is_read_one_by_one(
    site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    behind = tmp_path / "behind"
    behind.mkdir()
    sys.path.append(str(behind))
    try:
        write_metadata(site, "broken-metadata", "3.0", "[logist.agents]\nthis is no assignment\n")
        write_plugin(site, "agent", "fine", "", version="2.0")
        write_plugin(behind, "agent", "fine", "", version="1.0")
        assert [entry.version for entry in scan().entries if entry.name == "fine"] == ["2.0"]
    finally:
        sys.path.remove(str(behind))


def test_metadata_without_a_name_or_with_escapes_is_shown_harmlessly(site: Path) -> None:
    info = write_metadata(site, "escapes", "1.0", {"logist.agents": {"escapes": "escapes\x1b[2J.plugin"}})
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: esc\x1b[2Japes\nVersion: 1\u202e0\n")
    (entry,) = [entry for entry in scan().entries if entry.name == "escapes"]
    assert entry.dist.isprintable() and entry.version.isprintable() and entry.module.isprintable()
    assert "\\x1b[2J" in entry.dist
    (info / "METADATA").unlink()
    (entry,) = [entry for entry in scan().entries if entry.name == "escapes"]
    assert entry.version == "unknown"


def test_an_entry_point_that_names_no_module_is_a_fault(site: Path) -> None:
    write_metadata(site, "nowhere", "1.0", {"logist.agents": {"nowhere": "not a module!", "deep": "json:no.such"}})
    registry = Registry()
    for name in ("nowhere", "deep"):
        with pytest.raises(PluginUnavailable):
            registry.record("agent", name)
    assert {fault.reason for fault in registry.faults} == {"import-failed"}


def test_a_slow_import_is_a_warning_with_the_measured_time(site: Path) -> None:
    install_broken(site, "slow")
    registry = Registry()
    assert registry.record("agent", "slow").summary == "Slow to import."
    (fault,) = registry.faults
    assert (fault.reason, fault.severity, fault.dist) == ("slow-import", "warning", "broken-slow")


def test_an_import_that_hangs_is_given_up_and_holds_up_no_other_plugin(site: Path) -> None:
    install_broken(site, "hangs")
    registry = Registry(limit_s=0.3)
    with pytest.raises(PluginUnavailable, match=r"did not return within 0\.3 s"):
        registry.record("agent", "hangs")
    assert registry.record("agent", "mock").name == "mock"


def test_a_plugin_that_hangs_is_killed_with_what_it_started(site: Path, tmp_path: Path) -> None:
    code = (
        "import subprocess, pathlib, time\n"
        f"child = subprocess.Popen(['sleep', '600'])\n"
        f"pathlib.Path({str(tmp_path / 'pid')!r}).write_text(str(child.pid))\n"
        "time.sleep(600)\n"
    )
    write_plugin(site, "agent", "forks", code)
    (report,) = Registry().reports("agent", name="forks", limit_s=3)
    assert report.faults[0].reason == "timed-out"
    assert "within 3 s and was killed" in report.faults[0].detail
    assert_ends(int((tmp_path / "pid").read_text()))


def test_what_a_plugin_leaves_behind_is_killed_though_it_loads_in_time(site: Path, tmp_path: Path) -> None:
    code = (
        "import subprocess, pathlib\n"
        "child = subprocess.Popen(['sleep', '600'])\n"
        f"pathlib.Path({str(tmp_path / 'pid')!r}).write_text(str(child.pid))\n"
    )
    write_plugin(site, "agent", "litters", code)
    (report,) = Registry().reports("agent", name="litters")
    assert report.faults[0].reason == "no-hook"
    assert_ends(int((tmp_path / "pid").read_text()))


def assert_ends(pid: int) -> None:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except FileNotFoundError:
            return
        if state in "ZX":
            return
        time.sleep(0.01)
    raise AssertionError(f"{pid} lives on")


def test_a_plugin_that_writes_into_the_report_is_not_believed(site: Path) -> None:
    code = (
        "import os\n"
        "for descriptor in range(3, 30):\n"
        "    try:\n"
        '        os.write(descriptor, b\'{"summary": 1, "faults": "none"}\')\n'
        "    except OSError:\n"
        "        pass\n"
        "os._exit(0)\n"
    )
    write_plugin(site, "agent", "forges", code)
    (report,) = Registry().reports("agent", name="forges")
    assert [fault.reason for fault in report.faults] == ["died"]


def test_an_interrupted_inspection_kills_its_children(
    site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    marker = tmp_path / "pid"
    code = f"import os, pathlib, time\npathlib.Path({str(marker)!r}).write_text(str(os.getpid()))\ntime.sleep(600)\n"
    write_plugin(site, "agent", "sleeps", code)
    (entry,) = [entry for entry in Registry().entries("agent") if entry.name == "sleeps"]
    original = inspection._inspect_one

    def interrupt_when_it_runs(which: Entry, limit_s: float, stop: object) -> inspection.Report:
        if which.name != "ctrl-c":
            return original(which, limit_s, stop)  # type: ignore[arg-type]
        deadline = time.monotonic() + 20
        while not marker.exists() and time.monotonic() < deadline:
            time.sleep(0.01)
        raise KeyboardInterrupt

    monkeypatch.setattr(inspection, "_inspect_one", interrupt_when_it_runs)
    started = time.monotonic()
    with contextlib.suppress(KeyboardInterrupt):
        inspection.inspect([Entry("agent", "ctrl-c", "d", "1", "m"), entry], limit_s=600)
        raise AssertionError("not interrupted")
    assert time.monotonic() - started < 60
    assert_ends(int(marker.read_text()))


def test_nothing_to_inspect_is_no_report() -> None:
    assert inspection.inspect([]) == []


def test_a_plugin_that_prints_does_not_spoil_stdout(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    install_broken(site, "prints")
    with pytest.raises(PluginUnavailable):
        Registry().record("agent", "prints")
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "schema" in printed.err


def test_a_deadly_pattern_plugin_does_not_end_the_process_that_builds_the_dictionary(site: Path) -> None:
    install_broken(site, "patterns-kill", "patterns-text")
    registry = Registry()
    names = [patterns.name for patterns in registry.patterns()]
    assert "patterns-kill" not in names
    reasons = {fault.name: fault.reason for fault in registry.faults}
    assert (reasons["patterns-kill"], reasons["patterns-text"]) == ("died", "incomplete")
