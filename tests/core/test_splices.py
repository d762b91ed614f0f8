"""How a file that must be made follows from that of another expanded form."""

import gzip
import io
from collections.abc import Mapping

from hypothesis import given
from hypothesis import strategies as st

from airlock.core.expanded import SAME, Splice, expand
from airlock.core.forms.tree import TreeForm
from tests.core.test_tree_form import TEXT, zip_of

Files = dict[str, bytes]


def form(files: Files) -> io.BytesIO:
    out = io.BytesIO()
    assert expand(io.BytesIO(zip_of(files)), out).form == "tree/1"
    out.seek(0)
    return out


def splices(before: Files, after: Files) -> Mapping[str, Splice]:
    return TreeForm().splices(form(before), form(after))


def packed(size: int = 5000, level: int = 9, mtime: int = 0, behind: bytes = b"") -> bytes:
    return gzip.compress(TEXT[:size], level, mtime=mtime) + behind


def test_what_is_equal_is_the_same_wherever_it_stands() -> None:
    one, two = {"a.gz": packed(), "b": b"b"}, {"c": b"longer before", "a.gz": packed()}
    assert splices(one, two) == {"a.gz": SAME}


def test_another_header_or_other_bytes_behind_are_other_ends() -> None:
    one, two = {"a.gz": packed(behind=b"x")}, {"a.gz": packed(mtime=7, behind=b"behind")}
    (splice,) = splices(one, two).values()
    assert splice.of(one["a.gz"]) == two["a.gz"]


def test_another_content_level_or_place_is_not_followed() -> None:
    before = {"a.gz": packed(), "b.gz": packed(6000), "c.gz": packed(), "d.gz": packed()}
    after = {"a.gz": packed(6000), "b.gz": packed(), "c.gz": packed(level=1), "d.gz": TEXT[:99]}
    assert splices(before, after) == {}
    assert splices({"a": packed()}, {"b": packed()}) == {}


def test_a_container_of_several_files_is_followed_as_a_whole() -> None:
    inner = {"x": TEXT[:3000], "y": TEXT[:4000]}
    assert splices({"in.zip": zip_of(inner)}, {"in.zip": zip_of(inner)}) == {"in.zip": SAME}
    assert splices({"in.zip": zip_of(inner)}, {"in.zip": zip_of(inner | {"y": TEXT[1:4001]})}) == {}
    assert splices({"in.zip": zip_of(inner)}, {"in.zip": zip_of(dict(reversed(inner.items())))}) == {}


def test_of_a_name_that_stands_twice_nothing_is_known() -> None:
    twice = io.BytesIO()
    assert expand(
        io.BytesIO(zip_of({"a.gz": packed(), "z.gz": packed(6000)}).replace(b"z.gz", b"a.gz")), twice
    )
    twice.seek(0)
    assert TreeForm().splices(twice, form({"a.gz": packed(6000)})) == {}


FILES = st.dictionaries(
    st.sampled_from(["a.gz", "b.gz", "c.gz"]),
    st.builds(
        packed,
        size=st.sampled_from([0, 1, 4000, 5000]),
        level=st.sampled_from([1, 6, 9]),
        mtime=st.integers(0, 3),
        behind=st.sampled_from([b"", b"x", packed(10), packed(20)]),
    ),
)


@given(before=FILES, after=FILES)
def test_a_splice_of_the_one_is_the_other(before: Files, after: Files) -> None:
    found = splices(before, after)
    for name, splice in found.items():
        assert splice.of(before[name]) == after[name]
    assert {name for name in after if after[name] == before.get(name)} <= found.keys()
