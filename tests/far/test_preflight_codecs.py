"""What is asked of this machine's encoders before anything is done."""

from dataclasses import replace

import pytest

from airlock.airgapped.preflight import check_codecs_of
from airlock.core.lzma_encoder import check_lzma
from airlock.errors import TargetError
from airlock.formats.index import BundleIndex, parse_index
from tests.far.bundles import bundle, fake_kinds, members_in, wheel, wheel_item


def index_with(*codecs: str) -> BundleIndex:
    item = wheel_item("part", "1.0", wheel("part", "1.0", {"part.py": b""}))
    index = parse_index(members_in(bundle([item]))["index.json"], "index")
    (entry,) = index.entries
    expanded = replace(entry.expanded, codecs=codecs, file_codecs=codecs)
    return replace(index, entries=(replace(entry, expanded=expanded),))


def test_an_encoder_of_what_the_site_holds_must_be_there_but_makes_nothing_yet() -> None:
    index = index_with("lzma/1", "xz/1")
    held = frozenset(entry.expanded.digest for entry in index.entries)
    check_lzma.cache_clear()
    check_codecs_of(index, fake_kinds, held)
    assert check_lzma.cache_info().currsize == 0
    check_codecs_of(index, fake_kinds)
    assert check_lzma.cache_info().currsize == 1
    with pytest.raises(TargetError, match="needs codecs that are not at hand"):
        check_codecs_of(index_with("future/1"), fake_kinds, held)
