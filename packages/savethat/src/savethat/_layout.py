"""The files in a run's folder, by name; each is described where it is written."""

from __future__ import annotations

ARGS = "args.json"
ARTIFACTS = "artifacts.jsonl"
LOG, LOG_LINES = "output.log", "output.jsonl"
METRICS = "metrics.jsonl"
REPRODUCIBLE = "reproducible.json"
RESULTS = "results.pickle"
STATE = "state.json"

GOING_ON = ("queued", "running")
"""The states of runs that are not over."""
