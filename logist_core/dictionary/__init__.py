"""Works on dictionaries as a whole: puts their layers together, measures, checks and explains them.

The engine that applies rules to text is `logist_core.observe`; nothing here is on the way of a job's output.
"""
