"""Was written for a logist_core.api that had something else."""

from logist_core.api import SomethingThatNeverWas  # noqa: F401
