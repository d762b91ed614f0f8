"""What an archive, or somebody on the way to it, may try while `lock` asks it: each attack is refused by its name."""

import hashlib
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from airlock.errors import FetchError, IntegrityError
from airlock.kinds.deb.kind import DebKind
from tests.debs.archive import NOW, Archive, Key
from tests.debs.near import INDEX, SECTION, URL, lock_of, near_of, pinned, request_of, versions
from tests.near_side import FakeWeb

Change = Callable[[bytes], bytes]


@pytest.fixture
def hello(archive: Archive) -> Archive:
    archive.add("Package: hello\nVersion: 1.0")
    archive.publish()
    return archive


def test_what_nobody_tampers_with_is_locked(tmp_path: Path, hello: Archive) -> None:
    assert versions(pinned(tmp_path, hello)) == {"hello": "1.0"}


EVIL = b"Package: evil\nSHA256:\n"
FRAMES: dict[str, Change] = {
    "text in front": lambda data: EVIL + data,
    "text behind": lambda data: data + EVIL,
    "a second signed document": lambda data: data + data,
    "no signature at all": lambda data: re.sub(rb"-----BEGIN PGP SIGNATURE.*", b"", data, flags=re.DOTALL),
    "only the text": lambda data: data.split(b"\n\n", 1)[1].split(b"-----BEGIN PGP SIGNATURE")[0],
    "an armor header of another sort": lambda data: data.replace(b"SIGNED MESSAGE", b"MESSAGE"),
    "nothing": lambda _: b"",
}


@pytest.mark.parametrize("name", FRAMES)
def test_a_release_is_one_signed_document_and_nothing_else(tmp_path: Path, hello: Archive, name: str) -> None:
    release = hello.release()
    release.write_bytes(FRAMES[name](release.read_bytes()))
    with pytest.raises(IntegrityError, match="not one signed document with nothing around it"):
        pinned(tmp_path, hello)


def test_a_changed_text_is_refused(tmp_path: Path, hello: Archive) -> None:
    release = hello.release()
    release.write_bytes(release.read_bytes().replace(b"Origin: Test", b"Origin: Tent"))
    with pytest.raises(IntegrityError, match="the signature does not fit the text"):
        pinned(tmp_path, hello)


def test_a_line_that_is_smuggled_into_the_hash_header_is_not_read(tmp_path: Path, hello: Archive) -> None:
    release = hello.release()
    release.write_bytes(release.read_bytes().replace(b"\n\n", b"\nSuite: evil\n\n", 1))
    with pytest.raises(IntegrityError):
        pinned(tmp_path, hello)


def test_another_key_is_refused(tmp_path: Path, hello: Archive, stranger: Key) -> None:
    text = hello.release().read_text().split("\n\n", 1)[1].split("-----BEGIN PGP SIGNATURE")[0]
    hello.sign(text, key=stranger)
    with pytest.raises(IntegrityError, match=r"no signature of a key that is trusted.*not in it"):
        pinned(tmp_path, hello)


def test_what_one_section_trusts_is_not_trusted_for_another(
    tmp_path: Path, hello: Archive, stranger: Key
) -> None:
    (tmp_path / "other.gpg").write_bytes(stranger.public)
    second = SECTION.replace("north", "south").replace("archive-key.gpg", "other.gpg")
    with pytest.raises(IntegrityError, match=r"no signature of a key that is trusted.*not in it"):
        pinned(tmp_path, hello, SECTION + second)


def test_what_is_new_enough_for_one_section_may_be_too_new_for_another(
    tmp_path: Path, hello: Archive
) -> None:
    second = SECTION.replace("north", "south") + "exclude-newer = 2020-01-01T00:00:00Z\n"
    with pytest.raises(FetchError, match="is of later than exclude-newer"):
        pinned(tmp_path, hello, SECTION + second)


def test_a_release_of_another_suite_is_refused(tmp_path: Path, hello: Archive) -> None:
    hello.publish(Suite="testing", Codename="testing")
    with pytest.raises(IntegrityError, match="is of another suite: expected stable, found testing"):
        pinned(tmp_path, hello)


def test_an_expired_release_is_refused(tmp_path: Path, hello: Archive) -> None:
    hello.publish(date=NOW - timedelta(days=8))
    with pytest.raises(FetchError, match="its Release has expired"):
        pinned(tmp_path, hello)


def test_a_snapshot_is_judged_by_the_instant_that_asks_for_it(tmp_path: Path, hello: Archive) -> None:
    hello.publish(date=NOW - timedelta(days=400))
    rows = pinned(
        tmp_path, hello, SECTION + f"exclude-newer = {NOW - timedelta(days=399):%Y-%m-%dT%H:%M:%SZ}\n"
    )
    assert versions(rows) == {"hello": "1.0"}
    with pytest.raises(FetchError, match="is of later than exclude-newer"):
        pinned(tmp_path, hello, SECTION + f"exclude-newer = {NOW - timedelta(days=401):%Y-%m-%dT%H:%M:%SZ}\n")


def test_a_replay_of_an_older_release_is_refused(tmp_path: Path, hello: Archive) -> None:
    before = lock_of(pinned(tmp_path, hello))
    hello.publish(date=NOW - timedelta(hours=1))
    request = replace(request_of(near_of(tmp_path, hello)), previous=before)
    with pytest.raises(IntegrityError, match="older than one that was seen before"):
        DebKind().pin(request)


def test_an_index_with_other_bytes_than_the_release_lists_is_refused(tmp_path: Path, hello: Archive) -> None:
    near = near_of(tmp_path, hello)
    assert isinstance(near.web, FakeWeb)
    near = replace(
        near,
        web=FakeWeb(
            pages={url: data[::-1] if "by-hash" in url else data for url, data in near.web.pages.items()}
        ),
    )
    with pytest.raises(IntegrityError, match="does not match its digest"):
        DebKind().pin(request_of(near))


def test_an_index_that_unpacks_to_something_else_is_refused(tmp_path: Path, hello: Archive) -> None:
    text = hello.release().read_text().split("\n\n", 1)[1].split("-----BEGIN PGP SIGNATURE")[0]
    row = next(line for line in text.splitlines() if line.endswith("main/binary-amd64/Packages"))
    hello.sign(text.replace(row.split()[0], "0" * 64))
    with pytest.raises(IntegrityError, match="unpacks to something else than the Release says"):
        pinned(tmp_path, hello)


def test_an_index_that_unpacks_to_more_than_it_says_is_refused(tmp_path: Path, hello: Archive) -> None:
    text = hello.release().read_text().split("\n\n", 1)[1].split("-----BEGIN PGP SIGNATURE")[0]
    row = next(line for line in text.splitlines() if line.endswith("main/binary-amd64/Packages"))
    hello.sign(text.replace(row, f" {row.split()[0]} 10 {row.split()[2]}"))
    with pytest.raises(IntegrityError, match="unpacks to more than it may"):
        pinned(tmp_path, hello)


RELEASES: dict[str, tuple[Callable[[str], str], str]] = {
    "a field that stands twice": (lambda text: "Suite: stable\n" + text, "the field 'Suite' stands twice"),
    "a path that leads out": (
        lambda text: text.replace("main/binary-amd64/Packages.xz", "../../etc/passwd"),
        "unsafe path",
    ),
    "one path with two digests": (
        lambda text: text + f" {'0' * 64} 1 main/binary-amd64/Packages\n",
        "stands twice, differently",
    ),
    "no sha256": (lambda text: text.partition("SHA256:")[0], "SHA256: missing or empty"),
    "no date": (lambda text: re.sub("Date: .*\n", "", text), "says no date"),
    "a date that is none": (lambda text: re.sub("Date: .*", "Date: tomorrow", text), "not a date"),
    "a date behind all time": (
        lambda text: re.sub("Date: .*", "Date: Fri, 31 Dec 9999 23:59:00 -1200", text),
        "not a date",
    ),
    "a giant field": (
        lambda text: "Note: x\n" + f" {'x' * 999}\n" * 1100 + text,
        "the field 'note' is too long",
    ),
    "two stanzas": (lambda text: text + "\nSuite: stable\n", "expected one stanza"),
}


@pytest.mark.parametrize("name", RELEASES)
def test_a_signed_release_is_still_read_strictly(tmp_path: Path, hello: Archive, name: str) -> None:
    text = hello.release().read_text().split("\n\n", 1)[1].split("-----BEGIN PGP SIGNATURE")[0]
    change, message = RELEASES[name]
    hello.sign(change(text))
    with pytest.raises(IntegrityError, match=message):
        pinned(tmp_path, hello)


STANZAS = {
    "a Filename that leads out": ("Package: hello\nVersion: 1.0", "../../../etc/passwd", "unsafe path"),
    "an absolute Filename": ("Package: hello\nVersion: 1.0", "/etc/passwd", "unsafe path"),
    "a version that is none": (
        "Package: hello\nVersion: 1 0",
        "pool/hello.deb",
        "not a package and its version",
    ),
    "a field that stands twice": (
        "Package: hello\nVersion: 1.0\nVersion: 2.0",
        "pool/hello.deb",
        "the field 'Version' stands twice",
    ),
    "a dependency that is none": (
        "Package: hello\nVersion: 1.0\nDepends: $(reboot)",
        "pool/hello.deb",
        "not a relationship between packages",
    ),
    "a line that is no field": ("Package: hello\nVersion: 1.0\n\u2028evil", "pool/hello.deb", "not a field"),
}


@pytest.mark.parametrize("name", STANZAS)
def test_a_hostile_stanza_is_refused_by_its_place(tmp_path: Path, archive: Archive, name: str) -> None:
    stanza, path, message = STANZAS[name]
    archive.add_stanza(stanza, path, b"deb")
    archive.publish()
    with pytest.raises(IntegrityError, match=message):
        pinned(tmp_path, archive)


def test_a_package_with_other_bytes_than_locked_is_refused(tmp_path: Path, hello: Archive) -> None:
    near = near_of(tmp_path, hello)
    (row,) = DebKind().pin(request_of(near))
    assert isinstance(near.web, FakeWeb)
    url = f"{URL}/{row.artifact.origin['path']}"
    other = near.web.pages[url][:-1] + b"!"
    assert hashlib.sha256(other).hexdigest() != row.artifact.digest
    near = replace(near, web=FakeWeb(pages={url: other}))
    with pytest.raises(IntegrityError, match="does not match its digest"):
        DebKind().obtain(row.artifact, request_of(near).manifest, near)
    assert row.artifact.digest not in near.store


def test_a_file_name_is_spelt_in_the_address_as_servers_read_it(tmp_path: Path, archive: Archive) -> None:
    archive.add_stanza(
        "Package: hello\nVersion: 1:1.0+b1\nArchitecture: amd64", "pool/hello_1%3a1.0+b1_amd64.deb", b"deb"
    )
    archive.publish()
    near = near_of(tmp_path, archive)
    (row,) = DebKind().pin(request_of(near))
    near = replace(near, web=FakeWeb(pages={f"{URL}/pool/hello_1%253a1.0+b1_amd64.deb": b"deb"}))
    file = replace(row.artifact, placement={**row.artifact.placement, "mode": "system"})
    DebKind().obtain(file, request_of(near).manifest, near)
    assert file.digest in near.store


def test_a_version_that_is_gone_says_what_to_do(tmp_path: Path, hello: Archive) -> None:
    near = near_of(tmp_path, hello)
    (row,) = DebKind().pin(request_of(near))
    gone = replace(near, web=FakeWeb())
    with pytest.raises(FetchError, match="no archive has it any more, or none can be reached") as caught:
        DebKind().obtain(row.artifact, request_of(near).manifest, gone)
    assert caught.value.hint is not None
    assert "snapshots" in caught.value.hint and "airlock lock -P hello" in caught.value.hint


def test_another_archive_of_the_manifest_may_still_have_it(tmp_path: Path, hello: Archive) -> None:
    near = near_of(tmp_path, hello)
    (row,) = DebKind().pin(request_of(near))
    assert isinstance(near.web, FakeWeb)
    old = "https://snapshot.example"
    elsewhere = {
        f"{old}/{row.artifact.origin['path']}": near.web.pages[f"{URL}/{row.artifact.origin['path']}"]
    }
    near = replace(near, web=FakeWeb(pages=elsewhere))
    second = INDEX.replace("site", "snapshot").replace(f"{URL}/", old)
    DebKind().obtain(row.artifact, request_of(near, second + SECTION).manifest, near)
    assert row.artifact.digest in near.store
