"""What the far machine is asked."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from airlock.airgapped.host import Host, Interpreter, this_host
from airlock.airgapped.preflight import check_machine
from airlock.core.artifact import Encoder, Project
from airlock.core.target import Target
from airlock.errors import TargetError
from airlock.formats.index import BundleIndex


def test_the_base_of_a_generation_is_never_a_virtual_environment(tmp_path: Path) -> None:
    """It would be gone with that environment, and airlock itself mostly runs in one."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(tmp_path / "venv")], check=True)
    python = str(tmp_path / "venv/bin/python")
    minor = f"{sys.version_info.major}.{sys.version_info.minor}"
    target = Target(name="t", python=minor, platform="manylinux_2_17_x86_64", prefix="")
    [found] = this_host(tmp_path / "site", target, python, {}).interpreters
    assert not found.path.startswith(str(tmp_path))
    assert Path(found.path).is_file()


@pytest.mark.parametrize("python", ["/nonexistent/python", "/bin/false"])
def test_an_interpreter_that_does_not_run_is_named(tmp_path: Path, python: str) -> None:
    target = Target(name="t", python="3.11", platform="manylinux_2_17_x86_64", prefix="")
    with pytest.raises(TargetError, match=python) as refused:
        this_host(tmp_path, target, python, {})
    assert "import" not in str(refused.value), "the question that was put to it is no answer to the user"


def host(**markers: str) -> Host:
    running = Interpreter(path="/usr/bin/python3.13", version="3.13.2", implementation="cpython")
    threads = Interpreter(
        path="/usr/bin/python3.13t", version="3.13.2", implementation="cpython", free_threaded=True
    )
    platforms = ("manylinux_2_28_x86_64", "manylinux_2_17_x86_64", "linux_x86_64")
    return Host(platforms=platforms, interpreters=(running, threads), free=1 << 40, root="/", markers=markers)


def target(python: str = "3.13", platform: str = "manylinux_2_17_x86_64", **markers: str) -> Target:
    return Target(name="t", python=python, platform=platform, prefix="", markers=tuple(markers.items()))


def test_a_free_threaded_target_takes_that_python_and_no_other() -> None:
    assert [one.path for one in host().interpreters if one.fits(target("3.13t"))] == ["/usr/bin/python3.13t"]
    assert [one.path for one in host().interpreters if one.fits(target("3.13"))] == ["/usr/bin/python3.13"]


def test_an_exact_python_takes_no_newer_one() -> None:
    [exact, newer] = [target(python_full_version=version) for version in ("3.13.2", "3.13.1")]
    assert any(one.fits(exact) for one in host().interpreters)
    assert not any(one.fits(newer) for one in host().interpreters)


@pytest.mark.parametrize(
    ("declared", "message"),
    [
        (target(platform="win_amd64"), "airlock installs on Linux, not on win_amd64"),
        (target(platform="macosx_11_0_arm64"), "airlock installs on Linux"),
        (
            target(platform_release="6.6.31"),
            "made for another platform_release: expected 6.6.31, found 6.1.0",
        ),
        (target(python_full_version="3.13.1"), "CPython 3.13.1, no other"),
        (target(python="3.14t"), "free-threaded CPython 3.14, 3.14.0 or newer"),
    ],
)
def test_a_machine_that_a_target_does_not_fit_is_refused(declared: Target, message: str) -> None:
    index = BundleIndex(
        project=Project(name="a", version="1"),
        target=declared,
        encoder=Encoder(name="zstd", version="1.5.7", level=9),
        health=None,
        entries=(),
    )
    with pytest.raises(TargetError, match=message):
        check_machine(index, 0, host(platform_release="6.1.0"))
    fine = replace(index, target=target(platform_release="6.1.0"))
    assert check_machine(fine, 0, host(platform_release="6.1.0")).version == "3.13.2"
