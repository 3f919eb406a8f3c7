"""What an earlier version wrote to the disk is read for ever, and means the same."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from logist_core.jobs import journal, specfile
from logist_core.jobs.fold import fold
from logist_core.jobs.home import Home
from logist_core.jobs.store import JobStore
from logist_core.jobs.transitions import FIELDS

LAYOUTS = sorted((Path(__file__).parent / "golden").iterdir())

pytestmark = pytest.mark.parametrize("golden", LAYOUTS, ids=lambda path: path.name)


def includes(whole: Any, part: Any) -> bool:
    """Say whether `whole` says all that `part` says; a later version may say more."""
    if isinstance(part, dict):
        return isinstance(whole, dict) and all(name in whole and includes(whole[name], part[name]) for name in part)
    if isinstance(part, list):
        return isinstance(whole, list) and len(whole) == len(part) and all(map(includes, whole, part))
    return bool(whole == part)


@pytest.mark.fast
def test_a_journal_of_every_version_folds_to_the_same_status(golden: Path) -> None:
    found = journal.read(str(golden / "events.jsonl"))
    assert found.problem is None
    assert includes(fold(found.events).to_json(), json.loads((golden / "status.json").read_text()))


@pytest.mark.fast
def test_every_kind_that_a_version_wrote_is_still_known(golden: Path) -> None:
    kinds = {event.kind for event in journal.read(str(golden / "events.jsonl")).events}
    assert len(kinds) >= 20
    assert kinds <= set(FIELDS)


@pytest.mark.fast
def test_a_spec_of_every_version_is_read(golden: Path) -> None:
    spec = specfile.read(str(golden / "spec.json"))
    assert spec is not None
    assert includes(json.loads(specfile.encode(spec)), json.loads((golden / "spec.json").read_text()))


def test_a_home_of_every_version_is_opened_and_its_jobs_go_on(
    golden: Path, tmp_path: Path, make_spec: Callable[..., Any]
) -> None:
    home = Home.open(tmp_path / "home")
    shutil.copy(golden / "VERSION.json", home.path / "VERSION")
    spec = specfile.read(str(golden / "spec.json"))
    assert spec is not None
    (home.jobs / spec.id).mkdir(mode=0o700)
    shutil.copy(golden / "spec.json", home.jobs / spec.id / "spec.json")
    shutil.copy(golden / "events.jsonl", home.jobs / spec.id / "events.log")
    store = JobStore(Home.open(tmp_path / "home"))
    before = store.events(spec.id)
    with store.transaction(spec.id, "test") as transaction:
        transaction.append("job.finished", lifecycle="cancelled", reason="asked to")
    assert store.events(spec.id) == [*before, *transaction.events]
    assert [status.lifecycle for status in store.statuses()] == ["cancelled"]
