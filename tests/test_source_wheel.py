"""The project's own tree, built into one spelling of a wheel."""

import csv
import io
import os
import subprocess
import unicodedata
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airlock.connected.lock import LockRequest, check
from airlock.core.artifact import Artifact
from airlock.core.digest import digest_of
from airlock.errors import IntegrityError, ResolutionError, UsageError
from airlock.formats.lockfile import Lockfile
from airlock.kinds import Upgrade
from airlock.kinds.wheel.building.trees import tree_digest, tree_files, untracked
from airlock.kinds.wheel.canonical import canonical_wheel
from airlock.kinds.wheel.own import own_tree
from tests.index_server import Index, serving
from tests.locking import Workplace
from tests.manifests import write
from tests.near_side import near_side
from tests.wheel_factory import make_wheel

BACKEND = """
import os, time, zipfile

def build_wheel(directory, config_settings=None, metadata_directory=None):
    name = "plant_gateway-2.0.0-py3-none-{platform}.whl"
    seen = sorted(os.listdir("."))
    environment = [os.environ[key] for key in ("SOURCE_DATE_EPOCH", "PYTHONHASHSEED", "LC_ALL", "TZ")]
    os.umask(mask := os.umask(0))
    with zipfile.ZipFile(os.path.join(directory, name), "w", zipfile.ZIP_DEFLATED) as wheel:
        info = "plant_gateway-2.0.0.dist-info/"
        wheel.writestr(info + "RECORD", "")
        wheel.writestr(info + "METADATA", "Metadata-Version: 2.1\\nName: plant-gateway\\nVersion: 2.0.0\\n")
        wheel.writestr(info + "WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
        wheel.writestr("plant_gateway/seen.txt", repr((seen, environment, oct(mask))))
    return name
"""

PYPROJECT = """
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]
"""


def a_project(tree: Path, backend: str = BACKEND, platform: str = "any") -> Path:
    write(tree / "pyproject.toml", PYPROJECT)
    write(tree / "backend.py", backend.replace("{platform}", platform))
    return tree


def read(data: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {info.filename: archive.read(info) for info in archive.infolist()}


def a_wheel(entries: dict[str, bytes], *, compression: int = zipfile.ZIP_DEFLATED, year: int = 2026) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", compression) as archive:
        for name, data in entries.items():
            archive.writestr(zipfile.ZipInfo(name, (year, 1, 1, 0, 0, 0)), data, compression)
    return out.getvalue()


INFO = "a-1.dist-info"
ENTRIES = {
    f"{INFO}/RECORD": b"stale",
    f"{INFO}/RECORD.jws": b"{}",
    f"{INFO}/METADATA": b"Name: a\n",
    "z.py": b"z = 1\n",
    "a/b.py": b"",
    "a.py": b"",
}


def test_one_spelling_whatever_the_archiver_did() -> None:
    backwards = dict(reversed(ENTRIES.items()))
    one = canonical_wheel(a_wheel(ENTRIES))
    assert one == canonical_wheel(a_wheel(backwards, compression=zipfile.ZIP_STORED, year=1999))
    assert one == canonical_wheel(one)


def test_the_bytes_are_the_same_for_ever() -> None:
    golden = "sha256:602ec905ba2de41185b152bd5240388b519b6cc2e8376ff0ad63d73c32e4c299"
    assert digest_of(canonical_wheel(a_wheel(ENTRIES))) == golden


def test_entries_are_sorted_and_the_record_is_last_and_true() -> None:
    files = read(canonical_wheel(a_wheel(ENTRIES)))
    assert list(files) == ["a.py", "a/b.py", "z.py", f"{INFO}/METADATA", f"{INFO}/RECORD"]
    rows = list(csv.reader(io.StringIO(files[f"{INFO}/RECORD"].decode())))
    assert [row[0] for row in rows] == list(files)
    assert rows[0] == ["a.py", "sha256=47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU", "0"]
    assert rows[-1] == [f"{INFO}/RECORD", "", ""]


def test_modes_are_0644_or_0755_and_the_time_is_1980() -> None:
    out = io.BytesIO(a_wheel(ENTRIES))
    with zipfile.ZipFile(out, "a") as archive:
        script = zipfile.ZipInfo("a-1.data/scripts/run")
        script.external_attr = 0o100775 << 16
        archive.writestr(script, b"#!python\n")
    with zipfile.ZipFile(io.BytesIO(canonical_wheel(out.getvalue()))) as archive:
        modes = {info.filename: info.external_attr >> 16 for info in archive.infolist()}
        assert {info.date_time for info in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        assert {info.compress_type for info in archive.infolist()} == {zipfile.ZIP_STORED}
    assert modes["a-1.data/scripts/run"] == 0o100755
    assert modes["a.py"] == 0o100644


@given(
    st.dictionaries(
        st.from_regex(r"[a-z]{1,3}(/[a-zé,\"]{1,3}){0,2}\.py", fullmatch=True), st.binary(max_size=50)
    )
)
def test_every_file_keeps_its_bytes(files: dict[str, bytes]) -> None:
    files = {unicodedata.normalize("NFC", name): data for name, data in files.items()}
    found = read(canonical_wheel(a_wheel({f"{INFO}/METADATA": b"", **files})))
    record = found.pop(f"{INFO}/RECORD").decode()
    assert found == {f"{INFO}/METADATA": b"", **files}
    assert [row[0] for row in csv.reader(io.StringIO(record, newline=""))][:-1] == list(found)


@pytest.mark.parametrize(
    "data",
    [
        b"no zip",
        a_wheel({"a.py": b""}),
        a_wheel({"a.dist-info/METADATA": b"", "b.dist-info/METADATA": b""}),
        a_wheel({"../a.py": b"", f"{INFO}/METADATA": b""}),
    ],
)
def test_what_is_no_wheel_is_refused(data: bytes) -> None:
    with pytest.raises(IntegrityError):
        canonical_wheel(data)


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Workplace]:
    with serving(Index()) as index:
        project = tmp_path / "project"
        project.mkdir()
        yield Workplace(directory=project, index=index, cache=tmp_path / "cache")


SOURCE = 'source = "."'


def own_wheel(lockfile: Lockfile) -> Artifact:
    return next(one.artifact for one in lockfile.artifacts if "source" in one.artifact.origin)


def own_files(place: Workplace, lockfile: Lockfile) -> dict[str, bytes]:
    with place.near() as near, near.store.open(own_wheel(lockfile).digest) as stream:
        return read(stream.read())


def git(tree: Path, *words: str) -> None:
    command = ["git", "-c", "user.name=a", "-c", "user.email=a@b", "-C", str(tree), *words]
    subprocess.run(command, check=True, capture_output=True)


def test_the_tree_is_built_from_a_copy_with_everything_fixed(place: Workplace) -> None:
    tree = a_project(place.directory)
    for litter in ("build/lib/stale.py", "dist/old.whl", ".git/config", "x.egg-info/SOURCES.txt", "a.lock"):
        write(tree / litter, "litter")
    before = sorted(tree.rglob("*"))
    lockfile = place.lock(SOURCE)
    wheel = own_wheel(lockfile)
    assert (wheel.file, wheel.name, wheel.version) == (
        "plant_gateway-2.0.0-py3-none-any.whl",
        "plant-gateway",
        "2.0.0",
    )
    assert wheel.origin == {"source": ".", "python": "3.11", "reproducible": "no"}, "it writes the hash seed"
    seen, environment, umask = eval(own_files(place, lockfile)["plant_gateway/seen.txt"])
    assert set(seen) - {"__pycache__"} == {"backend.py", "pyproject.toml"}
    assert environment == ["315532800", "0", "C.UTF-8", "UTC"]
    assert umask == "0o22"
    assert sorted(tree.rglob("*")) == before


def test_a_tree_with_compiled_parts_for_another_machine_is_refused(place: Workplace) -> None:
    a_project(place.directory, platform="linux_ppc64le")
    with pytest.raises(ResolutionError, match=r"cannot be built here for target plant: .*compiled parts"):
        place.lock(SOURCE)


def test_a_backend_that_fails_is_quoted(place: Workplace) -> None:
    a_project(place.directory, "def build_wheel(*_): raise SystemExit('no such package: gateway')")
    with pytest.raises(ResolutionError) as caught:
        place.lock(SOURCE)
    assert caught.value.found == "no such package: gateway"


@pytest.mark.parametrize("pyproject", ["[build-system]\n", "[[broken", None])
def test_a_tree_that_is_no_project_is_refused(place: Workplace, pyproject: str | None) -> None:
    write(place.directory / ("pyproject.toml" if pyproject else "x"), pyproject or "")
    with pytest.raises(ResolutionError):
        place.lock(SOURCE)


def test_a_tree_that_did_not_change_is_not_built_again(place: Workplace) -> None:
    a_project(place.directory, BACKEND.replace('"PYTHONHASHSEED", ', ""))
    first = place.lock(SOURCE)
    log = next((place.cache / "builds" / "logs").iterdir())
    before = log.stat().st_mtime_ns
    place.index.add(make_wheel("dep", "1.0"))
    second = place.lock(SOURCE + '\nrequirements = ["dep"]', previous=first)
    assert own_wheel(second) == own_wheel(first)
    assert log.stat().st_mtime_ns == before


def test_a_changed_tree_is_blamed_on_the_tree(place: Workplace) -> None:
    a_project(place.directory)
    lockfile = place.lock(SOURCE)
    write(place.directory / "more.py", "")
    request = LockRequest(
        manifest=place.manifest(SOURCE),
        where="airlock.toml",
        directory=place.directory,
        previous=lockfile,
        upgrade=Upgrade(),
    )
    assert check(request) == ("python.source",)


def test_where_git_tracks_the_project_a_stray_file_is_nothing(place: Workplace) -> None:
    tree = a_project(place.directory)
    write(tree / "build" / "tool.py", "")
    git(tree, "init", "-q")
    git(tree, "add", ".")
    tracked = tree_digest(tree)
    write(tree / "stray.py", "")
    write(tree / "airlock.lock", "")
    write(tree / "data" / "large.bin", "x")
    assert tree_digest(tree) == tracked
    assert tree_files(tree) == ["backend.py", "build/tool.py", "pyproject.toml"]
    write(tree / "backend.py", BACKEND)
    assert tree_digest(tree) != tracked, "a tracked file counts as it is, committed or not"


def test_a_file_that_git_does_not_know_yet_is_told(place: Workplace) -> None:
    tree = a_project(place.directory)
    git(tree, "init", "-q")
    git(tree, "add", ".")
    write(tree / "new.py", "")
    write(tree / "ignored.py", "")
    write(tree / ".git" / "info" / "exclude", "ignored.py\n")
    place.lock(SOURCE)
    assert any("new.py" in text and "ignored.py" not in text for text in place.reporter.warnings)


def test_a_project_that_git_does_not_track_is_walked(place: Workplace) -> None:
    tree = a_project(place.directory)
    git(tree, "init", "-q")
    assert tree_files(tree) == ["backend.py", "pyproject.toml"]
    assert untracked(tree) == []


def test_listing_a_tree_runs_nothing_that_it_names(place: Workplace) -> None:
    tree = a_project(place.directory)
    git(tree, "init", "-q")
    git(tree, "add", ".")
    write(tree / "run.sh", f"#!/bin/sh\ntouch {tree}/ran\n").chmod(0o755)
    git(tree, "config", "core.fsmonitor", str(tree / "run.sh"))
    tree_files(tree)
    assert not (tree / "ran").exists()


def test_a_tree_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such source tree"):
        tree_digest(tmp_path / "gone")


def test_the_digest_follows_content_names_and_the_executable_bit(tmp_path: Path) -> None:
    tree = a_project(tmp_path)
    digests = [tree_digest(tree)]
    for change in (
        lambda: write(tree / "a.py", "1"),
        lambda: write(tree / "a.py", "2"),
        lambda: (tree / "a.py").chmod(0o755),
        lambda: (tree / "a.py").rename(tree / "b.py"),
        lambda: (tree / "b.py").rename(write(tree / "src" / "build" / "b.py", "")),
    ):
        change()
        digests.append(tree_digest(tree))
    assert len(set(digests)) == len(digests)


def test_the_digest_ignores_litter_times_and_where_the_tree_is(tmp_path: Path) -> None:
    one, two = a_project(tmp_path / "one"), a_project(tmp_path / "two")
    os.utime(one / "backend.py", (0, 0))
    for litter in (".git/HEAD", ".venv/bin/python", "src/__pycache__/a.pyc", "build/a", "airlock.lock"):
        write(two / litter, "litter")
    assert tree_digest(one) == tree_digest(two)


def test_a_link_out_of_the_tree_is_left_out(tmp_path: Path) -> None:
    tree = a_project(tmp_path / "project")
    before = tree_digest(tree)
    write(tmp_path / "secret", "secret")
    (tree / "link").symlink_to(tmp_path / "secret")
    assert tree_digest(tree) == before


@pytest.mark.parametrize("absolute", [True, False])
def test_a_lock_cannot_have_code_run_that_lies_outside(tmp_path: Path, absolute: bool) -> None:
    outside = a_project(tmp_path / "outside")
    directory = tmp_path / "project"
    directory.mkdir()
    artifact = Artifact(
        kind="wheel",
        name="plant-gateway",
        version="2.0.0",
        file="plant_gateway-2.0.0-py3-none-any.whl",
        size=1,
        digest=digest_of(b"x"),
        origin={"source": str(outside) if absolute else "../outside"},
    )
    with pytest.raises(IntegrityError, match="names a source tree that is outside"):
        own_tree(artifact, None, near_side(directory))
