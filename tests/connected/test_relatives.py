"""A delta finds what a new artifact is made of in whatever artifact of the base has it."""

import gzip
import io
import tarfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from airlock.airgapped.apply import apply
from airlock.connected.build import Workshop, build
from airlock.connected.delta import delta, side_of
from airlock.core.reporter import Silent
from airlock.errors import IntegrityError
from airlock.formats.delta_index import Full, Keep, Patch
from airlock.storage.archive import Archive, ArchiveWriter
from airlock.storage.restore import BundleFrames, read_delta
from airlock.storage.store import Store
from tests.native import needs_native
from tests.wheels import PROSE, artifact, lock, machine_code

Layers = Mapping[str, Mapping[str, bytes]]

BASE = {"etc/hosts": PROSE[:3000], "usr/lib/libone.so.1.2": machine_code(1), "usr/share/prose": PROSE}
MORE = {"opt/app/run.py": PROSE[90_000:], "opt/app/libtwo.so": machine_code(40, 90_000)}


def layer(files: Mapping[str, bytes]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return gzip.compress(out.getvalue(), 6, mtime=0)


class Made:
    """Two bundles of layers, and the delta between them."""

    def __init__(self, folder: Path, old: Layers, new: Layers) -> None:
        store = Store(folder / "store")
        tools = Workshop(store=store, cache=folder / "cache", reporter=Silent(), jobs=2)
        self.folder = folder
        sides = []
        for version, layers in (("1.0", old), ("2.0", new)):
            those = [
                artifact(store, f"{name}.tar.gz", "", layer(files), "file") for name, files in layers.items()
            ]
            locked = lock(version, those)
            build(locked, "plant", tools, folder / f"{version}.airlock")
            sides.append(side_of(locked, "plant", tools))
        self.labels = {
            entry.expanded.digest: entry.artifact.name for side in sides for entry in side.index.entries
        }
        delta(sides[0], sides[1], tools, folder / "up.airdelta", {})
        self.size = (folder / "up.airdelta").stat().st_size
        self.rows = read_delta(self.archive()).rows.rows

    def archive(self) -> Archive:
        return Archive(io.BytesIO((self.folder / "up.airdelta").read_bytes()), "up.airdelta")

    def apply(self) -> bytes:
        base, out = (self.folder / "1.0.airlock").read_bytes(), io.BytesIO()
        apply(BundleFrames(Archive(io.BytesIO(base), "base")), self.archive(), out, self.folder)
        return out.getvalue()

    def restores(self) -> bool:
        return self.apply() == (self.folder / "2.0.airlock").read_bytes()

    def bases(self, name: str) -> list[str]:
        (row,) = (row for row in self.rows if self.labels[row.digest] == f"{name}.tar.gz")
        assert isinstance(row, Patch)
        return [origin.label for origin in row.bases]


def test_a_layer_that_upgrades_files_of_another_is_patched_against_that_one(tmp_path: Path) -> None:
    upgrade = {
        "usr/lib/libone.so.1.3": machine_code(2),
        "usr/share/prose": PROSE.replace(b"line 7", b"line 8"),
    }
    made = Made(tmp_path, {"one": BASE, "two": MORE}, {"one": BASE, "two": upgrade, "three": MORE})
    assert made.restores()
    assert made.bases("two") == ["file one.tar.gz"]
    assert sum(isinstance(row, Keep) for row in made.rows) == 2
    assert made.size < 60_000


def test_layers_that_became_one_are_patched_against_all_of_them(tmp_path: Path) -> None:
    made = Made(tmp_path, {"one": BASE, "two": MORE}, {"all": BASE | MORE})
    assert made.restores()
    assert sorted(made.bases("all")) == ["file one.tar.gz", "file two.tar.gz"]
    assert made.size < 20_000


def test_a_file_that_moved_into_another_artifact_is_found_by_its_content(tmp_path: Path) -> None:
    moved = {"srv/elsewhere.bin": MORE["opt/app/libtwo.so"], "srv/own": PROSE[:100]}
    made = Made(tmp_path, {"one": BASE, "two": MORE}, {"one": BASE, "other": moved})
    assert made.restores()
    assert made.bases("other") == ["file two.tar.gz"]


def test_an_artifact_of_the_same_name_with_nothing_in_common_is_no_base(tmp_path: Path) -> None:
    made = Made(
        tmp_path, {"one": BASE, "two": MORE}, {"one": BASE | {"new": b"n"}, "two": BASE | {"other": b"o"}}
    )
    assert made.restores()
    assert made.bases("two") == ["file one.tar.gz"]


def test_what_is_new_to_all_of_the_base_is_carried(tmp_path: Path) -> None:
    made = Made(tmp_path, {"one": BASE}, {"one": BASE, "fresh": {"random": machine_code(77, 50_000)[::-1]}})
    assert made.restores()
    assert made.bases("fresh") == []
    assert not any(isinstance(row, Full) for row in made.rows)


def test_a_delta_with_several_bases_has_a_format_of_its_own(tmp_path: Path) -> None:
    several = Made(tmp_path / "a", {"one": BASE, "two": MORE}, {"all": BASE | MORE})
    one = Made(tmp_path / "b", {"one": BASE}, {"one": BASE | {"new": b"n"}})
    assert b'"airlock-delta/2"' in several.archive().read("delta.json", 1 << 20)
    assert b'"airlock-delta/1"' in one.archive().read("delta.json", 1 << 20)


@pytest.mark.parametrize("damaged", [0, 1])
def test_any_of_several_bases_that_is_damaged_is_named(tmp_path: Path, damaged: int) -> None:
    made = Made(tmp_path, {"one": BASE, "two": MORE}, {"all": BASE | MORE})
    (row,) = made.rows
    assert isinstance(row, Patch)
    path = tmp_path / "1.0.airlock"
    archive, out = Archive(io.BytesIO(path.read_bytes()), "base"), io.BytesIO()
    writer = ArchiveWriter(out)
    for name in archive.members:
        body = archive.read(name, 1 << 30)
        bad = row.bases[damaged].digest.partition(":")[2] in name
        writer.add_bytes(name, body[:-40] + bytes(40) if bad else body)
    writer.close()
    path.write_bytes(out.getvalue())
    with pytest.raises(IntegrityError, match=row.bases[damaged].digest.partition(":")[2]):
        made.apply()


def test_a_base_that_says_another_size_is_refused(tmp_path: Path) -> None:
    made = Made(tmp_path, {"one": BASE, "two": MORE}, {"all": BASE | MORE})
    archive, out = made.archive(), io.BytesIO()
    writer = ArchiveWriter(out)
    (row,) = made.rows
    assert isinstance(row, Patch)
    for name in archive.members:
        body = archive.read(name, 1 << 30)
        size = row.bases[1].size
        writer.add_bytes(name, body.replace(b'"size":%d' % size, b'"size":%d' % (size + 1)))
    writer.close()
    (tmp_path / "up.airdelta").write_bytes(out.getvalue())
    with pytest.raises(IntegrityError):
        made.apply()


@needs_native
def test_a_file_that_was_renamed_and_changed_is_found_by_what_it_still_has_in_common(tmp_path: Path) -> None:
    moved = {"srv/renamed.bin": machine_code(43, 90_000), "srv/own": PROSE[:100]}
    made = Made(tmp_path, {"one": BASE, "two": MORE}, {"one": BASE, "other": moved})
    assert made.restores()
    assert len(made.bases("other")) == 1
    assert made.size < 15_000
