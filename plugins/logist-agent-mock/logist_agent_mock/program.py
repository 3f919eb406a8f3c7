"""The mock agent's own program: plays the steps, or the recording, that its plan file names.

Started as `python -I -S program.py PLAN.json`: standard library only, it imports nothing of Logist, depends on no
working directory and no environment, and starts as fast as an interpreter can. Invariant: it touches no file but
its session's, uses no network, and writes the same bytes whenever plan, input and the results of the clock are the
same (the clock shows in limits' reset times only).
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from random import Random
    from types import FrameType
    from typing import Any

EXIT_CODES = {"success": 0, "error": 1, "refused": 4, "limited": 75, "interrupted": 130}
FRAMES = "|/-\\"
FRAME_S = 0.1
WORDS = "the agent reads each line again and writes down what it finds while tests run in small steps".split()  # noqa: SIM905 - reads as what it is
ECHO_CHARACTERS = 200
READ_BYTES = 65536


def shared_reset(path: str, resets_at: float) -> float:
    """Return the reset that the file `path` keeps; the first to ask puts its own in."""
    try:
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as file:
            file.write(str(resets_at))
        return resets_at
    except FileExistsError:
        pass
    for _ in range(50):  # whoever made it may not have written it yet
        with open(path, encoding="ascii") as file:
            if text := file.read():
                return float(text)
        time.sleep(0.01)
    return resets_at


class Ended(Exception):
    """The run is over, with this exit code."""

    def __init__(self, code: int) -> None:
        """Take the exit code, 0 to 255."""
        super().__init__(code)
        self.code = code


class Program:
    """One run: writes to its descriptors, reads from one, and keeps the session's file.

    Args:
        plan: The plan file's content (see `agent.MockAgent`).
        fd_in, fd_out, fd_err: Descriptors in place of the standard ones.
    """

    def __init__(self, plan: Mapping[str, Any], fd_in: int = 0, fd_out: int = 1, fd_err: int = 2) -> None:
        """Take the plan; nothing is written yet."""
        self.plan = plan
        self.json = plan["format"] == "json"
        self.session_id: str = plan["session_id"]
        self.turn: int = plan["turns_before"] + 1
        self.pace_s: float = plan["pace_s"]
        self.fd_in, self.fd_out, self.fd_err = fd_in, fd_out, fd_err
        self.inbox = b""
        self.input_ended = False
        self.calls = 0
        self.tokens = 0
        self.line_open = False
        self.verbs: dict[str, Callable[[Mapping[str, Any]], None]] = {
            "begin": self.begin,
            "print": self.print_text,
            "stderr": self.print_error,
            "event": lambda step: self.emit(step["event"]),
            "tool": self.tool,
            "sleep_s": self.sleep,
            "spin_s": self.spin,
            "spinner_s": self.spinner,
            "ask": self.ask,
            "read_stdin": self.read_stdin,
            "tokens": self.write_tokens,
            "flood_bytes": self.flood,
            "fork": self.fork,
            "limit_s": self.limit,
            "repeat": self.repeat,
            "suspend": lambda step: os.kill(os.getpid(), signal.SIGSTOP),
            "finish": lambda step: self.finish(step["finish"], step.get("reason", "")),
            "exit": self.exit,
            "die": self.die,
        }

    def run(self) -> int:
        """Play it to its end and return the exit code."""
        self.save_session(self.plan["resets_at"])
        try:
            if self.plan["replay"] is not None:
                self.replay(self.plan["replay"]["path"], self.plan["replay"]["speed"])
            else:
                self.play(self.plan["steps"])
        except Ended as end:
            return end.code
        except KeyboardInterrupt:
            self.end_line()
            self.emit({"type": "result", "status": "interrupted", "reason": "interrupted", "turns": self.turn})
            return EXIT_CODES["interrupted"]
        return 0

    def play(self, steps: Sequence[Mapping[str, Any]]) -> None:
        """Do each step, in order, with the scenario's pace between them."""
        for step in steps:
            self.verbs[next(verb for verb in step if verb in self.verbs)](step)
            if self.pace_s:
                time.sleep(self.pace_s)

    def random(self, purpose: str) -> Random:
        """Return a source of its own for each purpose, so that one doesn't shift another."""
        from random import Random

        return Random(f"{self.plan['seed']}/{purpose}")  # noqa: S311 - repeatable on purpose

    # Output

    def write(self, data: bytes, fd: int | None = None) -> None:
        """Write all of `data`, also to a descriptor that somebody else made non-blocking."""
        fd = self.fd_out if fd is None else fd
        view = memoryview(data)
        while view:
            try:
                view = view[os.write(fd, view) :]
            except BlockingIOError:
                import select

                select.select((), (fd,), ())
        if data and fd == self.fd_out:
            self.line_open = not data.endswith(b"\n")

    def end_line(self) -> None:
        """Begin a new line unless the last one is complete, so that an event never shares a line."""
        if self.line_open:
            self.write(b"\n")

    def emit(self, event: Mapping[str, Any]) -> None:
        """Say `event`, as a JSON line or as text for people."""
        text = json.dumps(event) + "\n" if self.json else as_text(event)
        self.write(text.encode("utf-8", "replace"))

    def print_text(self, step: Mapping[str, Any]) -> None:
        """Write to standard output exactly what the step says."""
        self.write((step["print"] + step.get("end", "\n")).encode("utf-8", "replace"))

    def print_error(self, step: Mapping[str, Any]) -> None:
        """Write to standard error exactly what the step says."""
        self.write((step["stderr"] + step.get("end", "\n")).encode("utf-8", "replace"), self.fd_err)

    def write_tokens(self, step: Mapping[str, Any]) -> None:
        """Write words one at a time, as a streaming model does."""
        source = self.random("tokens")
        for number in range(1, step["tokens"] + 1):
            time.sleep(step.get("every_s", 0.0))
            word = source.choice(WORDS)
            self.tokens += 1
            if self.json:
                self.emit({"type": "text", "text": word})
            else:
                self.write(word.encode() + (b"\n" if number % 12 == 0 else b" "))
        self.end_line()

    def flood(self, step: Mapping[str, Any]) -> None:
        """Write so many bytes as fast as they are taken; 0: for ever. With JSON, up to the end of a line more."""
        source = self.random("flood")
        lines = []
        for _ in range(256):
            text = " ".join(source.choices(WORDS, k=source.randint(4, 30)))
            lines.append((json.dumps({"type": "text", "text": text}) if self.json else text).encode() + b"\n")
        left, endless = step["flood_bytes"], step["flood_bytes"] == 0
        block = b"".join(lines)
        while endless or left >= len(block):
            self.write(block)
            left -= len(block)
        for line in lines:
            if left <= 0:
                return
            self.write(line if self.json or len(line) <= left else line[: left - 1] + b"\n")
            left -= len(line)

    # The session

    def save_session(self, resets_at: float | None) -> None:
        """Keep what the session's next turn must know; replaced as a whole, so it is never half written."""
        path = self.plan["session_file"]
        content = {"session_id": self.session_id, "turns": self.turn, "resets_at": resets_at}
        fresh = f"{path}.{os.getpid()}"
        with open(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="ascii") as file:
            json.dump(content, file)
        os.replace(fresh, path)

    def prompt(self) -> str:
        """Return the task: from the plan, or all of standard input."""
        if not self.plan["prompt_on_stdin"]:
            return str(self.plan["prompt"] or "")
        return self.read_all().decode("utf-8", "surrogateescape")

    def begin(self, step: Mapping[str, Any]) -> None:
        """Say which session this is, how many turns it had, and repeat the beginning of the task."""
        prompt = self.prompt()
        before = self.plan["turns_before"]
        self.emit(
            {
                "type": "session",
                "session_id": self.session_id,
                "turn": self.turn,
                "turns_before": before,
                "resumed": self.plan["resumed"],
                "agent": "mock",
                "version": self.plan["version"],
            }
        )
        if prompt:
            size = len(prompt.encode("utf-8", "surrogatepass"))
            self.emit({"type": "prompt", "text": printable(prompt)[:ECHO_CHARACTERS], "bytes": size})

    def limit(self, step: Mapping[str, Any]) -> None:
        """Hit the usage limit, unless this session already waited for its end."""
        now = time.time()
        shared = step.get("shared")
        resets_at = shared_reset(shared, now + step["limit_s"]) if shared else self.plan["resets_at"]
        if resets_at is not None and now >= resets_at:
            return
        if resets_at is None:
            resets_at = now + step["limit_s"]
        self.save_session(resets_at)
        self.emit({"type": "limit", "resets_at": resets_at, "retry_in_s": round(resets_at - now, 3)})
        self.finish("limited", "usage limit reached")

    def finish(self, status: str, reason: str) -> None:
        """Say what it cost and what came of it, and end."""
        self.end_line()
        source = self.random("usage")
        self.emit(
            {
                "type": "usage",
                "tokens_in": source.randint(100, 999) * (self.calls + 1),
                "tokens_out": source.randint(10, 99) * (self.calls + 1) + self.tokens,
                "cost_usd": 0.0,
            }
        )
        result = {"type": "result", "status": status, "reason": reason, "turns": self.turn, "tools": self.calls}
        self.emit(result)
        raise Ended(EXIT_CODES[status])

    def exit(self, step: Mapping[str, Any]) -> None:
        """End with the step's exit code, and say nothing."""
        raise Ended(step["exit"])

    def die(self, step: Mapping[str, Any]) -> None:
        """End by a real signal, leaving no core file behind."""
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
        number = signal.Signals[f"SIG{step['die']}"]
        if number is not signal.SIGKILL:
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {number})
        os.kill(os.getpid(), number)
        raise Ended(128 + number)  # only the first process of a pid namespace outlives that

    # Work

    def tool(self, step: Mapping[str, Any]) -> None:
        """Pretend to use a tool: open the call, take its time, close it."""
        self.calls += 1
        call = {"type": "tool", "id": f"call-{self.calls}", "name": step["tool"]}
        self.emit({**call, "state": "open", "input": step.get("input", "")})
        self.sleep({"sleep_s": step.get("for_s", self.pace_s)})
        ok = step.get("ok", True)
        self.emit({**call, "state": "closed", "ok": ok, "exit_code": step.get("exit_code", 0 if ok else 1)})

    def repeat(self, step: Mapping[str, Any]) -> None:
        """Play the enclosed steps again and again."""
        left = step["repeat"]
        while left == "forever" or left > 0:
            self.play(step["steps"])
            left = left if left == "forever" else left - 1

    def spin(self, step: Mapping[str, Any]) -> None:
        """Burn processor time and print nothing, as a compiler does."""
        end = time.monotonic() + step["spin_s"]
        while time.monotonic() < end:
            sum(range(1000))

    def fork(self, step: Mapping[str, Any]) -> None:
        """Leave a process behind: in this group, in a session of its own, or as a daemon that no parent knows."""
        kind, for_s = step["fork"], step.get("for_s", 600.0)
        told, tell = os.pipe()
        child = os.fork()
        if child == 0:
            # Not exit(): the copy of this interpreter must not run what the original has registered.
            try:
                self.live(kind, for_s, tell)
            finally:
                os._exit(0)
        os.close(tell)
        if kind == "daemon":
            os.waitpid(child, 0)  # its parent, which has ended by now
        with open(told, encoding="ascii") as pipe:
            pid = int(pipe.read() or child)
        self.emit({"type": "process", "kind": kind, "pid": pid})

    def live(self, kind: str, for_s: float, tell: int) -> None:
        """Be the process left behind; it keeps standard output and error open."""
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        if kind != "child":
            os.setsid()
            signal.signal(signal.SIGHUP, signal.SIG_IGN)
        if kind == "daemon" and os.fork():
            return
        os.write(tell, str(os.getpid()).encode())
        os.close(tell)
        os.close(self.fd_in)
        time.sleep(for_s)

    # Waiting and input

    def sleep(self, step: Mapping[str, Any]) -> None:
        """Be silent for so long, or until the bytes of `until` come in."""
        self.wait(step["sleep_s"], step.get("until"), None)

    def spinner(self, step: Mapping[str, Any]) -> None:
        """Animate a line in place without getting anywhere; on standard error where standard output is JSON."""
        fd = self.fd_err if self.json else self.fd_out
        started = time.monotonic()

        def draw(frame: int) -> None:
            seconds = int(time.monotonic() - started)
            text = f"\r{FRAMES[frame % len(FRAMES)]} Thinking ({seconds} s, 152 tokens, esc to interrupt)"
            self.write(text.encode(), fd)

        self.wait(step["spinner_s"], step.get("until"), draw)
        self.write(b"\n", fd)

    def wait(self, for_s: float, until: str | None, draw: Callable[[int], None] | None) -> None:
        """Let time pass, drawing a frame every `FRAME_S`, until it is over or `until` was typed."""
        import select

        wanted = until.encode() if until else None
        end = time.monotonic() + for_s
        frame = 0
        restore = self.keys_one_by_one() if wanted else None
        try:
            while (left := end - time.monotonic()) > 0:
                if draw is not None:
                    draw(frame)
                    frame += 1
                pause_s = min(left, 3600.0 if draw is None else FRAME_S)
                if wanted is None or self.input_ended:
                    time.sleep(pause_s)
                elif select.select((self.fd_in,), (), (), pause_s)[0]:
                    self.receive()
                    if wanted in self.inbox:
                        self.inbox = self.inbox.split(wanted, 1)[1]
                        return
        finally:
            if restore is not None:
                restore()

    def keys_one_by_one(self) -> Callable[[], None] | None:
        """Have a terminal hand over each key at once and unseen; return what undoes that."""
        if not os.isatty(self.fd_in):
            return None
        import termios
        import tty

        before = termios.tcgetattr(self.fd_in)
        tty.setcbreak(self.fd_in)
        return lambda: termios.tcsetattr(self.fd_in, termios.TCSADRAIN, before)

    def receive(self) -> None:
        """Take in what has come, or note that nothing will come any more."""
        try:
            data = os.read(self.fd_in, READ_BYTES)
        except OSError:  # closed from the beginning, or a terminal that has gone
            data = b""
        self.inbox += data
        self.input_ended = self.input_ended or not data

    def read_line(self) -> bytes | None:
        """Return one line without its end; None where the input has ended without one."""
        while b"\n" not in self.inbox and not self.input_ended:
            self.receive()
        if not self.inbox:
            return None
        line, _, self.inbox = self.inbox.partition(b"\n")
        return line.rstrip(b"\r")

    def read_all(self) -> bytes:
        """Return everything up to the end of the input."""
        parts = [self.inbox]
        self.inbox = b""
        while not self.input_ended:
            self.receive()
            parts.append(self.inbox)
            self.inbox = b""
        return b"".join(parts)

    def read_stdin(self, step: Mapping[str, Any]) -> None:
        """Read a line, or everything, and say how much it was."""
        data = self.read_line() if step["read_stdin"] == "line" else self.read_all()
        self.emit({"type": "input", "bytes": len(data or b""), "ended": self.input_ended})

    def ask(self, step: Mapping[str, Any]) -> None:
        """Ask and wait. A permission needs a yes, a question any answer; without it the run ends as refused."""
        kind = step.get("kind", "question")
        self.emit({"type": "ask", "kind": kind, "text": step["ask"]})
        line = self.read_line()
        if not os.isatty(self.fd_in):
            self.end_line()  # a terminal's echo has done it
        self.line_open = False
        answer = None if line is None else printable(line.decode("utf-8", "replace")).strip()
        self.emit({"type": "answer", "kind": kind, "text": answer})
        if answer is None:
            self.finish("refused", f"{kind}: nobody answered, the input has ended")
        elif kind == "permission" and answer.lower() not in ("y", "yes"):
            self.finish("refused", "permission refused")

    # Recordings

    def replay(self, path: str, speed: float) -> None:
        """Write a recording's data at its times; its last line may say how it ended."""
        started = time.monotonic()
        with open(path, encoding="utf-8") as recording:
            for line in recording:
                record = json.loads(line)
                if speed:
                    time.sleep(max(0.0, started + record["t"] / speed - time.monotonic()))
                if "exit" in record:
                    raise Ended(record["exit"])
                if "signal" in record:
                    self.die({"die": record["signal"]})
                self.write(recorded_bytes(record), self.fd_err if record["stream"] == "err" else self.fd_out)


def recorded_bytes(record: Mapping[str, Any]) -> bytes:
    """Return the data of one line of a recording."""
    if "base64" in record:
        import binascii

        return binascii.a2b_base64(record["base64"], strict_mode=True)
    return str(record["data"]).encode("utf-8", "replace")


def printable(text: str) -> str:
    """Return `text` in one line, with everything that a terminal could act on replaced."""
    return "".join(
        character if character.isprintable() else " " if character.isspace() else "\N{REPLACEMENT CHARACTER}"
        for character in text[:READ_BYTES]
    )


def count(number: int, noun: str) -> str:
    """Return `1 turn`, `2 turns`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def as_text(event: Mapping[str, Any]) -> str:
    """Return an event as people read it. These texts are a contract: the dictionary of patterns knows them."""
    try:
        return _TEXTS[event["type"]](event)
    except (KeyError, TypeError, ValueError, OverflowError):
        # A script's own event, or one that lacks a field: shown as it is.
        return json.dumps(event) + "\n"


def _session(event: Mapping[str, Any]) -> str:
    text = f"Mock agent {event['version']}, session {event['session_id']}, turn {event['turn']}\n"
    if event["resumed"]:
        text += f"Continuing session {event['session_id']} after {count(event['turns_before'], 'turn')}\n"
    return text


def _tool(event: Mapping[str, Any]) -> str:
    if event["state"] == "open":
        return f"[tool] {event['name']}: {event['input']}\n"
    return f"[tool] {event['name']}: ok\n" if event["ok"] else f"[tool] {event['name']}: exit {event['exit_code']}\n"


def _limit(event: Mapping[str, Any]) -> str:
    # Rounded up: whoever reads the text must not come back a fraction of a second too early.
    at = int(-(-event["resets_at"] // 1))
    seconds = int(-(-event["retry_in_s"] // 1))
    stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at))
    return f"Usage limit reached: resets at {stamp} (in {seconds} s)\n"


def _ask(event: Mapping[str, Any]) -> str:
    if event["kind"] == "permission":
        return f"Permission needed: {event['text']} [y/N] "
    return f"Question: {event['text']} "


def _answer(event: Mapping[str, Any]) -> str:
    return "No answer: the input has ended\n" if event["text"] is None else f"Answered: {event['text']}\n"


def _result(event: Mapping[str, Any]) -> str:
    status = event["status"]
    if status == "success":
        return f"Task completed: {count(event['turns'], 'turn')}, {count(event['tools'], 'tool call')}\n"
    if status == "limited":
        return "Task paused by the usage limit\n"
    if status == "interrupted":
        return "Task interrupted\n"
    return f"Task failed: {event['reason']}\n"


_TEXTS: dict[str, Callable[[Mapping[str, Any]], str]] = {
    "session": _session,
    "prompt": lambda event: f"> {event['text']}\n",
    "text": lambda event: f"{event['text']}\n",
    "notice": lambda event: f"{event['text']}\n",
    "tool": _tool,
    "usage": lambda event: f"Tokens: {event['tokens_in']} in, {event['tokens_out']} out; ${event['cost_usd']:.2f}\n",
    "limit": _limit,
    "ask": _ask,
    "answer": _answer,
    "input": lambda event: f"Read {count(event['bytes'], 'byte')}\n",
    "process": lambda event: f"[process] {event['kind']} {event['pid']}\n",
    "result": _result,
}


def _interrupt(number: int, frame: FrameType | None) -> None:
    # Once: a second Ctrl-C must not break the farewell of the first.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    raise KeyboardInterrupt


def main(argv: Sequence[str]) -> int:
    """Play the plan file that is the only argument; return the exit code."""
    # As if not started from Python: a reader that went away ends the program, and a launcher's ignored
    # signals are not inherited.
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    signal.signal(signal.SIGINT, _interrupt)
    try:
        (path,) = argv
        with open(path, encoding="utf-8") as file:
            plan = json.load(file)
        for name in plan["ignore"]:
            signal.signal(signal.Signals[f"SIG{name}"], signal.SIG_IGN)
        return Program(plan).run()
    except (OSError, ValueError, KeyError) as error:
        print(f"mock agent: can't go on: {error!r}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
