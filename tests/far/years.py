"""Roots, approvers and sites for tests of trust over years."""

import io
from collections.abc import Mapping, Sequence
from dataclasses import replace

from securesystemslib.signer import CryptoSigner

from airlock.airgapped.approvals import NO_APPROVALS, Approvals
from airlock.airgapped.install import Outcome, install
from airlock.airgapped.preflight import required_approvals
from airlock.airgapped.site import Site
from airlock.airgapped.verify import SignedIndex, verify_index, verify_signatures
from airlock.connected.approve import approve
from airlock.connected.sign import Statement, sign
from airlock.connected.trust import RoleChange, Rotation, Terms, add_signature, make_root, next_root
from airlock.formats.trust import write_metadata
from airlock.formats.trust_chain import TrustedRoot, following, pinned
from airlock.formats.trust_fields import Policy
from airlock.storage.archive import Archive, rewrite
from tests.far.bundles import (
    CHOICES,
    NOW,
    WORLD,
    archive_of,
    bundle,
    file_item,
    signer,
)

YEAR = 365 * 86_400
SAME = RoleChange()
PLAIN = bundle([file_item("share/a.txt", b"a")])
EARLY, LATE = 0, 80 * YEAR
"""Clocks in 1970 and 2050."""


def rotated(
    root: TrustedRoot,
    signers: Sequence[CryptoSigner],
    release: RoleChange = SAME,
    holders: RoleChange = SAME,
    expires: int = NOW + YEAR,
    retire: bool = False,
) -> bytes:
    """The next root, signed by `signers`; whether that is enough is not looked at."""
    rotation = Rotation(root=holders, release=release, expires=expires, retire=retire)
    metadata = next_root(root, rotation)
    for one in signers:
        add_signature(metadata, one, root.signed)
    return write_metadata(metadata)


class Years:
    """Three versions of a root: A trusts the release key a, B and C trust b; the root key changes from B to C."""

    def __init__(self) -> None:
        self.old_root, self.new_root, self.a, self.b = signer(), signer(), signer(), signer()
        self.first = pinned(make_root(self.old_root, [self.a.public_key], 1, NOW + YEAR), "A")
        change = RoleChange(add=(self.b.public_key,), remove=(self.a.public_key.keyid,))
        self.second = following(self.first, rotated(self.first, [self.old_root], change), "B")
        holders = RoleChange(add=(self.new_root.public_key,), remove=(self.old_root.public_key.keyid,))
        third = rotated(self.second, [self.old_root, self.new_root], holders=holders)
        self.third = following(self.second, third, "C")

    @property
    def all(self) -> tuple[TrustedRoot, ...]:
        return self.first, self.second, self.third


YEARS = Years()


def signed(
    data: bytes,
    *keys: CryptoSigner,
    roots: Sequence[TrustedRoot] = (),
    counter: int = 1,
    expires: int = NOW + YEAR,
) -> bytes:
    for key in keys:
        out = io.BytesIO()
        statement = Statement(counter=counter, fixed=False, expires=expires, made=NOW)
        sign(Archive(io.BytesIO(data), "b.airlock"), key, statement, out, roots)
        data = out.getvalue()
    return data


def checked(data: bytes, root: bytes, now: int = NOW, approvals: Approvals = NO_APPROVALS) -> SignedIndex:
    return verify_index(Archive(io.BytesIO(data), "b.airlock"), root, now, approvals)


def installed(
    site: Site,
    data: bytes,
    root: bytes | None = None,
    demanded: Mapping[str, bytes] | None = None,
    detached: Sequence[bytes] = (),
    downgrade: bool = False,
) -> Outcome:
    """As `airlock install` does it."""
    files = tuple(Archive(io.BytesIO(one), "b.approval") for one in detached)
    approvals = Approvals(required=required_approvals(site, demanded or {}), detached=files)
    trusted = root or site.root_of_trust()
    assert trusted
    found = verify_signatures(Archive(io.BytesIO(data), "b.airlock"), trusted, NOW, approvals)
    return install(found, site, replace(CHOICES, allow_downgrade=downgrade), WORLD)


def two_of_three() -> tuple[list[CryptoSigner], TrustedRoot]:
    keys = [signer(), signer(), signer()]
    root = make_root(signer(), [key.public_key for key in keys], 2, NOW + YEAR)
    return keys, pinned(root, "r")


class Approver:
    """An approval root with keys, and what they sign."""

    def __init__(self, name: str = "site-security", threshold: int = 1) -> None:
        self.name, self.root_key = name, signer()
        self.keys = [signer(), signer()]
        terms = Terms(policy=Policy(approver=name))
        public = [key.public_key for key in self.keys]
        self.root = pinned(make_root(self.root_key, public, threshold, NOW + YEAR, terms), name)
        self.roots = [self.root]

    @property
    def demanded(self) -> dict[str, bytes]:
        return {f"{self.name}.json": self.root.data}

    @property
    def approvals(self) -> Approvals:
        return Approvals(required={self.name: self.root.data})

    def file(self, data: bytes, *keys: CryptoSigner) -> bytes:
        """An approval of its own."""
        before: list[Archive] = []
        out = b""
        for key in keys:
            archives = [Archive(io.BytesIO(data), "b.airlock"), *before]
            made = approve(archives, key, self.roots, NOW, NOW + YEAR)
            out = archive_of(made.members)
            before = [Archive(io.BytesIO(out), "b.approval")]
        return out

    def inside(self, data: bytes, *keys: CryptoSigner) -> bytes:
        for key in keys:
            archive, out = Archive(io.BytesIO(data), "b.airlock"), io.BytesIO()
            rewrite(archive, approve([archive], key, self.roots, NOW, NOW + YEAR).members, out)
            data = out.getvalue()
        return data


APPROVER = Approver()
RELEASED = signed(PLAIN, YEARS.a)
