"""A kit, from the command that makes it to airlock at work on a machine that had none."""

import hashlib
import io
import json
import shutil
import subprocess
import sys
import tarfile
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from airlock.formats.kit import BUNDLE, HEAD, TABLE
from airlock.storage.archive import Archive
from airlock.storage.kit import open_carried, open_kit
from tests.commands import Shell
from tests.far.bundles import MACHINE, NOW, PYTHON, Trust, bundle, file_item, members_in, signed
from tests.kit.repacked import base_python, own_lock, stand_in

pytestmark = pytest.mark.journey

STAND_IN = (
    "--airlock-lock",
    "small.lock",
    "--lock",
    "small.lock",
    "--wheel",
    "airlock_deploy-0.1.0-py3-none-any.whl",
)
KIT = "dist/airlock-0.1.0-here.kit"


@dataclass(frozen=True)
class Near:
    shell: Shell
    folder: Path

    def kit(self, *options: str) -> Path:
        """One of a stand-in for airlock and of what puts it in place."""
        self.shell.airlock("kit", "--offline", *STAND_IN, *options)
        return self.folder / KIT


@pytest.fixture(scope="module")
def near(tmp_path_factory: pytest.TempPathFactory) -> Near:
    folder = tmp_path_factory.mktemp("near")
    (folder / "small.lock").write_bytes(own_lock(folder / "cache", ["installer"]))
    (folder / STAND_IN[-1]).write_bytes(stand_in())
    environment = {"AIRLOCK_CACHE": str(folder / "cache"), "HOME": str(folder), "SOURCE_DATE_EPOCH": str(NOW)}
    return Near(shell=Shell(directory=folder, environment=environment), folder=folder)


@pytest.fixture(scope="module")
def kit(near: Near) -> Path:
    return near.kit()


@pytest.fixture(scope="module")
def path_with_python(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What a plain system has on PATH, and a Python that has no pip and no airlock."""
    folder = tmp_path_factory.mktemp("path")
    (folder / f"python{PYTHON}").symlink_to(base_python())
    return f"{folder}:/usr/bin:/bin"


@pytest.fixture
def far(tmp_path: Path, path_with_python: str) -> Shell:
    environment = {"PATH": path_with_python, "HOME": str(tmp_path), "AIRLOCK_CACHE": str(tmp_path / "none")}
    return Shell(directory=tmp_path, environment=environment).far()


def refused(far: Shell, code: int, *command: str) -> str:
    outcome = far.run("sh", *command)
    assert outcome.code == code, outcome.stderr
    return outcome.stderr


def test_a_kit_brings_airlock_to_a_machine_that_has_python_alone(kit: Path, far: Shell) -> None:
    program = far.good("sh", str(kit), "--into", "opt dir").strip()
    assert program == f"{far.directory}/opt dir/current/bin/airlock"
    assert far.good(program, "--version") == "airlock 0.1.0\n"


def test_airlock_out_of_a_kit_installs_a_bundle(near: Near, far: Shell) -> None:
    """All of it, and nothing stands in for anything."""
    (near.folder / "airlock.lock").write_bytes(own_lock(near.folder / "cache"))
    report = json.loads(
        near.shell.airlock(
            "kit", "--offline", "--airlock-lock", "airlock.lock", "-o", "whole", "--reproducible", "--json"
        ).stdout
    )
    kit = near.folder / report["kits"][0]["path"]
    trust = Trust.new()
    (far.directory / "root.json").write_bytes(trust.root)
    (far.directory / "gateway.airlock").write_bytes(
        signed(bundle([file_item("share/banner", b"hello")]), trust.key)
    )
    far.good("sh", str(kit), "--into", "opt")
    far.good("opt/current/bin/airlock", "install", "gateway.airlock", "--root", "app", "--trust", "root.json")
    assert (far.directory / "app/current/share/banner").read_bytes() == b"hello"


def test_a_second_run_keeps_what_is_there(kit: Path, far: Shell) -> None:
    far.good("sh", str(kit), "--into", "opt")
    before = sorted(path.stat().st_ino for path in (far.directory / "opt").rglob("*.py"))
    far.good("sh", str(kit), "--into", "opt")
    assert sorted(path.stat().st_ino for path in (far.directory / "opt").rglob("*.py")) == before
    assert [path.name for path in (far.directory / "opt").iterdir() if path.name.startswith(".")] == []


def test_what_an_interrupted_run_left_is_put_in_place_anew(kit: Path, far: Shell) -> None:
    far.good("sh", str(kit), "--into", "opt")
    home = (far.directory / "opt/current").resolve()
    (home / "complete").unlink()
    (home / "bin/airlock").write_bytes(b"")
    far.good("sh", str(kit), "--into", "opt")
    assert far.good("opt/current/bin/airlock", "--version") == "airlock 0.1.0\n"


@pytest.mark.parametrize("place", ["near the start", "at the end"])
def test_a_damaged_kit_is_refused_before_anything_is_made(kit: Path, far: Shell, place: str) -> None:
    data = bytearray(kit.read_bytes())
    data[HEAD + 700 if place == "near the start" else -1] ^= 1
    (far.directory / "bad.kit").write_bytes(data)
    assert "damaged: expected sha256" in refused(far, 5, "bad.kit", "--into", "opt")
    assert not (far.directory / "opt").exists()


def test_a_truncated_kit_is_refused(kit: Path, far: Shell) -> None:
    (far.directory / "bad.kit").write_bytes(kit.read_bytes()[:-1000])
    assert "hint: copy it again" in refused(far, 5, "bad.kit", "--into", "opt")


def test_a_kit_that_breaks_off_inside_its_script_runs_nothing_of_it(kit: Path, far: Shell) -> None:
    head = kit.read_bytes()[:HEAD]
    for size in range(head.index(b"\n{") + 3, HEAD, 97):
        (far.directory / "bad.kit").write_bytes(head[:size])
        assert far.run("sh", "bad.kit", "--into", "opt").code in (2, 5), f"{size} bytes"
    assert not (far.directory / "opt").exists()


def test_nothing_says_that_it_is_complete_before_it_is_on_the_disk(kit: Path, far: Shell) -> None:
    """The power may go at any moment, and what is complete is never put in place again."""
    tools = far.directory / "tools"
    tools.mkdir()
    (tools / "sync").write_text(
        "#!/bin/sh\necho at $(ls -d opt/kits/*/complete opt/current 2>/dev/null) >>synced\n"
    )
    (tools / "sync").chmod(0o755)
    path = f"{tools}:{far.environment['PATH']}"
    shell = Shell(directory=far.directory, environment=dict(far.environment) | {"PATH": path})
    shell.good("sh", str(kit), "--into", "opt")
    first, last = (far.directory / "synced").read_text().splitlines()
    assert first == "at"
    assert "/complete" in last
    assert "opt/current" in last


def test_a_python_of_another_version_is_refused_by_name(kit: Path, far: Shell) -> None:
    other = far.directory / "python"
    other.write_text("#!/bin/sh\nprintf '2.7\\n/usr/bin/python2\\n2.7.18\\n'\n")
    other.chmod(0o755)
    told = refused(far, 6, str(kit), "--into", "opt", "--python", str(other))
    assert f"is another version: expected Python {PYTHON}" in told
    assert list((far.directory / "opt/kits").iterdir()) == [], "nothing is left behind"


def test_a_python_without_its_whole_standard_library_is_refused_by_the_name_of_what_it_lacks(
    kit: Path, far: Shell
) -> None:
    """As Debian's python3-minimal, which has neither asyncio nor dataclasses nor json."""
    lame = far.directory / "python"
    program = f"sys.modules['asyncio'] = None; exec(sys.argv[1]) # {sys.executable}"
    lame.write_text(
        f'#!/bin/sh\nwhile [ "$1" != -c ]; do shift; done\nexec {base_python()} -I -c "import sys; {program}" "$2"\n'
    )
    lame.chmod(0o755)
    told = refused(far, 6, str(kit), "--into", "opt", "--python", str(lame))
    assert "lacks a part of its standard library: ModuleNotFoundError" in told


def test_a_machine_without_python_is_told_the_ways_on(kit: Path, far: Shell) -> None:
    bare = far.directory / "bare"
    bare.mkdir()
    for name in ("sh", "uname", "tail", "sha256sum", "cut", "mkdir", "sed", "tar", "rm", "readlink", "sync"):
        found = shutil.which(name, path="/usr/bin:/bin")
        assert found is not None
        (bare / name).symlink_to(found)
    shell = Shell(directory=far.directory, environment=dict(far.environment) | {"PATH": str(bare)})
    told = refused(shell, 6, str(kit), "--into", "opt")
    assert f"no Python {PYTHON} that it could run with" in told
    assert "`airlock kit --python ARCHIVE`" in told


def test_a_kit_says_what_it_is(kit: Path, far: Shell) -> None:
    told = far.good("sh", str(kit), "--help")
    assert told.startswith(f"airlock kit 0.1.0 for Python {PYTHON} on ")
    assert "no such option: '--root'" in refused(far, 2, str(kit), "--root", "x")
    assert "expected a value after it" in refused(far, 2, str(kit), "--into")


def test_plain_tools_read_a_kit(kit: Path, near: Near) -> None:
    """An auditor compares the wheels with the lock, and needs no airlock for it."""
    listed = subprocess.run(
        f"tail -c +{HEAD + 1} '{kit}' | tar -xO kit.json", shell=True, capture_output=True, check=True
    ).stdout
    table = json.loads(listed)
    with tarfile.open(fileobj=io.BytesIO(kit.read_bytes()[HEAD:])) as archive:
        for part in table["parts"]:
            stream = archive.extractfile(part["member"])
            assert stream is not None
            assert f"sha256:{hashlib.sha256(stream.read()).hexdigest()}" == part["digest"]
    locked = tomllib.loads((near.folder / "small.lock").read_text())["artifacts"]
    assert {(part["file"], part["digest"]) for part in table["parts"] if "installer" in part["file"]} == {
        (row["file"], f"sha256:{row['sha256']}") for row in locked
    }


def test_a_kit_is_the_same_to_the_bit_on_a_second_run_under_other_circumstances(
    near: Near, kit: Path
) -> None:
    before = hashlib.sha256(kit.read_bytes()).hexdigest()
    report = json.loads(near.shell.airlock("kit", "--offline", *STAND_IN, "--reproducible", "--json").stdout)
    assert report["reproducible"] and report["kits"][0]["digest"] == f"sha256:{before}"


def test_a_carried_python_is_used_and_its_place_does_not_depend_on_the_kit(near: Near, far: Shell) -> None:
    """A stand-in: the script of the kit has no way to know that this Python lives elsewhere."""
    archive = near.folder / "python.tar.gz"
    with tarfile.open(archive, "w:gz") as out:
        script = f'#!/bin/sh\nexec {base_python()} "$@"\n'.encode()
        info = tarfile.TarInfo(f"python/bin/python{PYTHON}")
        info.size, info.mode = len(script), 0o755
        out.addfile(info, io.BytesIO(script))
    kit = near.kit("--python", str(archive), "-o", "with-python")
    kit = near.folder / "with-python" / kit.name
    with kit.open("rb") as stream:
        table = open_kit(stream, "kit").table
    assert table.python is not None
    assert table.python.program == f"python/bin/python{PYTHON}"
    far.good("sh", str(kit), "--into", "opt")
    name = hashlib.sha256(archive.read_bytes()).hexdigest()[:16]
    assert (far.directory / "opt/python" / name / table.python.program).is_file()
    assert far.good("opt/current/bin/airlock", "--version") == "airlock 0.1.0\n"


@pytest.mark.parametrize(
    ("member", "told"),
    [
        ("python/bin/python2.7", "holds no Python for the target"),
        (f"../bin/python{PYTHON}", "unsafe path"),
    ],
)
def test_an_archive_without_a_fitting_python_is_refused(near: Near, member: str, told: str) -> None:
    archive = near.folder / "bad.tar"
    with tarfile.open(archive, "w") as out:
        out.addfile(tarfile.TarInfo(member))
    outcome = near.shell.run(
        sys.executable,
        "-m",
        "airlock",
        "kit",
        "--offline",
        *STAND_IN,
        "--python",
        "bad.tar",
    )
    assert outcome.code in (2, 5)
    assert told in outcome.stderr


def test_a_target_that_airlock_is_not_locked_for_is_told(near: Near) -> None:
    text = (near.folder / "small.lock").read_text()
    (near.folder / "other.lock").write_text(text.replace(f'python = "{PYTHON}"', 'python = "3.9"'))
    outcome = near.shell.airlock("kit", "--offline", *STAND_IN, "--lock", "other.lock", code=6)
    assert "airlock is locked for none that is like here" in outcome.stderr


def test_a_wheel_that_the_store_has_other_bytes_of_is_not_carried(near: Near, tmp_path: Path) -> None:
    shutil.copytree(near.folder / "cache", tmp_path / "cache")
    locked = tomllib.loads((near.folder / "small.lock").read_text())["artifacts"]
    (blob,) = (tmp_path / "cache/store").rglob(locked[0]["sha256"])
    blob.chmod(0o644)
    data = bytearray(blob.read_bytes())
    data[-1] ^= 1
    blob.write_bytes(data)
    shell = Shell(
        directory=near.folder,
        environment=dict(near.shell.environment) | {"AIRLOCK_CACHE": str(tmp_path / "cache")},
    )
    outcome = shell.airlock("kit", "--offline", *STAND_IN, "-o", str(tmp_path / "out"), code=5)
    assert "other bytes than before" in outcome.stderr
    assert not list((tmp_path / "out").glob("*.kit"))


@pytest.fixture(scope="module")
def self_extracting(near: Near) -> Iterator[Path]:
    """Built and signed in one file."""
    folder = near.folder / "project"
    folder.mkdir()
    (folder / "hello.txt").write_text("hello\n")
    (folder / "airlock.toml").write_text(
        f'[project]\nname = "gateway"\nversion = "1.0"\n[[target]]\nname = "here"\npython = "{PYTHON}"\n'
        f'platform = "{MACHINE}"\n'
        '[[file]]\npath = "hello.txt"\ndestination = "share/hello.txt"\n'
    )
    shell = Shell(directory=folder, environment=near.shell.environment)
    shell.airlock("lock", "--codecs", "portable/1")
    options = ("--airlock-lock", "../small.lock", "--wheel", f"../{STAND_IN[-1]}")
    shell.airlock("build", "--offline", "--self-extracting", *options)
    for key in ("root", "release", "safety"):
        shell.airlock("key", "new", key, "--no-passphrase")
    shell.airlock("trust", "init", "--root", "root.key", "--release", "release.pub", "-o", "trust-root.json")
    shell.airlock("sign", "dist/gateway-1.0-here.run", "--key", "release.key")
    yield folder


def test_one_file_puts_airlock_in_place_and_has_it_install_the_bundle(
    self_extracting: Path, far: Shell
) -> None:
    run = self_extracting / "dist/gateway-1.0-here.run"
    options = ("--root", "an app", "--into", "opt", "--trust", "root.json", "--json")
    told = far.good("sh", str(run), *options)
    assert told == f"install {run} --root an app --trust root.json --json\n"
    told = far.good("sh", str(run), "--root", "app", "--python", base_python(), "--into", "opt")
    assert told == f"install {run} --root app --python {base_python()}\n"


def test_a_self_extracting_file_is_a_bundle_for_every_command(self_extracting: Path) -> None:
    shell = Shell(directory=self_extracting, environment={"HOME": str(self_extracting)})
    run = "dist/gateway-1.0-here.run"
    verified = json.loads(shell.airlock("verify", run, "--trust", "trust-root.json", "--json").stdout)
    assert verified["project"] == "gateway"
    assert "bundle of gateway 1.0" in shell.airlock("inspect", run).stdout
    assert "gateway 1.0" in shell.airlock("diff", run, run).stdout
    shell.airlock("tree", run)
    shell.airlock("export", run, "--all", "files")
    with open_carried(self_extracting / run) as stream:
        assert "trust/targets.json" in Archive(stream, run).members


def test_signing_changes_nothing_of_the_kit_but_the_bundle(self_extracting: Path) -> None:
    run, key = self_extracting / "dist/gateway-1.0-here.run", self_extracting / "safety.key"
    before = run.read_bytes()
    shell = Shell(directory=self_extracting, environment={"HOME": str(self_extracting)})
    signing = ("sign", str(run), "--key", str(key), "--anew", "-o", "again.run", "--json")
    report = json.loads(shell.airlock(*signing).stdout)
    after = (self_extracting / "again.run").read_bytes()
    assert run.read_bytes() == before
    assert report["digest"] == f"sha256:{hashlib.sha256(after).hexdigest()}", "to be read aloud from now on"
    old, new = (members_in(data[HEAD:]) for data in (before, after))
    assert {name for name in old | new if old.get(name) != new.get(name)} == {BUNDLE}
    assert [*new][:: len(new) - 1] == [TABLE, BUNDLE]
    differing = [
        line
        for line, was in zip(after[:HEAD].splitlines(), before[:HEAD].splitlines(), strict=True)
        if line != was
    ]
    assert [line[:7] for line in differing] == [b"digest="]
    assert hashlib.sha256(after[HEAD:]).hexdigest().encode() in differing[0]


def test_a_kit_without_a_bundle_is_no_bundle(kit: Path, near: Near) -> None:
    outcome = near.shell.airlock("inspect", str(kit), code=2)
    assert "a kit without a bundle" in outcome.stderr
