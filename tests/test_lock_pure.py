"""The lock is a function of the manifest and of what the index holds: nothing else changes a byte of it."""

import functools
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.commands import Shell
from tests.index_server import Index, serving
from tests.locking import Workplace
from tests.wheel_factory import make_wheel

TARGETS = (
    ("plant", "3.11", "manylinux_2_28_x86_64"),
    ("ship", "3.12", "musllinux_1_2_aarch64"),
    ("lab", "3.11", "manylinux_2_17_x86_64"),
)
PYTHON = """\
requirements = ["web[speed]>=1", "suite", "early>=1.0b1", "walked", "Mixed_Name"]
constraints = ["http<3"]
exclude-newer = 2026-06-01T00:00:00Z
"""


def fill(index: Index) -> None:
    """Extras, markers, several files of a version, pre-releases, something to walk back from."""
    wheels = [make_wheel("http", version) for version in ("1.0", "2.0", "2.5", "3.0")]
    wheels += [make_wheel("early", version) for version in ("0.9", "1.0b1", "1.0b2")]
    wheels += [
        make_wheel("web", "1.4", requires=["http>=1", "fast; extra == 'speed'"], extras=["speed"]),
        make_wheel(
            "suite",
            "2.0",
            requires=["web", "tool; python_version < '3.12'", "mixed.name>=1; os_name=='posix'"],
        ),
        make_wheel("tool", "1.0", requires=["http<2.4"]),
        make_wheel("mixed-name", "1.1"),
    ]
    wheels += [make_wheel("walked", f"1.{n}", requires=["http<2" if n < 4 else "http>=3"]) for n in range(8)]
    platforms = ("manylinux_2_28_x86_64", "manylinux2014_x86_64", "musllinux_1_2_aarch64")
    for platform in platforms:
        for python in ("cp311", "cp312"):
            wheels.append(make_wheel("fast", "1.0", tag=f"{python}-{python}-{platform}"))
    index.add(*wheels, upload_time="2026-01-01T00:00:00Z")
    index.add(make_wheel("http", "2.9"), make_wheel("web", "2.0"), upload_time="2026-07-01T00:00:00Z")


@pytest.fixture(scope="module")
def index() -> Iterator[Index]:
    with serving(Index(etags=True, metadata="advertised")) as running:
        fill(running)
        yield running


def lock(
    directory: Path,
    index: Index,
    *,
    cache: Path | None = None,
    environment: dict[str, str] | None = None,
    code: str = "",
) -> bytes:
    """The bytes of a fresh lock, made in a process of its own; `code` runs in it first."""
    directory.mkdir(parents=True)
    place = Workplace(directory=directory, index=index, cache=cache or directory / "cache", targets=TARGETS)
    (directory / "airlock.toml").write_text(place.text(PYTHON))
    shell = Shell(directory=directory, environment={"AIRLOCK_CACHE": str(place.cache)} | (environment or {}))
    program = f"{code}\nfrom airlock.cli import main; raise SystemExit(main(['lock', '-q', '--codecs', 'portable/1']))"
    shell.good(sys.executable, "-c", program)
    return (directory / "airlock.lock").read_bytes()


@pytest.fixture(scope="module")
def usual(index: Index, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return lock(tmp_path_factory.mktemp("usual") / "project", index)


def test_the_world_is_one_that_could_come_out_differently(usual: bytes) -> None:
    text = usual.decode()
    assert 'name = "fast"' in text and text.count('name = "fast"') == 3
    assert 'name = "walked", version = "1.3"' in text
    assert 'name = "early", version = "1.0b2"' in text
    assert 'targets = ["lab", "plant"]' in text
    assert '"2.9"' not in text


@pytest.mark.parametrize(
    "environment",
    [
        {"LC_ALL": "C", "LANG": "C", "PYTHONUTF8": "0", "PYTHONHASHSEED": "1"},
        {"LC_ALL": "tr_TR.UTF-8", "TZ": "Pacific/Kiritimati", "PYTHONHASHSEED": "4294967295"},
        {"LC_ALL": "C.UTF-8", "SOURCE_DATE_EPOCH": "1", "PYTHONHASHSEED": "77", "PYTHONOPTIMIZE": "2"},
    ],
    ids=["c", "turkish", "utf-8"],
)
def test_locale_time_zone_clock_and_hash_seed(
    environment: dict[str, str], index: Index, usual: bytes, tmp_path: Path
) -> None:
    assert lock(tmp_path / "project", index, environment=environment) == usual


@pytest.mark.parametrize("threads", [1, 64])
def test_the_number_of_threads_and_answers_that_come_late(
    threads: int, index: Index, usual: bytes, tmp_path: Path
) -> None:
    index.shuffle = threads
    try:
        code = f"import airlock.kinds.wheel.client as client; client.WORKERS = {threads}"
        assert lock(tmp_path / "project", index, code=code) == usual
    finally:
        index.shuffle = 0


def test_a_mirror_under_another_name_with_other_pages_in_another_order(usual: bytes, tmp_path: Path) -> None:
    """Files in reverse, no advertised metadata, no sizes: the same bytes are there, told otherwise."""
    with serving(Index(metadata="absent", sizes=False)) as mirror:
        fill(mirror)
        for files in mirror.projects.values():
            files.reverse()
        mirror.url = mirror.url.replace("127.0.0.1", "localhost")
        assert lock(tmp_path / "project", mirror) == usual


def test_a_cache_that_is_warm_or_has_holes(index: Index, usual: bytes, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    assert lock(tmp_path / "cold", index, cache=cache) == usual
    assert lock(tmp_path / "warm", index, cache=cache) == usual
    metadata = sorted(path for path in (cache / "metadata").rglob("*") if path.is_file())
    for path in metadata[::2]:
        path.unlink()
    pages = sorted(path for path in (cache / "http").rglob("*") if path.is_file())
    for path in pages[1::2]:
        path.unlink()
    assert metadata and pages
    assert lock(tmp_path / "holes", index, cache=cache) == usual


def interpreters() -> Iterator[Path]:
    """Other Pythons of this machine that can read this environment's packages."""
    folders = [Path("/usr/bin"), Path("/usr/local/bin"), *Path(sys.base_prefix).parent.glob("*/bin")]
    for folder in sorted(folders):
        for minor in range(11, 16):
            if (path := folder / f"python3.{minor}").exists():
                yield path


@functools.cache
def other_python() -> Path | None:
    own = ".".join(map(str, sys.version_info[:3]))
    for path in sorted(interpreters(), reverse=True):
        done = subprocess.run(
            (path, "-c", "import platform; print(platform.python_version())"),
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode == 0 and done.stdout.strip() != own:
            return path
    return None


def test_another_version_of_python(index: Index, usual: bytes, tmp_path: Path) -> None:
    """It reads our packages as they are, so what is compiled for this Python is not there: the encoder is pinned before."""
    python = other_python()
    if python is None:
        pytest.skip("this machine has no other Python from 3.11 on")
    directory = tmp_path / "project"
    directory.mkdir()
    place = Workplace(directory=directory, index=index, cache=tmp_path / "cache", targets=TARGETS)
    (directory / "airlock.toml").write_text(place.text("requirements = []"))
    shell = Shell(directory=directory, environment={"AIRLOCK_CACHE": str(place.cache)})
    shell.airlock("lock", "-q", "--codecs", "portable/1")
    (directory / "airlock.toml").write_text(place.text(PYTHON))
    repository = Path(__file__).parents[1]
    packages = [path for path in sys.path if path.endswith("site-packages")]
    paths = os.pathsep.join([str(repository), *packages])
    other = Shell(directory=directory, environment={**shell.environment, "PYTHONPATH": paths})
    other.good(str(python), "-m", "airlock", "lock", "-q")
    assert (directory / "airlock.lock").read_bytes() == usual


@pytest.mark.parametrize("count", [1, 3])
def test_the_number_of_threads_changes_nothing(
    usual: bytes, index: Index, tmp_path: Path, count: int
) -> None:
    code = f"import airlock.kinds.wheel.client as client\nclient.WORKERS = {count}"
    assert lock(tmp_path / "project", index, code=code) == usual
