"""`spec.json` comes back as it was written, and says what is wrong when it can't."""

from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from logist_core.errors import CorruptRecord, NewerVersion
from logist_core.jobs import specfile
from logist_core.testing.histories import texts
from logist_core.types.job import JobSpec

pytestmark = pytest.mark.fast

BASE = JobSpec(id="0123456789abcdef", agent="mock", runtime="host", cwd="/tmp", created_at=1.5)

specs = st.builds(
    JobSpec,
    id=st.text("0123456789abcdefghijklmnopqrstuvwxyz", min_size=16, max_size=16),
    agent=texts,
    runtime=texts,
    cwd=texts.map(lambda text: "/" + text),
    created_at=st.floats(0, 1e10),
    sentinel=texts,
    name=st.none() | texts,
    prompt=st.none() | texts,
    args=st.lists(texts).map(tuple),
    env=st.dictionaries(texts, texts),
    env_names=st.lists(texts).map(tuple),
    secrets=st.lists(texts).map(tuple),
    labels=st.dictionaries(texts, texts),
    timeout_s=st.none() | st.floats(0, 1e10),
    priority=st.integers(-100, 100),
    after=st.lists(texts).map(tuple),
    pty=st.none() | st.booleans(),
    cols=st.integers(1, 500),
    rows=st.integers(1, 500),
    linger=st.booleans(),
    agent_settings=st.dictionaries(texts, st.none() | st.booleans() | texts | st.lists(texts)),
    runtime_settings=st.dictionaries(texts, st.floats(0, 1)),
    sentinel_settings=st.dictionaries(texts, st.integers()),
    created_by=texts,
)


def record(**changes: Any) -> dict[str, Any]:
    return {**json.loads(specfile.encode(BASE)), **changes}


@given(specs)
def test_a_spec_comes_back_as_it_was_written(spec: JobSpec) -> None:
    assert specfile.decode(json.loads(specfile.encode(spec)), "spec.json") == spec


def test_every_field_of_a_spec_is_decoded() -> None:
    assert set(specfile._FIELDS) == {field.name for field in dataclasses.fields(JobSpec)}


def test_a_missing_file_is_none(tmp_path: Path) -> None:
    assert specfile.read(str(tmp_path / "spec.json")) is None


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("id", "../../etc"),
        ("id", 7),
        ("agent", None),
        ("cwd", "relative"),
        ("cwd", None),
        ("created_at", "now"),
        ("created_at", True),
        ("name", 1),
        ("args", "x"),
        ("args", [1]),
        ("env", []),
        ("env", {"a": 1}),
        ("labels", {"a": None}),
        ("timeout_s", "5m"),
        ("priority", 1.5),
        ("pty", "yes"),
        ("linger", None),
        ("cols", 0),
        ("rows", -1),
        ("agent_settings", [1]),
    ],
    ids=str,
)
def test_a_wrong_field_is_named_with_its_file(field: str, value: Any) -> None:
    with pytest.raises(CorruptRecord, match=rf"jobs/x/spec\.json: the field '{field}' must be"):
        specfile.decode(record(**{field: value}), "jobs/x/spec.json")


@pytest.mark.parametrize("field", ["id", "agent", "runtime", "cwd", "created_at"])
def test_a_missing_field_is_named_with_its_file(field: str) -> None:
    broken = record()
    del broken[field]
    with pytest.raises(CorruptRecord, match=rf"spec\.json: the field '{field}' is missing"):
        specfile.decode(broken, "spec.json")


def test_a_field_with_a_default_may_be_left_out() -> None:
    small = record()
    for field in ("name", "priority", "labels", "cols"):
        del small[field]
    assert specfile.decode(small, "spec.json") == BASE


def test_fields_of_a_later_version_are_left_out() -> None:
    assert specfile.decode(record(colour="red"), "spec.json") == BASE


@pytest.mark.parametrize("schema", [None, "1", 0, True, 1.0])
def test_a_file_without_a_schema_is_corrupt(schema: Any) -> None:
    with pytest.raises(CorruptRecord, match="'schema'"):
        specfile.decode(record(schema=schema), "spec.json")


def test_a_newer_schema_is_refused_by_name() -> None:
    with pytest.raises(NewerVersion, match=r"spec\.json was written by a newer version of Logist \(schema 2"):
        specfile.decode(record(schema=2), "spec.json")


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b"\xff\xfe", b"[" * 100_000], ids=repr)
def test_what_is_no_object_is_corrupt_and_names_the_file(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "spec.json"
    path.write_bytes(content)
    with pytest.raises(CorruptRecord, match=r"spec\.json"):
        specfile.read(str(path))


def test_a_setting_that_json_cannot_hold_becomes_unknown() -> None:
    spec = dataclasses.replace(BASE, agent_settings={"limit": math.inf})
    assert specfile.decode(json.loads(specfile.encode(spec)), "x").agent_settings == {"limit": None}
