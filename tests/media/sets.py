"""Small sets of volumes, and what happens to discs."""

import io
import random
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from airlock.airgapped.join import Joined, join
from airlock.connected.split import plan_split, split
from airlock.core.reporter import Silent
from airlock.formats.volume import HEADER, PAYLOAD, VolumeHeader, parse_header, write_header
from airlock.storage.archive import Archive
from airlock.storage.partial import Partial
from airlock.storage.volume import SUFFIX
from airlock.storage.volume_set import open_set
from tests.far.bundles import archive_of, bundle, file_item, members_in


def noise(size: int, seed: int = 1) -> bytes:
    """Bytes that no compressor makes smaller, the same each time."""
    return random.Random(seed).randbytes(size)


def any_bundle(size: int, seed: int = 1) -> bytes:
    """A bundle of a little more than `size` bytes."""
    return bundle([file_item("share/noise", noise(size, seed))])


def split_into(
    folder: Path, data: bytes, capacity: int, parity: int = 0, name: str = "gateway.airlock"
) -> list[Path]:
    """The volumes of a bundle or delta, in order."""
    folder.mkdir(parents=True, exist_ok=True)
    source = folder / f"{name}.source"
    source.write_bytes(data)
    with source.open("rb") as stream:
        plan = plan_split(Archive(stream, name), name, len(data), capacity, parity)
        numbers = range(1, plan.table.count + 1)
        paths = [folder / f"{plan.table.label(number)}{SUFFIX}" for number in numbers]
        outs = [path.open("w+b") for path in paths]
        split(plan, stream, outs, Silent())
        for out in outs:
            out.close()
    source.unlink()
    assert [path.stat().st_size for path in paths] == list(plan.sizes), "the plan says the sizes"
    return paths


def join_all(places: Sequence[Path], output: Path) -> Joined:
    with (
        closing(open_set(places)) as volumes,
        closing(Partial(output, volumes.table, volumes.identity)) as partial,
    ):
        return join(volumes, partial, Silent())


def header_of(path: Path) -> VolumeHeader:
    return parse_header(members_in(path.read_bytes())[HEADER], "volume")


def rewritten(path: Path, change: Callable[[dict[str, bytes]], Mapping[str, bytes]]) -> None:
    """The volume with other members."""
    path.write_bytes(archive_of(change(members_in(path.read_bytes()))))


def with_header(path: Path, **changes: object) -> None:
    """The volume with a header that says something else, sound in itself."""
    header = header_of(path)
    table = replace(header.table, **{name: value for name, value in changes.items() if name != "number"})  # type: ignore[arg-type]
    number = changes.get("number", header.number)
    assert isinstance(number, int)
    data = write_header(VolumeHeader(number=number, table=table))
    rewritten(path, lambda members: members | {HEADER: data})


def flip(path: Path, offset: int, mask: int = 1) -> None:
    data = bytearray(path.read_bytes())
    data[offset] ^= mask
    path.write_bytes(data)


def share_offset(path: Path) -> int:
    """Where the share begins."""
    return Archive(io.BytesIO(path.read_bytes()), "volume").members[PAYLOAD].offset
