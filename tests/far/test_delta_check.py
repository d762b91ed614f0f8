"""`airlock verify` of a delta says no more than it knows: with the base, every content; without, that nothing is damaged."""

from pathlib import Path

import pytest

from airlock import cli
from airlock.storage.archive import Archive
from tests.far.bundles import NOW
from tests.far.two_versions import Versions, made_wheels, make_versions


@pytest.fixture(scope="module")
def versions(tmp_path_factory: pytest.TempPathFactory) -> Versions:
    return make_versions(tmp_path_factory.mktemp("versions"), made_wheels(1, 6), made_wheels(2, 6))


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", str(NOW))


def verify(versions: Versions, delta: Path, *options: str) -> int:
    return cli.main(["verify", str(delta), "--trust", str(versions.path("root.json")), *options])


def damaged(versions: Versions, folder: Path) -> Path:
    """The delta with one byte of its longest stream changed."""
    source = versions.path("up.airdelta")
    with source.open("rb") as stream:
        members = Archive(stream, "delta").members
    span = max((span for name, span in members.items() if name.startswith("streams/")), key=lambda s: s.size)
    data = bytearray(source.read_bytes())
    data[span.offset + span.size // 2] ^= 0x10
    path = folder / "damaged.airdelta"
    path.write_bytes(data)
    return path


def test_with_its_base_every_content_is_checked(
    versions: Versions, capsys: pytest.CaptureFixture[str]
) -> None:
    assert verify(versions, versions.path("up.airdelta"), "--base", str(versions.path("1.airlock"))) == 0
    out, err = capsys.readouterr()
    assert "bytes of content have the digests of the index" in out
    assert "not checked" not in err


def test_without_its_base_a_warning_says_what_is_not_known(
    versions: Versions, capsys: pytest.CaptureFixture[str]
) -> None:
    assert verify(versions, versions.path("up.airdelta")) == 0
    out, err = capsys.readouterr()
    assert "contents are not checked: give --root or --base" in err
    assert "every frame and stream of the delta decompresses" in out


def test_another_base_is_refused(versions: Versions, capsys: pytest.CaptureFixture[str]) -> None:
    assert verify(versions, versions.path("up.airdelta"), "--base", str(versions.path("2.airlock"))) == 5
    assert "not the base of this delta" in capsys.readouterr().err


@pytest.mark.parametrize("with_base", [True, False])
def test_a_damaged_stream_is_found_with_the_base_and_without(
    versions: Versions, tmp_path: Path, capsys: pytest.CaptureFixture[str], with_base: bool
) -> None:
    options = ("--base", str(versions.path("1.airlock"))) if with_base else ()
    assert verify(versions, damaged(versions, tmp_path), *options) == 5
    err = capsys.readouterr().err
    assert "streams/" in err
    assert "hint: copy the file again" in err


def test_a_site_is_a_base_and_stays_as_it_is(versions: Versions, tmp_path: Path) -> None:
    site, root = str(tmp_path / "site"), str(versions.path("root.json"))
    first = str(versions.path("1.airlock"))
    assert cli.main(["install", first, "--root", site, "--trust", root, "--quiet"]) == 0
    before = sorted(path for path in Path(site).rglob("*"))
    assert verify(versions, versions.path("up.airdelta"), "--root", site) == 0
    assert verify(versions, damaged(versions, tmp_path), "--root", site) == 5
    assert sorted(path for path in Path(site).rglob("*")) == before
