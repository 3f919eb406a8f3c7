from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.distributions import python_path, write_metadata, write_plugin

from logist_core.api import AgentRecord, ConfigError, JobEvent, JobStatus, Lifecycle, PatternSet, Setting
from logist_core.config import Config, resolve_settings
from logist_core.errors import PluginUnavailable, UsageError
from logist_core.hookspecs import GROUPS
from logist_core.registry import Registry
from logist_core.registry.discovery import Entry
from logist_core.registry.events import EventDelivery
from logist_core.registry.faults import PluginFault, Reason, Rejected
from logist_core.registry.guard import call_guarded
from logist_core.registry.listeners import may_listen
from logist_core.registry.loading import load
from logist_core.registry.records import check_product, pick_record
from logist_core.registry.selection import select

AGENT = """
from logist_core.api import AgentRecord, ConfigError, Setting, hookimpl

class Agent:
    def __init__(self, settings):
        self.settings = settings
    def plan(self, job, ctx): ...
    def parse(self, line, stream): return ()
    def resume(self, job, ctx, last): return None
    def outcome(self, exit, signals): return None
    def probe(self, ctx): ...
    def unstick(self): return None

def make(settings):
    if settings.get("sad"):
        raise ConfigError("not with me", hint="cheer up")
    return Agent(settings)

@hookimpl
def logist_agents():
    settings = {"seed": Setting(type="int", default=0, help="Seed.")}
    return [AgentRecord(name="NAME", summary="An agent.", factory=make, settings=settings)]
"""

EVENT = JobEvent(seq=1, at=0.0, boot_s=0.0, boot_id="b", writer="test", kind="job.created", data={})
STATUS = JobStatus(id="0" * 16, name=None, agent="mock", runtime="host", lifecycle=Lifecycle.QUEUED)


def agent(site: Path, name: str, more: str = "", **about: str) -> None:
    write_plugin(site, "agent", name, AGENT.replace("NAME", name) + more, **about)


def test_discovery_is_shared_and_reads_nothing_before_it_is_asked() -> None:
    assert Registry.discover() is Registry.discover()
    assert Registry.discover()._scan is None


def test_what_is_installed_later_is_seen_after_a_refresh(site: Path) -> None:
    assert "later" not in Registry.discover().names("agent")
    agent(site, "later")
    assert "later" not in Registry.discover().names("agent")
    assert "later" in Registry.discover(refresh=True).names("agent")


def test_importing_the_registry_imports_neither_metadata_nor_plugins_nor_anything_slow() -> None:
    code = (
        "import sys; before = set(sys.modules); import logist_core.registry, logist_core.config;"
        "heavy = {'importlib_metadata', 'asyncio', 'json', "
        "'click', 'tomllib', 'tomlkit', 'subprocess', 'tempfile', 'difflib', 'fcntl', 'regex', 'filelock'};"
        "print(sorted(heavy & (set(sys.modules) - before)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_listing_names_imports_no_plugin(site: Path, tmp_path: Path) -> None:
    write_plugin(site, "agent", "marks", f"import pathlib\npathlib.Path({str(tmp_path / 'mark')!r}).touch()\n")
    registry = Registry()
    assert "marks" in registry.names("agent")
    assert [entry.dist for entry in registry.entries("agent") if entry.name == "marks"] == ["logist-agent-marks"]
    assert registry.select("agent", "marks", Config.load(None)).name == "marks"
    assert not (tmp_path / "mark").exists()


def test_entries_are_sorted_and_name_their_distribution() -> None:
    entries = Registry().entries()
    assert entries == sorted(entries)
    assert ("agent", "mock", "logist-agent-mock") in [(entry.kind, entry.name, entry.dist) for entry in entries]


def test_the_factory_gets_the_settings_and_cannot_change_them(site: Path) -> None:
    agent(site, "acme")
    registry = Registry()
    product: Any = registry.create("agent", "acme", {"seed": 3})
    assert dict(product.settings) == {"seed": 3}
    with pytest.raises(TypeError):
        product.settings["seed"] = 4
    assert registry.record("agent", "acme").settings["seed"].type == "int"
    assert registry.faults == []


def test_what_a_factory_says_to_the_user_is_passed_on_and_is_no_fault(site: Path) -> None:
    agent(site, "acme")
    registry = Registry()
    with pytest.raises(ConfigError, match="not with me"):
        registry.create("agent", "acme", {"sad": True})
    assert registry.faults == []


def test_a_failed_import_is_not_tried_again(site: Path, tmp_path: Path) -> None:
    log = tmp_path / "log"
    write_plugin(site, "agent", "fails", f"open({str(log)!r}, 'a').write('x')\nraise ValueError('no')\n")
    registry = Registry()
    for _ in range(3):
        with pytest.raises(PluginUnavailable):
            registry.record("agent", "fails")
    assert log.read_text() == "x"
    assert len(registry.faults) == 1


def test_many_threads_load_a_plugin_once(site: Path, tmp_path: Path) -> None:
    log = tmp_path / "log"
    agent(site, "acme", f"open({str(log)!r}, 'a').write('x')\n")
    registry = Registry()
    records: list[object] = []
    threads = [threading.Thread(target=lambda: records.append(registry.record("agent", "acme"))) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(records) == 16
    assert len({id(record) for record in records}) == 1
    assert log.read_text() == "x"


def test_one_module_may_offer_several_kinds(site: Path) -> None:
    code = AGENT.replace("NAME", "both") + (
        "\nfrom logist_core.api import PatternSet, PatternsRecord\n\n@hookimpl\ndef logist_patterns():\n"
        "    return [PatternsRecord(name='both', summary='x', factory=lambda: PatternSet(name='both', rules=()))]\n"
    )
    (site / "both_module.py").write_text(code)
    write_metadata(
        site, "both", "1", {"logist.agents": {"both": "both_module"}, "logist.patterns": {"both": "both_module"}}
    )
    registry = Registry()
    assert registry.record("agent", "both").name == "both"
    assert "both" in [patterns.name for patterns in registry.patterns()]


def test_an_object_in_a_module_can_be_the_plugin(site: Path) -> None:
    code = (
        "from logist_core.api import AgentRecord, hookimpl\n\nclass Plugin:\n    @hookimpl\n"
        "    def logist_agents(self):\n"
        "        return [AgentRecord(name='object', summary='x', factory=lambda settings: None)]\n\nplugin = Plugin()\n"
    )
    (site / "object_module.py").write_text(code)
    write_metadata(site, "object", "1", {"logist.agents": {"object": "object_module:plugin"}})
    assert Registry().record("agent", "object").summary == "x"


# --- names and selection


def config(user: str = "", project: str = "") -> Config:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "user.toml").write_text(user)
        if project:
            Path(folder, ".logist.toml").write_text(project)
        return Config.load(Path(folder), {"LOGIST_CONFIG": str(Path(folder, "user.toml"))})


@pytest.mark.parametrize(
    ("installed", "asked", "user", "project", "name", "why"),
    [
        (["a", "b", "mock"], "b", 'agent = "a"', 'agent = "mock"', "b", "command line"),
        (["a", "b", "mock"], None, 'agent = "a"', 'agent = "b"', "b", "project config"),
        (["a", "b", "mock"], None, 'agent = "a"', "", "a", "user config"),
        (["a"], None, "", "", "a", "only one installed"),
        (["a", "mock"], None, "", "", "mock", "default"),
    ],
)
def test_the_order_of_selection(
    installed: list[str], asked: str | None, user: str, project: str, name: str, why: str
) -> None:
    found = select("agent", installed, asked, config(user, project))
    assert (found.name, found.why) == (name, why)


def test_a_project_cannot_choose_what_is_not_installed_nor_advise_to_install_it() -> None:
    layers = config('agent = "a"', '\nagent = "evil"')
    assert select("agent", ["a", "mock"], None, layers).name == "a"
    assert len(layers.warnings) == 1
    assert ".logist.toml:2: agent 'evil' isn't installed (installed: a, mock); ignored" in layers.warnings[0]
    assert "pip" not in layers.warnings[0]


def test_a_user_who_configured_what_is_not_installed_is_told_where() -> None:
    with pytest.raises(PluginUnavailable) as caught:
        select("agent", ["claude", "mock"], None, config('\nagent = "claud"'))
    assert "user.toml:2: agent 'claud' isn't installed (installed: claude, mock)" in caught.value.message
    assert caught.value.hint == "claude, or: pip install logist-agent-claud"


@pytest.mark.parametrize(
    ("kind", "name", "installed", "hint"),
    [
        ("runtime", "podman", ["host"], "pip install logist-runtime-podman"),
        ("agent", "moc", ["mock"], "mock, or: pip install logist-agent-moc"),
        ("agent", "mock", ["claude"], 'pip install "logist-core[default]"'),
        ("agent", "x", [], 'pip install logist-agent-x, or: pip install "logist-core[default]"'),
        ("agent", "../etc", ["mock"], "one of mock"),
        ("agent", "../etc", [], 'pip install "logist-core[default]"'),
    ],
)
def test_an_unknown_name_gets_the_nearest_and_the_install_line(
    kind: str, name: str, installed: list[str], hint: str
) -> None:
    with pytest.raises(PluginUnavailable) as caught:
        select(kind, installed, name, config())
    assert caught.value.hint == hint


def test_an_escape_in_an_unknown_name_does_not_reach_the_message() -> None:
    with pytest.raises(PluginUnavailable) as caught:
        select("agent", ["mock"], "\x1b[2J; rm -rf", config())
    assert caught.value.message.isprintable()
    assert "pip install" not in str(caught.value.hint)


@given(kind=st.sampled_from(list(GROUPS)), name=st.text(st.characters(exclude_categories=()), max_size=80))
def test_any_unknown_name_is_answered_in_printable_words_with_something_to_try(kind: str, name: str) -> None:
    with pytest.raises(PluginUnavailable) as caught:
        select(kind, ["Zz"], name, Config.load(None, {"LOGIST_CONFIG": "/nonexistent/config.toml"}))
    assert caught.value.message.isprintable()
    assert caught.value.hint and caught.value.hint.isprintable()


def test_a_core_without_plugins_says_what_to_install() -> None:
    with pytest.raises(PluginUnavailable) as caught:
        select("agent", [], None, config())
    assert (caught.value.message, caught.value.hint) == ("no agent is installed", 'pip install "logist-core[default]"')


def test_several_without_a_default_want_a_choice() -> None:
    with pytest.raises(UsageError, match="several agents are installed and none is chosen: a, b") as caught:
        select("agent", ["a", "b"], None, config())
    assert "logist config set agent a" in (caught.value.hint or "")


def test_a_broken_users_file_is_an_error_of_the_registry_too(own_configuration: Path) -> None:
    own_configuration.write_text("plugins = 1")
    with pytest.raises(ConfigError):
        Registry().entries()


# --- records


_anything = st.none() | st.booleans() | st.integers(-3, 3) | st.text(max_size=8) | st.lists(st.text("ab", max_size=2))
_settings = st.builds(
    Setting,
    type=st.sampled_from(["str", "int", "float", "bool", "duration", "list", "path"]) | _anything,
    default=_anything | st.floats(),
    help=st.just("h") | _anything,
    choices=st.just(()) | st.just(("a", "b")) | _anything,
)
_tables = st.dictionaries(st.sampled_from(["x", "x_s", "X", 1]), _settings | _anything, max_size=2)


def _record(**fields: object) -> AgentRecord:
    right: dict[str, object] = {"name": "it", "summary": "s", "factory": print, "settings": {}, "api": 1}
    return AgentRecord(**{**right, **fields})  # type: ignore[arg-type]


_records = st.one_of(
    st.builds(_record, settings=_tables | _anything),
    *(st.builds(_record, **{field: _anything}) for field in ("name", "summary", "factory", "api")),
)


@given(st.lists(_records, min_size=1, max_size=2) | st.lists(_anything, max_size=2))
def test_whatever_a_hook_returns_is_a_usable_record_or_a_printable_reason(returned: list[object]) -> None:
    try:
        record = pick_record(Entry("agent", "it", "d", "1", "m"), returned)
    except Rejected as rejected:
        assert rejected.detail and rejected.detail.isprintable()
    else:
        assert (record.name, record.api) == ("it", 1)
        settled = resolve_settings(record, "agent", "it", Config.load(None, {"LOGIST_CONFIG": "/nonexistent/c.toml"}))
        json.dumps(settled, allow_nan=False)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"Seed": Setting(type="int", default=0, help="x")}, "'Seed' has no valid name"),
        ({"seed": 7}, "seed is an int, not a Setting"),
        ({"seed": Setting(type="integer", default=0, help="x")}, "has the type 'integer'; types: str, int"),
        ({"seed": Setting(type=["int"], default=0, help="x")}, "has the type"),  # type: ignore[arg-type]
        ({"seed": Setting(type="int", default=0, help=None)}, "needs a help text"),  # type: ignore[arg-type]
        ({"seed": Setting(type="int", default=0, help="x", choices=["1"])}, "choices in a tuple"),  # type: ignore[arg-type]
        ({"mode": Setting(type="str", default="c", help="x", choices=("a", "b"))}, "must be one of a, b, not 'c'"),
        (["seed"], "settings are a list, not a mapping"),
    ],
)
def test_a_wrong_setting_is_named(settings: object, words: str) -> None:
    with pytest.raises(Rejected, match=words) as caught:
        pick_record(Entry("agent", "it", "d", "1", "m"), [_record(settings=settings)])
    assert caught.value.reason is Reason.INVALID_SETTINGS


@pytest.mark.parametrize(
    ("product", "words"),
    [
        (PatternSet(name="other", rules=()), "a set named 'other'"),
        (PatternSet(name="it", rules=["r"]), "not a tuple of Rule"),  # type: ignore[arg-type]
        ({"rules": []}, "a dict, not a PatternSet"),
    ],
)
def test_a_set_of_patterns_is_checked_as_far_as_its_engine_needs(product: object, words: str) -> None:
    with pytest.raises(Rejected, match=words):
        check_product("patterns", "it", product)


# --- the guard


def guarded(call: Callable[[], object], **options: Any) -> Rejected:
    with pytest.raises(Rejected) as caught:
        call_guarded(call, limit_s=5, failed=Reason.HOOK_FAILED, **options)
    return caught.value


def test_an_exception_group_and_a_cancellation_are_the_plugins_own() -> None:
    import asyncio

    def cancel() -> None:
        raise asyncio.CancelledError

    assert guarded(cancel).reason is Reason.HOOK_FAILED


def test_an_exception_whose_text_cannot_be_had_is_named_by_its_type() -> None:
    class EvilError(Exception):
        def __str__(self) -> str:
            raise ValueError

    def fail() -> None:
        raise EvilError

    assert "EvilError: <EvilError> (test_registry.py, line" in guarded(fail).detail


def test_a_real_ctrl_c_interrupts_a_plugin_that_hangs_at_import(site: Path) -> None:
    write_plugin(site, "agent", "sleeps", "import time\nprint('here', flush=True)\ntime.sleep(600)\n")
    # Whoever runs the tests in the background has them, and all that they start, ignore SIGINT.
    code = (
        "import signal\nsignal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "from logist_core.registry import Registry\nRegistry().record('agent', 'sleeps')\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": python_path(site)},
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
    )
    assert process.stderr is not None
    assert process.stderr.readline() == b"here\n"
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=20)
    assert b"KeyboardInterrupt" in errors
    assert process.returncode in (-signal.SIGINT, 1, 130)


def test_a_call_from_another_thread_leaves_stdout_alone() -> None:
    seen: list[object] = []
    before = sys.stdout
    thread = threading.Thread(
        target=lambda: call_guarded(lambda: seen.append(sys.stdout), limit_s=5, failed=Reason.HOOK_FAILED)
    )
    thread.start()
    thread.join()
    assert seen == [before]


# --- job events


@dataclass
class Listener:
    site: Path
    log: Path

    def install(self, name: str, body: str) -> None:
        code = f"LOG = {str(self.log)!r}\n\n@hookimpl\ndef logist_job_event(event, job):\n    {body}\n"
        agent(self.site, name, code)

    @property
    def lines(self) -> list[str]:
        return sorted(self.log.read_text().split()) if self.log.exists() else []


@pytest.fixture
def listener(site: Path, tmp_path: Path) -> Listener:
    return Listener(site, tmp_path / "events")


def test_without_a_listener_nobody_wants_events_and_nothing_is_imported(site: Path, tmp_path: Path) -> None:
    agent(site, "deaf", f"open({str(tmp_path / 'imported')!r}, 'w')\n")
    assert not Registry().wants_job_events()
    assert not (tmp_path / "imported").exists()


def test_every_listener_is_told_though_its_plugin_was_never_used(listener: Listener) -> None:
    listener.install("hears", "open(LOG, 'a').write(f'{event.kind}/{job.id[:1]}\\n')")
    registry = Registry()
    registry.job_event(EVENT, STATUS)
    assert listener.lines == []
    assert registry.wants_job_events()
    registry.job_event(EVENT, STATUS)
    assert listener.lines == ["job.created/0"]


def test_a_listener_that_raises_is_reported_once_and_hurts_no_other(listener: Listener) -> None:
    listener.install("fails", "raise OSError('no network')")
    listener.install("hears", "open(LOG, 'a').write('x\\n')")
    registry = Registry()
    assert registry.wants_job_events()
    for _ in range(3):
        registry.job_event(EVENT, STATUS)
    assert listener.lines == ["x", "x", "x"]
    (fault,) = registry.faults
    assert (fault.reason, fault.severity, fault.name) == ("event-failed", "warning", "fails")
    assert "at job.created: OSError: no network" in fault.detail


def test_a_listener_that_kills_its_interpreter_is_never_loaded(listener: Listener) -> None:
    write_plugin(listener.site, "agent", "deadly", "# logist_job_event\nimport os\nos._exit(3)\n")
    registry = Registry()
    assert not registry.wants_job_events()
    assert [fault.reason for fault in registry.faults] == ["died"]


def test_a_listener_that_hangs_delays_by_its_limit_and_is_told_no_more_after_three_times(listener: Listener) -> None:
    listener.install("hangs", "open(LOG, 'a').write('x\\n'); import time; time.sleep(600)")
    faults: list[PluginFault] = []
    delivery = EventDelivery(faults.append, limit_s=0.1)
    (entry,) = [entry for entry in Registry().entries("agent") if entry.name == "hangs"]
    loaded = load(entry, limit_s=10)
    started = time.monotonic()
    for _ in range(6):
        delivery.deliver([loaded, loaded], EVENT, STATUS)
    assert time.monotonic() - started < 5
    assert listener.lines == ["x", "x", "x"]
    assert [fault.reason for fault in faults] == ["event-failed"]
    assert "did not return within 0.1 s" in faults[0].detail


@pytest.mark.parametrize(
    ("module", "files", "expected"),
    [
        ("quiet.plugin", {"quiet/plugin.py": "x = 1"}, False),
        ("hears.plugin", {"hears/plugin.py": "def logist_job_event(): ..."}, True),
        ("stars.plugin", {"stars/plugin.py": "from .hooks import *"}, True),
        ("quiet2.plugin:object", {"quiet2/plugin.py": ""}, True),
        ("missing.plugin", {}, True),
        ("packaged", {"packaged/__init__.py": "y = 2"}, False),
        ("huge.plugin", {"huge/plugin.py": "#" * (1 << 21)}, True),
    ],
)
def test_whether_a_module_may_listen_is_read_from_its_source(
    module: str, files: Mapping[str, str], expected: bool, site: Path
) -> None:
    for name, text in files.items():
        path = site / name
        path.parent.mkdir(exist_ok=True)
        (path.parent / "__init__.py").write_text("raise RuntimeError('imported')")
        path.write_text(text)
    assert may_listen(Entry("agent", "x", "d", "1", module)) is expected
