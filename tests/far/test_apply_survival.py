"""`apply` writes one file: whatever interrupts it, that is the one before or the whole new one, and nothing stays beside."""

import errno
import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from airlock.storage.atomic import left_behind, replacing
from tests.connected import test_delta
from tests.far.apply_steps import OLD, ApplySweep, restored

built = test_delta.made


@pytest.fixture(scope="module")
def whole(built: Path) -> bytes:
    """What nothing interrupted."""
    restored(built / "old.airlock", built / "up.airdelta", built / "whole.airlock")
    return (built / "whole.airlock").read_bytes()


def sweep_of(built: Path, whole: bytes, folder: Path) -> ApplySweep:
    return ApplySweep(folder, built / "old.airlock", built / "up.airdelta", whole)


def test_a_power_cut_leaves_the_old_file_or_the_new(built: Path, whole: bytes, memory: Path) -> None:
    seen = sweep_of(built, whole, memory).power_cuts()
    assert len(seen) > 50
    assert set(seen) == {"old", "new"}
    assert seen[-5:] == ["new"] * 5, "what was reported is on the medium"


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO])
def test_a_disk_that_fails_leaves_the_old_file_or_the_new(
    built: Path, whole: bytes, memory: Path, code: int
) -> None:
    assert sweep_of(built, whole, memory).faults(code) > 10


@pytest.mark.parametrize("share", [0.0, 0.5, 0.99])
def test_a_file_that_does_not_fit_leaves_nothing(
    built: Path, whole: bytes, tmp_path: Path, share: float
) -> None:
    """The whole command, in a process of its own; it never gets to the end of the file."""
    (tmp_path / "new.airlock").write_bytes(OLD)
    code = (
        "import resource, signal, sys; signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
        f"resource.setrlimit(resource.RLIMIT_FSIZE, ({int(len(whole) * share)}, {resource.RLIM_INFINITY}));"
        "from airlock import cli; sys.exit(cli.main(sys.argv[1:]))"
    )
    files = [str(built / name) for name in ("old.airlock", "up.airdelta")]
    command = [sys.executable, "-c", code, "apply", *files, "-o", str(tmp_path / "new.airlock")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, "File too large" in done.stderr) == (1, True), done.stderr
    assert sweep_of(built, whole, tmp_path).survives(tmp_path) == "old"


def test_a_process_that_is_killed_leaves_what_the_next_removes(
    built: Path, whole: bytes, tmp_path: Path
) -> None:
    (tmp_path / "new.airlock").write_bytes(OLD)
    if not (child := os.fork()):
        with replacing(tmp_path / "new.airlock") as out:
            out.write(b"half")
            out.flush()
            os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(child, 0)
    assert len(list(left_behind(tmp_path / "new.airlock"))) == 1
    assert sweep_of(built, whole, tmp_path).survives(tmp_path) == "old"


def test_what_a_living_process_writes_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "file"
    with replacing(path) as first:
        first.write(b"first")
        assert list(left_behind(path)) == []
        with replacing(path) as second:
            second.write(b"second")
        assert path.read_bytes() == b"second"
    assert path.read_bytes() == b"first"
    assert [one.name for one in tmp_path.iterdir()] == ["file"]


def test_many_writers_of_one_file_never_make_a_mixture(tmp_path: Path) -> None:
    path = tmp_path / "file"
    children = []
    for number in range(4):
        if not (child := os.fork()):
            try:
                for _ in range(20):
                    with replacing(path) as out:
                        out.write(bytes([number]) * 10_000)
            except BaseException:
                os._exit(1)
            os._exit(0)
        children.append(child)
    assert [os.waitpid(child, 0)[1] for child in children] == [0] * 4
    assert path.read_bytes() in [bytes([number]) * 10_000 for number in range(4)]
    assert [one.name for one in tmp_path.iterdir()] == ["file"]
