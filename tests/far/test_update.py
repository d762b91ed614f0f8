"""An update is a bundle that was restored at the site; it is trusted no more than one that was carried there."""

import io
from pathlib import Path

import pytest

from airlock.airgapped.status import history
from airlock.airgapped.update import Restore, SiteFrames, update
from airlock.core.digest import digest_of
from airlock.errors import IntegrityError, TargetError
from airlock.storage.archive import Archive
from airlock.storage.content import BundleSupply, Supply
from tests.far.bundles import (
    CHOICES,
    WORLD,
    Trust,
    archive_of,
    bundle,
    file_item,
    later,
    members_in,
    put,
    signed,
    site_at,
)

TRUST = Trust.new()
OLD = bundle([file_item("share/version", b"1"), file_item("share/same", b"same")], version="1.0")
NEW = bundle([file_item("share/version", b"2"), file_item("share/same", b"same")], version="2.0")
SIGNED_NEW = signed(NEW, TRUST.key, counter=2)


def delta(new: bytes = SIGNED_NEW) -> Archive:
    """The members that a delta shares with the bundle it restores."""
    members = {name: data for name, data in members_in(new).items() if not name.startswith("frames/")}
    return Archive(io.BytesIO(archive_of({"delta.json": b"{}\n", **members})), "v2.airdelta")


def giving(data: bytes) -> Restore:
    """A restorer that takes unchanged frames from the site, the rest from `data`."""

    def restore(base: SiteFrames, archive: Archive) -> Supply:
        members = members_in(data)
        for entry in base.site.index(base.index).entries:
            if entry.frame in members:
                with base.open(entry.expanded.digest) as frame:
                    members[entry.frame] = frame.read()
        return BundleSupply(Archive(io.BytesIO(archive_of(members)), f"restored from {archive.where}"))

    return restore


def test_the_restored_bundle_is_installed(tmp_path: Path) -> None:
    site = site_at(tmp_path / "site")
    put(site, TRUST.verified(OLD))
    outcome = update(delta(), TRUST.root, site, giving(SIGNED_NEW), CHOICES, later(1))
    assert outcome.index == digest_of(members_in(NEW)["index.json"])
    assert (tmp_path / "site/current/share/version").read_text() == "2"
    assert [act.act for act in history(site)] == ["install", "update"]
    again = update(delta(), TRUST.root, site, giving(b""), CHOICES, later(2))
    assert (again.before, again.after) == (2, 2), "nothing is restored twice"


def test_a_restored_bundle_of_other_content_is_refused(tmp_path: Path) -> None:
    site = site_at(tmp_path / "site")
    put(site, TRUST.verified(OLD))
    wrong = members_in(SIGNED_NEW)
    frames = [name for name in wrong if name.startswith("frames/")]
    wrong[frames[0]], wrong[frames[1]] = wrong[frames[1]], wrong[frames[0]]
    with pytest.raises(IntegrityError, match=r"restored from v2\.airdelta"):
        update(delta(), TRUST.root, site, giving(archive_of(wrong)), CHOICES, later(1))
    assert site.current() == 1
    assert len(history(site)) == 1


def test_a_damaged_frame_in_the_store_is_found_before_it_is_used(tmp_path: Path) -> None:
    site = site_at(tmp_path / "site")
    put(site, TRUST.verified(OLD))
    for path in (tmp_path / "site/store/frames").iterdir():
        path.write_bytes(path.read_bytes()[:-1] + b"x")
    with pytest.raises(IntegrityError):
        update(delta(), TRUST.root, site, giving(SIGNED_NEW), CHOICES, later(1))
    assert site.current() == 1


def test_a_frame_that_is_gone_is_named(tmp_path: Path) -> None:
    site = site_at(tmp_path / "site")
    put(site, TRUST.verified(OLD))
    for path in (tmp_path / "site/store/frames").iterdir():
        path.unlink()
    with pytest.raises(IntegrityError, match="missing in the site's store"):
        update(delta(), TRUST.root, site, giving(SIGNED_NEW), CHOICES, later(1))


def test_a_foreign_delta_ends_before_anything_is_restored(tmp_path: Path) -> None:
    def never(base: SiteFrames, archive: Archive) -> Supply:
        raise AssertionError("restored a delta that is not trusted")

    site = site_at(tmp_path / "site")
    put(site, TRUST.verified(OLD))
    foreign = delta(signed(NEW, Trust.new().key, counter=2))
    with pytest.raises(IntegrityError, match="not signed by enough"):
        update(foreign, TRUST.root, site, never, CHOICES, later(1))
    with pytest.raises(IntegrityError, match="signed before"):
        put(site, TRUST.verified(bundle([file_item("x", b"x")], version="3.0"), counter=9), later(1))
        update(delta(), TRUST.root, site, never, CHOICES, later(2))


def test_an_empty_site_cannot_be_updated(tmp_path: Path) -> None:
    site = site_at(tmp_path / "site")
    with pytest.raises(TargetError, match="nothing is installed"):
        update(delta(), TRUST.root, site, giving(SIGNED_NEW), CHOICES, WORLD)
    assert not (tmp_path / "site").exists()
