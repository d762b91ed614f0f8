"""pip-compile, an independent resolver, on the same index and requirements: the pins must be the same."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.index_server import Index, serving
from tests.locking import Workplace
from tests.wheel_factory import make_wheel

HERE = ("plant", f"{sys.version_info.major}.{sys.version_info.minor}", "manylinux_2_28_x86_64")

CASES = {
    "a chain with caps": ["app", "colour<3", "early", "late>=2.0rc1"],
    "an extra that pulls in more": ["app[fast]"],
    "a version that has to be walked back": ["app", "store"],
}


@pytest.fixture(scope="module")
def index() -> Iterator[Index]:
    with serving(Index()) as running:
        for version in ("1.0", "1.1", "2.0", "3.0"):
            running.add(make_wheel("colour", version))
        running.add(make_wheel("app", "1.0", requires=["colour"]))
        running.add(
            make_wheel("app", "2.0", requires=["colour>=1.1", "speed>=2; extra == 'fast'"], extras=["fast"])
        )
        running.add(make_wheel("speed", "2.0", requires=["colour<2"]), make_wheel("speed", "1.0"))
        running.add(make_wheel("store", "5.0", requires=["colour<1.1"]), make_wheel("store", "4.0"))
        running.add(make_wheel("early", "1.0b1"), make_wheel("early", "1.0b2"))
        running.add(make_wheel("late", "1.0"), make_wheel("late", "2.0rc1"), make_wheel("late", "2.0rc2"))
        yield running


def pip_compile(requirements: list[str], index: Index, directory: Path) -> dict[str, str]:
    (directory / "requirements.in").write_text("\n".join(requirements) + "\n")
    options = (
        "--index-url",
        index.simple,
        "--no-header",
        "--no-annotate",
        "--strip-extras",
        "--quiet",
        "--no-config",
    )
    done = subprocess.run(
        (
            sys.executable,
            "-m",
            "piptools",
            "compile",
            *options,
            "--no-emit-index-url",
            "-o",
            "out.txt",
            "requirements.in",
        ),
        cwd=directory,
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": "/usr/bin:/bin", "HOME": str(directory), "PIP_CONFIG_FILE": "/dev/null"},
    )
    assert done.returncode == 0, done.stderr
    lines = (directory / "out.txt").read_text().split()
    return dict(line.split("==") for line in lines if "==" in line)


@pytest.mark.parametrize("case", CASES)
def test_pip_compile_comes_to_the_same_pins(case: str, index: Index, tmp_path: Path) -> None:
    place = Workplace(directory=tmp_path, index=index, cache=tmp_path / "cache", targets=(HERE,))
    requirements = CASES[case]
    assert place.pins(f"requirements = {requirements}") == pip_compile(requirements, index, tmp_path)
