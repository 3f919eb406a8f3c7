"""What the sentinel must find and what it must not touch: real processes under the real runtime and supervisor.

`python tests/sentinel/scenarios` plays all of it, beside what people use today, and prints the table.
"""
