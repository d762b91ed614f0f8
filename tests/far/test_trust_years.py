"""Trust over years without a network: rotations that a site missed, thresholds, approvals, counters, wrong clocks."""

import io
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from securesystemslib.signer import CryptoSigner
from tuf.api.metadata import Metadata, Root, Targets

from airlock.airgapped.accept import accept
from airlock.airgapped.approvals import NO_APPROVALS, Approvals
from airlock.airgapped.install import Outcome, install
from airlock.airgapped.preflight import required_approvals
from airlock.airgapped.signatures import signatures
from airlock.airgapped.site import Site
from airlock.airgapped.update import update
from airlock.airgapped.verify import SignedIndex, verify_index, verify_signatures
from airlock.connected.approve import approve
from airlock.connected.key import put_signature
from airlock.connected.sign import Statement, sign
from airlock.connected.trust import RoleChange, Rotation, Terms, add_signature, changes, make_root, next_root
from airlock.errors import IntegrityError, TargetError, UsageError
from airlock.formats.trust import TARGETS, parse_root, root_link, write_metadata
from airlock.formats.trust_chain import Links, TrustedRoot, following, pinned, quorums
from airlock.formats.trust_fields import Policy
from airlock.storage.archive import Archive, rewrite
from airlock.storage.root_chain import file_of, links_of_files, read_chain
from tests.far.bundles import (
    CHOICES,
    NOW,
    WORLD,
    archive_of,
    bundle,
    file_item,
    later,
    members_in,
    signer,
    site_at,
)
from tests.far.test_update import giving

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


# Rotation


def test_a_site_that_missed_a_root_catches_up(tmp_path: Path) -> None:
    site = site_at(tmp_path / "site")
    installed(site, signed(PLAIN, YEARS.a), YEARS.first.data)
    newer = bundle([file_item("share/a.txt", b"2")], version="2.0")
    installed(site, signed(newer, YEARS.b, roots=YEARS.all, counter=2))
    assert site.root_of_trust() == YEARS.third.data
    last = bundle([file_item("share/a.txt", b"3")], version="3.0")
    installed(site, signed(last, YEARS.b, counter=3))


def test_a_delta_carries_the_roots_too(tmp_path: Path) -> None:
    site = site_at(tmp_path / "site")
    installed(site, signed(PLAIN, YEARS.a), YEARS.first.data)
    newer = signed(
        bundle([file_item("share/a.txt", b"2")], version="2.0"), YEARS.b, roots=YEARS.all, counter=2
    )
    members = {name: data for name, data in members_in(newer).items() if not name.startswith("frames/")}
    delta = Archive(io.BytesIO(archive_of({"delta.json": b"{}\n", **members})), "d.airdelta")
    update(delta, YEARS.first.data, site, giving(newer), CHOICES, later(1))
    assert site.root_of_trust() == YEARS.third.data


def test_a_revoked_release_key_is_refused_once_its_root_is_followed(tmp_path: Path) -> None:
    site = site_at(tmp_path / "site")
    installed(site, signed(PLAIN, YEARS.b, roots=YEARS.all), YEARS.first.data)
    stolen = signed(bundle([file_item("share/a.txt", b"evil")], version="9.0"), YEARS.a, counter=9)
    with pytest.raises(IntegrityError, match="not signed by enough trusted keys"):
        installed(site, stolen)
    with pytest.raises(IntegrityError, match="not signed by enough trusted keys"):
        installed(site, signed(stolen, YEARS.a, roots=YEARS.all, counter=9))


def test_a_revoked_root_key_makes_no_more_roots() -> None:
    forged = next_root(YEARS.third, Rotation(root=SAME, release=SAME, expires=NOW + YEAR))
    put_signature(forged, YEARS.old_root)
    data = members_in(signed(PLAIN, YEARS.b, roots=YEARS.all)) | {root_link(4): write_metadata(forged)}
    with pytest.raises(IntegrityError, match=r"4\.root\.json: not signed by enough"):
        checked(archive_of(data), YEARS.first.data)


def test_a_fork_of_the_root_that_is_trusted_is_refused() -> None:
    """The same root key signed another version 2: whoever holds it must choose one."""
    evil = signer()
    change = RoleChange(add=(evil.public_key,))
    other = following(YEARS.first, rotated(YEARS.first, [YEARS.old_root], change), "fork")
    after = following(other, rotated(other, [YEARS.old_root]), "fork")
    data = signed(PLAIN, evil, roots=[YEARS.first, other, after])
    assert checked(data, YEARS.first.data), "a site that saw neither cannot know"
    with pytest.raises(IntegrityError, match="the chain forks"):
        checked(data, YEARS.second.data)


def test_a_chain_with_a_gap_is_refused_and_says_which_root_is_missing() -> None:
    members = members_in(signed(PLAIN, YEARS.b, roots=YEARS.all))
    del members[root_link(2)]
    with pytest.raises(IntegrityError, match=r"trust/2\.root\.json: missing") as caught:
        checked(archive_of(members), YEARS.first.data)
    assert caught.value.found == "version 3"
    assert checked(archive_of(members), YEARS.second.data)


def test_an_old_root_under_a_new_number_is_refused() -> None:
    members = members_in(signed(PLAIN, YEARS.b, roots=YEARS.all))
    members[root_link(3)] = YEARS.second.data
    with pytest.raises(IntegrityError, match="root of another version"):
        checked(archive_of(members), YEARS.first.data)


def test_a_bundle_with_older_roots_does_not_take_the_site_back(tmp_path: Path) -> None:
    site = site_at(tmp_path / "site")
    installed(site, signed(PLAIN, YEARS.b, roots=YEARS.all), YEARS.first.data)
    newer = bundle([file_item("share/a.txt", b"2")], version="2.0")
    installed(site, signed(newer, YEARS.b, roots=YEARS.all[:2], counter=2))
    assert site.root_of_trust() == YEARS.third.data


def test_a_new_root_needs_the_threshold_of_the_old_and_of_the_new() -> None:
    one, two, three, new = signer(), signer(), signer(), signer()
    terms = Terms(holders=(two.public_key, three.public_key), threshold=2)
    metadata = parse_root(make_root(one, [one.public_key], 1, NOW + YEAR, terms), "r")
    add_signature(metadata, three, None)
    first = pinned(write_metadata(metadata), "r")
    holders = RoleChange(add=(new.public_key,), remove=(one.public_key.keyid[:8],))
    for signers in ([one, new], [two, new], [one, two]):
        with pytest.raises(IntegrityError, match="not signed by enough"):
            following(first, rotated(first, signers, holders=holders), "r.2")
    both = following(first, rotated(first, [one, two, new], holders=holders), "r.2")
    states = quorums(parse_root(rotated(first, [two], holders=holders), "r.2"), first.signed)
    assert [state.missing for state in states] == [1, 1]
    assert set(states[1].unsigned) == {three.public_key.keyid, new.public_key.keyid}
    assert both.version == 2


def test_a_stranger_cannot_sign_a_root() -> None:
    metadata = next_root(YEARS.first, Rotation(root=SAME, release=SAME, expires=NOW))
    with pytest.raises(UsageError, match="not a root key"):
        add_signature(metadata, signer(), YEARS.first.signed)


@pytest.mark.parametrize(
    ("root", "release"),
    [
        (SAME, RoleChange(threshold=2)),
        (RoleChange(threshold=0), SAME),
        (SAME, RoleChange(remove=("0" * 64,))),
        (SAME, RoleChange(remove=(YEARS.a.public_key.keyid[:7],))),
        (SAME, RoleChange(remove=(YEARS.a.public_key.keyid,))),
    ],
)
def test_a_rotation_that_nobody_could_sign_for_is_refused(root: RoleChange, release: RoleChange) -> None:
    with pytest.raises(UsageError):
        next_root(YEARS.first, Rotation(root=root, release=release, expires=NOW))


def test_one_key_under_two_ids_does_not_count_as_two() -> None:
    key = signer()
    root: Metadata[Root] = Metadata.from_bytes(make_root(key, [key.public_key], 1, NOW + YEAR))
    public = dict(root.signed.keys[key.public_key.keyid].to_dict())
    twin = type(key.public_key).from_dict("f" * 64, public)
    root.signed.add_key(twin, "targets")
    root.sign(key)
    with pytest.raises(IntegrityError, match="a key under the id of another"):
        parse_root(write_metadata(root), "r")


def test_a_policy_that_this_airlock_does_not_know_is_not_passed_over() -> None:
    key = signer()
    root: Metadata[Root] = Metadata.from_bytes(make_root(key, [key.public_key], 1, NOW + YEAR))
    root.signed.unrecognized_fields["x-airlock"] = {"four-eyes": True}
    root.sign(key)
    with pytest.raises(IntegrityError, match="four-eyes: unknown key"):
        pinned(write_metadata(root), "r")


# Roots without a bundle


def links(*roots: TrustedRoot) -> Mapping[str, Links]:
    by_version = {root.version: root.data for root in roots}
    return {
        "": Links(versions=frozenset(by_version), read=by_version.__getitem__, place=lambda v: f"root {v}")
    }


def test_a_site_learns_of_a_stolen_key_without_a_bundle(tmp_path: Path) -> None:
    site = site_at(tmp_path / "site")
    with pytest.raises(TargetError, match="trusts nobody yet"):
        accept(site, links(YEARS.second), {}, WORLD)
    assert not (tmp_path / "site").exists()
    installed(site, signed(PLAIN, YEARS.a), YEARS.first.data)
    with pytest.raises(IntegrityError, match="missing"):
        accept(site, links(YEARS.third), {}, WORLD)
    assert accept(site, links(YEARS.second, YEARS.third), {}, WORLD) == ["trust root: version 3"]
    assert site.root_of_trust() == YEARS.third.data
    with pytest.raises(IntegrityError, match="not signed by enough"):
        installed(site, signed(bundle([], version="2.0"), YEARS.a, counter=2))


def test_the_versions_of_a_root_lie_beside_each_other(tmp_path: Path) -> None:
    first = tmp_path / "trust-root.json"
    assert file_of(first, 2) == tmp_path / "trust-root.2.json"
    assert file_of(tmp_path / "trust-root.2.json", 3) == tmp_path / "trust-root.3.json"
    assert file_of(tmp_path / "trust-root.12.json", 1) == first
    for root in YEARS.all:
        file_of(first, root.version).write_bytes(root.data)
    pending = write_metadata(next_root(YEARS.third, Rotation(root=SAME, release=SAME, expires=NOW)))
    file_of(first, 4).write_bytes(pending)
    for path in (first, file_of(first, 2), file_of(first, 4)):
        chain = read_chain(path)
        assert [root.version for root in chain.roots] == [1, 2, 3]
        assert chain.pending == file_of(first, 4), "what lacks signatures does not count"
    with pytest.raises(IntegrityError, match="a second root of one version"):
        links_of_files([first, first])


def test_who_is_asked_to_sign_a_root_is_told_what_it_changes() -> None:
    (line, expiry) = changes(YEARS.first.signed, YEARS.second.signed)
    keys = f"+ {YEARS.b.public_key.keyid[:8]}, - {YEARS.a.public_key.keyid[:8]}"
    assert (line, expiry) == (f"release keys: {keys}, 1 of 1 must sign", "expires 2027-09-21 14:13Z")
    (line, _) = changes(YEARS.second.signed, YEARS.third.signed)
    assert line.startswith("root keys: + ")
    approver = Approver()
    last = parse_root(rotated(approver.root, [], retire=True), "r").signed
    assert "retired: sites ask for this approval no more" in list(changes(approver.root.signed, last))


def test_a_policy_can_be_taken_back() -> None:
    key = signer()
    terms = Terms(policy=Policy(refuse_expired=True))
    first = pinned(make_root(key, [key.public_key], 1, NOW + YEAR, terms), "r")
    rotation = Rotation(root=SAME, release=SAME, expires=NOW + YEAR, refuse_expired=False)
    metadata = next_root(first, rotation)
    add_signature(metadata, key, first.signed)
    second = following(first, write_metadata(metadata), "r.2")
    assert (first.policy.refuse_expired, second.policy.refuse_expired) == (True, False)
    assert second.signed.unrecognized_fields == {}


# Thresholds and counters


def two_of_three() -> tuple[list[CryptoSigner], TrustedRoot]:
    keys = [signer(), signer(), signer()]
    root = make_root(signer(), [key.public_key for key in keys], 2, NOW + YEAR)
    return keys, pinned(root, "r")


def test_two_of_three_release_keys_sign_one_after_the_other() -> None:
    keys, root = two_of_three()
    out = io.BytesIO()
    statement = Statement(counter=5, fixed=False, expires=NOW + YEAR, made=NOW)
    once = sign(Archive(io.BytesIO(PLAIN), "b"), keys[0], statement, out, [root])
    assert once.quorum and once.quorum.missing == 1
    assert set(once.quorum.unsigned) == {key.public_key.keyid for key in keys[1:]}
    with pytest.raises(IntegrityError, match="not signed by enough"):
        checked(out.getvalue(), root.data)
    twice = signed(out.getvalue(), keys[2], roots=[root], counter=99)
    assert checked(twice, root.data).release == 5
    before, after = members_in(out.getvalue()), members_in(twice)
    assert before.pop(TARGETS) != after.pop(TARGETS)
    assert before == after, "nothing is built again"


def test_nobody_is_made_to_sign_the_statement_of_a_stranger() -> None:
    """On its way from one signer to the next, a bundle gets a signature with a counter that no other could ever follow."""
    keys, root = two_of_three()
    poisoned = signed(PLAIN, signer(), counter=1 << 52, expires=NOW + 50 * YEAR)
    assert checked(signed(poisoned, *keys[:2], roots=[root], counter=5), root.data).release == 5
    data = members_in(signed(PLAIN, keys[1], roots=[root], counter=7))
    metadata: Metadata[Targets] = Metadata.from_bytes(data[TARGETS])
    metadata.signed.version = 1 << 52
    data[TARGETS] = write_metadata(metadata)
    again = signed(archive_of(data), keys[0], roots=[root], counter=6)
    assert list(Metadata.from_bytes(members_in(again)[TARGETS]).signatures) == [keys[0].public_key.keyid]


def test_signing_again_with_a_clock_that_went_back_keeps_the_counter() -> None:
    keys, root = two_of_three()
    once = signed(PLAIN, keys[0], roots=[root], counter=9)
    again: Metadata[Targets] = Metadata.from_bytes(
        members_in(signed(once, keys[0], roots=[root], counter=4))[TARGETS]
    )
    assert again.signed.version == 9


def test_two_bundles_with_one_release_counter_are_not_both_accepted(tmp_path: Path) -> None:
    site = site_at(tmp_path / "site")
    first, second = PLAIN, bundle([file_item("share/a.txt", b"older")], version="0.9")
    installed(site, signed(first, YEARS.a, counter=7), YEARS.first.data)
    with pytest.raises(IntegrityError, match="the release counter of another bundle") as caught:
        installed(site, signed(second, YEARS.a, counter=7))
    assert caught.value.hint and "--counter" in caught.value.hint
    assert not installed(site, signed(first, YEARS.a, counter=7)).downgrade
    assert site.current() == 1
    assert installed(site, signed(second, YEARS.a, counter=7), downgrade=True).downgrade
    with pytest.raises(IntegrityError, match="signed before"):
        installed(site, signed(first, YEARS.a, counter=6))
    third = bundle([file_item("share/a.txt", b"newer")], version="1.1")
    assert not installed(site, signed(third, YEARS.a, counter=8), downgrade=True).downgrade


# Clocks


@pytest.mark.parametrize("clock", [EARLY, LATE])
def test_a_wrong_clock_warns_with_both_times_and_bricks_no_site(tmp_path: Path, clock: int) -> None:
    site = site_at(tmp_path / "site")
    data = signed(PLAIN, YEARS.a)
    found = checked(data, YEARS.first.data, clock)
    year = "1970-01-01 00:00Z" if clock == EARLY else "2049-12-12 00:00Z"
    assert found.warnings and all(f"this machine's clock says {year}" in text for text in found.warnings)
    done = install(
        verify_signatures(Archive(io.BytesIO(data), "b"), YEARS.first.data, clock),
        site,
        CHOICES,
        replace(WORLD, now=clock),
    )
    assert done.after == 1


def test_a_clock_before_the_signature_is_told() -> None:
    (warning,) = checked(signed(PLAIN, YEARS.a), YEARS.first.data, NOW - 1).warnings
    assert "was made on" in warning and "set the clock" in warning


def test_a_root_may_want_what_has_expired_refused() -> None:
    key, release = signer(), signer()
    terms = Terms(policy=Policy(refuse_expired=True))
    root = make_root(key, [release.public_key], 1, NOW + 2 * YEAR, terms)
    data = signed(PLAIN, release, expires=NOW + YEAR)
    assert checked(data, root, NOW).warnings == ()
    with pytest.raises(IntegrityError, match="the signature expired on") as caught:
        checked(data, root, NOW + YEAR)
    assert caught.value.hint and "clock" in caught.value.hint
    assert checked(signed(PLAIN, release, expires=NOW + 2 * YEAR - 1), root, NOW + YEAR).warnings == ()
    assert checked(data, root, EARLY).warnings, "before the signature: a warning, whatever the policy"


def test_a_root_that_expired_leaves_the_way_to_the_next_open() -> None:
    key, release = signer(), signer()
    terms = Terms(policy=Policy(refuse_expired=True))
    first = pinned(make_root(key, [release.public_key], 1, NOW, terms), "r")
    second = following(first, rotated(first, [key], expires=NOW + YEAR), "r.2")
    with pytest.raises(IntegrityError, match="the trust root expired"):
        checked(signed(PLAIN, release), first.data, NOW + 1)
    assert checked(signed(PLAIN, release, roots=[first, second]), first.data, NOW + 1).warnings == ()


# Approvals


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


def test_a_site_that_demands_an_approval_goes_on_demanding_it(tmp_path: Path) -> None:
    site = site_at(tmp_path / "site")
    with pytest.raises(IntegrityError, match="not approved by site-security"):
        installed(site, RELEASED, YEARS.first.data, APPROVER.demanded)
    assert not (tmp_path / "site").exists()
    approved = APPROVER.inside(RELEASED, APPROVER.keys[1])
    assert installed(site, approved, YEARS.first.data, APPROVER.demanded).after == 1
    newer = signed(bundle([], version="2.0"), YEARS.a, counter=2)
    with pytest.raises(IntegrityError, match="not approved by site-security"):
        installed(site, newer)
    detached = APPROVER.file(newer, APPROVER.keys[0])
    assert installed(site, newer, detached=[detached]).after == 2
    assert members_in(newer).keys() == members_in(signed(bundle([], version="2.0"), YEARS.a)).keys()


def test_an_update_by_a_delta_needs_the_approval_too(tmp_path: Path) -> None:
    site = site_at(tmp_path / "site")
    installed(site, APPROVER.inside(RELEASED, APPROVER.keys[0]), YEARS.first.data, APPROVER.demanded)
    newer = signed(bundle([], version="2.0"), YEARS.a, counter=2)
    demand = replace(CHOICES, approvals=Approvals(required=site.approval_roots()))

    def delta(data: bytes) -> Archive:
        members = {name: one for name, one in members_in(data).items() if not name.startswith("frames/")}
        return Archive(io.BytesIO(archive_of({"delta.json": b"{}\n", **members})), "d.airdelta")

    for choices in (CHOICES, demand):
        with pytest.raises(IntegrityError, match="approv"):
            update(delta(newer), YEARS.first.data, site, giving(newer), choices, later(1))
    approved = APPROVER.inside(newer, APPROVER.keys[1])
    assert update(delta(approved), YEARS.first.data, site, giving(approved), demand, later(1)).after == 2


def test_an_approval_that_the_caller_forgot_to_ask_for_is_asked_for_under_the_lock(tmp_path: Path) -> None:
    site = site_at(tmp_path / "site")
    installed(site, APPROVER.inside(RELEASED, APPROVER.keys[0]), YEARS.first.data, APPROVER.demanded)
    newer = signed(bundle([], version="2.0"), YEARS.a, counter=2)
    careless = verify_signatures(Archive(io.BytesIO(newer), "b"), YEARS.first.data, NOW)
    with pytest.raises(IntegrityError, match="without the approval by site-security"):
        install(careless, site, CHOICES, WORLD)


def test_an_approval_can_be_demanded_from_the_bundle_in_use_on(tmp_path: Path) -> None:
    site = site_at(tmp_path / "site")
    installed(site, RELEASED, YEARS.first.data)
    outcome = installed(
        site, APPROVER.inside(RELEASED, APPROVER.keys[0]), YEARS.first.data, APPROVER.demanded
    )
    assert outcome.before == outcome.after
    assert site.approval_roots() == {"site-security": APPROVER.root.data}
    other = Approver("quality")
    assert accept(site, {}, other.demanded, WORLD) == [
        "trust root: version 1",
        "approval root of quality: version 1",
        "approval root of site-security: version 1",
    ]
    with pytest.raises(IntegrityError, match="not the approval root of quality"):
        accept(site, {}, Approver("quality").demanded, WORLD)


def test_two_approvers_of_a_threshold_of_two_may_be_on_both_sides() -> None:
    approver = Approver(threshold=2)
    near = approver.inside(RELEASED, approver.keys[0])
    with pytest.raises(IntegrityError, match=r"approval\.json: not signed by enough"):
        checked(near, YEARS.first.data, approvals=approver.approvals)
    far = Archive(io.BytesIO(approver.file(near, approver.keys[1])), "b.approval")
    both = Approvals(required=approver.approvals.required, detached=(far,))
    assert "2 of 2 keys" in " ".join(checked(near, YEARS.first.data, approvals=both).checked)


def test_what_is_no_approval_of_this_release_is_refused() -> None:
    key = APPROVER.keys[0]
    member = "trust/site-security.approval.json"
    other = APPROVER.inside(signed(bundle([], version="2.0"), YEARS.a), key)
    again = signed(PLAIN, YEARS.a, counter=2)
    earlier = APPROVER.inside(RELEASED, key)
    cases = {
        "an approval of another bundle": archive_of(
            members_in(RELEASED) | {member: members_in(other)[member]}
        ),
        "an approval of another release": archive_of(
            members_in(again) | {member: members_in(earlier)[member]}
        ),
        "not signed by enough": Approver().inside(RELEASED, *[]),
    }
    cases["not signed by enough"] = archive_of(
        members_in(RELEASED) | {member: members_in(Approver().inside(RELEASED))[TARGETS]}
    )
    for message, data in cases.items():
        with pytest.raises(IntegrityError, match=message):
            checked(data, YEARS.first.data, approvals=APPROVER.approvals)


def test_a_release_signature_is_no_approval_and_the_other_way_round() -> None:
    """One person may hold both keys, or one key may be in both roots; a signature means one thing all the same."""
    key = signer()
    release = pinned(make_root(signer(), [key.public_key], 1, NOW + YEAR), "r")
    terms = Terms(policy=Policy(approver="quality"))
    root = pinned(make_root(signer(), [key.public_key], 1, NOW + YEAR, terms), "q")
    once = signed(PLAIN, key)
    as_approval = archive_of(members_in(once) | {"trust/quality.approval.json": members_in(once)[TARGETS]})
    with pytest.raises(IntegrityError, match="not an approval by that approver"):
        checked(as_approval, release.data, approvals=Approvals(required={"quality": root.data}))
    made = approve([Archive(io.BytesIO(once), "b")], key, [root], NOW, NOW + YEAR)
    as_release = members_in(once) | {TARGETS: made.members["trust/quality.approval.json"]}
    with pytest.raises(IntegrityError, match="an approval by quality, not a release"):
        checked(archive_of(as_release), release.data)
    for wrong in (root.data, release.data):
        with pytest.raises(IntegrityError, match="not a"):
            checked(once, wrong, approvals=Approvals(required={"quality": release.data}))


def test_a_new_signature_of_the_release_takes_stale_approvals_out() -> None:
    out = io.BytesIO()
    approved = Archive(io.BytesIO(APPROVER.inside(RELEASED, APPROVER.keys[0])), "b")
    statement = Statement(counter=2, fixed=True, expires=NOW + YEAR, made=NOW)
    assert sign(approved, YEARS.a, statement, out).void == ("site-security",)
    assert "trust/site-security.approval.json" not in members_in(out.getvalue())


def test_an_approver_rotates_too_and_a_revoked_one_approves_no_more() -> None:
    approver = Approver()
    change = RoleChange(remove=(approver.keys[0].public_key.keyid,))
    second = following(approver.root, rotated(approver.root, [approver.root_key], change), "2")
    revoked = approver.inside(RELEASED, approver.keys[0])
    approver.roots.append(second)
    with pytest.raises(UsageError, match="not a key that approves"):
        approver.inside(RELEASED, approver.keys[0])
    data = approver.inside(RELEASED, approver.keys[1])
    found = checked(data, YEARS.first.data, approvals=approver.approvals)
    assert found.approvals["site-security"].root == second.data
    with pytest.raises(IntegrityError, match="not signed by enough"):
        checked(revoked, YEARS.first.data, approvals=Approvals(required={"site-security": second.data}))


def test_only_the_approver_can_end_the_demand_for_its_approval(tmp_path: Path) -> None:
    site, approver = site_at(tmp_path / "site"), Approver()
    approved = approver.inside(RELEASED, approver.keys[0])
    installed(site, approved, YEARS.first.data, approver.demanded)
    last = following(approver.root, rotated(approver.root, [approver.root_key], retire=True), "2")
    newer = signed(bundle([], version="2.0"), YEARS.a, counter=2)
    members = members_in(newer) | {root_link(2, approver.name): last.data}
    assert installed(site, archive_of(members)).after == 2
    third = signed(bundle([], version="3.0"), YEARS.a, counter=3)
    assert installed(site, third).after == 3
    with pytest.raises(UsageError, match="retired"):
        next_root(last, Rotation(root=SAME, release=SAME, expires=NOW))
    with pytest.raises(UsageError, match="only an approval root"):
        rotated(YEARS.first, [], retire=True)


def test_the_root_of_one_approver_does_not_follow_that_of_another() -> None:
    other = Approver("quality")
    metadata = next_root(other.root, Rotation(root=SAME, release=SAME, expires=NOW + YEAR))
    metadata.signed.unrecognized_fields = {"x-airlock": {"approver": "site-security"}}
    put_signature(metadata, other.root_key)
    with pytest.raises(IntegrityError, match="root of another approver"):
        following(other.root, write_metadata(metadata), "2")


def test_a_file_of_approvals_holds_nothing_else() -> None:
    strange = Archive(io.BytesIO(RELEASED), "b.approval")
    demands = Approvals(required=APPROVER.approvals.required, detached=(strange,))
    with pytest.raises(IntegrityError, match="not a file of approvals"):
        checked(RELEASED, YEARS.first.data, approvals=demands)


def test_what_is_not_signed_cannot_be_approved() -> None:
    with pytest.raises(UsageError, match="not signed yet"):
        APPROVER.inside(PLAIN, APPROVER.keys[0])


# Inspection


def test_signatures_are_told_without_a_key() -> None:
    keys, root = two_of_three()
    data = members_in(signed(PLAIN, keys[0], signer(), roots=[root]))
    report = signatures(Archive(io.BytesIO(archive_of(data)), "b"))
    assert report.release and report.release.quorum and report.release.quorum.missing == 1
    assert [one.state for one in report.release.signers].count("good") == 1
    assert report.release.fault == ""
    tampered: Metadata[Targets] = Metadata.from_bytes(data[TARGETS])
    tampered.signed.version += 1
    report = signatures(Archive(io.BytesIO(archive_of(data | {TARGETS: write_metadata(tampered)})), "b"))
    assert report.release and {one.state for one in report.release.signers} == {"bad", "unknown"}
    moved = data | {"index.json": members_in(bundle([], version="2.0"))["index.json"]}
    report = signatures(Archive(io.BytesIO(archive_of(moved)), "b"))
    assert report.release and report.release.fault == "of another index"


def test_a_root_that_lacks_signatures_decides_nothing_in_an_inspection() -> None:
    release, evil = signer(), signer()
    root = pinned(make_root(signer(), [release.public_key], 1, NOW + YEAR), "r")
    pending = next_root(root, Rotation(root=SAME, release=RoleChange(add=(evil.public_key,)), expires=NOW))
    data = members_in(signed(PLAIN, evil, roots=[root])) | {root_link(2): write_metadata(pending)}
    report = signatures(Archive(io.BytesIO(archive_of(data)), "b"))
    assert report.release and report.release.quorum and report.release.quorum.missing == 1
    assert [state.complete for _, states in report.roots for state in states] == [True, False]


def test_approvals_are_told_and_a_file_of_them_too() -> None:
    approver = Approver(threshold=2)
    report = signatures(Archive(io.BytesIO(approver.inside(RELEASED, approver.keys[0])), "b"))
    (one,) = report.approvals
    assert (one.approver, one.quorum and one.quorum.missing, one.fault) == ("site-security", 1, "")
    alone = signatures(Archive(io.BytesIO(approver.file(RELEASED, *approver.keys)), "b.approval"))
    assert alone.index is None and alone.approvals[0].quorum and not alone.approvals[0].quorum.missing
    with pytest.raises(UsageError, match="neither"):
        signatures(Archive(io.BytesIO(archive_of({"delta.json": b""})), "x"))
