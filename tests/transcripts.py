"""Golden transcripts: a command, its exit code and what it says on stderr, one file each below `tests/transcripts/`.

    $ airlock add 'numpy>>2'
    exit 2
    error: …
    hint: …

The commands run one after the other in one directory, each in its own process; a test prepares the directory.
"""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

TRANSCRIPTS = Path(__file__).parent / "transcripts"


def transcripts(family: str) -> list[Path]:
    return sorted((TRANSCRIPTS / family).glob("*.txt"))


def check_transcript(path: Path, directory: Path) -> None:
    """Run what the transcript runs, in `directory`, and compare all of it."""
    expected = path.read_text()
    commands = re.findall(r"^\$ (.*)$", expected, re.MULTILINE)
    assert commands, f"{path.name} runs nothing"
    assert "".join(_run(command, directory) for command in commands) == expected


def _run(command: str, directory: Path) -> str:
    program, *arguments = shlex.split(command)
    assert program == "airlock"
    environment = {
        "AIRLOCK_CACHE": str(directory / ".cache"),
        "PATH": os.environ["PATH"],
        "LC_ALL": "C.UTF-8",
    }
    done = subprocess.run(
        [sys.executable, "-m", "airlock", *arguments],
        cwd=directory,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return f"$ {command}\nexit {done.returncode}\n{done.stderr}"
