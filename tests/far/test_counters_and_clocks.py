"""Signatures that come one after the other, counters that only grow, and clocks that are wrong."""

import io
from dataclasses import replace
from pathlib import Path

import pytest
from tuf.api.metadata import Metadata, Targets

from airlock.airgapped.install import install
from airlock.airgapped.verify import verify_signatures
from airlock.connected.sign import Statement, sign
from airlock.connected.trust import Terms, make_root
from airlock.errors import IntegrityError
from airlock.formats.trust import TARGETS, write_metadata
from airlock.formats.trust_chain import following, pinned
from airlock.formats.trust_fields import Policy
from airlock.storage.archive import Archive
from tests.far.bundles import (
    CHOICES,
    NOW,
    WORLD,
    archive_of,
    bundle,
    file_item,
    members_in,
    signer,
    site_at,
)
from tests.far.years import (
    EARLY,
    LATE,
    PLAIN,
    YEAR,
    YEARS,
    checked,
    installed,
    rotated,
    signed,
    two_of_three,
)


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


@pytest.mark.parametrize(("anew", "made"), [(True, NOW), (False, NOW + YEAR)])
def test_a_release_that_all_signed_can_be_signed_anew(anew: bool, made: int) -> None:
    """On purpose, or because what they signed has expired."""
    keys, root = two_of_three()
    both, out = signed(PLAIN, *keys[:2], roots=[root], counter=5), io.BytesIO()
    statement = Statement(counter=6, fixed=False, expires=NOW + 2 * YEAR, made=made, anew=anew)
    assert sign(Archive(io.BytesIO(both), "b"), keys[2], statement, out, [root]).signers == (
        keys[2].public_key.keyid,
    )
    again = signed(out.getvalue(), keys[0], roots=[root], counter=7)
    assert checked(again, root.data).release == 6


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
