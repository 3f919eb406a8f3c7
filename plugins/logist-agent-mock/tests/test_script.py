"""Scripts, played by the real program: each verb does what the README says."""

from __future__ import annotations

import json
import os
import signal
import time

import pytest

from logist_core.api import Claim, Result, UsageError


@pytest.fixture
def script(mock):
    """Return what writes a script into the job's directory and gives the settings that play it."""

    def write(text, **settings):
        (mock.cwd / "it.toml").write_text(text)
        return {"script": "it.toml", **settings}

    return write


def test_a_script_writes_what_it_says_and_nothing_else(mock, script):
    run = mock.run(
        script(
            """
            [[steps]]
            print = "one"
            [[steps]]
            stderr = "two"
            [[steps]]
            print = "three"
            end = ""
            [[steps]]
            exit = 7
            """
        )
    )
    assert (run.out, run.err, run.code) == (b"one\nthree", b"two\n", 7)
    assert run.launch.stdin == "null"


def test_a_script_that_runs_out_of_steps_ends_with_0(mock, script):
    assert mock.run(script("steps = [{print = 'a'}]")).code == 0


@pytest.mark.parametrize("name", ["ABRT", "BUS", "FPE", "HUP", "ILL", "INT", "KILL", "QUIT", "SEGV", "TERM"])
def test_a_script_dies_by_the_signal_it_names_even_if_ignored(mock, script, name):
    ignored = [name] if name in ("HUP", "INT", "QUIT", "TERM") else []
    run = mock.run(script(f"steps = [{{die = '{name}'}}]", ignore=ignored))
    assert run.signal == signal.Signals[f"SIG{name}"]


def test_events_are_json_or_text(mock, script):
    events = ("type = 'text', text = 'hello'", "type = 'mine', n = 1", "type = 'tool'")
    text = f"steps = [{', '.join(f'{{event = {{{event}}}}}' for event in events)}]"
    assert mock.run(script(text)).out == b'hello\n{"type": "mine", "n": 1}\n{"type": "tool"}\n'
    run = mock.run(script(text, format="json"))
    assert [json.loads(line)["type"] for line in run.lines] == ["text", "mine", "tool"]


@pytest.mark.parametrize(
    ("claim", "hold", "waits"),
    [
        ("auth_failed", True, False),
        ("billing", True, False),
        ("overloaded", False, True),
        ("context_exhausted", False, False),
    ],
)
def test_a_notice_claims_what_it_names_and_explains_the_end(mock, script, claim, hold, waits):
    text = f"steps = [{{event = {{type = 'notice', claim = '{claim}', text = 'because'}}}}, {{finish = 'error'}}]"
    outcome = mock.run(script(text, format="json")).outcome
    assert (outcome.claim, outcome.reason, outcome.hold) == (Claim(claim), "because", hold)
    assert (outcome.then is not None) is waits


def test_events_without_a_result_leave_the_work_unverified(mock, script):
    run = mock.run(script("steps = [{event = {type = 'text', text = 'hello'}}]", format="json"))
    assert run.outcome.result is Result.UNVERIFIED


def test_a_script_reads_lines_and_the_rest(mock, script):
    text = "steps = [{read_stdin = 'line'}, {read_stdin = 'all'}, {read_stdin = 'line'}]"
    run = mock.run(script(text), typed=b"first\nsecond\nthird")
    assert run.lines == ["Read 5 bytes", "Read 12 bytes", "Read 0 bytes"]


def test_a_script_asks_again_and_again(mock, script):
    text = "steps = [{repeat = 2, steps = [{ask = 'Well?'}]}, {finish = 'success'}]"
    run = mock.run(script(text), typed=b"one\ntwo\n")
    assert run.code == 0
    assert "Answered: two" in run.lines


def test_a_script_sleeps_until_a_key_or_the_end_of_its_time(mock, script):
    run = mock.start(script("steps = [{print = 'now'}, {sleep_s = inf, until = 'go'}, {read_stdin = 'line'}]"))
    run.wait_for(b"now\n")
    run.type(b"xxg")
    run.type(b"oline\n")
    assert run.end() == 0
    assert run.output() == b"now\nRead 4 bytes\n"
    timed = mock.run(script("steps = [{sleep_s = 0.05, until = 'go'}]"))
    assert timed.code == 0


def test_a_script_can_burn_processor_time_in_silence(mock, script):
    before = os.times().children_user
    run = mock.run(script("steps = [{spin_s = 0.3}]"))
    assert run.out == b""
    assert os.times().children_user - before > 0.05


def test_a_script_can_stop_itself_and_be_continued(mock, script, wait_for):
    run = mock.start(script("steps = [{suspend = true}, {print = 'awake'}]"))
    os.waitpid(run.process.pid, os.WUNTRACED)
    assert run.output() == b""
    run.process.send_signal(signal.SIGCONT)
    assert run.end() == 0
    assert run.output() == b"awake\n"


def test_a_scripts_limit_is_passed_once_it_has_reset(mock, script):
    settings = script("steps = [{limit_s = 0.0}, {exit = 3}]", format="json")
    first = mock.run(settings)
    second = mock.run(settings, last=first.last)
    assert (first.code, second.code) == (75, 3)


def test_a_script_in_the_home_directory_is_found(mock):
    (mock.root / "it.toml").write_text("steps = [{exit = 9}]")
    assert mock.run({"script": "~/it.toml"}).code == 9


def test_a_script_hands_the_prompt_to_its_begin(mock, script):
    run = mock.run(script("steps = [{begin = true}, {print = 'x'}]"))
    assert run.lines[1:] == ["> say hello", "x"]
    assert run.launch.stdin == "data"


def test_a_script_keeps_the_time_it_asks_for(mock, script):
    started = time.monotonic()
    mock.run(script("steps = [{sleep_s = 0.4}]"))
    assert time.monotonic() - started >= 0.4


def test_a_wrong_script_stops_the_plan(mock, script):
    with pytest.raises(UsageError, match=r"it\.toml: step 1 \(`exit`\)"):
        mock.plan(script("steps = [{exit = 'now'}]"))
