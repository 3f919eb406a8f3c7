"""The keeper: a process that outlives everything but its agent. It is the agent's parent, so it sees its exit.

Run by `runtime.py` with the order as JSON on stdin and the locked descriptor as its argument.
"""

import base64
import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time


def main() -> None:
    order = json.load(sys.stdin)
    if os.fork():
        os._exit(0)
    os.setsid()
    directory = order["directory"]
    try:
        agent = start(order)
    except OSError as error:
        answer(f"{error.filename or order['argv'][0]}: {error.strerror}")
        return
    write(directory, "pid", agent.pid)
    answer("started")
    code = wait(agent, directory)
    if not order["linger"]:
        kill_group(agent.pid, signal.SIGKILL)
    agent.wait()
    ended = {"code": code, "signal": None} if code >= 0 else {"code": None, "signal": -code}
    write(directory, "exit", {**ended, "ended_at": time.time()})


def start(order):
    with tempfile.TemporaryFile() as stdin, log(order, "out.log") as out, log(order, "err.log") as err:
        stdin.write(base64.b64decode(order["stdin"] or ""))
        stdin.seek(0)
        return subprocess.Popen(
            order["argv"],
            cwd=order["cwd"],
            env=order["env"],
            stdin=subprocess.DEVNULL if order["stdin"] is None else stdin,
            stdout=out,
            stderr=err,
            start_new_session=True,
        )


def log(order, name):
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    return open(os.open(os.path.join(order["directory"], name), flags, 0o600), "ab")


def wait(agent, directory):
    """Return the exit code, negative for a signal; climb the ladder when somebody asks for it.

    The agent is not reaped here: as long as it is a zombie, its pid and its group are surely its own.
    """
    steps, next_at = None, 0.0
    while not ended(agent):
        time.sleep(0.02)
        if steps is None:
            steps = read(directory, "stop")
        elif time.monotonic() >= next_at:
            name, grace_s = steps.pop(0) if steps else ("KILL", 1.0)
            kill_group(agent.pid, signal.Signals["SIG" + name])
            next_at = time.monotonic() + grace_s
    facts = ended(agent)
    return facts.si_status if facts.si_code == os.CLD_EXITED else -facts.si_status


def ended(agent):
    return os.waitid(os.P_PID, agent.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)


def kill_group(pid, number):
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, number)


def answer(text):
    os.write(1, text.encode())
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(null, descriptor)


def read(directory, name):
    try:
        with open(os.path.join(directory, "tiny", name)) as file:
            return json.load(file)
    except FileNotFoundError:
        return None


def write(directory, name, value):
    path = os.path.join(directory, "tiny", name)
    with open(path + ".new", "w") as file:
        json.dump(value, file)
        file.flush()
        os.fsync(file.fileno())
    os.replace(path + ".new", path)


if __name__ == "__main__":
    main()
