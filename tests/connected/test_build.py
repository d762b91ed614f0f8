"""A bundle is a function of the lock and the store: no order, cache, machine or thread shows in it."""

import io
import json
import subprocess
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest

from airlock.connected.build import BuildReport, Workshop, build, expand_all
from airlock.connected.reproduce import compare_bundles, first_difference
from airlock.core.digest import digest_of, hex_of
from airlock.core.expanded import form_named
from airlock.core.native import native
from airlock.core.reporter import Silent
from airlock.errors import FetchError, IntegrityError, TargetError
from airlock.formats.index import parse_index
from airlock.formats.lockfile import Lockfile
from airlock.storage.archive import Archive, ArchiveWriter
from airlock.storage.frames import opened
from airlock.storage.store import Store
from tests.wheels import artifact, lock, two_versions

GOLDEN = "sha256:2b45fef7f270229a22d030e12bdd289e1133de1b712720bfbff3688b63d75d5b"
"""Of the small bundle, with libzstd 1.5.7: it changes only together with the format."""


def workshop(store: Store, cache: Path, jobs: int = 2, shuffle: str = "") -> Workshop:
    return Workshop(store=store, cache=cache, reporter=Silent(), jobs=jobs, shuffle=shuffle)


def built(tmp_path: Path, name: str = "a", jobs: int = 2, shuffle: str = "") -> BuildReport:
    store, lockfile, _ = two_versions(tmp_path)
    return build(
        lockfile,
        "plant",
        workshop(store, tmp_path / f"cache-{name}", jobs, shuffle),
        tmp_path / f"{name}.airlock",
    )


def test_the_small_bundle_has_its_golden_digest(tmp_path: Path) -> None:
    report = built(tmp_path)
    assert report.digest == GOLDEN
    assert digest_of(report.path.read_bytes()) == GOLDEN


def test_neither_order_nor_threads_nor_caches_show(tmp_path: Path) -> None:
    first = built(tmp_path, "a")
    assert built(tmp_path, "b", jobs=1, shuffle="x").digest == first.digest
    assert built(tmp_path, "a", jobs=3, shuffle="y").digest == first.digest


def test_every_original_comes_back_out_of_the_bundle(tmp_path: Path) -> None:
    report = built(tmp_path)
    with report.path.open("rb") as stream:
        archive = Archive(stream, "a.airlock")
        index = parse_index(archive.read("index.json", 1 << 20), "index.json")
        assert next(iter(archive.members)) == "index.json"
        assert list(archive.members)[1:] == sorted(entry.frame for entry in index.entries)
        assert [entry.artifact.name for entry in index.entries] == [
            "share/banner.txt",
            "gone",
            "kept",
            "native",
        ]
        for entry in index.entries:
            assert not entry.artifact.origin
            out = io.BytesIO()
            with archive.open(entry.frame) as frame:
                content = opened(frame, entry.expanded.digest, entry.expanded.size, entry.frame)
                form_named(entry.expanded.form, "test").rebuild(content, out)
            assert digest_of(out.getvalue()) == entry.artifact.digest


def test_plain_tools_read_a_bundle(tmp_path: Path) -> None:
    report = built(tmp_path)
    subprocess.run(["tar", "xf", report.path.name], cwd=tmp_path, check=True)
    index = json.loads((tmp_path / "index.json").read_bytes())
    [native] = [row for row in index["artifacts"] if row["name"] == "native"]
    frame = tmp_path / "frames" / f"{native['expanded']['sha256']}.zst"
    import zstandard

    content = zstandard.ZstdDecompressor().decompress(frame.read_bytes())
    with tarfile.open(fileobj=io.BytesIO(content)) as tar:
        assert "content/native/core.so" in tar.getnames()


def test_a_second_build_takes_frames_from_the_cache(tmp_path: Path) -> None:
    first = built(tmp_path)
    frames = sorted((tmp_path / "cache-a").rglob("*.zst"))
    times = [frame.stat().st_mtime_ns for frame in frames]
    assert built(tmp_path).digest == first.digest
    assert [frame.stat().st_mtime_ns for frame in frames] == times


def test_a_damaged_cache_is_made_anew(tmp_path: Path) -> None:
    first = built(tmp_path)
    for number, file in enumerate(sorted((tmp_path / "cache-a").rglob("*.*"))):
        if file.is_file():
            data = bytearray(file.read_bytes())
            data[len(data) // 2] ^= 1
            file.write_bytes(data if number % 2 else b"")
    assert built(tmp_path).digest == first.digest


def at_level(lockfile: Lockfile, level: int) -> Lockfile:
    return replace(lockfile, encoder=replace(lockfile.encoder, level=level))


def test_another_level_starts_from_what_was_taken_apart_before(tmp_path: Path) -> None:
    store, lockfile, _ = two_versions(tmp_path)
    tools = workshop(store, tmp_path / "cache")
    alone = build(
        at_level(lockfile, 12), "plant", workshop(store, tmp_path / "other"), tmp_path / "o.airlock"
    )
    expand_all(lockfile.artifacts_for("plant"), lockfile.encoder.codecs, tools)
    for file in (store.root / "sha256").rglob("*"):
        if file.is_file():
            file.unlink()
    assert build(at_level(lockfile, 12), "plant", tools, tmp_path / "a.airlock").digest == alone.digest


def test_what_was_taken_apart_is_not_taken_apart_again(tmp_path: Path) -> None:
    store, lockfile, _ = two_versions(tmp_path)
    tools = workshop(store, tmp_path / "cache")
    expand_all(lockfile.artifacts_for("plant"), lockfile.encoder.codecs, tools)
    times = {path: path.stat().st_mtime_ns for path in (tmp_path / "cache").rglob("*.*")}
    expand_all(lockfile.artifacts_for("plant"), lockfile.encoder.codecs, tools)
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "cache").rglob("*.*")} == times


def test_the_level_shows_in_the_frames_and_not_in_what_they_hold(tmp_path: Path) -> None:
    store, lockfile, _ = two_versions(tmp_path)
    tools = workshop(store, tmp_path / "cache")
    reports = [
        build(at_level(lockfile, level), "plant", tools, tmp_path / f"{level}.airlock") for level in (1, 19)
    ]
    assert reports[0].size > reports[1].size
    indexes = []
    for report in reports:
        with report.path.open("rb") as stream:
            indexes.append(parse_index(Archive(stream, "a").read("index.json", 1 << 20), "index.json"))
    assert [index.encoder.level for index in indexes] == [1, 19]
    assert indexes[0].entries == indexes[1].entries


def test_a_damaged_store_is_refused_and_no_bundle_is_left(tmp_path: Path) -> None:
    store, lockfile, _ = two_versions(tmp_path)
    victim = store.path(lockfile.artifacts[0].artifact.digest)
    victim.chmod(0o644)
    victim.write_bytes(victim.read_bytes()[:-1])
    with pytest.raises(IntegrityError, match="wheel kept"):
        build(lockfile, "plant", workshop(store, tmp_path / "cache"), tmp_path / "out" / "a.airlock")
    assert not (tmp_path / "out").exists()


def test_what_is_not_in_the_store_is_named(tmp_path: Path) -> None:
    store, lockfile, _ = two_versions(tmp_path)
    store.path(lockfile.artifacts[0].artifact.digest).unlink()
    with pytest.raises(FetchError, match="wheel kept") as caught:
        build(lockfile, "plant", workshop(store, tmp_path / "cache"), tmp_path / "a.airlock")
    assert caught.value.hint == "run `airlock fetch`"


def test_another_encoder_than_the_locked_one_is_an_error_that_says_what_to_install(tmp_path: Path) -> None:
    store, lockfile, _ = two_versions(tmp_path)
    other = replace(lockfile, encoder=replace(lockfile.encoder, version="1.5.6"))
    with pytest.raises(TargetError, match=r"expected libzstd 1\.5\.6") as caught:
        build(other, "plant", workshop(store, tmp_path / "cache"), tmp_path / "a.airlock")
    assert caught.value.hint is not None
    assert "zstandard==0.23.0" in caught.value.hint


def rewritten(path: Path, out: Path, change: dict[str, bytes | None]) -> Path:
    with path.open("rb") as stream, out.open("wb") as target:
        archive, writer = Archive(stream, "a"), ArchiveWriter(target)
        for name in [*archive.members, *(name for name in change if name not in archive.members)]:
            data = change[name] if name in change else archive.open(name).read()
            if data is not None:
                writer.add_bytes(name, data)
        writer.close()
    return out


def test_signatures_aside_a_signed_bundle_is_the_built_one(tmp_path: Path) -> None:
    report = built(tmp_path)
    signed = rewritten(report.path, tmp_path / "signed.airlock", {"trust/targets.json": b"{}"})
    compare_bundles(report.path, signed)


def test_the_first_difference_is_named_with_member_and_offset(tmp_path: Path) -> None:
    report = built(tmp_path)
    with report.path.open("rb") as stream:
        archive = Archive(stream, "a")
        name = list(archive.members)[2]
        data = bytearray(archive.open(name).read())
    data[17] ^= 1
    other = rewritten(report.path, tmp_path / "other.airlock", {name: bytes(data)})
    with pytest.raises(IntegrityError, match=f"{name}: first difference at byte 17"):
        compare_bundles(report.path, other)
    fewer = rewritten(report.path, tmp_path / "fewer.airlock", {name: None})
    with pytest.raises(IntegrityError, match=f"{name}: only in ours"):
        compare_bundles(report.path, fewer)
    with pytest.raises(IntegrityError, match=f"{name}: only in theirs"):
        compare_bundles(fewer, report.path)


def test_other_order_is_a_difference() -> None:
    def archive(names: list[str]) -> Archive:
        out = io.BytesIO()
        writer = ArchiveWriter(out)
        for name in names:
            writer.add_bytes(name, b"")
        writer.close()
        return Archive(out, "test")

    assert first_difference(archive(["a", "b"]), archive(["a", "b"])) is None
    assert first_difference(archive(["a", "b"]), archive(["b", "a"])) is not None


def test_artifacts_with_the_same_bytes_share_one_frame(tmp_path: Path) -> None:
    store, lockfile, _ = two_versions(tmp_path)
    [banner] = [row for row in lockfile.artifacts if row.artifact.kind == "file"]
    copy = replace(banner, artifact=replace(banner.artifact, name="share/copy.txt"))
    doubled: Lockfile = replace(lockfile, artifacts=(*lockfile.artifacts, copy))
    report = build(doubled, "plant", workshop(store, tmp_path / "cache"), tmp_path / "a.airlock")
    with report.path.open("rb") as stream:
        archive = Archive(stream, "a")
        assert f"frames/{hex_of(banner.artifact.digest)}.zst" in archive.members
        assert len(archive.members) == report.artifacts == 5


def test_a_wheel_that_the_far_side_could_not_open_is_refused_while_it_can_be_helped(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    broken = lock("1.0.0", [artifact(store, "demo", "1.0", b"not a zip at all")])
    with pytest.raises(
        IntegrityError, match=r"wheel demo 1\.0: demo-1\.0-py3-none-any\.whl is not a plain archive"
    ):
        build(broken, "plant", workshop(store, tmp_path / "cache"), tmp_path / "a.airlock")
    assert not (tmp_path / "a.airlock").exists()


def test_codecs_that_are_not_at_hand_are_refused_by_name_before_anything_is_made(tmp_path: Path) -> None:
    if native() is not None:
        pytest.skip("the native crate is built")
    store, lockfile, _ = two_versions(tmp_path)
    other = replace(lockfile, encoder=replace(lockfile.encoder, codecs="native/1"))
    with pytest.raises(TargetError, match="native/1: needs encoders that are not at hand here") as caught:
        build(other, "plant", workshop(store, tmp_path / "cache"), tmp_path / "x.airlock")
    assert "portable/1" in (caught.value.hint or "")
