"""The files in a run's folder, by name; each is described where it is written."""

from __future__ import annotations

import re

ARGS = "args.json"
ARTIFACTS = "artifacts.jsonl"
LOG, LOG_LINES = "output.log", "output.jsonl"
METRICS = "metrics.jsonl"
REPRODUCIBLE = "reproducible.json"
RESULTS = "results.pickle"
STATE = "state.json"

GOING_ON = ("queued", "running")
"""The states of runs that are not over."""

is_temporary = re.compile(r"\..+\.[0-9a-f]{16}\.tmp", re.DOTALL).fullmatch
"""Whether a name is that of a file that is being written, or whose writer was killed."""
