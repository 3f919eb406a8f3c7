"""The shipped plugins, and those of strangers, pass the same packaging kit."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.distributions import THIRD_PARTY, install, write_metadata

from logist_core.testing.packaging import PackagingContract


class TestAgentMock(PackagingContract):
    dist = "logist-agent-mock"


class TestAgentCommand(PackagingContract):
    dist = "logist-agent-command"


class TestAgentClaude(PackagingContract):
    dist = "logist-agent-claude"


class TestRuntimeHost(PackagingContract):
    dist = "logist-runtime-host"


class TestPatternsDefault(PackagingContract):
    dist = "logist-patterns-default"


class TestSentinelDefault(PackagingContract):
    dist = "logist-sentinel-default"


class _Installed(PackagingContract):
    @pytest.fixture(scope="class", autouse=True)
    @classmethod
    def installed(cls, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
        site = tmp_path_factory.mktemp("site")
        install(THIRD_PARTY / cls.dist, site)
        with pytest.MonkeyPatch.context() as patch:
            patch.syspath_prepend(str(site))
            yield


class TestRuntimeTiny(_Installed):
    dist = "logist-runtime-tiny"


class TestAgentTiny(_Installed):
    dist = "logist-agent-tiny"


class TestTheKitItself:
    """The kit finds what it is for."""

    @staticmethod
    def kit(site: Path, code: str, **about: object) -> PackagingContract:
        package = site / "careless"
        package.mkdir()
        (package / "__init__.py").write_text("")
        (package / "plugin.py").write_text(code)
        write_metadata(site, "careless", "1.0", {"logist.agents": {"careless": "careless.plugin"}})
        made = type("Kit", (PackagingContract,), {"dist": "careless", **about})()
        assert isinstance(made, PackagingContract)
        return made

    @staticmethod
    def entries(kit: PackagingContract) -> list[object]:
        from logist_core.registry.discovery import scan

        return [entry for entry in scan().entries if entry.dist == kit.dist]

    def test_a_careless_distribution_fails_each_check_with_advice(self, site: Path) -> None:
        from logist_core.registry.inspection import inspect

        code = (
            "import asyncio\nimport logist_core.jobs\nfrom logist_core import registry\n"
            "from logist_core.api import AgentRecord, Setting, hookimpl\n\n\n@hookimpl\ndef logist_agents():\n"
            "    settings = {'x': Setting(type='str', default='', help='')}\n"
            "    return [AgentRecord(name='careless', summary='a\\x1bb', factory=lambda s: None, settings=settings)]\n"
        )
        kit = self.kit(site, code)
        entries = self.entries(kit)
        reports = inspect(entries)  # type: ignore[arg-type]
        with pytest.raises(AssertionError, match="careless: incomplete: its factory returned None"):
            kit.test_every_entry_point_resolves_to_a_valid_record(reports)
        with pytest.raises(AssertionError, match="only printable"):
            kit.test_each_summary_is_one_line(reports)
        with pytest.raises(AssertionError, match="the setting x has no help text"):
            kit.test_every_setting_is_documented(reports)
        with pytest.raises(AssertionError, match=r"importing careless\.plugin loads asyncio"):
            kit.test_importing_it_is_light(entries)  # type: ignore[arg-type]
        with pytest.raises(AssertionError, match=r"careless has no py\.typed"):
            kit.test_its_types_are_published(entries)  # type: ignore[arg-type]
        with pytest.raises(AssertionError, match=r"plugin\.py imports logist_core\.jobs, logist_core\.registry"):
            kit.test_it_imports_nothing_but_the_public_api(entries)  # type: ignore[arg-type]
        with pytest.raises(AssertionError, match="doesn't require logist-core"):
            kit.test_it_says_which_core_it_needs()
        with pytest.raises(AssertionError):
            kit.test_its_name_tells_how_to_install_it(entries)  # type: ignore[arg-type]

    def test_a_requirement_without_an_upper_bound_is_not_enough(self, site: Path) -> None:
        write_metadata(site, "careless", "1.0", {}, ["logist-core>=0.1"])
        kit = type("Kit", (PackagingContract,), {"dist": "careless"})()
        with pytest.raises(AssertionError, match="add an upper bound"):
            kit.test_it_says_which_core_it_needs()

    def test_other_names_can_be_allowed(self, site: Path) -> None:
        kit = self.kit(site, "", follows_naming=False)
        with pytest.raises(pytest.skip.Exception):
            kit.test_its_name_tells_how_to_install_it(self.entries(kit))  # type: ignore[arg-type]
