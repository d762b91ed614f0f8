"""What an update takes over from the generation in use is what placing it anew would have given."""

import io
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from airlock.airgapped.site import Site, index_of
from airlock.airgapped.update import SiteFrames, update
from airlock.core.digest import Digest
from airlock.formats.generation import Generation
from airlock.formats.index import Expanded, parse_index
from airlock.storage.archive import Archive
from airlock.storage.content import BundleSupply, Content, Supply
from airlock.storage.tree_scan import drift
from tests.far.bundles import (
    CHOICES,
    PYTHON,
    Item,
    archive_of,
    bundle,
    file_item,
    later,
    members_in,
    put,
    signed,
    site_at,
    wheel,
    wheel_item,
)
from tests.far.survival import Sweep
from tests.far.test_power_cut import TRUST, install_third, installed, version

PACKAGES = f"lib/python{PYTHON}/site-packages"


class Keeping(BundleSupply):
    """As a delta's: `kept` are contents that the site has."""

    def __init__(self, archive: Archive, kept: frozenset[Digest]) -> None:
        super().__init__(archive)
        self._kept = kept
        self.read: list[Digest] = []

    @property
    def held(self) -> frozenset[Digest]:
        return self._kept

    def contents(self, wanted: Sequence[Expanded], scratch: Path | None) -> Iterator[Content]:
        self.read += [one.digest for one in wanted]
        return super().contents(wanted, scratch)


def updated(site: Site, data: bytes, *, keep: bool = True) -> Keeping:
    """The bundle `data`, signed, by an update; without `keep`, by one that makes every content."""
    members = members_in(data)
    lean = {name: member for name, member in members.items() if not name.startswith("frames/")}
    made: list[Keeping] = []

    def restore(base: SiteFrames, archive: Archive) -> Supply:
        path = base.site.path(index_of(base.index))
        entries = parse_index(path.read_bytes(), str(path)).entries if keep else ()
        kept = frozenset(entry.expanded.digest for entry in entries if entry.frame in members)
        made.append(Keeping(Archive(io.BytesIO(data), "restored"), kept))
        return made[0]

    delta = Archive(io.BytesIO(archive_of({"delta.json": b"{}\n", **lean})), "delta")
    update(delta, TRUST.root, site, restore, CHOICES, later(50))
    return made[0]


def of(items: list[Item], number: int) -> bytes:
    return signed(bundle(items, version=f"{number}.0"), TRUST.key, counter=number)


def simple(name: str, files: dict[str, bytes], entry_points: str = "", number: str = "1.0") -> Item:
    return wheel_item(name, number, wheel(name, number, files, entry_points))


SHARED = {"space/__init__.py": b"# the same in each\n"}
SCRIPTED = simple(
    "scripted", {"scripted.py": b"def main(): pass\n"}, "[console_scripts]\nrun = scripted:main\n"
)
PLAIN = simple("plain", {"plain/a.py": b"a = 1\n", "plain/b.py": b"", "plain-1.0.data/data/share/p": b"p"})
FIRST, SECOND, THIRD = (simple(name, {**SHARED, f"space/{name}.py": b"x"}) for name in ("fa", "sb", "tc"))
OTHER = simple("other", {"other.py": b"1"})
NEWER = simple("other", {"other.py": b"2"}, number="2.0")
ETC = file_item("etc/same", b"same", "0600")
LINKED = replace(ETC, artifact=replace(ETC.artifact, placement={**ETC.artifact.placement, "link": "same"}))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ([PLAIN, OTHER], [PLAIN, NEWER]),
        ([SCRIPTED, PLAIN, ETC], [SCRIPTED, PLAIN, ETC, OTHER]),
        ([FIRST, SECOND, THIRD], [FIRST, SECOND, THIRD, OTHER]),
        ([FIRST, SECOND], [SECOND, OTHER]),
        ([FIRST, SECOND], [FIRST]),
        ([SECOND, THIRD], [FIRST, SECOND, THIRD]),
        ([LINKED, OTHER], [LINKED, NEWER]),
        ([ETC, file_item("etc/twin", b"same")], [ETC, file_item("etc/other", b"same")]),
    ],
)
def test_the_generation_is_the_same_either_way(tmp_path: Path, before: list[Item], after: list[Item]) -> None:
    root, found = tmp_path / "site", list[Generation]()
    for keep in (False, True):
        site = site_at(root)
        put(site, TRUST.verified(bundle(before, version="1.0"), counter=1), later(1))
        updated(site, of(after, 2), keep=keep)
        found.append(site.generation(2))
        assert list(drift(root / "generations/2", found[-1].tree)) == []
        shutil.rmtree(root)
    assert found[0] == found[1]


def test_what_did_not_change_is_not_read_but_linked(tmp_path: Path) -> None:
    site = site_at(tmp_path / "site")
    put(site, TRUST.verified(bundle([PLAIN, LINKED, OTHER], version="1.0"), counter=1), later(1))
    supply = updated(site, of([PLAIN, LINKED, NEWER], 2))
    assert len(supply.read) == 1
    old, new = (site.root / f"generations/{number}" for number in (1, 2))
    for path in (f"{PACKAGES}/plain/a.py", f"{PACKAGES}/plain-1.0.dist-info/RECORD", "share/p"):
        assert (old / path).samefile(new / path)
    assert (new / "etc/same.link").readlink() == Path("same")


def rewritten(path: Path) -> None:
    path.write_bytes(b"b = 1\n")


def replaced_by_a_link(path: Path) -> None:
    path.rename(path.with_name("moved"))
    path.symlink_to("moved")


@pytest.mark.parametrize(
    "spoil", [rewritten, replaced_by_a_link, Path.unlink, lambda path: path.chmod(0o666)]
)
@pytest.mark.parametrize("fast", [True, False])
def test_a_file_that_is_not_as_recorded_is_never_taken_over(
    tmp_path: Path, spoil: Callable[[Path], None], fast: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not fast:
        monkeypatch.setattr("airlock.storage.disk.native", lambda: None)
    site = site_at(tmp_path / "site")
    put(site, TRUST.verified(bundle([PLAIN, ETC], version="1.0"), counter=1), later(1))
    spoil(site.root / f"generations/1/{PACKAGES}/plain/a.py")
    updated(site, of([PLAIN, ETC, OTHER], 2))
    placed = site.root / f"generations/2/{PACKAGES}/plain/a.py"
    assert (placed.read_bytes(), placed.stat().st_mode & 0o777) == (b"a = 1\n", 0o644)
    assert not placed.is_symlink() and placed.stat().st_nlink == 1
    assert (site.root / "generations/2/etc/same").stat().st_nlink == 2, "it has nothing to do with that"


def test_an_index_that_was_changed_at_the_site_vouches_for_nothing(tmp_path: Path) -> None:
    site = site_at(tmp_path / "site")
    put(site, TRUST.verified(bundle([PLAIN], version="1.0"), counter=1), later(1))
    (index,) = (site.root / "store/indexes").iterdir()
    index.write_bytes(index.read_bytes().replace(b'"version":"1.0"', b'"version":"1.1"', 1))
    supply = updated(site, of([PLAIN, OTHER], 2))
    assert len(supply.read) == 2


def test_an_artifact_whose_frame_is_gone_is_not_taken_over(tmp_path: Path) -> None:
    """The next delta may start from it, so the site must not lose it silently."""
    site = site_at(tmp_path / "site")
    put(site, TRUST.verified(bundle([PLAIN], version="1.0"), counter=1), later(1))
    for frame in (site.root / "store/frames").iterdir():
        frame.unlink()
    assert len(updated(site, of([PLAIN, OTHER], 2)).read) == 2


def test_a_power_cut_while_files_are_taken_over_leaves_the_old_or_the_new(memory: Path) -> None:
    second = signed(version(2), TRUST.key, counter=2)
    update = Sweep(memory, installed(1), lambda site: updated(site, second), install_third, {"1.0", "2.0"})
    assert update.power_cuts() > 50
