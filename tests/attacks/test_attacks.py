"""Every attack is refused with exit code 5, and leaves the machine as it was, to the byte and the time of each file."""

import os
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.attacks import families
from tests.attacks.ground import ATTACKS, Command, Ground, run, state_of

INTEGRITY = 5
MEMORY = 1 << 30
"""Bytes of address space that a confined command may take, Python, libraries and threads included."""
WRITTEN = 64 << 20
"""Bytes that any file may grow to meanwhile."""
PATIENCE = 40
"""Seconds of processor time."""

assert families


@pytest.mark.parametrize("name", sorted(ATTACKS))
def test_attack(name: str, grounds: Callable[[int], Ground]) -> None:
    attack = ATTACKS[name]
    ground = grounds(attack.threshold)
    for command in attack.make(ground):
        before = state_of(ground.machine)
        code, said = confined(command, ground) if attack.confined else run(command)
        assert code == INTEGRITY, f"{' '.join(command)}: exit {code}\n{said}"
        assert "\nerror: " in f"\n{said}" and "Traceback" not in said, said
        assert attack.says in said, said
        assert state_of(ground.machine) == before, said


def test_what_is_attacked_is_sound(ground: Ground) -> None:
    """The honest bundle and delta are taken, so that each attack is refused for what it is."""
    assert run(ground.update(ground.delta)[0])[0] == 0
    assert run(ground.verify(ground.next)[0])[0] == 0
    assert (ground.site / "current").readlink() == Path("generations/2")


def confined(command: Command, ground: Ground) -> tuple[int, str]:
    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        resource.setrlimit(resource.RLIMIT_FSIZE, (WRITTEN, WRITTEN))
        resource.setrlimit(resource.RLIMIT_CPU, (PATIENCE, PATIENCE))

    environment = os.environ | {"TMPDIR": str(ground.machine / "tmp")}
    done = subprocess.run(
        [sys.executable, "-m", "airlock", command[0], "-q", *command[1:]],
        capture_output=True,
        text=True,
        preexec_fn=limit,
        env=environment,
    )
    return done.returncode, done.stdout + done.stderr
