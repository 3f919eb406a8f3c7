"""Jobs on disk: directories, journals, locks, and the state machine that turns a journal into a status.

Invariant: `JobStatus == fold(journal)`. Everything else in a job's directory is a cache, a write-once fact of the
runtime, or the agent's output.
"""
