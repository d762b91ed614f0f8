"""Keys, the trust root, signatures, and what `verify` makes of them."""

import io
from pathlib import Path

import pytest
from tuf.api.metadata import Metadata, Root, Targets

from airlock.airgapped.verify import VerifiedBundle, verify, verify_index
from airlock.connected.key import new_key, read_public, read_signer
from airlock.connected.sign import Statement, sign
from airlock.connected.trust import make_root
from airlock.core.digest import digest_of
from airlock.errors import AirlockError, IntegrityError, UsageError
from airlock.formats.trust import moment, root_link, short_form, verified_root, write_metadata
from airlock.storage.archive import Archive
from airlock.storage.new_file import create_new
from tests.far.bundles import NOW, Trust, archive_of, bundle, file_item, members_in, signed, signer

PLAIN = bundle([file_item("share/a.txt", b"a" * 1000), file_item("share/b.txt", b"b")])


def check(data: bytes, root: bytes, now: int = NOW) -> VerifiedBundle:
    return verify(Archive(io.BytesIO(data), "b.airlock"), root, now)


def refusal(data: bytes, root: bytes) -> IntegrityError:
    with pytest.raises(IntegrityError) as caught:
        check(data, root)
    return caught.value


def changed(data: bytes, **members: bytes) -> bytes:
    return archive_of(members_in(data) | members)


def test_a_signed_bundle_is_verified_and_says_what_was_checked() -> None:
    trust = Trust.new()
    verified = check(signed(PLAIN, trust.key, counter=7), trust.root)
    assert verified.digest == digest_of(members_in(PLAIN)["index.json"])
    assert verified.signed.release == 7
    assert [line.split()[0] for line in verified.checked] == [
        "trust",
        "signatures:",
        "index.json:",
        "the",
        "every",
    ]
    assert verified.signed.warnings == ()


def test_only_verify_makes_a_verified_bundle() -> None:
    trust = Trust.new()
    real = check(signed(PLAIN, trust.key), trust.root)
    with pytest.raises(TypeError, match="verify"):
        VerifiedBundle(supply=real.supply, signed=real.signed, checked=(), proof=object())


def test_an_unsigned_bundle_is_refused() -> None:
    assert "not signed" in str(refusal(PLAIN, Trust.new().root))


def test_a_bundle_signed_by_another_key_is_refused() -> None:
    assert "not signed by enough trusted keys" in str(refusal(signed(PLAIN, signer()), Trust.new().root))


def test_a_root_that_its_own_key_did_not_sign_is_refused() -> None:
    root: Metadata[Root] = Metadata.from_bytes(Trust.new().root)
    root.sign(signer())
    assert "not signed by enough" in str(refusal(PLAIN, write_metadata(root)))


def test_two_of_two_signatures_are_needed_and_may_come_one_after_the_other() -> None:
    first, second = signer(), signer()
    root = make_root(signer(), [first.public_key, second.public_key], 2, NOW + 1000)
    once = signed(PLAIN, first, counter=3)
    assert "1 of them" in str(refusal(once, root))
    twice = signed(once, second, counter=9)
    assert check(twice, root).signed.release == 3, "the second signature is over the statement of the first"


def test_one_key_cannot_sign_twice_for_a_threshold_of_two() -> None:
    first, second = signer(), signer()
    root = make_root(signer(), [first.public_key, second.public_key], 2, NOW + 1000)
    refusal(signed(signed(PLAIN, first), first), root)


def test_signing_again_with_the_same_key_replaces_the_statement() -> None:
    trust = Trust.new()
    again = signed(signed(PLAIN, trust.key, counter=3), trust.key, counter=5)
    assert check(again, trust.root).signed.release == 5
    assert again == signed(PLAIN, trust.key, counter=5), "Ed25519 signs deterministically"


def test_a_counter_that_others_did_not_sign_is_refused() -> None:
    once, out = signed(PLAIN, signer(), counter=3), io.BytesIO()
    statement = Statement(counter=4, fixed=True, expires=NOW)
    with pytest.raises(UsageError, match="another"):
        sign(Archive(io.BytesIO(once), "b"), signer(), statement, out)


def test_signing_leaves_every_other_byte_alone() -> None:
    trust = Trust.new()
    before, after = members_in(PLAIN), members_in(signed(PLAIN, trust.key))
    assert list(after)[:2] == ["index.json", "trust/targets.json"]
    del after["trust/targets.json"]
    assert after == before


def test_tampered_targets_are_refused() -> None:
    trust = Trust.new()
    data = signed(PLAIN, trust.key, counter=1)
    targets = members_in(data)["trust/targets.json"].replace(b'"version":1}', b'"version":2}')
    assert "not signed by enough" in str(
        refusal(changed(data, **{"trust/targets.json": targets}), trust.root)
    )


def test_signatures_of_another_bundle_are_refused() -> None:
    trust = Trust.new()
    other = signed(bundle([file_item("x", b"x")], version="2.0"), trust.key)
    stolen = members_in(other)["trust/targets.json"]
    data = changed(signed(PLAIN, trust.key), **{"trust/targets.json": stolen})
    assert "not the index that was signed" in str(refusal(data, trust.root))


def test_a_swapped_index_is_refused() -> None:
    trust = Trust.new()
    index = members_in(bundle([file_item("x", b"x")], version="9.0"))["index.json"]
    error = refusal(changed(signed(PLAIN, trust.key), **{"index.json": index}), trust.root)
    assert error.where == "b.airlock: index.json"


def test_an_index_signed_under_another_name_is_refused() -> None:
    trust = Trust.new()
    data = members_in(signed(PLAIN, trust.key))
    metadata: Metadata[Targets] = Metadata.from_bytes(data["trust/targets.json"])
    (target,) = metadata.signed.targets.values()
    target.path = "other-1.0-plant/index.json"
    metadata.signed.targets = {target.path: target}
    metadata.sign(trust.key)
    error = refusal(archive_of(data | {"trust/targets.json": write_metadata(metadata)}), trust.root)
    assert "another name" in str(error)


@pytest.mark.parametrize("member", ["trust/targets.json"])
def test_root_metadata_in_the_place_of_targets_is_refused(member: str) -> None:
    trust = Trust.new()
    data = changed(signed(PLAIN, trust.key), **{member: trust.root})
    assert "another role" in str(refusal(data, trust.root))


def test_targets_metadata_in_the_place_of_the_root_is_refused() -> None:
    trust = Trust.new()
    data = signed(PLAIN, trust.key)
    assert "another role" in str(refusal(data, members_in(data)["trust/targets.json"]))


def test_another_spelling_of_a_good_signature_is_refused() -> None:
    trust = Trust.new()
    data = signed(PLAIN, trust.key)
    targets = members_in(data)["trust/targets.json"]
    start = targets.index(b'"sig":"') + 7
    for spelled in (
        targets[:start] + targets[start:].split(b'"')[0].upper() + targets[start + 128 :],
        b" " + targets,
    ):
        assert "not spelled" in str(refusal(changed(data, **{"trust/targets.json": spelled}), trust.root))


@pytest.mark.parametrize("junk", [b"", b"{}", b"[" * 100_000, b"\xff", b'{"signed": 1, "signatures": []}'])
def test_junk_for_metadata_is_refused(junk: bytes) -> None:
    trust = Trust.new()
    data = changed(signed(PLAIN, trust.key), **{"trust/targets.json": junk})
    assert "not TUF targets metadata" in str(refusal(data, trust.root))


def test_an_expired_signature_is_a_warning_for_clocks_drift() -> None:
    trust = Trust.new()
    verified = check(signed(PLAIN, trust.key, expires=NOW - 1), trust.root, NOW)
    assert "the signature expired" in verified.signed.warnings[0]
    late = check(signed(PLAIN, trust.key), trust.root, NOW + 5000)
    assert len(late.signed.warnings) == 2


def test_a_rotated_root_inside_the_bundle_is_followed() -> None:
    root_key, old, new = signer(), signer(), signer()
    first = make_root(root_key, [old.public_key], 1, NOW + 1000)
    following: Metadata[Root] = Metadata.from_bytes(make_root(root_key, [new.public_key], 1, NOW + 1000))
    following.signed.version = 2
    following.sign(root_key)
    link = {root_link(2): write_metadata(following)}
    data = members_in(signed(PLAIN, new))
    verified = check(archive_of(data | link), first)
    assert verified.signed.root == link[root_link(2)]
    refusal(archive_of(data), first)


def test_a_rotated_root_that_the_old_root_did_not_sign_is_refused() -> None:
    key, first = signer(), Trust.new().root
    following: Metadata[Root] = Metadata.from_bytes(make_root(key, [key.public_key], 1, NOW + 1000))
    following.signed.version = 2
    following.sign(key)
    data = members_in(signed(PLAIN, key)) | {root_link(2): write_metadata(following)}
    assert root_link(2) in str(refusal(archive_of(data), first))


def test_an_extra_member_is_refused() -> None:
    trust = Trust.new()
    error = refusal(changed(signed(PLAIN, trust.key), **{"frames/extra.zst": b"x"}), trust.root)
    assert error.where == "b.airlock: member frames/extra.zst"


def test_a_missing_member_is_refused() -> None:
    trust = Trust.new()
    members = members_in(signed(PLAIN, trust.key))
    name = next(name for name in members if name.startswith("frames/"))
    del members[name]
    assert refusal(archive_of(members), trust.root).where == f"b.airlock: member {name}"


def test_a_frame_of_other_content_is_refused() -> None:
    trust = Trust.new()
    data = members_in(signed(PLAIN, trust.key))
    names = [name for name in data if name.startswith("frames/")]
    data[names[0]], data[names[1]] = data[names[1]], data[names[0]]
    assert "frames/" in refusal(archive_of(data), trust.root).where


@pytest.mark.parametrize("percent", range(100))
def test_a_flipped_bit_anywhere_is_refused(percent: int) -> None:
    data = bytearray(SIGNED)
    data[len(data) * percent // 100] ^= 1 << percent % 8
    refusal(bytes(data), TRUST.root)


@pytest.mark.parametrize("percent", range(0, 100, 5))
def test_a_truncated_bundle_is_refused(percent: int) -> None:
    refusal(SIGNED[: len(SIGNED) * percent // 100], TRUST.root)


TRUST = Trust.new()
SIGNED = signed(PLAIN, TRUST.key)


def test_several_threads_find_the_same_fault(tmp_path: Path) -> None:
    data = members_in(SIGNED)
    names = [name for name in data if name.startswith("frames/")]
    path = tmp_path / "b.airlock"
    for spoiled in ({}, {names[0]: data[names[1]]}):
        path.write_bytes(archive_of(data | spoiled))
        with path.open("rb") as stream:
            archive = Archive(stream, "b.airlock")
            if not spoiled:
                verify(archive, TRUST.root, NOW, reopen=lambda: path.open("rb"))
                continue
            with pytest.raises(IntegrityError, match=names[0]):
                verify(archive, TRUST.root, NOW, reopen=lambda: path.open("rb"))


def test_a_delta_has_the_signatures_of_the_bundle_that_it_restores() -> None:
    index = members_in(PLAIN)["index.json"]
    delta = archive_of({"delta.json": b"{}\n", "index.json": index, "patches/0.zst": b"x"})
    data = signed(delta, TRUST.key)
    assert list(members_in(data)) == ["delta.json", "index.json", "trust/targets.json", "patches/0.zst"]
    assert verify_index(Archive(io.BytesIO(data), "d"), TRUST.root, NOW).digest == digest_of(index)


def test_keys_are_read_back_and_a_passphrase_is_needed() -> None:
    pair = new_key(b"secret")
    key = read_signer(pair.private, b"secret", "a.key").public_key
    assert read_public(pair.public, None, "a.pub") == key
    assert read_public(pair.private, b"secret", "a.key") == key
    for wrong in (None, b"other"):
        with pytest.raises(UsageError):
            read_signer(pair.private, wrong, "a.key")


@pytest.mark.parametrize("junk", [b"", b"{}", b"[]", b"\xff", b'{"keyid": 1}', new_key(None).public[:-20]])
def test_junk_for_a_public_key_is_refused(junk: bytes) -> None:
    with pytest.raises(UsageError):
        read_public(junk, None, "a.pub")


def test_a_public_key_under_the_id_of_another_is_refused() -> None:
    one, other = new_key(None).public, new_key(None).public
    forged = one[:-80] + other[-80:]
    with pytest.raises(UsageError):
        read_public(forged, None, "a.pub")


@pytest.mark.parametrize("threshold", [0, 2])
def test_a_threshold_that_cannot_be_met_is_refused(threshold: int) -> None:
    key = signer().public_key
    with pytest.raises(UsageError):
        make_root(signer(), [key, key], threshold, NOW)


def test_release_keys_are_trusted_for_releases_only() -> None:
    root = verified_root(Trust.new().root, "root").signed
    assert set(root.roles["root"].keyids).isdisjoint(root.roles["targets"].keyids)
    assert root.expires == moment(NOW + 1000)


def test_a_private_key_never_replaces_a_file(tmp_path: Path) -> None:
    path = tmp_path / "a.key"
    create_new(path, b"1", 0o600)
    assert path.stat().st_mode & 0o777 == 0o600
    with pytest.raises(AirlockError):
        create_new(path, b"2", 0o600)
    assert path.read_bytes() == b"1"


def test_the_short_form_can_be_read_aloud() -> None:
    assert short_form(digest_of(b"")) == "e3b0 c442 98fc 1c14"


def test_a_file_that_is_no_trust_root_is_told_by_what_it_lacks() -> None:
    with pytest.raises(IntegrityError, match="not TUF root metadata: 'signed' is missing"):
        verified_root(b"{}", "release.pub")
