"""A command that a bundle names, and what is left of it."""

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

RUNS = """
import os, signal, sys
from pathlib import Path
from airlock.airgapped.command import run
signal.signal(signal.SIGINT, signal.default_int_handler)
run(("sh", "-c", "echo $$ > begun && mv begun pid && exec sleep 60"), 60, Path(sys.argv[1]), os.environ)
"""


def test_an_interrupt_ends_the_command_as_well(tmp_path: Path) -> None:
    """Else it would go on beside the one that the next airlock starts, and might end after it."""
    running = subprocess.Popen((sys.executable, "-c", RUNS, str(tmp_path)), stderr=subprocess.PIPE, text=True)
    while not (tmp_path / "pid").exists():
        assert running.poll() is None
        time.sleep(0.01)
    command = int((tmp_path / "pid").read_text())
    try:
        running.send_signal(signal.SIGINT)
        _, told = running.communicate(timeout=30)
        assert told.splitlines()[-1] == "KeyboardInterrupt"
        with pytest.raises(ProcessLookupError):
            os.kill(command, 0)
    finally:
        with suppress(ProcessLookupError):
            os.kill(command, signal.SIGKILL)
