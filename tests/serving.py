"""A simulated exchange in a process of its own, for tests that look at the house from outside."""

import json
import urllib.request
from typing import Any

from processes import Processes


def start_simulator(processes: Processes, *options: str) -> dict[str, Any]:
    """Start `python -m realtrading.sim serve` on a free port; what its ready line says."""
    started = processes.python("-m", "realtrading.sim", "serve", "--listen", "127.0.0.1:0", *options)
    ready: dict[str, Any] = json.loads(started.wait_for_line(r'^\{"ready".*', 30)[0])
    return ready


def judge(ready: dict[str, Any], path: str) -> Any:
    """What the simulator's own door answers: `ledger`, `requests`, `state`."""
    with urllib.request.urlopen(f"{ready['control_url']}/{path}", timeout=10) as answer:
        return json.load(answer)
