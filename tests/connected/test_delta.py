"""A delta and its base make the new bundle to the bit, or nothing at all."""

import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from airlock.airgapped.apply import apply
from airlock.connected.build import Workshop, build
from airlock.connected.delta import DeltaReport, delta, read_trust, side_of
from airlock.core.codecs import best_set
from airlock.core.reporter import Silent
from airlock.errors import IntegrityError
from airlock.formats.delta_index import Origin, Patch
from airlock.formats.index import frame_name, parse_index
from airlock.storage.archive import Archive, ArchiveWriter
from airlock.storage.delta_costs import patch_costs
from airlock.storage.frames import decompress
from airlock.storage.restore import BundleFrames, read_delta
from tests.fuzz.whole import frame_of
from tests.wheels import two_versions


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with old.airlock, new.airlock and up.airdelta."""
    folder = tmp_path_factory.mktemp("made")
    store, old, new = two_versions(folder)
    tools = Workshop(store=store, cache=folder / "cache", reporter=Silent(), jobs=2)
    build(old, "plant", tools, folder / "old.airlock")
    build(new, "plant", tools, folder / "new.airlock")
    make(folder, tools_jobs=2, name="up.airdelta")
    return folder


def make(folder: Path, tools_jobs: int, name: str, shuffle: str = "") -> DeltaReport:
    store, old, new = two_versions(folder)
    tools = Workshop(
        store=store, cache=folder / f"cache{shuffle}", reporter=Silent(), jobs=tools_jobs, shuffle=shuffle
    )
    return delta(
        side_of(old, "plant", tools),
        side_of(new, "plant", tools),
        tools,
        folder / name,
        {"trust/t.json": b"{}"},
    )


def restore(base: bytes, update: bytes, scratch: Path) -> bytes:
    out = io.BytesIO()
    apply(
        BundleFrames(Archive(io.BytesIO(base), "old.airlock")),
        Archive(io.BytesIO(update), "up.airdelta"),
        out,
        scratch,
    )
    return out.getvalue()


def rewritten(data: bytes, change: Callable[[str, bytes], bytes | None]) -> bytes:
    archive, out = Archive(io.BytesIO(data), "test"), io.BytesIO()
    writer = ArchiveWriter(out)
    for name in archive.members:
        if (body := change(name, archive.open(name).read())) is not None:
            writer.add_bytes(name, body)
    writer.close()
    return out.getvalue()


def read(made: Path) -> tuple[bytes, bytes, bytes]:
    old, new, update = (made / name for name in ("old.airlock", "new.airlock", "up.airdelta"))
    return old.read_bytes(), new.read_bytes(), update.read_bytes()


def test_the_restored_bundle_is_the_built_one(made: Path, tmp_path: Path) -> None:
    old, new, update = read(made)
    restored = restore(old, update, tmp_path)
    assert rewritten(restored, lambda name, body: None if name.startswith("trust/") else body) == new
    assert Archive(io.BytesIO(restored), "x").read("trust/t.json", 9) == b"{}"
    assert list(tmp_path.iterdir()) == []


def test_a_delta_is_much_smaller_than_what_changed(made: Path) -> None:
    _, new, update = read(made)
    assert len(update) < len(new) / 4


def test_a_delta_is_the_same_bytes_whatever_the_order_of_work(made: Path) -> None:
    report = make(made, tools_jobs=1, name="again.airdelta", shuffle="x")
    assert (made / "again.airdelta").read_bytes() == read(made)[2]
    assert (report.kept, report.patched, report.full) == (1, 3, 0)


def test_another_base_is_refused_and_told_apart(made: Path, tmp_path: Path) -> None:
    _, new, update = read(made)
    with pytest.raises(
        IntegrityError, match=r"not the base of this delta, which starts from plant-gateway 1\.0: expected"
    ):
        restore(new, update, tmp_path)


def test_a_base_damaged_anywhere_that_is_needed_is_refused_before_anything_is_written(
    made: Path, tmp_path: Path
) -> None:
    old, new, update = read(made)
    for number, name in enumerate(Archive(io.BytesIO(old), "x").members):
        if number == 0:
            continue

        def flip(member: str, body: bytes, victim: str = name) -> bytes:
            return body[:-9] + bytes([body[-9] ^ 1]) + body[-8:] if member == victim else body

        out = io.BytesIO()
        try:
            apply(
                BundleFrames(Archive(io.BytesIO(rewritten(old, flip)), "old.airlock")),
                Archive(io.BytesIO(update), "up.airdelta"),
                out,
                tmp_path,
            )
        except IntegrityError as error:
            assert error.where == f"old.airlock: {name}"
            assert out.getvalue() == b""
        else:
            assert rewritten(out.getvalue(), lambda n, b: None if n.startswith("trust/") else b) == new


def test_a_base_with_another_content_in_a_whole_frame_is_refused_by_name(made: Path, tmp_path: Path) -> None:
    old, _, update = read(made)
    rows = read_delta(Archive(io.BytesIO(update), "up.airdelta")).rows.rows
    origins = [row.base for row in rows if isinstance(row, Patch) and row.base]
    assert origins
    for origin in origins:
        victim = frame_name(origin.digest)

        def other(member: str, body: bytes, victim: str = victim, origin: Origin = origin) -> bytes:
            if member != victim:
                return body
            content = b"".join(decompress(io.BytesIO(body), origin.digest, origin.size, member))
            return frame_of(content.translate(bytes(range(255, -1, -1))))

        with pytest.raises(IntegrityError, match="content does not match its digest") as caught:
            restore(rewritten(old, other), update, tmp_path)
        assert caught.value.where == f"old.airlock: {victim}"


def test_a_flipped_bit_at_every_percent_of_a_delta_is_refused(made: Path, tmp_path: Path) -> None:
    old, _, update = read(made)
    trust = Archive(io.BytesIO(update), "x").members["trust/t.json"]
    for percent in range(100):
        at = len(update) * percent // 100
        if trust.offset <= at < trust.offset + trust.size:
            continue
        damaged = bytearray(update)
        damaged[at] ^= 1 << percent % 8
        with pytest.raises(IntegrityError, match=r"up\.airdelta|not the base"):
            restore(old, bytes(damaged), tmp_path)


def test_a_truncated_delta_is_refused(made: Path, tmp_path: Path) -> None:
    old, _, update = read(made)
    for size in range(0, len(update), len(update) // 40):
        with pytest.raises(IntegrityError):
            restore(old, update[:size], tmp_path)


@pytest.mark.parametrize("victim", ["delta.json", "index.json", "streams/program.xz", "streams/diff.xz"])
def test_a_member_that_is_missing_is_named(made: Path, tmp_path: Path, victim: str) -> None:
    old, _, update = read(made)
    with pytest.raises(IntegrityError, match=victim):
        restore(old, rewritten(update, lambda name, body: None if name == victim else body), tmp_path)


def test_swapped_streams_are_refused(made: Path, tmp_path: Path) -> None:
    old, _, update = read(made)
    archive = Archive(io.BytesIO(update), "x")
    swap = {"streams/added.xz": "streams/extra.xz", "streams/extra.xz": "streams/added.xz"}
    with pytest.raises(IntegrityError):
        restore(old, rewritten(update, lambda name, _: archive.open(swap.get(name, name)).read()), tmp_path)


def test_a_bundle_is_not_a_delta(made: Path, tmp_path: Path) -> None:
    old, new, _ = read(made)
    with pytest.raises(IntegrityError, match=r"delta\.json: missing"):
        restore(old, new, tmp_path)


def test_signatures_of_another_index_are_not_carried(made: Path) -> None:
    old = (made / "old.airlock").read_bytes()
    report = make(made, tools_jobs=1, name="signed.airdelta")
    with pytest.raises(IntegrityError, match="signed another index"):
        read_trust(Archive(io.BytesIO(old), "old.airlock"), report.index)


def test_another_level_changes_the_frames_and_no_content(made: Path, tmp_path: Path) -> None:
    old, new, update = read(made)
    out = io.BytesIO()
    base = BundleFrames(Archive(io.BytesIO(old), "old.airlock"))
    report = apply(base, Archive(io.BytesIO(update), "up.airdelta"), out, tmp_path, level=1)
    quick, built = Archive(out, "quick.airlock"), Archive(io.BytesIO(new), "new.airlock")
    assert not report.identical
    assert quick.read("index.json", 1 << 20) == built.read("index.json", 1 << 20)
    for entry in parse_index(built.read("index.json", 1 << 20), "index").entries:
        with quick.open(entry.frame) as frame:
            assert sum(map(len, decompress(frame, entry.expanded.digest, entry.expanded.size, "x"))) > 0


def test_every_byte_of_the_streams_is_somebody_s(made: Path) -> None:
    archive = Archive(io.BytesIO((made / "up.airdelta").read_bytes()), "up.airdelta")
    costs = patch_costs(read_delta(archive))
    assert min(costs.values()) >= 0 < max(costs.values())
    streams = sum(span.size for name, span in archive.members.items() if name.startswith("streams/"))
    assert 0 <= streams - sum(costs.values()) <= 128 * len(archive.members)


def test_a_damaged_stream_has_no_costs(made: Path) -> None:
    def damaged(name: str, data: bytes) -> bytes:
        return data[: len(data) // 2] + bytes(9) + data[len(data) // 2 + 9 :] if "streams/" in name else data

    update = rewritten((made / "up.airdelta").read_bytes(), damaged)
    with pytest.raises(IntegrityError):
        patch_costs(read_delta(Archive(io.BytesIO(update), "up.airdelta")))


def test_apply_says_that_it_gives_the_very_file(tmp_path: Path) -> None:
    """With whatever codecs this machine has."""
    store, *locks = two_versions(tmp_path)
    tools = Workshop(store=store, cache=tmp_path / "cache", reporter=Silent(), jobs=2)
    old, new = (replace(lock, encoder=replace(lock.encoder, codecs=best_set())) for lock in locks)
    for lock, name in ((old, "old"), (new, "new")):
        build(lock, "plant", tools, tmp_path / name)
    delta(side_of(old, "plant", tools), side_of(new, "plant", tools), tools, tmp_path / "up", {})
    base = BundleFrames(Archive(io.BytesIO((tmp_path / "old").read_bytes()), "old"))
    out = io.BytesIO()
    report = apply(base, Archive(io.BytesIO((tmp_path / "up").read_bytes()), "up"), out, tmp_path)
    assert report.identical
    assert out.getvalue() == (tmp_path / "new").read_bytes()
