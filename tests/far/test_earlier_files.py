"""Files inside a wheel that an update does not make anew, because they follow from those of the version before."""

import gzip
import io
import os
import shutil
import zipfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from airlock.airgapped.install import install
from airlock.airgapped.restored import delta_supply
from airlock.airgapped.site import Site
from airlock.airgapped.stage import Predecessor
from airlock.airgapped.staging import Staging
from airlock.airgapped.update import update
from airlock.airgapped.verify import verify_signatures
from airlock.core.digest import digest_of
from airlock.core.expanded import SAME, Splice
from airlock.core.paths import safe_path
from airlock.core.tree import FileEntry
from airlock.errors import IntegrityError
from airlock.kinds import Earlier
from airlock.storage.archive import Archive
from airlock.storage.frames import decompress
from airlock.storage.tree_scan import drift
from tests.far.bundles import CHOICES, PYTHON, TARGET, WORLD, later, site_at, wheel
from tests.far.two_versions import Versions, make_versions
from tests.fuzz.whole import frame_of
from tests.wheels import PROSE

FOLDER = f"lib/python{PYTHON}/site-packages/data"


def packed(start: int, mtime: int = 0) -> bytes:
    return gzip.compress(PROSE[start : start + 9000], mtime=mtime)


OLD = {
    "equal": packed(0),
    "moved": packed(1000),
    "stamp": packed(2000, 1),
    "content": packed(3000),
    "one": packed(4000),
    "two": packed(5000),
    "mode": packed(6000),
    "goes": packed(7000),
}
NEW = OLD | {
    "stamp": packed(2000, 77),
    "content": packed(3001),
    "one": OLD["two"],
    "two": OLD["one"],
    "comes": packed(8000),
}
del NEW["goes"], NEW["moved"]
NEW["moved"] = OLD["moved"]


def made(version: str, files: Mapping[str, bytes], program: str = "") -> dict[str, bytes]:
    """The file `program` may be run."""
    plain = wheel("data", version, {f"data/{name}.gz": data for name, data in files.items()})
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(plain)) as before, zipfile.ZipFile(out, "w") as after:
        for member in before.infolist():
            mode = 0o100755 if member.filename == f"data/{program}.gz" else 0o100644
            data = before.read(member)
            member.external_attr = mode << 16
            after.writestr(member, data, zipfile.ZIP_DEFLATED)
    return {f"data-{version}-py3-none-any.whl": out.getvalue()}


@pytest.fixture(scope="module")
def versions(tmp_path_factory: pytest.TempPathFactory) -> Versions:
    folder = tmp_path_factory.mktemp("versions")
    return make_versions(folder, made("1.0", OLD), made("2.0", NEW, program="mode"))


@pytest.fixture
def site(versions: Versions, tmp_path: Path) -> Site:
    site = site_at(tmp_path / "site")
    with versions.path("1.airlock").open("rb") as stream:
        root = versions.path("root.json").read_bytes()
        install(verify_signatures(Archive(stream, "1.airlock"), root, WORLD.now), site, CHOICES, WORLD)
    return site


def updated(site: Site, versions: Versions) -> None:
    with versions.path("up.airdelta").open("rb") as stream:
        root = versions.path("root.json").read_bytes()
        update(Archive(stream, "up.airdelta"), root, site, delta_supply, CHOICES, later(1))
    assert list(drift(site.root / "generations/2", site.generation(2).tree)) == []


def old(site: Site, name: str) -> Path:
    return site.root / "generations/1" / FOLDER / f"{name}.gz"


def new(site: Site, name: str) -> Path:
    return site.root / "current" / FOLDER / f"{name}.gz"


def is_linked(site: Site, name: str) -> bool:
    return os.path.samestat(old(site, name).stat(), new(site, name).stat())


def is_right(site: Site) -> bool:
    found = {path.stem: path.read_bytes() for path in (site.root / "current" / FOLDER).glob("*.gz")}
    return found == NEW and new(site, "mode").stat().st_mode & 0o777 == 0o755


def test_what_is_equal_is_linked_and_all_is_right(site: Site, versions: Versions) -> None:
    updated(site, versions)
    assert is_right(site)
    assert {name for name in NEW.keys() & OLD.keys() if is_linked(site, name)} == {"equal", "moved"}


@pytest.mark.parametrize("name", ["equal", "stamp", "mode", "one", "content"])
def test_a_file_that_somebody_changed_is_not_taken_over(site: Site, versions: Versions, name: str) -> None:
    data = bytearray(old(site, name).read_bytes())
    data[len(data) // 2] ^= 1
    old(site, name).write_bytes(data)
    updated(site, versions)
    assert is_right(site)
    assert not is_linked(site, name)


def test_nor_is_one_with_another_mode(site: Site, versions: Versions) -> None:
    for name in ("equal", "mode"):
        old(site, name).chmod(0o700)
    updated(site, versions)
    assert is_right(site)
    assert not is_linked(site, "equal")


@pytest.mark.parametrize("name", ["equal", "stamp"])
def test_nor_is_a_link_or_a_pipe_in_its_place(site: Site, versions: Versions, name: str) -> None:
    old(site, name).rename(site.root / "elsewhere")
    old(site, name).symlink_to(site.root / "elsewhere")
    old(site, "moved").unlink()
    os.mkfifo(old(site, "moved"), 0o644)
    updated(site, versions)
    assert is_right(site)
    assert not new(site, name).is_symlink()


def test_all_is_made_where_the_old_files_are_gone(site: Site, versions: Versions) -> None:
    shutil.rmtree(old(site, "equal").parent)
    updated(site, versions)
    assert is_right(site)


def test_nothing_follows_from_a_store_that_has_another_content(site: Site, versions: Versions) -> None:
    """In a part that no operation of the patch reads, so that what it makes is right."""
    (entry,) = site.index(site.generation(1).index).entries
    frame, form = site.root / "store" / entry.frame, entry.expanded
    content = b"".join(decompress(io.BytesIO(frame.read_bytes()), form.digest, form.size, "store"))
    at = content.index(PROSE[7000:16_000])
    frame.write_bytes(frame_of(content[:at] + content[at : at + 50].swapcase() + content[at + 50 :]))
    with pytest.raises(IntegrityError, match="content does not match its digest") as caught:
        updated(site, versions)
    assert caught.value.where.endswith(entry.frame)
    assert "patch of" not in caught.value.where
    assert site.current() == 1


def test_only_what_the_same_artifact_put_there_is_taken_over(site: Site) -> None:
    staging = Staging.beside_current(site, 2, TARGET)
    (entry,) = site.index(site.generation(1).index).entries
    mine = Predecessor("wheel", entry.expanded.form, entry.expanded.digest)
    path = safe_path(f"{FOLDER}/equal.gz")
    assert staging.take_over(mine._replace(kind="file"), [Earlier(path, 0o644, SAME)]) == [None]
    assert staging.take_over(mine._replace(form="raw/1"), [Earlier(path, 0o644, SAME)]) == [None]
    assert staging.take_over(mine._replace(expanded=digest_of(b"")), [Earlier(path, 0o644, SAME)]) == [None]
    other = Staging.beside_current(site, 2, replace(TARGET, name="other"))
    assert other.take_over(mine, [Earlier(path, 0o644, SAME)]) == [None]
    assert staging.take_over(mine, [Earlier(path, 0o755, SAME)]) == [None], "of another mode"
    found = staging.take_over(mine, [Earlier(path, 0o755, Splice(1, b"x"))])
    data = b"x" + OLD["equal"][1:]
    assert found == [FileEntry(digest=digest_of(data), size=len(data), mode=0o755)]


def test_a_file_too_short_for_its_splice_is_none() -> None:
    assert Splice(2, b"a", 2, b"b").of(b"1234") == b"ab"
    assert Splice(2, b"a", 2, b"b").of(b"123") is None
