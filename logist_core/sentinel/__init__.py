"""Runs sentinel policies, which are plugins, so that none of them can stop or confuse supervision."""

from __future__ import annotations

from logist_core.sentinel.guard import Guard

__all__ = ["Guard"]
