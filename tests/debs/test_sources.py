"""Where apt has its archives, in both forms of its files, and whom it trusts for them."""

import shutil
from pathlib import Path

import pytest

from airlock.errors import FetchError
from airlock.kinds.deb.sources import AptSources, Source, apt_sources, read_sources, trust_of
from tests.debs.archive import Key


def test_sources_in_one_line_each(tmp_path: Path) -> None:
    file = tmp_path / "sources.list"
    file.write_text(
        "# deb http://no.example/ x main\n"
        "deb http://a.example/debian stable main contrib # all of it\n"
        "deb-src http://a.example/debian stable main\n"
        "deb [arch=amd64 signed-by=/k.gpg] http://b.example/ ./\n"
    )
    assert list(read_sources(file)) == [
        Source(url="http://a.example/debian", suite="stable", components=("main", "contrib"), signed_by=""),
        Source(url="http://b.example/", suite="./", components=(), signed_by="/k.gpg"),
    ]


def test_sources_in_stanzas(tmp_path: Path) -> None:
    file = tmp_path / "debian.sources"
    file.write_text(
        "Types: deb deb-src\n# http://old.example\nURIs: http://a.example/debian\nSuites: stable stable-updates\n"
        "Components: main\nSigned-By: /k.gpg\n\nTypes: deb\nEnabled: no\nURIs: http://b.example\nSuites: x\n"
    )
    found = list(read_sources(file))
    assert [(one.suite, one.components, one.signed_by) for one in found] == [
        ("stable", ("main",), "/k.gpg"),
        ("stable-updates", ("main",), "/k.gpg"),
    ]


def test_a_suite_that_apt_does_not_have_is_told_with_those_it_has() -> None:
    source = Source(url="http://a.example", suite="stable", components=("main",), signed_by="")
    apt = AptSources(sources=(source,), trusted=())
    assert apt.of("stable", "main") == source
    with pytest.raises(FetchError, match="no source with the suite 'stable' and the component 'contrib'"):
        apt.of("stable", "contrib")


def test_a_source_names_a_file_a_fingerprint_or_a_whole_key(tmp_path: Path, key: Key) -> None:
    file = tmp_path / "k.gpg"
    file.write_bytes(key.public)
    apt = AptSources(sources=(), trusted=(file,))

    def of(signed_by: str) -> Source:
        return Source(url="http://a.example", suite="stable", components=("main",), signed_by=signed_by)

    assert trust_of(of(str(file)), apt).keyrings == (key.public,)
    assert trust_of(of(""), apt).keyrings == (key.public,)
    named = trust_of(of(key.fingerprint), apt)
    assert (named.keyrings, named.signers) == ((key.public,), frozenset({key.fingerprint}))
    lines = key.armored.decode().strip().split("\n")
    inside = "\n" + "\n".join(f" {line or '.'}" for line in lines)
    assert trust_of(of(inside), apt).keyrings == (key.armored.strip(),)
    with pytest.raises(FetchError, match="apt trusts no key for it"):
        trust_of(of(""), AptSources(sources=(), trusted=()))


@pytest.mark.skipif(not shutil.which("apt-config"), reason="apt is not installed")
def test_this_machines_apt_can_be_asked() -> None:
    assert isinstance(apt_sources(), AptSources)
