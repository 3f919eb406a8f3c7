"""`plan.json` in an attempt's directory: what a later supervisor must know of the plan to go on watching.

Invariant: no value of the inherited environment and no prompt is in it.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

from logist_core.errors import CorruptRecord
from logist_core.jobs.files import read_bytes
from logist_core.types._json import JSON
from logist_core.types.launch import LaunchSpec, OutputFormat, Stdin, StopLadder, StopStep

_NAME = "plan.json"

#: Stands in for a plan that can't be read: its attempt is watched as plain text and ended the common way.
PLAINEST = LaunchSpec(argv=("?",), cwd="/")


def save_plan(directory: str, launch: LaunchSpec) -> None:
    """Write the plan of an attempt that is about to start; the last plan before the start counts."""
    from logist_core.jobs.atomic import write_json

    steps = [
        {"signal": s.signal, "keys": None if s.keys is None else s.keys.hex(), "grace_s": s.grace_s}
        for s in launch.stop.steps
    ]
    plan = {
        "schema": 1,
        "argv": list(launch.argv),
        "cwd": launch.cwd,
        "pty": launch.pty,
        "cols": launch.cols,
        "rows": launch.rows,
        "stdin": launch.stdin.value,
        "output": launch.output.value,
        "buffered": launch.buffered,
        "secrets": list(launch.secrets),
        "stop": steps,
        "session_id": launch.session_id,
        "provider": launch.provider,
        "credential": launch.credential,
        "heals_s": launch.heals_s,
    }
    write_json(Path(directory) / _NAME, plan, durable=False)


def load_plan(directory: str) -> LaunchSpec:
    """Return the plan of an attempt, without its environment and standard input.

    An attempt without one (it was lost with the disk's cache in a power cut) gets the plainest plan there is.

    Raises:
        CorruptRecord: The file isn't what `save_plan` writes, or no regular file.
        LogistError: It can't be read.
    """
    path = os.path.join(directory, _NAME)
    data = read_bytes(path)
    if data is None:
        return PLAINEST
    try:
        raw: JSON = json.loads(data)
        return LaunchSpec(
            argv=tuple(raw["argv"]),
            cwd=raw["cwd"],
            pty=bool(raw["pty"]),
            cols=int(raw["cols"]),
            rows=int(raw["rows"]),
            stdin=Stdin(raw["stdin"]),
            output=OutputFormat(raw["output"]),
            buffered=bool(raw["buffered"]),
            secrets=tuple(raw["secrets"]),
            stop=StopLadder(
                steps=tuple(
                    StopStep(
                        signal=step["signal"],
                        keys=None if step["keys"] is None else bytes.fromhex(step["keys"]),
                        grace_s=float(step["grace_s"]),
                    )
                    for step in raw["stop"]
                )
            ),
            session_id=raw["session_id"],
            provider=raw.get("provider"),
            credential=raw.get("credential"),
            heals_s=raw.get("heals_s"),
        )
    except (ValueError, KeyError, TypeError) as error:
        raise CorruptRecord(f"{path} is not a plan: {error}") from error
