"""`airlock export --format`: what pip and uv, which know nothing of airlock, make of it."""

import sys
import tomllib
from importlib.metadata import version
from pathlib import Path

import pytest
from packaging.pylock import Pylock
from packaging.version import Version

from tests.commands import Shell
from tests.index_server import Index
from tests.lock_shell import index, place, shell, write
from tests.locking import Workplace
from tests.wheel_factory import make_wheel

__all__ = ["index", "place", "shell"]

HERE = f"{sys.version_info[0]}.{sys.version_info[1]}"
WANTED = {"app": "1.0", "lib": "1.0"}
PYLOCK = pytest.mark.skipif(
    Version(version("pip")) < Version("26.1"), reason="this pip cannot install from a pylock.toml"
)


@pytest.fixture
def locked(shell: Shell, place: Workplace, index: Index) -> Shell:
    """Newer versions came since, so that only a file that is obeyed gives the locked ones."""
    index.metadata = "advertised"
    index.add(make_wheel("app", "1.0", requires=["lib"]), make_wheel("lib", "1.0"))
    place.targets = (("here", HERE, "manylinux_2_17_x86_64"),)
    write(place, 'requirements = ["app"]')
    shell.airlock("lock", "-q")
    index.add(make_wheel("app", "2.0"), make_wheel("lib", "2.0"))
    return shell


def installed(folder: Path) -> dict[str, str]:
    names = (path.name.removesuffix(".dist-info").partition("-") for path in folder.glob("*.dist-info"))
    return {name: found for name, _, found in names}


def pip(shell: Shell, folder: Path, *arguments: str) -> dict[str, str]:
    shell.good(sys.executable, "-m", "pip", "install", "-q", "--target", str(folder), *arguments)
    return installed(folder)


def uv(shell: Shell, folder: Path, *arguments: str) -> dict[str, str]:
    shell.good(
        str(Path(sys.executable).parent / "uv"),
        "pip",
        "sync",
        "-q",
        "--python",
        sys.executable,
        "--target",
        str(folder),
        *arguments,
    )
    return installed(folder)


@PYLOCK
def test_pip_and_uv_install_a_pylock_from_the_index(locked: Shell, tmp_path: Path, index: Index) -> None:
    assert locked.airlock("export", "--format", "pylock").stdout == "pylock.toml\n"
    document = tomllib.loads((locked.directory / "pylock.toml").read_text())
    Pylock.from_dict(document).validate()
    assert document["packages"][0]["index"] == index.simple
    assert pip(locked, tmp_path / "pip", "-r", "pylock.toml") == WANTED
    assert uv(locked, tmp_path / "uv-target", "--preview-features", "pylock", "pylock.toml") == WANTED


@PYLOCK
def test_a_pylock_beside_exported_wheels_installs_without_any_network(
    locked: Shell, place: Workplace, tmp_path: Path
) -> None:
    locked.airlock("build", "-q")
    bundle = next((place.directory / "dist").glob("*.airlock"))
    for file, folder in ((str(bundle), "from-bundle"), ("airlock.lock", "from-lock")):
        told = locked.airlock("export", file, "--wheels", folder, "--format", "pylock", "-q").stdout
        assert told.splitlines()[-1] == f"{folder}/pylock.toml"
        far = locked.far()
        document = tomllib.loads((place.directory / folder / "pylock.toml").read_text())
        assert [one["wheels"][0]["path"] for one in document["packages"]] == [
            "app-1.0-py3-none-any.whl",
            "lib-1.0-py3-none-any.whl",
        ]
        target = tmp_path / folder
        assert pip(far, target, "--no-index", "-r", f"{folder}/pylock.toml") == WANTED
        options = ("--offline", "--preview-features", "pylock")
        assert uv(far, tmp_path / f"uv-{folder}", *options, f"{folder}/pylock.toml") == WANTED


@PYLOCK
def test_a_pylock_is_refused_by_another_python(locked: Shell, place: Workplace) -> None:
    place.targets = (("other", "3.99", "manylinux_2_17_x86_64"),)
    write(place, 'requirements = ["app"]')
    locked.airlock("lock", "-q")
    locked.airlock("export", "--format", "pylock")
    outcome = locked.run(sys.executable, "-m", "pip", "install", "--dry-run", "-r", "pylock.toml")
    assert outcome.code != 0
    assert ">=3.99" in outcome.stderr


def test_pip_installs_requirements_with_their_hashes_and_refuses_other_bytes(
    locked: Shell, tmp_path: Path, index: Index
) -> None:
    assert locked.airlock("export", "--format", "requirements").stdout == "requirements.txt\n"
    options = ("--require-hashes", "--index-url", index.simple, "-r", "requirements.txt")
    assert pip(locked, tmp_path / "pip", *options) == WANTED
    index.projects.clear()
    index.add(
        make_wheel("app", "1.0", requires=["lib"]),
        make_wheel("lib", "1.0", files={"lib.py": b"print('owned')\n"}),
    )
    refused = locked.run(
        sys.executable, "-m", "pip", "install", "--no-cache-dir", "--target", str(tmp_path / "bad"), *options
    )
    assert refused.code != 0
    assert "HASHES" in refused.stderr


def test_requirements_beside_exported_wheels_need_no_network(locked: Shell, tmp_path: Path) -> None:
    locked.airlock("export", "--wheels", "carried/wheels", "--format", "requirements", "-o", "carried", "-q")
    assert pip(locked.far(), tmp_path / "pip", "--require-hashes", "-r", "carried/requirements.txt") == WANTED


def test_each_target_has_its_file_and_one_of_them_can_be_named(
    shell: Shell, place: Workplace, index: Index
) -> None:
    for tag in ("cp311-cp311-manylinux_2_17_x86_64", "cp311-cp311-musllinux_1_2_aarch64"):
        index.add(make_wheel("fast", "1.0", tag=tag))
    place.targets = (
        ("plant", "3.11", "manylinux_2_28_x86_64"),
        ("ship", "3.11", "musllinux_1_2_aarch64"),
    )
    write(place, 'requirements = ["fast"]')
    shell.airlock("lock", "-q")
    shell.airlock("export", "--format", "pylock", "-o", "out")
    texts = [(place.directory / "out" / f"pylock.{name}.toml").read_text() for name in ("plant", "ship")]
    assert ["aarch64" in text for text in texts] == [False, True]
    assert all(Pylock.from_dict(tomllib.loads(text)).packages[0].wheels for text in texts)
    told = shell.airlock("export", "--format", "requirements", "--target", "ship", "-o", "out").stdout
    assert told == "out/requirements.ship.txt\n"


def test_passwords_of_an_index_are_not_handed_on(shell: Shell, place: Workplace, index: Index) -> None:
    index.add(make_wheel("app", "1.0"))
    index.url = index.url.replace("http://", "http://me:secret@")
    write(place, 'requirements = ["app"]')
    shell.airlock("lock", "-q")
    shell.airlock("export", "--format", "pylock")
    assert "secret" not in (place.directory / "pylock.toml").read_text()


def test_a_bundle_without_its_wheels_says_what_is_missing(locked: Shell, place: Workplace) -> None:
    locked.airlock("build", "-q")
    bundle = str(next((place.directory / "dist").glob("*.airlock")))
    assert "hint: give --wheels DIR" in locked.airlock("export", bundle, "--format", "pylock", code=2).stderr
    assert "nothing to write is named" in locked.airlock("export", bundle, code=2).stderr
