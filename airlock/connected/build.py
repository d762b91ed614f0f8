"""Make the bundle of one target: a function of the lock and the store, the same bytes on any machine."""

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from airlock.connected.documents import Packed, pack_documents
from airlock.core.artifact import Activation, Artifact, Encoder
from airlock.core.codecs import SETS
from airlock.core.codecs import check as check_codecs
from airlock.core.digest import Digest, Hasher, chunks_of, digest_of
from airlock.core.reporter import Reporter
from airlock.errors import IntegrityError, TargetError
from airlock.formats.index import INDEX, BundleIndex, IndexEntry, write_index
from airlock.formats.lockfile import Lockfile
from airlock.kinds import Activates
from airlock.kinds.registry import kind_named, kinds
from airlock.storage.archive import ArchiveWriter
from airlock.storage.atomic import replacing
from airlock.storage.frame_cache import Frame, FrameCache
from airlock.storage.frames import this_encoder
from airlock.storage.store import Store

_RELEASES = {"1.5.7": "0.25.0", "1.5.6": "0.23.0", "1.5.5": "0.22.0", "1.5.4": "0.20.0"}
"""libzstd, and the release of python-zstandard that brings it."""

CACHE_LEVEL = 1
"""zstd level of expanded forms that no build has asked for yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Workshop:
    """What builds and deltas are made with."""

    store: Store
    cache: Path
    """The folder of cached frames."""
    reporter: Reporter
    jobs: int
    shuffle: str = ""
    """Decides the order of work, which must not show in what is made; empty: the largest first."""

    def frames(self, encoder: Encoder) -> FrameCache:
        return FrameCache(root=self.cache, encoder=encoder)

    def ordered(self, artifacts: Iterable[Artifact]) -> list[Artifact]:
        if self.shuffle:
            return sorted(
                artifacts, key=lambda artifact: digest_of(f"{self.shuffle}{artifact.digest}".encode())
            )
        return sorted(artifacts, key=lambda artifact: (-artifact.size, artifact.key))


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildReport:
    """Sizes are in bytes."""

    path: Path
    target: str
    artifacts: int
    size: int
    originals: int
    expanded: int
    digest: Digest
    """Of the whole file."""
    index: Digest


def bundle_stem(lockfile: Lockfile, target: str) -> str:
    """`NAME-VERSION-TARGET`, which names the bundle's file and what its signatures speak of."""
    return f"{lockfile.project.name}-{lockfile.project.version}-{target}"


def build(lockfile: Lockfile, target: str, workshop: Workshop, path: Path) -> BuildReport:
    """Write the bundle of `target` to `path`, atomically. Everything it needs must be in the store. Raises FetchError,
    IntegrityError, or TargetError where the locked encoder is not at hand."""
    frames = make_frames(lockfile.artifacts_for(target), lockfile.encoder, workshop)
    packed = pack_documents(lockfile, target, workshop.store)
    index = bundle_index(lockfile, target, frames, packed)
    data = write_index(index)
    with replacing(path) as out:
        writer = ArchiveWriter(out)
        writer.add_bytes(INDEX, data)
        for one in packed:
            writer.add_bytes(one.document.member, one.frame)
        for name, frame in sorted(
            {entry.frame: frame for entry, frame in zip(index.entries, frames, strict=True)}.items()
        ):
            with frame.path.open("rb") as stream:
                writer.add(name, frame.size, chunks_of(stream))
        writer.close()
        out.seek(0)
        hasher = Hasher()
        for chunk in chunks_of(out):
            hasher.update(chunk)
    return BuildReport(
        path=path,
        target=target,
        artifacts=len(index.entries),
        size=hasher.size,
        originals=sum(entry.artifact.size for entry in index.entries),
        expanded=sum(entry.expanded.size for entry in index.entries),
        digest=hasher.digest,
        index=digest_of(data),
    )


def expand_all(artifacts: Iterable[Artifact], codecs: str, workshop: Workshop) -> None:
    """Take apart what was not yet, with a set of codecs that is at hand, so that builds and deltas at any level begin with
    it. Raises as `build` does."""
    cache, task = workshop.frames(this_encoder(CACHE_LEVEL, codecs)), "Taking apart"
    todo = [artifact for artifact in workshop.ordered(artifacts) if not cache.holds_form(artifact)]
    workshop.reporter.start(task, sum(artifact.size for artifact in todo))

    def make(artifact: Artifact) -> None:
        cache.frame(artifact, workshop.store)
        workshop.reporter.advance(task, artifact.size)

    pool = ThreadPoolExecutor(max_workers=workshop.jobs)
    try:
        list(pool.map(make, todo))
    finally:
        pool.shutdown(cancel_futures=True)
        workshop.reporter.finish(task)


def make_frames(artifacts: Sequence[Artifact], encoder: Encoder, workshop: Workshop) -> tuple[Frame, ...]:
    """The frame of each artifact, sorted by the artifacts' keys. Threads pay: zlib, zstd and SHA-256 release the GIL."""
    check_encoder(encoder, "the lock")
    cache, task = workshop.frames(encoder), "Building frames"
    workshop.reporter.start(task, sum(artifact.size for artifact in artifacts))

    def make(artifact: Artifact) -> tuple[tuple[str, str], Frame]:
        frame = cache.frame(artifact, workshop.store)
        _check_opened(artifact, frame)
        workshop.reporter.advance(task, artifact.size)
        return artifact.key, frame

    pool = ThreadPoolExecutor(max_workers=workshop.jobs)
    try:
        made = dict(pool.map(make, workshop.ordered(artifacts)))
    finally:
        pool.shutdown(cancel_futures=True)
        workshop.reporter.finish(task)
    return tuple(frame for _, frame in sorted(made.items(), key=lambda item: item[0]))


def _check_opened(artifact: Artifact, frame: Frame) -> None:
    """What the far side must open has to be opened here: it is too late to find out behind the gap."""
    if frame.expanded.form == "raw/1" and kind_named(artifact.kind, artifact.label).opens(artifact):
        raise IntegrityError(
            artifact.label,
            f"{artifact.file} is not a plain archive: damaged, or a zip with encryption, zip64, members out of order "
            "or contents of more than 1 GiB and 100 times its size",
            hint="fetch it again, pin another version, or repack a wheel with Python's zipfile",
        )


def bundle_index(
    lockfile: Lockfile, target: str, frames: Sequence[Frame], packed: Sequence[Packed] = ()
) -> BundleIndex:
    """The table of contents; `frames` as `make_frames` returns them. Where an artifact came from stays behind."""
    artifacts = sorted(lockfile.artifacts_for(target), key=lambda artifact: artifact.key)
    entries = tuple(
        IndexEntry(artifact=replace(artifact, origin={}), expanded=frame.expanded)
        for artifact, frame in zip(artifacts, frames, strict=True)
    )
    return BundleIndex(
        project=lockfile.project,
        target=lockfile.target(target),
        encoder=lockfile.encoder,
        health=lockfile.health,
        entries=entries,
        activation=_activation(artifacts),
        exceptions=lockfile.exceptions,
        documents=tuple(one.document for one in packed),
    )


def _activation(artifacts: Sequence[Artifact]) -> tuple[Activation, ...]:
    return tuple(
        one
        for kind in kinds()
        if isinstance(kind, Activates)
        for one in kind.activation([artifact for artifact in artifacts if artifact.kind == kind.name])
    )


def check_encoder(encoder: Encoder, where: str) -> None:
    """Raises TargetError where this machine's libzstd is not the one that the lock pins, or its codecs are not at hand."""
    check_codecs(SETS[encoder.codecs], f"{where}: encoder: {encoder.codecs}")
    here = this_encoder(encoder.level, encoder.codecs)
    if here == encoder:
        return
    release = _RELEASES.get(encoder.version)
    install = f"`pip install zstandard=={release}`" if release else "the zstandard release that brings it"
    raise TargetError(
        f"{where}: encoder",
        "the encoder at hand writes other bytes",
        expected=f"libzstd {encoder.version}",
        found=f"libzstd {here.version}",
        hint=f"install {install}, or pin the encoder at hand with `airlock lock`",
    )
