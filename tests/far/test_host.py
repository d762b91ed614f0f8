"""What the far machine is asked."""

import subprocess
import sys
from pathlib import Path

import pytest

from airlock.airgapped.host import this_host
from airlock.core.target import Target


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
    from airlock.errors import TargetError

    target = Target(name="t", python="3.11", platform="manylinux_2_17_x86_64", prefix="")
    with pytest.raises(TargetError, match=python) as refused:
        this_host(tmp_path, target, python, {})
    assert "import" not in str(refused.value), "the question that was put to it is no answer to the user"
