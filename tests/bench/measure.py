"""Run a command and say what it cost."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

INTERVAL = 0.1
"""Seconds between two looks at a command's memory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    wall: float
    """Seconds."""
    cpu: float
    """Seconds, user and system, of the command and its children."""
    memory: int
    """Peak resident set in bytes: of the largest process, or of the command and its children together where that is seen to
    be more."""

    def __add__(self, other: "Cost") -> "Cost":
        """One after the other."""
        return Cost(
            wall=self.wall + other.wall, cpu=self.cpu + other.cpu, memory=max(self.memory, other.memory)
        )


NOTHING = Cost(wall=0, cpu=0, memory=0)


def cost_of(command: Sequence[str], directory: Path, environment: Mapping[str, str] | None = None) -> Cost:
    """Run once. A command that fails ends the benchmark with what it printed."""
    log_path = directory / "output.log"
    with log_path.open("wb") as log:
        start = time.perf_counter()
        process = subprocess.Popen(
            command,
            cwd=directory,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=os.environ | dict(environment or {}),
        )
        watch = Watch(process.pid)
        watch.start()
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"failed: {' '.join(command)}\n{log_path.read_text(errors='replace')[-3000:]}")
    memory = max(usage.ru_maxrss * 1024, watch.stop())
    return Cost(wall=wall, cpu=usage.ru_utime + usage.ru_stime, memory=memory)


class Watch(threading.Thread):
    """Samples the memory of a process and its descendants."""

    def __init__(self, process: int) -> None:
        super().__init__(daemon=True)
        self._process = process
        self._ended = threading.Event()
        self._peak = 0

    def run(self) -> None:
        while not self._ended.wait(INTERVAL):
            self._peak = max(self._peak, sum(map(resident, family(self._process))))

    def stop(self) -> int:
        self._ended.set()
        self.join()
        return self._peak


def family(process: int) -> Iterator[int]:
    yield process
    try:
        children = Path(f"/proc/{process}/task/{process}/children").read_text()
    except OSError:
        return
    for child in children.split():
        yield from family(int(child))


def resident(process: int) -> int:
    """Bytes; 0 for one that has ended."""
    try:
        pages = Path(f"/proc/{process}/statm").read_text().split()[1]
    except OSError:
        return 0
    return int(pages) * os.sysconf("SC_PAGESIZE")


def median_cost(costs: Sequence[Cost]) -> Cost:
    return Cost(
        wall=median(cost.wall for cost in costs),
        cpu=median(cost.cpu for cost in costs),
        memory=int(median(cost.memory for cost in costs)),
    )
