"""The commands that read: ls, status, logs, events, wait. On journals, without an agent."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Run = Callable[..., Any]


# ls


def test_without_a_home_there_are_no_jobs_and_none_is_made(logist_here: Run, tmp_path: Path) -> None:
    ran = logist_here("ls")
    assert (ran.code, ran.out) == (0, "")
    assert "logist run" in ran.err
    assert not (tmp_path / "home").exists()


def test_a_list_as_json_is_a_list_of_statuses_newest_first(jobs: Any, logist_here: Run) -> None:
    first, second = jobs.ended(7, name="one"), jobs.ended()
    listed = logist_here("ls", "--json").json
    assert [job["id"] for job in listed] == [second, first]
    assert listed[1] == jobs.store.status(first).to_json()
    assert listed[1]["schema"] == 1
    assert (listed[1]["lifecycle"], listed[1]["exit"]) == ("failed", {"code": 7, "signal": None})


def test_the_table_shows_state_exit_and_task(jobs: Any, logist_here: Run) -> None:
    jobs.ended(7, name="builder", prompt="build \x1b[31mit")
    head, row = logist_here("ls").out.splitlines()
    assert head.split() == ["ID", "NAME", "AGENT", "STATE", "ACTIVITY", "AGE", "EXIT", "TASK"]
    assert row.split()[1:4] == ["builder", "mock", "failed"]
    assert row.endswith("7     build it")


def test_only_the_last_ended_jobs_are_shown_and_the_others_counted(jobs: Any, logist_here: Run) -> None:
    running = jobs.running()
    for _ in range(23):
        jobs.ended()
    ran = logist_here("ls", "-q")
    assert len(ran.out.split()) == 21
    assert running in ran.out.split()
    assert "3 more ended" in ran.err
    assert len(logist_here("ls", "-a", "-q").out.split()) == 24


def test_the_list_can_be_narrowed_by_state_activity_and_label(jobs: Any, logist_here: Run) -> None:
    asking = jobs.running(jobs.activity("permission_prompt"), labels={"team": "a"})
    failed = jobs.ended(1, labels={"team": "b"})
    done = jobs.ended(0)
    assert logist_here("ls", "-q", "--state", "permission_prompt").out.split() == [asking]
    assert logist_here("ls", "-q", "--state", "ended").out.split() == [done, failed]
    assert logist_here("ls", "-q", "--state", "running", "--state", "failed").out.split() == [failed, asking]
    assert logist_here("ls", "-q", "--label", "team").out.split() == [failed, asking]
    assert logist_here("ls", "-q", "--label", "team=b").out.split() == [failed]
    assert "no job matches" in logist_here("ls", "--label", "team=c").err


def test_an_unknown_state_is_answered_with_the_nearest(jobs: Any, logist_here: Run) -> None:
    ran = logist_here("ls", "--state", "runing")
    assert ran.code == 2
    assert "Try: --state running" in ran.err
    assert "one of queued" in logist_here("ls", "--state", "zzzzzz").err


def test_a_job_with_damaged_records_is_named_and_the_others_are_listed(jobs: Any, logist_here: Run) -> None:
    good, bad = jobs.ended(), jobs.ended()
    directory = jobs.store.job_dir(bad)
    (directory / "state.json").unlink()
    (directory / "events.log").write_bytes(b"\x1b[31mnot a journal\n" * 3)
    ran = logist_here("ls", "-q")
    assert (ran.code, ran.out.split()) == (0, [good])
    assert bad in ran.err
    assert "\x1b" not in ran.err


def test_a_job_whose_spec_is_damaged_is_listed_without_its_task(jobs: Any, logist_here: Run) -> None:
    job = jobs.ended()
    (jobs.store.job_dir(job) / "spec.json").write_text("{")
    assert job in logist_here("ls").out


# status


def test_the_status_as_json_has_the_documented_shape(jobs: Any, logist_here: Run) -> None:
    job = jobs.running(jobs.activity("working"), labels={"a": "b"}, name="n")
    found = logist_here("status", job, "--json").json
    assert set(found) >= {
        *("schema", "id", "name", "agent", "runtime", "lifecycle", "activity", "conditions", "outcome", "exit"),
        *("attempt", "attempts", "pid", "created_at", "started_at", "ended_at", "labels", "session_id"),
    }
    assert set(found["activity"]) == {
        *("state", "since", "source", "rule", "stream", "offset", "text", "confidence", "expires"),
    }
    assert found["outcome"] is None
    assert found["ended_at"] is None


def test_without_a_reference_the_last_job_is_meant(jobs: Any, logist_here: Run) -> None:
    jobs.ended()
    last = jobs.ended()
    assert logist_here("status", "--json").json["id"] == last
    assert last in logist_here("status").out


def test_a_job_is_found_by_its_name_and_by_the_beginning_of_its_id(jobs: Any, logist_here: Run) -> None:
    job = jobs.ended(name="builder")
    assert logist_here("status", "builder", "--json").json["id"] == job
    assert logist_here("status", job[:14], "--json").json["id"] == job


def test_the_block_names_the_logs_and_what_to_do_next(jobs: Any, logist_here: Run) -> None:
    job = jobs.ended(3)
    directory = jobs.log(job, b"x" * 10, b"yy")
    out = logist_here("status", job).out
    assert f"{directory}/out.log (10 B)" in out
    assert f"{directory}/err.log (2 B)" in out
    assert f"logist retry {job}" in out


def test_a_job_whose_spec_is_damaged_still_has_a_status(jobs: Any, logist_here: Run) -> None:
    job = jobs.ended()
    (jobs.store.job_dir(job) / "spec.json").write_text("{")
    ran = logist_here("status", job)
    assert ran.code == 0
    assert "succeeded" in ran.out
    assert "spec.json" in ran.err


def test_an_unknown_job_is_not_found(jobs: Any, logist_here: Run) -> None:
    jobs.ended()
    for command in ("status", "logs", "events", "wait", "stop", "kill", "rm", "retry", "resume", "attach"):
        ran = logist_here(command, "nosuchjob")
        assert (ran.code, ran.out) == (3, ""), command
        assert "nosuchjob" in ran.err


def test_without_any_job_a_reference_is_not_found_and_no_home_is_made(logist_here: Run, tmp_path: Path) -> None:
    ran = logist_here("status")
    assert ran.code == 3
    assert "logist run" in ran.err
    assert not (tmp_path / "home").exists()


# logs


def test_logs_go_where_the_job_wrote_them_and_are_sanitised(jobs: Any, logist_here: Run) -> None:
    job = jobs.ended()
    jobs.log(job, b"\x1b]0;t\x07\x1b[31mred\x1b[0m\r\n\xff\n", b"\x1b[2Joops\n")
    ran = logist_here("logs", job)
    assert ran.out == "red\n\ufffd\n"
    assert ran.err == "oops\n"


def test_one_stream_can_be_asked_for(jobs: Any, logist_here: Run) -> None:
    job = jobs.ended()
    jobs.log(job, b"out\n", b"err\n")
    assert (logist_here("logs", job, "--stream", "err").out, logist_here("logs", job, "--stream", "out").err) == (
        "",
        "",
    )


def test_raw_logs_are_the_exact_bytes(jobs: Any, capfdbinary: Any) -> None:
    from logist_core.cli.main import run

    job = jobs.ended()
    data = bytes(range(256)) + b"\x1b]0;t\x07"
    jobs.log(job, data)
    assert run(["logs", "--raw", job]) == 0
    assert capfdbinary.readouterr().out == data


@pytest.mark.parametrize(("count", "shown"), [("0", ""), ("1", "c"), ("2", "b\nc"), ("9", "a\nb\nc")])
def test_the_last_lines_can_be_asked_for(jobs: Any, logist_here: Run, count: str, shown: str) -> None:
    job = jobs.ended()
    jobs.log(job, b"a\nb\nc")
    assert logist_here("logs", job, "-n", count).out == shown


def test_another_attempt_can_be_asked_for_and_one_that_never_was_is_not_found(jobs: Any, logist_here: Run) -> None:
    job = jobs.ended(1)
    jobs.log(job, b"first\n")
    jobs.add(job, ("job.requeued", {"by": "me", "resume": False, "prompt": None}), *jobs.start(2), *jobs.end(0, 2))
    jobs.log(job, b"second\n", attempt=2)
    assert logist_here("logs", job).out == "second\n"
    assert logist_here("logs", job, "--attempt", "1").out == "first\n"
    assert logist_here("logs", job, "--attempt", "3").code == 3


def test_a_job_without_output_says_so(jobs: Any, logist_here: Run) -> None:
    job = jobs.make()
    ran = logist_here("logs", job)
    assert (ran.code, ran.out) == (0, "")
    assert "no output yet" in ran.err


def test_lines_and_since_exclude_each_other(jobs: Any, logist_here: Run) -> None:
    assert logist_here("logs", jobs.ended(), "-n", "1", "--since", "5m").code == 2


def test_since_shows_nothing_of_a_log_that_was_not_written_since(jobs: Any, logist_here: Run) -> None:
    job = jobs.ended()
    log = jobs.log(job, b"old\n") / "out.log"
    os.utime(log, (time.time() - 3600, time.time() - 3600))
    assert logist_here("logs", job, "--since", "10m").out == ""
    assert logist_here("logs", job, "--since", "2h").out == "old\n"


def test_since_begins_at_the_last_activity_before_it(jobs: Any, logist_here: Run) -> None:
    job = jobs.running(jobs.activity("working", offset=4), jobs.activity("tool_error", offset=8, stream="err"))
    directory = jobs.log(job, b"old\nnew\n", b"e\n")
    soon = time.time() + 60
    for log in ("out.log", "err.log"):
        os.utime(directory / log, (soon, soon))
    ran = logist_here("logs", job, "--since", "0s")
    assert (ran.out, ran.err) == ("new\n", "")
    assert logist_here("logs", job, "--since", "1h").out == "old\nnew\n"


def test_a_secret_of_the_job_is_not_shown(jobs: Any, logist_here: Run) -> None:
    job = jobs.running(secrets=("API_KEY",), environment={"API_KEY": "sk-123456", "OTHER": "x"})
    jobs.log(job, b"key sk-123456\n")
    assert logist_here("logs", job).out == "key [redacted]\n"


def test_a_secret_that_the_agents_plan_declares_is_not_shown_either(
    jobs: Any, logist_here: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    from logist_core.supervise.planfile import save_plan
    from logist_core.types.launch import LaunchSpec

    job = jobs.ended()
    directory = jobs.log(job, b"key sk-abcdef\n")
    save_plan(str(directory), LaunchSpec(argv=("x",), cwd="/", secrets=("PLAN_KEY",)))
    # The job has ended and its vault is gone: the shell that it came from mostly still has the variable.
    monkeypatch.setenv("PLAN_KEY", "sk-abcdef")
    assert logist_here("logs", job).out == "key [redacted]\n"


# events


def test_the_journal_as_json_is_one_event_to_a_line(jobs: Any, logist_here: Run) -> None:
    job = jobs.ended(7)
    events = [json.loads(line) for line in logist_here("events", job, "--json").out.splitlines()]
    assert [event["kind"] for event in events] == [event.kind for event in jobs.store.events(job)]
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
    assert set(events[0]) == {"schema", "seq", "at", "boot_s", "boot_id", "writer", "kind", "data"}


def test_the_journal_is_shown_a_line_an_event_without_raw_escapes(jobs: Any, logist_here: Run) -> None:
    job = jobs.running(jobs.activity("working", text="\x1b[2Jx"))
    out = logist_here("events", job).out
    assert len(out.splitlines()) == 4
    assert "activity.changed" in out
    assert "\x1b" not in out


def test_following_an_ended_job_ends_at_once(jobs: Any, logist_here: Run) -> None:
    job = jobs.ended()
    jobs.log(job, b"all\n")
    assert logist_here("events", "-f", job).out == logist_here("events", job).out
    assert logist_here("logs", "-f", job).out == "all\n"


# wait


def test_waiting_for_jobs_that_succeeded_is_success(jobs: Any, logist_here: Run) -> None:
    first, second = jobs.ended(), jobs.ended()
    ran = logist_here("wait", second, first, second)
    assert ran.code == 0
    assert [line.split()[0] for line in ran.out.splitlines()] == [second, first]


def test_waiting_for_a_job_that_failed_is_a_failure_and_says_how_it_ended(jobs: Any, logist_here: Run) -> None:
    ran = logist_here("wait", jobs.ended(), jobs.ended(7))
    assert ran.code == 5
    assert "failed, exit 7" in ran.out


def test_waiting_for_a_held_job_ends_since_only_a_person_can_go_on(jobs: Any, logist_here: Run) -> None:
    ran = logist_here("wait", jobs.held())
    assert ran.code == 4
    assert "log in first" in ran.out


def test_waiting_times_out(jobs: Any, logist_here: Run) -> None:
    ran = logist_here("wait", jobs.running(), "--timeout", "50ms", "--json")
    assert ran.code == 124
    assert ran.json[0]["lifecycle"] == "running"


@pytest.mark.parametrize(
    ("until", "code"), [("running", 0), ("permission_prompt,failed", 0), ("held", 124), ("ended", 124)]
)
def test_a_state_can_be_waited_for(jobs: Any, logist_here: Run, until: str, code: int) -> None:
    job = jobs.running(jobs.activity("permission_prompt"))
    assert logist_here("wait", job, "--until", until, "--timeout", "50ms").code == code


def test_a_job_that_ends_without_reaching_the_state_is_a_failure(jobs: Any, logist_here: Run) -> None:
    assert logist_here("wait", jobs.ended(), "--until", "running").code == 5
    assert logist_here("wait", jobs.ended(), "--until", "ended").code == 0
    assert logist_here("wait", jobs.ended(3), "--until", "failed").code == 0


def test_a_state_that_comes_and_goes_while_we_wait_is_not_missed(jobs: Any, logist_here: Run) -> None:
    job = jobs.make()
    timer = threading.Timer(0.2, lambda: jobs.add(job, *jobs.start(), *jobs.end(7)))
    timer.start()
    ran = logist_here("wait", job, "--until", "running", "--timeout", "20s", "--json")
    timer.join()
    assert (ran.code, ran.json[0]["lifecycle"]) == (0, "running")


def test_a_state_that_does_not_exist_is_refused(jobs: Any, logist_here: Run) -> None:
    job = jobs.ended()
    assert "Try: --until running" in logist_here("wait", job, "--until", "runing").err
    assert logist_here("wait", job, "--until", ",").code == 2
