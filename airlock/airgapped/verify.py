"""`airlock verify`: decide whether a bundle may be installed. Pure over streams.

The rules, in their order; the first that is broken ends it with an IntegrityError that names the place:

1. The archive is one that airlock writes (`Archive` checked that).
2. The trust root is signed by the threshold of its own root keys. Roots that the bundle carries, `trust/N.root.json`,
   lead on from it one version at a time, each signed by the root before it and by itself (TUF 5.3). A chain with a gap,
   or with another root of the version that is trusted, is refused.
3. `trust/targets.json` is signed by the threshold of the root's `targets` keys.
4. `index.json` has the signed length, sha256 and name.
   Whoever must approve has signed the same, for the same release counter (`airgapped/approvals.py`).
5. The index is well formed, and of a version that is known.
6. The archive holds the members that the index names, and nothing else.
7. Every frame, and every document, decompresses to the size and digest that the index gives. `install` does this in the one pass in which it
   reads a frame at all, before it looks at what is in it.

Deliberately not here: an expired root or signature is a warning and no refusal, unless the root says so, for clocks on the
far side drift, and a site that refuses every bundle cannot be helped from outside. The release counter is compared in `install`, which knows
what was accepted before. What the frames hold is checked by the kinds, when they are placed.
"""

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import InitVar, dataclass, field
from pathlib import Path
from typing import BinaryIO

from tuf.api.exceptions import LengthOrHashMismatchError
from tuf.api.metadata import Metadata, Root, Targets

from airlock.airgapped.approvals import (
    NO_APPROVALS,
    Approvals,
    Approved,
    check_approvals,
    judged,
    release_root,
)
from airlock.core.canonical_json import MAX_SIZE
from airlock.core.digest import Digest, digest_of
from airlock.errors import IntegrityError
from airlock.formats.index import INDEX, BundleIndex, Expanded, frame_name, parse_index
from airlock.formats.trust import (
    MAX_METADATA,
    PROVENANCE,
    TARGETS,
    check_signatures,
    is_trust_member,
    parse_targets,
    signed_index,
    target_path,
)
from airlock.formats.trust_chain import TrustedRoot, follow
from airlock.formats.trust_fields import read_particulars
from airlock.storage.archive import Archive
from airlock.storage.content import BundleSupply, Content, Supply
from airlock.storage.documents import check_documents
from airlock.storage.frames import decompress
from airlock.storage.root_chain import links_in

Reopen = Callable[[], BinaryIO]
"""Opens the same file once more, for a thread of its own."""

_ONLY_VERIFY_MAKES_ONE = object()


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedIndex:
    """An index whose signatures hold; nothing is known of the frames yet."""

    data: bytes
    index: BundleIndex
    digest: Digest
    release: int
    """The counter of the signed metadata, which only grows."""
    anchor: bytes
    """The trust root that it was verified against."""
    root: bytes
    """The newest root that the anchor leads to, to be pinned from now on."""
    targets: bytes
    """The signed metadata."""
    signers: tuple[str, ...]
    """Ids of the keys whose signatures hold."""
    checked: tuple[str, ...]
    """What was checked, one line each."""
    warnings: tuple[str, ...]
    approvals: Mapping[str, Approved] = field(default_factory=dict)
    """By the name of the approver; those that were demanded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedBundle:
    """A bundle that holds the frames of an index whose signatures hold, and nothing else; nothing is known of what is in
    them yet. Only `verify_signatures` and `verify` make one, and only one can be installed: `contents` compares the digest
    of each frame before anybody sees what it holds."""

    supply: Supply
    signed: SignedIndex
    proof: InitVar[object]

    def __post_init__(self, proof: object) -> None:
        if proof is not _ONLY_VERIFY_MAKES_ONE:
            raise TypeError("a bundle is trusted by verify_signatures() and verify() alone")

    def contents(self, scratch: Path | None, without: frozenset[str] = frozenset()) -> Iterator[Content]:
        """Each expanded form once, decompressed and checked (rule 7), always in the same order; large ones lie in the
        folder `scratch` while they are used. Those that artifacts with the labels `without` alone have are left out.
        Raises IntegrityError."""
        wanted = {
            entry.expanded.digest: entry.expanded
            for entry in self.index.entries
            if entry.artifact.label not in without
        }
        return self.supply.contents(tuple(wanted.values()), scratch)

    @property
    def index(self) -> BundleIndex:
        return self.signed.index

    @property
    def digest(self) -> Digest:
        """Of `index.json`."""
        return self.signed.digest


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifiedBundle(SignedBundle):
    """A bundle of which every byte was checked. Only `verify` makes one."""

    checked: tuple[str, ...]


def verify_signatures(
    archive: Archive, root: bytes, now: int, approvals: Approvals = NO_APPROVALS
) -> SignedBundle:
    """Rules 1 to 6. Raises IntegrityError."""
    signed = verify_index(archive, root, now, approvals)
    _check_members(archive, signed.index)
    return SignedBundle(supply=BundleSupply(archive), signed=signed, proof=_ONLY_VERIFY_MAKES_ONE)


def restored(signed: SignedIndex, supply: Supply) -> SignedBundle:
    """What a delta, whose signatures hold, restores: its contents are checked like those of any bundle."""
    return SignedBundle(supply=supply, signed=signed, proof=_ONLY_VERIFY_MAKES_ONE)


def verify(
    archive: Archive,
    root: bytes,
    now: int,
    reopen: Reopen | None = None,
    approvals: Approvals = NO_APPROVALS,
) -> VerifiedBundle:
    """Check a bundle against a trust root; `now` is in seconds since the epoch. With `reopen`, frames are read by
    several threads. Raises IntegrityError."""
    signed = verify_signatures(archive, root, now, approvals).signed
    _check_frames(archive, _contents(signed.index), reopen)
    check_documents(archive, signed.index)
    size = sum(entry.expanded.size for entry in signed.index.entries)
    checked = (
        *signed.checked,
        f"the archive holds {len(signed.index.entries)} artifacts, and nothing that the index does not name",
        f"every frame: {size} bytes of content have the digests of the index",
        *(f"document {one.name}: {one.size} bytes, as the index says" for one in signed.index.documents),
    )
    return VerifiedBundle(
        supply=BundleSupply(archive), signed=signed, checked=checked, proof=_ONLY_VERIFY_MAKES_ONE
    )


def verify_index(archive: Archive, root: bytes, now: int, approvals: Approvals = NO_APPROVALS) -> SignedIndex:
    """Rules 1 to 5, which also hold for a delta: its signatures are those of the bundle that it restores."""
    for name in archive.members:
        if name.startswith("trust/") and not is_trust_member(name):
            raise IntegrityError(f"{archive.where}: member {name}", "not a member of a signed archive")
    trusted = follow(release_root(root), links_in([archive], ""))
    data = archive.read(INDEX, MAX_SIZE)
    targets, metadata, signers = _targets(archive, trusted.signed)
    place = f"{archive.where}: {INDEX}"
    target = signed_index(metadata, f"{archive.where}: {TARGETS}")
    try:
        target.verify_length_and_hashes(data)
    except LengthOrHashMismatchError as error:
        raise IntegrityError(place, f"not the index that was signed, {error}") from error
    index = parse_index(data, place)
    if target.path != target_path(index):
        raise IntegrityError(
            place, "signed under another name", expected=target_path(index), found=target.path
        )
    warnings = judged(trusted, metadata, archive.where, now)
    told = _provenance(archive, trusted.signed, index)
    approved = check_approvals(archive, metadata.signed, approvals, now)
    return SignedIndex(
        data=data,
        index=index,
        digest=digest_of(data),
        release=metadata.signed.version,
        anchor=root,
        root=trusted.data,
        targets=targets,
        signers=signers,
        checked=(
            *_statement(trusted, signers, len(data)),
            *told,
            *(one.checked for one in approved.values()),
        ),
        warnings=(*warnings, *(warning for one in approved.values() for warning in one.warnings)),
        approvals=approved,
    )


def _targets(archive: Archive, root: Root) -> tuple[bytes, Metadata[Targets], tuple[str, ...]]:
    place = f"{archive.where}: {TARGETS}"
    if TARGETS not in archive.members:
        raise IntegrityError(
            archive.where, "not signed", expected=f"a member {TARGETS}", hint="sign it with `airlock sign`"
        )
    data = archive.read(TARGETS, MAX_METADATA)
    metadata = parse_targets(data, place)
    if name := read_particulars(metadata.signed, place).approver:
        raise IntegrityError(place, f"an approval by {name}, not a release")
    return data, metadata, check_signatures(metadata, root, "targets", place)


def _provenance(archive: Archive, root: Root, index: BundleIndex) -> tuple[str, ...]:
    """Nothing rests on it, but what says where this bundle comes from shall not say it of another."""
    if PROVENANCE not in archive.members:
        return ()
    from airlock.formats.provenance import check_provenance

    keys = [root.keys[identity] for identity in root.roles["targets"].keyids]
    data = archive.read(PROVENANCE, MAX_METADATA)
    signed = check_provenance(data, index, keys, f"{archive.where}: {PROVENANCE}")
    return (f"provenance (SLSA): of this bundle, signed by {signed} of {len(keys)} release keys",)


def _statement(root: TrustedRoot, signers: tuple[str, ...], size: int) -> tuple[str, ...]:
    keys = root.signed.roles["targets"]
    names = ", ".join(signer[:8] for signer in signers)
    return (
        f"trust root version {root.version}, signed by its own root keys",
        f"signatures: {len(signers)} of {len(keys.keyids)} release keys ({names}), {keys.threshold} needed",
        f"index.json: {size} bytes, as signed, and well formed",
    )


def _check_members(archive: Archive, index: BundleIndex) -> None:
    named = {INDEX, *(entry.frame for entry in index.entries), *(one.member for one in index.documents)}
    for name in archive.members:
        if name not in named and not is_trust_member(name):
            raise IntegrityError(f"{archive.where}: member {name}", "the index does not name it")
    for name in sorted(named - archive.members.keys()):
        raise IntegrityError(f"{archive.where}: member {name}", "missing, though the index names it")
    frames = [name for name in archive.members if name in named]
    if frames != [INDEX, *sorted(named - {INDEX})]:
        raise IntegrityError(archive.where, "members in another order than airlock writes them")


def _contents(index: BundleIndex) -> Mapping[Digest, Expanded]:
    """Each frame once, the largest first, so that threads end together."""
    forms = sorted((entry.expanded for entry in index.entries), key=lambda form: -form.size)
    return {form.digest: form for form in forms}


def _check_frames(archive: Archive, contents: Mapping[Digest, Expanded], reopen: Reopen | None) -> None:
    if reopen is None or len(contents) < 2:
        for expanded in contents.values():
            _check_frame(archive, expanded)
        return
    workers = 2
    shares = [list(contents.values())[number::workers] for number in range(workers)]
    with ThreadPoolExecutor(workers) as pool:
        for done in [pool.submit(_check_share, archive.where, share, reopen) for share in shares]:
            done.result()


def _check_share(where: str, share: list[Expanded], reopen: Reopen) -> None:
    with reopen() as stream:
        archive = Archive(stream, where)
        for expanded in share:
            _check_frame(archive, expanded)


def _check_frame(archive: Archive, expanded: Expanded) -> None:
    name = frame_name(expanded.digest)
    with archive.open(name) as frame:
        for _ in decompress(frame, expanded.digest, expanded.size, f"{archive.where}: member {name}"):
            pass
