"""Trust over years without a network: rotations that a site missed, forks, gaps, and roots that come alone."""

import io
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from tuf.api.metadata import Metadata, Root

from airlock.airgapped.accept import accept
from airlock.airgapped.preflight import required_approvals, trusted_root
from airlock.airgapped.rollback import rollback
from airlock.airgapped.update import update
from airlock.connected.key import put_signature
from airlock.connected.trust import RoleChange, Rotation, Terms, add_signature, changes, make_root, next_root
from airlock.errors import IntegrityError, TargetError, UsageError
from airlock.formats.trust import parse_root, root_link, write_metadata
from airlock.formats.trust_chain import Links, TrustedRoot, following, pinned, quorums
from airlock.formats.trust_fields import Policy
from airlock.storage.archive import Archive
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
from tests.far.years import (
    APPROVER,
    PLAIN,
    SAME,
    YEAR,
    YEARS,
    Approver,
    Years,
    checked,
    installed,
    rotated,
    signed,
)
from tests.near_side import Recorder


def test_a_site_that_missed_a_root_catches_up(tmp_path: Path) -> None:
    site = site_at(tmp_path / "site")
    installed(site, signed(PLAIN, YEARS.a), YEARS.first.data)
    newer = bundle([file_item("share/a.txt", b"2")], version="2.0")
    installed(site, signed(newer, YEARS.b, roots=YEARS.all, counter=2))
    assert site.root_of_trust() == YEARS.third.data
    told = [act.detail for act in site.journal().acts if act.act == "trust"]
    assert told == ["trust root: version 1 → 3, inside a bundle"]
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


def test_a_given_root_may_be_an_earlier_version_of_the_pinned_one(tmp_path: Path) -> None:
    site = site_at(tmp_path / "site")
    installed(site, signed(PLAIN, YEARS.b, roots=YEARS.all), YEARS.first.data)
    for root in YEARS.all:
        assert trusted_root(site, root.data, "r.json") == YEARS.third.data
    with pytest.raises(IntegrityError, match=r"r\.json: not the trust root .* pinned:") as stranger:
        trusted_root(site, Years().first.data, "r.json")
    assert "compare key ids" in (stranger.value.hint or "")
    fourth = following(YEARS.third, rotated(YEARS.third, [YEARS.new_root]), "4")
    with pytest.raises(IntegrityError, match="a newer version as it seems") as newer:
        trusted_root(site, fourth.data, "r.json")
    assert "trust accept" in (newer.value.hint or "")
    site.pin(fourth.data, {})
    with pytest.raises(IntegrityError, match="not the trust root"):
        trusted_root(site, YEARS.first.data, "r.json")


def test_a_given_root_that_seems_to_be_an_earlier_version_is_told_from_a_stranger(tmp_path: Path) -> None:
    site, one, two = site_at(tmp_path / "site"), signer(), signer()
    metadata = parse_root(
        make_root(one, [one.public_key], 1, NOW + YEAR, Terms(holders=(two.public_key,), threshold=2)), "r"
    )
    add_signature(metadata, two, None)
    first = pinned(write_metadata(metadata), "r")
    leaving = RoleChange(remove=(one.public_key.keyid,), threshold=1)
    second = following(first, rotated(first, [one, two], holders=leaving), "2")
    third = following(second, rotated(second, [two]), "3")
    site.disk.make_directory("state/trust")
    site.pin(third.data, {})
    with pytest.raises(IntegrityError, match="an older version as it seems") as older:
        trusted_root(site, first.data, "r.json")
    assert "leave it out" in (older.value.hint or "")


def test_an_earlier_approval_root_may_be_demanded_again(tmp_path: Path) -> None:
    site, approver = site_at(tmp_path / "site"), Approver()
    second = following(approver.root, rotated(approver.root, [approver.root_key]), "2")
    approver.roots.append(second)
    installed(
        site, approver.inside(signed(PLAIN, YEARS.a), approver.keys[0]), YEARS.first.data, approver.demanded
    )
    assert required_approvals(site, approver.demanded) == {approver.name: second.data}


def test_the_roots_between_are_found_beside_the_one_that_is_named(tmp_path: Path) -> None:
    newest = tmp_path / "trust-root.3.json"
    for root in YEARS.all:
        file_of(newest, root.version).write_bytes(root.data)
    file_of(newest, 4).write_bytes(b"not wanted")
    (tmp_path / "other.2.json").write_bytes(b"of another root")
    assert links_of_files([newest])[""].versions == {1, 2, 3}
    assert links_of_files([newest, file_of(newest, 2)])[""].versions == {1, 2, 3}
    site = site_at(tmp_path / "site")
    installed(site, signed(PLAIN, YEARS.a), YEARS.first.data)
    assert accept(site, links_of_files([newest]), {}, WORLD) == ["trust root: version 3"]


def test_a_rollback_to_what_a_revoked_key_signed_goes_back_and_warns(tmp_path: Path) -> None:
    site, recorder = site_at(tmp_path / "site"), Recorder()
    installed(site, signed(PLAIN, YEARS.a), YEARS.first.data)
    newer = bundle([file_item("share/a.txt", b"2")], version="2.0")
    installed(site, signed(newer, YEARS.b, roots=YEARS.all, counter=2))
    accept(site, {}, APPROVER.demanded, WORLD)
    assert rollback(site, None, replace(later(9), reporter=recorder)).version == "1.0"
    (revoked, unapproved) = recorder.warnings
    assert "signed by keys that are revoked since: " + YEARS.a.public_key.keyid[:8] in revoked
    assert "not approved by site-security" in unapproved
