"""Durable attempts on this machine: a keeper and a pump per attempt, no daemon."""
