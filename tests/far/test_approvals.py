"""Approvals that a site demands, and what an inspection tells of signatures."""

import io
from dataclasses import replace
from pathlib import Path

import pytest
from tuf.api.metadata import Metadata, Targets

from airlock.airgapped.accept import accept
from airlock.airgapped.approvals import Approvals
from airlock.airgapped.install import install
from airlock.airgapped.rollback import rollback
from airlock.airgapped.signatures import signatures
from airlock.airgapped.status import status
from airlock.airgapped.update import update
from airlock.airgapped.verify import verify_signatures
from airlock.connected.approve import approve
from airlock.connected.key import put_signature
from airlock.connected.sign import Statement, sign
from airlock.connected.trust import RoleChange, Rotation, Terms, make_root, next_root
from airlock.errors import IntegrityError, UsageError
from airlock.formats.trust import TARGETS, root_link, write_metadata
from airlock.formats.trust_chain import following, pinned
from airlock.formats.trust_fields import Policy
from airlock.storage.archive import Archive
from tests.far.bundles import (
    CHOICES,
    NOW,
    WORLD,
    archive_of,
    bundle,
    later,
    members_in,
    signer,
    site_at,
)
from tests.far.test_update import giving
from tests.far.years import (
    APPROVER,
    PLAIN,
    RELEASED,
    SAME,
    YEAR,
    YEARS,
    Approver,
    checked,
    installed,
    rotated,
    signed,
    two_of_three,
)


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
    impostor = Approver("site-security")
    cases = {
        "an approval of another bundle": archive_of(
            members_in(RELEASED) | {member: members_in(other)[member]}
        ),
        "an approval of another release": archive_of(
            members_in(again) | {member: members_in(earlier)[member]}
        ),
        "not signed by enough": archive_of(members_in(RELEASED) | {member: members_in(RELEASED)[TARGETS]}),
        "the chain forks": impostor.inside(RELEASED, impostor.keys[0]),
    }
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


def test_who_signed_and_approved_what_is_running_is_told_even_after_a_rollback(tmp_path: Path) -> None:
    site = site_at(tmp_path / "site")
    installed(site, APPROVER.inside(RELEASED, APPROVER.keys[1]), YEARS.first.data, APPROVER.demanded)
    newer = signed(bundle([], version="2.0"), YEARS.a, counter=2)
    installed(site, APPROVER.inside(newer, APPROVER.keys[0]))
    keyids = [key.public_key.keyid for key in APPROVER.keys]
    for expected in (keyids[0], keyids[1]):
        told = status(site)
        assert told.vouched.keys and told.root == 1
        assert told.demanded == ("site-security",)
        assert f"approval by site-security: 1 of 2 keys ({expected[:8]})" in told.vouched.approvals
        act = site.switches()[-1]
        assert (act.keys, act.detail) == (told.vouched.keys, told.vouched.approvals)
        if expected == keyids[0]:
            rollback(site, None, later(9))
