"""What `airlock verify` can say of a delta: with its base, that every content is as signed; without, that nothing in it is damaged.

A delta holds no digest of its streams, for nothing in it needs to be trusted: what it restores has the digests of the signed
index, or is refused. So without the base, contents cannot be checked; that each stream and frame decompresses, to the sizes
that the delta's own program asks for, can.
"""

from airlock.airgapped.restored import delta_supply
from airlock.airgapped.site import Site
from airlock.airgapped.update import SiteFrames
from airlock.airgapped.verify import SignedIndex
from airlock.core.binary_delta import parts_taken
from airlock.core.digest import CHUNK
from airlock.formats.delta_index import Full, Patch
from airlock.storage.archive import Archive
from airlock.storage.delta_streams import StreamReader, open_streams
from airlock.storage.restore import Delta, FrameSource, check_carried, read_delta

UNCHECKED = "contents are not checked: give --root or --base"


def base_at(site: Site, archive: Archive) -> SiteFrames | None:
    """The generation of a site that the delta starts from; where no generation is it, the current one, which then is refused;
    None where nothing is installed. Raises IntegrityError."""
    if (current := site.current_generation()) is None:
        return None
    wanted = read_delta(archive).rows.base
    indexes = {site.generation(number).index for number in site.numbers()}
    return SiteFrames(site=site, index=wanted if wanted in indexes else current.index)


def check_contents(signed: SignedIndex, base: FrameSource, archive: Archive) -> str:
    """Restore every content, which compares its digest with the index, and keep none of them. Raises IntegrityError."""
    supply = delta_supply(base, archive)
    forms = tuple({entry.expanded.digest: entry.expanded for entry in signed.index.entries}.values())
    for content in supply.contents(forms, None):
        content.close()
    size = sum(form.size for form in forms)
    return f"restored from {base.where}: {size} bytes of content have the digests of the index"


def check_alone(archive: Archive) -> str:
    """Read every frame and stream to its end. Raises IntegrityError."""
    delta = read_delta(archive)
    for row in delta.rows.rows:
        if isinstance(row, Full):
            check_carried(delta, row)
    if any(isinstance(row, Patch) for row in delta.rows.rows):
        _check_streams(delta)
    return "every frame and stream of the delta decompresses, to the size that it should have"


def _check_streams(delta: Delta) -> None:
    streams = dict(open_streams(delta.archive))
    program = streams.pop("program")
    left = dict.fromkeys(streams, 0)
    for row in delta.rows.rows:
        if isinstance(row, Patch):
            taken = parts_taken(program, delta.expanded[row.digest].size, delta.archive.where)
            for name in left:
                left[name] += taken[name]
    program.finish()
    for name, stream in streams.items():
        _read(stream, left[name])


def _read(stream: StreamReader, size: int) -> None:
    while size:
        size -= len(stream.take(min(CHUNK, size)))
    stream.finish()
