"""What a sender, a medium or a colleague with a release key may try at a site, each attack by its name."""

import io
import os
import struct
from argparse import ArgumentTypeError
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from tuf.api.metadata import Metadata, Targets

from airlock.airgapped.inspect import inspect
from airlock.airgapped.verify import verify
from airlock.cli.arguments import existing
from airlock.cli.far_side import opened
from airlock.core import canonical_json
from airlock.core.digest import digest_of
from airlock.errors import IntegrityError, UsageError
from airlock.formats.index import parse_index
from airlock.formats.trust import TARGETS, write_metadata
from airlock.storage.archive import Archive
from tests.far.bundles import (
    NOW,
    Item,
    Trust,
    archive_of,
    bundle,
    file_item,
    members_in,
    put,
    signed,
    site_at,
    wheel,
    wheel_item,
)


def refusal(root: Path, *items: Item) -> str:
    with pytest.raises(IntegrityError) as caught:
        put(site_at(root), Trust.new().verified(bundle(list(items))))
    return str(caught.value)


def leftovers(root: Path) -> list[str]:
    return [str(path.relative_to(root)) for path in root.rglob("*") if path.name.endswith(".airlock-tmp")]


@pytest.mark.parametrize("inside", ["demo_extra", "demo-extra", "other"])
def test_a_wheel_that_is_another_distribution_is_refused(tmp_path: Path, inside: str) -> None:
    data = wheel(inside, "1.0", {"demo/__init__.py": b""})
    assert "expected one folder demo-1.0.dist-info" in refusal(tmp_path, wheel_item("demo", "1.0", data))


def test_a_wheel_that_is_another_version_is_refused(tmp_path: Path) -> None:
    data = wheel("demo", "1.0", {"demo/__init__.py": b""})
    assert "found demo-1.0.dist-info" in refusal(tmp_path, wheel_item("demo", "1.1", data))


def test_a_script_whose_first_line_has_no_end_is_refused(tmp_path: Path) -> None:
    data = wheel("demo", "1.0", {"demo-1.0.data/scripts/run": b"#!python" + bytes(9 << 20)})
    assert "its first line has no end" in refusal(tmp_path, wheel_item("demo", "1.0", data))


def test_what_a_refused_bundle_wrote_is_removed_at_once(tmp_path: Path) -> None:
    first = wheel("a", "1.0", {"same.py": b"one" * 1000})
    second = wheel("b", "1.0", {"same.py": b"two"})
    assert "claimed by" in refusal(tmp_path, wheel_item("a", "1.0", first), wheel_item("b", "1.0", second))
    assert leftovers(tmp_path) == []


def test_an_index_whose_raw_artifact_is_other_bytes_than_its_digest_is_refused() -> None:
    item = file_item("share/a", b"signed")
    lying = replace(item, artifact=replace(item.artifact, digest=digest_of(b"another")))
    with pytest.raises(IntegrityError, match="is the artifact itself, but has another digest"):
        parse_index(members_in(bundle([lying]))["index.json"], "index.json")


@pytest.mark.parametrize("spoilt", ["\x1b[2J", "a\nb", "\x9b31m"])
def test_a_name_that_a_terminal_would_obey_is_refused_before_it_is_shown(spoilt: str) -> None:
    item = file_item("share/a", b"x")
    hostile = bundle([replace(item, artifact=replace(item.artifact, name=spoilt))])
    with pytest.raises(IntegrityError, match="control character"):
        inspect(io.BytesIO(hostile), "b.airlock", sizes=False)


def test_a_signature_over_a_weak_digest_alone_is_refused() -> None:
    trust = Trust.new()
    members = members_in(signed(bundle([file_item("share/a", b"x")]), trust.key))
    metadata: Metadata[Targets] = Metadata.from_bytes(members[TARGETS])
    (target,) = metadata.signed.targets.values()
    target.hashes = {"md5": "0" * 32}
    metadata.sign(trust.key)
    hostile = archive_of(members | {TARGETS: write_metadata(metadata)})
    with pytest.raises(IntegrityError, match="expected sha256 alone, found md5"):
        verify(Archive(io.BytesIO(hostile), "b.airlock"), trust.root, NOW)


class Endless(io.RawIOBase):
    """As /dev/zero: no size, and no end."""

    def __init__(self) -> None:
        self.given = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = 0) -> int:
        return 0

    def readinto(self, buffer: "memoryview") -> int:  # type: ignore[override]
        self.given += len(buffer)
        assert self.given < 200 << 20, "read without a limit"
        buffer[:] = bytes(len(buffer))
        return len(buffer)


def test_a_file_without_end_is_refused() -> None:
    with pytest.raises(UsageError, match="neither a bundle"):
        inspect(io.BufferedReader(Endless()), "/dev/zero", sizes=False)


@pytest.mark.parametrize("name", ["new\nline", "not-utf-8-\udcff", "esc\x1b"])
def test_a_root_that_no_script_can_name_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match="not a path that scripts can name"), opened(tmp_path / name):
        pass


def test_a_root_that_is_a_link_to_itself_is_refused(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(UsageError, match="leads to itself"), opened(tmp_path / "loop"):
        pass


@pytest.fixture
def strict_umask() -> Iterator[None]:
    before = os.umask(0o077)
    yield
    os.umask(before)


@pytest.mark.usefixtures("strict_umask")
def test_a_strict_umask_keeps_nobody_from_what_is_installed(tmp_path: Path) -> None:
    root = tmp_path / "opt" / "app"
    put(site_at(root), Trust.new().verified(bundle([file_item("share/a", b"x")])))
    shut = [
        path
        for path in (root.parent, root, *root.rglob("*"))
        if path.name != "lock" and not path.is_symlink() and not path.stat().st_mode & 0o004
    ]
    assert [path.name for path in shut] == []


def test_a_pipe_on_the_media_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "b.airlock")
    with pytest.raises(ArgumentTypeError, match="which has no end"):
        existing(str(tmp_path / "b.airlock"))


def test_a_link_in_a_wheel_becomes_a_file_that_says_where_it_led(tmp_path: Path) -> None:
    name, data = "demo/link", b"/etc/passwd"
    packed = wheel("demo", "1.0", {name: data})
    external = struct.pack("<I", 0o100644 << 16)
    at = packed.index(name.encode(), packed.rindex(b"PK\1\2", 0, packed.rindex(name.encode()))) - 46 + 38
    assert packed[at : at + 4] == external
    linked = packed[:at] + struct.pack("<I", 0o120777 << 16) + packed[at + 4 :]
    put(site_at(tmp_path), Trust.new().verified(bundle([wheel_item("demo", "1.0", linked)])))
    placed = next((tmp_path / "generations/1").rglob("demo/link"))
    assert not placed.is_symlink()
    assert placed.read_bytes() == data


def test_a_release_of_which_no_record_could_be_kept_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The site could not read what it had installed."""
    files = {f"many/file{number}.py": b"" for number in range(60)}
    verified = Trust.new().verified(bundle([wheel_item("many", "1.0", wheel("many", "1.0", files))]))
    monkeypatch.setattr(canonical_json, "_MAX_VALUES", 200)
    with pytest.raises(IntegrityError, match="the record of generation 1: too many values"):
        put(site_at(tmp_path), verified)
    assert not (tmp_path / "current").exists()
    assert leftovers(tmp_path) == []
