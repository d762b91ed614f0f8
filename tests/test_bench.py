"""The benchmarks' own reading and reckoning: corpora, locks cut to their pins, sums and tables."""

from pathlib import Path

import pytest

from tests.bench.bundle import uv_platform
from tests.bench.corpora import (
    corpus_between,
    corpus_named,
    locked,
    names,
    only,
    read_pins,
    with_one_changed,
)
from tests.bench.measure import Cost
from tests.bench.peers import would_download
from tests.bench.report import Artifact, DeltaRow, best, delta_row, delta_sizes, document, largest, summed

LOCK = """\
version = 1

artifacts = [
  {{ kind = "file", name = "readme", file = "readme", size = 1, sha256 = "00" }},
  {{ kind = "wheel", name = "big", version = "{big}", file = "big-{big}-py3-none-any.whl", size = 900, sha256 = "b{big}" }},
  {{ kind = "wheel", name = "small", version = "{small}", file = "small-{small}-py3-none-any.whl", size = 9, sha256 = "s{small}" }},
]
"""
COST = Cost(wall=1.5, cpu=1.0, memory=10)


def row(tool: str, form: str, size: int | None, change: str = "all", *, absent: str = "") -> DeltaRow:
    return DeltaRow(change=change, tool=tool, form=form, new=1000, bytes=size, make=COST, absent=absent)


@pytest.mark.parametrize("name", names())
def test_every_corpus_is_whole(name: str) -> None:
    corpus = corpus_named(name)
    assert corpus.about
    assert corpus.changes
    for change in corpus.changes:
        assert change.old != change.new
    if corpus.requirements:
        assert corpus.requirements.is_file()
        assert corpus.cutoff


def test_updates_apart_are_one_change_each() -> None:
    changes = corpus_named("updates").changes
    assert len(changes) == 26
    assert all(len(list(change.old)) == 1 for change in changes if not isinstance(change.old, Path))


def test_pins_are_read_without_hashes_comments_and_options(tmp_path: Path) -> None:
    path = tmp_path / "pins.txt"
    path.write_text(
        "--only-binary :all:\n# a comment\nPy_Yaml==6.0.2 \\\n    --hash=sha256:ab\n\nsix==1.17.0  # via x\n"
    )
    assert [str(pin) for pin in read_pins(path)] == ["py-yaml==6.0.2", "six==1.17.0"]


@pytest.mark.parametrize("line", ["six", "six>=1", "six==1.*", "six>=1,<2"])
def test_what_is_not_pinned_is_refused(tmp_path: Path, line: str) -> None:
    path = tmp_path / "pins.txt"
    path.write_text(line)
    with pytest.raises(ValueError, match="not pinned"):
        read_pins(path)


def test_a_lock_stands_for_itself(tmp_path: Path) -> None:
    old, new = tmp_path / "v1.lock", tmp_path / "v2.lock"
    new.write_text('targets = [{ name = "a", python = "3.12", platform = "musllinux_1_2_x86_64" }]')
    corpus = corpus_between(old, new)
    assert (corpus.changes[0].old, corpus.changes[0].new) == (old, new)
    assert (corpus.python, corpus.platform) == ("3.12", "musllinux_1_2_x86_64")


def test_a_lock_is_cut_to_its_pins_and_keeps_all_that_is_no_wheel(tmp_path: Path) -> None:
    pins = tmp_path / "pins.txt"
    pins.write_text("small==1")
    cut = only(LOCK.format(big=1, small=1), read_pins(pins))
    assert [wheel["name"] for wheel in locked(cut)] == ["small"]
    assert 'kind = "file"' in cut


def test_one_changed_wheel_is_the_smallest() -> None:
    changed = with_one_changed(LOCK.format(big=1, small=1), LOCK.format(big=2, small=2))
    assert changed is not None
    assert changed[1] == "small"
    assert [wheel["version"] for wheel in locked(changed[0])] == ["2", "1"]


def test_no_changed_wheel_is_none() -> None:
    assert with_one_changed(LOCK.format(big=1, small=1), LOCK.format(big=1, small=1)) is None


def test_changes_add_up_and_a_tool_that_one_was_without_has_no_sum() -> None:
    rows = [row("airlock", "", 10, "a"), row("airlock", "", 20, "b")]
    rows += [row("slow", "tree", 5, "a"), row("slow", "tree", None, "b", absent="not installed")]
    ours, slow = summed(rows)
    assert (ours.bytes, ours.new, ours.make) == (30, 2000, Cost(wall=3.0, cpu=2.0, memory=10))
    assert (slow.bytes, slow.absent) == (None, "not installed")


def test_the_best_peer_is_the_smallest_of_its_form() -> None:
    rows = [row("airlock", "", 1), row("a", "tree", 8), row("b", "tree", 7), row("c", "wheels", 2)]
    rows.append(row("d", "tree", None, absent="not installed"))
    found = best(rows, "tree")
    assert found is not None
    assert found.tool == "b"


def test_sizes_name_our_ratio_and_what_is_absent() -> None:
    rows = [
        row("airlock", "", 100),
        row("a", "wheels", 400),
        row("b", "tree", None, absent="b not installed"),
    ]
    text = "\n".join(delta_sizes(rows))
    assert "| a, wheels | 400 | 40.00% | 0.250 |" in text
    assert "| b, tree | b not installed |  |  |" in text
    assert "Against the best peer on wheels (a): 25.0%." in text


def test_the_largest_artifacts_come_first_and_no_more_than_ten() -> None:
    artifacts = [Artifact(name=f"n{size}", how="patch", size=100, bytes=size) for size in range(12)]
    lines = list(largest([*artifacts, Artifact(name="unknown", how="keep", size=1, bytes=None)]))
    assert len(lines) == 2 + 10
    assert lines[2] == "| n11 | patch | 11 | 11.0% |"


def test_rows_come_back_from_their_document() -> None:
    original = row("a", "tree", 8)
    assert delta_row(document(original)) == original


def test_what_zchunk_would_download_is_read_from_what_it_prints() -> None:
    assert would_download("Would download 142627 of 200000 bytes\nMatched 1 of 6 chunks\n") == 142627


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ("manylinux_2_28_x86_64", "x86_64-manylinux_2_28"),
        ("manylinux_2_28_aarch64", "aarch64-manylinux_2_28"),
    ],
)
def test_platforms_as_uv_spells_them(ours: str, theirs: str) -> None:
    assert uv_platform(ours) == theirs
