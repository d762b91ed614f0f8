"""`ar/1`: Debian's packages come back to the bit or are refused."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airlock.core.forms.ar_container import ArCodec
from airlock.errors import IntegrityError
from tests.core.forms.containers import builds_or_refuses, case, parsed, refused, run


def member(name: str, data: bytes) -> bytes:
    header = f"{name:<16}{1700000000:<12}{0:<6}{0:<6}{'100644':<8}{len(data):<10}`\n".encode()
    return header + data + b"\n" * (len(data) % 2)


def package(*members: tuple[str, bytes]) -> bytes:
    return b"!<arch>\n" + member("debian-binary", b"2.0\n") + b"".join(member(*each) for each in members)


def test_a_package_comes_back_with_its_odd_byte() -> None:
    original = package(("control.tar.xz", b"odd"), ("data.tar.xz", b"even"), ("empty", b""))
    found = case(ArCodec(), original)
    assert found.built() == original
    assert found.contents == [b"2.0\n", b"odd", b"even", b""]
    slots = found.container.slots
    assert [slot.name for slot in slots] == ["debian-binary", "control.tar.xz", "data.tar.xz", "empty"]
    assert {slot.mode for slot in slots} == {0o644}


@pytest.mark.skipif(shutil.which("dpkg-deb") is None, reason="not a Debian system")
def test_what_dpkg_deb_writes_comes_back(tmp_path: Path) -> None:
    (tmp_path / "tree" / "DEBIAN").mkdir(parents=True)
    (tmp_path / "tree" / "DEBIAN" / "control").write_text(
        "Package: aa\nVersion: 1\nArchitecture: all\nMaintainer: a <a@b.example>\nDescription: a\n"
    )
    run("dpkg-deb", "--root-owner-group", "-b", "tree", "a.deb", cwd=tmp_path)
    original = (tmp_path / "a.deb").read_bytes()
    assert case(ArCodec(), original).built() == original


def test_an_object_library_is_left_alone() -> None:
    assert not ArCodec().matches(b"!<arch>\n" + member("a.o/", b"x"))


@pytest.mark.parametrize(
    "spoil",
    [
        lambda deb: deb[:-1] + b"\0",
        lambda deb: deb[:-2],
        lambda deb: deb + b"behind",
        lambda deb: deb.replace(b"`\n", b"`\r"),
        lambda deb: deb.replace(b"`\n", b"-`\n"),
    ],
)
def test_what_is_not_restored_is_refused(spoil: Callable[[bytes], bytes]) -> None:
    assert refused(ArCodec(), spoil(package(("data.tar", b"odd"))))


def test_a_part_of_another_size_than_its_header_says_is_an_error() -> None:
    found = case(ArCodec(), package())
    for wrong in (b"2.0", b"2.00\n"):
        with pytest.raises(IntegrityError):
            list(found.container.build(iter([iter([wrong])])))


@pytest.mark.parametrize("structure", [b"x", b"x" * 60, b"x" * 60 * 1001])
def test_a_structure_that_is_no_headers_is_refused(structure: bytes) -> None:
    with pytest.raises(IntegrityError):
        parsed(ArCodec(), {}, structure)


@given(st.data())
def test_a_changed_structure_is_refused_or_makes_no_more_than_it_holds(data: st.DataObject) -> None:
    found = case(ArCodec(), package(("data.tar", b"odd")))
    structure = bytearray(found.opened.structure)
    structure[data.draw(st.integers(0, len(structure) - 1))] = data.draw(st.integers(0, 255))
    assert builds_or_refuses(ArCodec(), {}, bytes(structure), found.contents) < 1000


@given(st.lists(st.binary(max_size=300), max_size=5))
def test_any_package_comes_back(contents: list[bytes]) -> None:
    original = package(*((f"part{number}", data) for number, data in enumerate(contents)))
    assert case(ArCodec(), original).built() == original
