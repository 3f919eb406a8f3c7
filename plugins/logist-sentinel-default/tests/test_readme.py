from __future__ import annotations

from pathlib import Path

import pytest
from logist_sentinel_default.judge import FOR_A_PERSON, FOR_THE_PROVIDER
from logist_sentinel_default.plugin import SETTINGS
from logist_sentinel_default.remedies import GENTLE, NEVER_RESUMED

from logist_core.api import Action, Level

pytestmark = pytest.mark.fast

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
ROWS = {
    cells[1].strip(" `"): [cell.strip() for cell in cells[2:-1]]
    for line in README.split("## Settings")[1].splitlines()
    if line.startswith("| `")
    for cells in [line.split("|")]
}


def test_the_readme_documents_every_setting_with_its_default_and_no_other() -> None:
    assert set(ROWS) == set(SETTINGS)
    for name, setting in SETTINGS.items():
        default, project, _ = ROWS[name]
        assert project == ("yes" if setting.project else "no"), name
        if setting.default is not None:
            said = default.strip("`").removesuffix(" bytes").removesuffix(" s")
            assert said == (setting.default if setting.type == "str" else f"{setting.default:.10g}"), name


def test_the_readme_names_every_level_cause_and_action() -> None:
    causes = {*GENTLE, *NEVER_RESUMED, "stopped", "blocked_on_input", "finished", "no_progress"}
    for word in (*Level, *causes, *(set(Action) - {Action.NONE})):
        assert f"`{word}`" in README, word
    assert Level.STALLED in README
    assert FOR_A_PERSON.isdisjoint(FOR_THE_PROVIDER)
