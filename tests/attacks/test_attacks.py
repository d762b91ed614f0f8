"""Every attack is refused with exit code 5, and leaves the machine as it was, to the byte and the time of each file."""

import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from tests.attacks import families
from tests.attacks.ground import ATTACKS, NOW, Command, Ground, Keys, copied, run, state_of, template

INTEGRITY = 5
MEMORY = 1 << 30
"""Bytes of address space that a confined command may take, Python, libraries and threads included."""
WRITTEN = 64 << 20
"""Bytes that any file may grow to meanwhile."""
PATIENCE = 40
"""Seconds of processor time."""
_MADE: dict[int, Ground] = {}

assert families


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", str(NOW))
    monkeypatch.setenv("AIRLOCK_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def ground(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
    clock: None,
) -> Ground:
    threshold = getattr(request, "param", 1)
    if threshold not in _MADE:
        _MADE[threshold] = template(
            tmp_path_factory.mktemp("template") / "machine", Keys(threshold=threshold)
        )
    ground = copied(_MADE[threshold], tmp_path / "machine")
    monkeypatch.setattr(tempfile, "tempdir", str(ground.machine / "tmp"))
    return ground


@pytest.mark.parametrize("name", sorted(ATTACKS))
def test_attack(name: str, ground: Ground, tmp_path_factory: pytest.TempPathFactory, tmp_path: Path) -> None:
    attack = ATTACKS[name]
    if attack.threshold != 1:
        if attack.threshold not in _MADE:
            folder = tmp_path_factory.mktemp("template") / "machine"
            _MADE[attack.threshold] = template(folder, Keys(threshold=attack.threshold))
        ground = copied(_MADE[attack.threshold], tmp_path / "other" / "machine")
    for command in attack.make(ground):
        before = state_of(ground.machine)
        code, said = confined(command, ground) if attack.confined else run(command)
        assert (code, said.partition(":")[0]) == (INTEGRITY, "error"), (
            f"{' '.join(command)}: exit {code}\n{said}"
        )
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
