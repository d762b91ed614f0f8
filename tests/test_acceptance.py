"""The journey's real application, against PyPI: what must hold for a release. Opt-in: `just acceptance`."""

import hashlib
import json
import os
import shutil
import stat
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.commands import Shell, no_network

pytestmark = [pytest.mark.live, pytest.mark.timeout(1800)]

FIXTURES = Path(__file__).parents[1] / "fixtures"
V1, V2 = (f"plant-gateway-{version}-plant.airlock" for version in ("1.0.0", "2.0.0"))
DELTA = "plant-gateway-1.0.0-to-2.0.0-plant.airdelta"


@pytest.fixture(scope="module")
def near(tmp_path_factory: pytest.TempPathFactory) -> Shell:
    """Both releases built and signed, and the delta, from the committed locks."""
    work = tmp_path_factory.mktemp("acceptance")
    shutil.copytree(FIXTURES, work, dirs_exist_ok=True)
    shell = Shell(directory=work, environment={"AIRLOCK_CACHE": str(work / "cache")})
    for release in ("v1", "v2"):
        shell.airlock("build", "--lock", f"{release}.lock")
    for key in ("root", "release", "stranger"):
        shell.airlock("key", "new", key, "--no-passphrase")
    shell.airlock("trust", "init", "--root", "root.key", "--release", "release.pub", "-o", "trust-root.json")
    for bundle in (V1, V2):
        shutil.copy(work / "dist" / bundle, work / f"unsigned-{bundle}")
        shell.airlock("sign", f"dist/{bundle}", "--key", "release.key")
    shell.airlock("delta", "v1.lock", "v2.lock", "--signed", f"dist/{V2}")
    return shell


@pytest.fixture(scope="module")
def site(near: Shell) -> Shell:
    """Release 1 installed in `site`, with nothing at hand but the bundle, the delta and the trust root."""
    media = near.directory / "media"
    media.mkdir()
    for name in (V1, DELTA):
        shutil.copy(near.directory / "dist" / name, media)
    shutil.copy(near.directory / "trust-root.json", media)
    assert no_network(), "this machine has no network namespaces"
    far = Shell(directory=media, environment={"AIRLOCK_CACHE": str(media / "no-cache")}).far()
    far.airlock("install", V1, "--root", "site", "--trust", "trust-root.json")
    return far


def wheel_rows(lock: Path) -> list[dict[str, str]]:
    """What a site gets; tools to build with stay on the near side."""
    rows = tomllib.loads(lock.read_text())["artifacts"]
    return [row for row in rows if row["kind"] == "wheel" and "targets" in row]


def locked_wheels(lock: Path) -> dict[str, str]:
    return {row["file"]: row["sha256"] for row in wheel_rows(lock)}


def test_the_application_is_a_real_one(near: Shell) -> None:
    for lock in ("v1.lock", "v2.lock"):
        names = {name.split("-")[0] for name in locked_wheels(near.directory / lock)}
        assert len(names) >= 40
        assert {"numpy", "cryptography"} <= names


def test_the_restored_bundle_is_the_built_one(near: Shell) -> None:
    near.airlock("apply", f"dist/{V1}", f"dist/{DELTA}", "-o", "restored.airlock")
    assert (near.directory / "restored.airlock").read_bytes() == (near.directory / "dist" / V2).read_bytes()


@pytest.mark.parametrize("number", [1, 2])
def test_every_wheel_comes_back_to_the_bit(near: Shell, number: int) -> None:
    bundle, lock = (V1, V2)[number - 1], f"v{number}.lock"
    near.airlock("export", f"dist/{bundle}", "--wheels", f"wheels{number}")
    found = {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in (near.directory / f"wheels{number}").iterdir()
    }
    assert found == locked_wheels(near.directory / lock)


@pytest.mark.parametrize("tool", ["pip", "uv"])
def test_stock_tools_install_from_the_exported_wheels(near: Shell, tool: str) -> None:
    near.airlock("export", f"dist/{V2}", "--wheels", "wheels2")
    wanted = [
        f"{row['name']}=={row['version']} --hash=sha256:{row['sha256']}"
        for row in wheel_rows(near.directory / "v2.lock")
    ]
    (near.directory / "hashed.txt").write_text("\n".join(wanted) + "\n")
    near.good(sys.executable, "-m", "venv", "--without-pip", f"venv-{tool}")
    python = str(near.directory / f"venv-{tool}/bin/python")
    options = ("--no-index", "--find-links", "wheels2", "--require-hashes", "-r", "hashed.txt")
    if tool == "pip":
        near.good(sys.executable, "-m", "pip", "--python", python, "install", "-q", *options)
    else:
        near.good("uv", "pip", "install", "--python", python, "--offline", "--no-cache", *options)
    near.good(python, "-c", "import numpy, cryptography, plant_gateway")


def console_scripts(generation: Path) -> Iterator[str]:
    for path in sorted((generation / "bin").iterdir()):
        if path.is_file() and not path.is_symlink() and path.stat().st_mode & stat.S_IXUSR:
            yield path.name


def test_every_console_script_starts(site: Shell) -> None:
    started = 0
    for name in console_scripts(site.directory / "site/current"):
        outcome = site.run("timeout", "20", f"site/current/bin/{name}", "--help")
        text = outcome.stdout + outcome.stderr
        assert "ModuleNotFoundError" not in text, f"{name}: {text}"
        assert "bad interpreter" not in text, f"{name}: {text}"
        assert outcome.code in (0, 1, 2), f"{name}: exit {outcome.code}: {text}"
        started += 1
    assert started >= 10


def test_pip_finds_nothing_wrong_with_the_environment(site: Shell) -> None:
    python = f"{site.directory}/site/current/bin/python"
    assert "No broken requirements" in site.good(sys.executable, "-m", "pip", "--python", python, "check")
    inspected = json.loads(site.good(sys.executable, "-m", "pip", "--python", python, "inspect"))
    assert len(inspected["installed"]) == len(locked_wheels(site.directory.parent / "v1.lock"))
    assert {package["installer"] for package in inspected["installed"]} == {"airlock"}


def state_of(root: Path) -> tuple[str, list[str], list[str]]:
    """What must not move when a bundle is refused."""
    generations = sorted(entry.name for entry in (root / "generations").iterdir())
    frames = sorted(entry.name for entry in (root / "store").rglob("*"))
    return str((root / "current").readlink()), generations, frames


def flipped(source: Path, percent: int, into: Path) -> Path:
    shutil.copy(source, into)
    position = source.stat().st_size * percent // 100
    with into.open("r+b") as stream:
        stream.seek(position)
        byte = stream.read(1)[0]
        stream.seek(position)
        stream.write(bytes([byte ^ 0x10]))
    return into


@pytest.mark.parametrize("percent", range(100))
def test_a_flipped_bit_is_refused(near: Shell, site: Shell, percent: int) -> None:
    before = state_of(site.directory / "site")
    bundle = flipped(near.directory / "dist" / V2, percent, near.directory / "flipped.airlock")
    outcome = site.airlock("install", str(bundle), "--root", "site", code=5)
    assert "flipped.airlock" in outcome.stderr
    delta = flipped(near.directory / "dist" / DELTA, percent, near.directory / "flipped.airdelta")
    outcome = site.airlock("update", str(delta), "--root", "site", code=5)
    assert "flipped.airdelta" in outcome.stderr
    assert state_of(site.directory / "site") == before


@pytest.mark.parametrize("name", [V2, DELTA])
def test_a_truncated_file_is_refused(near: Shell, site: Shell, name: str) -> None:
    before = state_of(site.directory / "site")
    short = near.directory / f"short-{name}"
    shutil.copy(near.directory / "dist" / name, short)
    os.truncate(short, short.stat().st_size * 2 // 3)
    command = "update" if name == DELTA else "install"
    site.airlock(command, str(short), "--root", "site", code=5)
    assert state_of(site.directory / "site") == before


def test_an_unsigned_bundle_is_refused(near: Shell, site: Shell) -> None:
    outcome = site.airlock("install", str(near.directory / f"unsigned-{V2}"), "--root", "site", code=5)
    assert "sign" in outcome.stderr


def test_a_bundle_signed_by_another_key_is_refused(near: Shell, site: Shell) -> None:
    shutil.copy(near.directory / f"unsigned-{V2}", near.directory / "stranger.airlock")
    near.airlock("sign", "stranger.airlock", "--key", "stranger.key")
    site.airlock("install", str(near.directory / "stranger.airlock"), "--root", "site", code=5)


def test_update_and_rollback_without_a_network(site: Shell) -> None:
    first = site.good("site/current/bin/plant-gateway")
    assert json.loads(first)["gateway"] == "1.0.0"
    site.airlock("update", DELTA, "--root", "site")
    assert json.loads(site.good("site/current/bin/plant-gateway"))["gateway"] == "2.0.0"
    site.airlock("rollback", "--root", "site")
    assert site.good("site/current/bin/plant-gateway") == first
