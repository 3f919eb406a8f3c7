"""The supervisor and what commands need of it: admission, launch, watching, judgement, recovery, control.

Invariant: only the process that holds `supervisor.lock` launches, settles or requeues; everybody else writes
intents into a job's journal and pokes.
"""
