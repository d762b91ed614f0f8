"""Run a command and say what it cost."""

import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    wall: float
    """Seconds."""
    cpu: float
    """Seconds, user and system, of the command and its children."""
    memory: int
    """Peak resident set of the largest process, in bytes."""


def cost_of(command: Sequence[str], directory: Path, environment: Mapping[str, str] | None = None) -> Cost:
    """Run once. A command that fails ends the benchmark with what it printed."""
    start = time.perf_counter()
    with (directory / "output.log").open("wb") as log:
        process = subprocess.Popen(
            command,
            cwd=directory,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=os.environ | dict(environment or {}),
        )
        _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(
            f"failed: {' '.join(command)}\n{(directory / 'output.log').read_text(errors='replace')[-3000:]}"
        )
    wall = time.perf_counter() - start
    return Cost(wall=wall, cpu=usage.ru_utime + usage.ru_stime, memory=usage.ru_maxrss * 1024)


def median_cost(costs: Sequence[Cost]) -> Cost:
    return Cost(
        wall=median(cost.wall for cost in costs),
        cpu=median(cost.cpu for cost in costs),
        memory=int(median(cost.memory for cost in costs)),
    )
