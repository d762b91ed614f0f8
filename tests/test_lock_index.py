"""How an index is read, and that how it is read never changes what gets locked."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from airlock.core.digest import digest_of, hex_of
from airlock.errors import FetchError, IntegrityError
from airlock.formats.lockfile import Lockfile, write_lockfile
from airlock.kinds.registry import kind_named
from tests.index_server import Index, serving
from tests.locking import PLANT, Workplace, pins
from tests.wheel_factory import Wheel, make_wheel

PYTHON = 'requirements = ["app[fast]", "lib>=1"]'


@pytest.fixture
def index() -> Iterator[Index]:
    with serving(Index()) as running:
        yield running


@pytest.fixture
def place(tmp_path: Path, index: Index) -> Workplace:
    return Workplace(directory=tmp_path, index=index, cache=tmp_path / "cache")


def fill(index: Index) -> None:
    for version in ("1.0", "1.1", "2.0"):
        index.add(
            make_wheel(
                "app", version, extras=["fast"], requires=["lib<2.5", "engine; extra == 'fast'", "tool>1"]
            )
        )
        index.add(make_wheel("lib", version, requires_python=">=3.9", requires=["tool"]))
        index.add(make_wheel("tool", version, requires=["lib"]))
    index.add(make_wheel("engine", "5", tag="cp311-cp311-manylinux_2_17_x86_64", requires=["tool<2"]))
    index.add(make_wheel("engine", "4", requires_python="<3.8"))


def big(name: str, size: int = 200_000) -> Wheel:
    """A wheel whose table of contents is far from its start."""
    noise = b"".join(bytes.fromhex(hex_of(digest_of(bytes(number)))) for number in range(size // 32))
    return make_wheel(name, "1.0", files={f"{name}/noise": noise}, requires=["lib"])


def test_json_html_and_every_way_to_the_metadata_give_the_same_lock(tmp_path: Path) -> None:
    locks = set()
    behaviours = [
        Index(),
        Index(json=False),
        Index(json=False, hashes=False, ranges=False),
        Index(metadata="advertised"),
        Index(json=False, metadata="advertised"),
        Index(metadata="missing"),
        Index(ranges=False),
        Index(hashes=False),
        Index(sizes=False),
    ]
    for number, behaviour in enumerate(behaviours):
        fill(behaviour)
        with serving(behaviour):
            place = Workplace(directory=tmp_path, index=behaviour, cache=tmp_path / f"cache-{number}")
            locks.add(write_lockfile(place.lock(PYTHON)))
    assert len(locks) == 1


def test_the_lock_is_the_same_from_another_directory_cache_and_timing(tmp_path: Path) -> None:
    locks = set()
    for shuffle in range(1, 5):
        behaviour = Index(shuffle=shuffle)
        fill(behaviour)
        with serving(behaviour):
            directory = tmp_path / str(shuffle)
            place = Workplace(directory=directory, index=behaviour, cache=directory / "cache")
            locks.add(write_lockfile(place.lock(PYTHON)))
            locks.add(write_lockfile(place.lock(PYTHON)))
    assert len(locks) == 1


def test_the_lock_holds_no_address_and_no_path_of_this_machine(
    place: Workplace, index: Index, tmp_path: Path
) -> None:
    fill(index)
    text = write_lockfile(place.lock(PYTHON)).decode()
    assert "127.0.0.1" not in text
    assert str(tmp_path) not in text
    assert 'index = "default"' in text


def test_the_order_of_requirements_in_the_manifest_decides_nothing(place: Workplace, index: Index) -> None:
    fill(index)
    one = place.lock('requirements = ["app[fast]", "lib>=1"]')
    two = place.lock('requirements = ["lib>=1", "app[fast]"]')
    assert write_lockfile(one) == write_lockfile(two)


def test_advertised_metadata_is_all_that_is_read_of_a_wheel(place: Workplace, index: Index) -> None:
    index.metadata = "advertised"
    index.add(make_wheel("lib", "1.0"))
    place.lock('requirements = ["lib"]')
    assert [path for path, _, _ in index.log] == [
        "/simple/lib/",
        "/files/lib-1.0-py3-none-any.whl.metadata",
    ]


def test_metadata_that_is_not_what_the_index_says_is_refused(place: Workplace, index: Index) -> None:
    index.metadata = "wrong"
    index.add(make_wheel("lib", "1.0"))
    with pytest.raises(IntegrityError, match="not what the index says") as caught:
        place.lock('requirements = ["lib"]')
    assert caught.value.where == "lib-1.0-py3-none-any.whl.metadata"


def test_advertised_metadata_that_is_not_there_is_read_out_of_the_wheel(
    place: Workplace, index: Index
) -> None:
    index.metadata = "missing"
    index.add(big("app"), make_wheel("lib", "1.0"))
    assert place.pins('requirements = ["app"]') == {"app": "1.0", "lib": "1.0"}
    assert [status for path, _, status in index.asked("app-1.0")] == [404, 206]


def test_a_remote_wheel_is_read_from_its_tail_and_not_as_a_whole(place: Workplace, index: Index) -> None:
    index.add(big("app"), make_wheel("lib", "1.0"))
    place.lock('requirements = ["app"]')
    assert [(wanted, status) for _, wanted, status in index.asked("app-1.0")] == [("bytes=-24576", 206)]


def test_metadata_in_front_of_the_tail_is_read_by_a_second_range(place: Workplace, index: Index) -> None:
    members = {"app-1.0.dist-info/METADATA": b"Metadata-Version: 2.1\nName: app\nVersion: 1.0\n\n"}
    noise = b"".join(bytes.fromhex(hex_of(digest_of(bytes(number)))) for number in range(2000))
    # A dict keeps the first place of a key: METADATA comes first in this wheel.
    wheel = make_wheel("app", "1.0", files=members | {"app/noise": noise}, requires=["lib"])
    index.add(wheel, make_wheel("lib", "1.0"))
    assert place.pins('requirements = ["app"]') == {"app": "1.0", "lib": "1.0"}
    assert [status for _, _, status in index.asked("app-1.0")] == [206, 206]


def test_a_server_that_ignores_ranges_is_read_as_a_whole_and_the_file_kept(
    place: Workplace, index: Index
) -> None:
    index.ranges = False
    index.add(big("app"), make_wheel("lib", "1.0"))
    place.lock('requirements = ["app"]')
    with place.near() as near:
        assert digest_of(big("app").data) in near.store


def test_metadata_is_read_once_for_ever(place: Workplace, index: Index) -> None:
    fill(index)
    place.lock(PYTHON)
    index.log.clear()
    index.add(make_wheel("unrelated", "1.0"))
    place.lock('requirements = ["app", "lib", "unrelated"]')
    assert {path for path, _, _ in index.asked("/files/")} == {"/files/unrelated-1.0-py3-none-any.whl"}


def test_pages_without_cache_headers_are_good_for_a_while(place: Workplace, index: Index) -> None:
    fill(index)
    place.lock(PYTHON)
    index.log.clear()
    place.lock(PYTHON)
    assert index.log == []


def test_pages_with_an_etag_are_revalidated(place: Workplace, index: Index) -> None:
    index.etags = True
    index.add(make_wheel("lib", "1.0"))
    place.lock('requirements = ["lib"]')
    assert place.pins('requirements = ["lib"]') == {"lib": "1.0"}
    assert [status for _, _, status in index.asked("/simple/")] == [200, 304]
    index.add(make_wheel("lib", "2.0"))
    assert place.pins('requirements = ["lib"]') == {"lib": "2.0"}


def test_metadata_of_one_index_does_not_speak_for_the_file_of_another(place: Workplace, index: Index) -> None:
    """An index that claims the sha256 of somebody else's wheel must not decide what that wheel needs."""
    index.add(make_wheel("lib", "1.0"))
    honest = index.projects["lib"][0]
    with serving(Index(metadata="advertised")) as evil:
        lie = make_wheel("lib", "1.0", requires=["evil-thing"]).metadata
        evil.projects["lib"] = [replace(honest, metadata=lie)]
        evil.add(make_wheel("evil-thing", "1"))
        place.indexes = {"evil": evil.simple}
        python = 'requirements = ["lib"]\nsources = { lib = "evil", evil-thing = "evil" }'
        assert place.pins(python) == {"evil-thing": "1", "lib": "1.0"}
    place.indexes = {}
    assert place.pins('requirements = ["lib"]') == {"lib": "1.0"}


def test_a_file_that_changed_on_the_index_under_a_locked_name_is_refused(
    place: Workplace, index: Index
) -> None:
    index.etags = True
    index.add(make_wheel("lib", "1.0"))
    before = place.lock('requirements = ["lib"]')
    index.projects["lib"].clear()
    index.add(make_wheel("lib", "1.0", files={"lib/backdoor.py": b""}), make_wheel("other", "1"))
    with pytest.raises(IntegrityError, match="another file than the lock has"):
        place.lock('requirements = ["lib", "other"]', previous=before)


def test_hostile_rows_are_left_out(place: Workplace, index: Index) -> None:
    index.add(make_wheel("lib", "1.0"))
    good = index.projects["lib"][0]
    for file in (
        "../../lib-9.0-py3-none-any.whl",
        "lib-9.0-py3-none-any.whl\n",
        "other-9.0-py3-none-any.whl",
    ):
        index.projects["lib"].append(replace(good, file=file))
    index.projects["lib"].append(replace(good, file="lib-nonsense-py3-none-any.whl"))
    assert place.pins('requirements = ["lib"]') == {"lib": "1.0"}


def test_a_wheel_that_says_it_is_another_is_passed_over(place: Workplace, index: Index) -> None:
    index.add(make_wheel("lib", "1.0"))
    index.projects["lib"].append(replace(index.projects["lib"][0], file="lib-2.0-py3-none-any.whl"))
    index.hashes = False
    assert place.pins('requirements = ["lib"]') == {"lib": "1.0"}


def test_something_that_is_not_a_zip_is_told_as_such(place: Workplace, index: Index) -> None:
    index.add(replace(make_wheel("lib", "1.0"), data=b"<html>log in</html>" * 50))
    with pytest.raises(IntegrityError, match=r"lib-1\.0-py3-none-any\.whl: not a wheel"):
        place.lock('requirements = ["lib"]')


def test_a_server_that_stumbles_is_asked_again(place: Workplace, index: Index) -> None:
    index.add(make_wheel("lib", "1.0"))
    index.failures = 2
    assert place.pins('requirements = ["lib"]') == {"lib": "1.0"}


def test_a_server_that_keeps_failing_is_told_with_a_way_on(place: Workplace, index: Index) -> None:
    index.failures = 99
    with pytest.raises(FetchError, match="the server refused: found HTTP status 503") as caught:
        place.lock('requirements = ["lib"]')
    assert caught.value.hint is not None
    assert caught.value.exit_code == 4


def test_a_server_that_is_not_there_is_told_without_its_password(place: Workplace) -> None:
    place.indexes = {"default": "http://user:secret@127.0.0.1:9/simple/"}
    with pytest.raises(FetchError) as caught:
        place.lock('requirements = ["lib"]')
    assert str(caught.value) == "http://127.0.0.1:9/simple/lib/: cannot be reached, or broke off"


def obtained(place: Workplace, lockfile: Lockfile) -> None:
    kind = kind_named("wheel", "test")
    with place.near() as near:
        for artifact in lockfile.artifacts_for("plant"):
            kind.obtain(artifact, place.manifest("requirements = []"), near)
            assert near.store.path(artifact.digest).stat().st_size == artifact.size


def test_obtain_finds_the_locked_file_on_whatever_mirror_the_index_is_now(
    place: Workplace, index: Index, tmp_path: Path
) -> None:
    fill(index)
    locked = place.lock(PYTHON)
    mirror = Index(json=False)
    fill(mirror)
    with serving(mirror):
        obtained(Workplace(directory=tmp_path, index=mirror, cache=tmp_path / "new"), locked)


def test_obtain_goes_on_where_a_download_broke_off(place: Workplace, index: Index) -> None:
    index.add(big("app"), make_wheel("lib", "1.0"))
    locked = place.lock('requirements = ["app"]')
    index.log.clear()
    index.cut = 150_000
    obtained(place, locked)
    whole_steps = 2 * 65536
    assert [(wanted, status) for _, wanted, status in index.asked("app-1.0")] == [
        ("", 200),
        (f"bytes={whole_steps}-", 206),
    ]


def test_obtain_starts_again_where_the_server_ignores_ranges(place: Workplace, index: Index) -> None:
    index.add(big("app"), make_wheel("lib", "1.0"))
    locked = place.lock('requirements = ["app"]')
    index.cut, index.ranges = 50_000, False
    obtained(place, locked)


def test_obtain_refuses_other_bytes_than_those_locked(place: Workplace, index: Index) -> None:
    wheel = make_wheel("lib", "1.0")
    index.add(wheel)
    locked = place.lock('requirements = ["lib"]')
    flipped = bytes([wheel.data[0] ^ 1]) + wheel.data[1:]
    index.projects["lib"] = [replace(index.projects["lib"][0], data=flipped)]
    with pytest.raises(IntegrityError, match="content does not match its digest"):
        obtained(place, locked)


def test_obtain_refuses_more_bytes_than_those_locked(place: Workplace, index: Index) -> None:
    wheel = make_wheel("lib", "1.0")
    index.add(wheel)
    locked = place.lock('requirements = ["lib"]')
    index.projects["lib"] = [replace(index.projects["lib"][0], data=wheel.data + b"more")]
    with pytest.raises(IntegrityError, match="longer than the lock says"):
        obtained(place, locked)


def test_a_file_that_the_index_lost_is_named(place: Workplace, index: Index) -> None:
    index.etags = True
    index.add(make_wheel("lib", "1.0"))
    locked = place.lock('requirements = ["lib"]')
    index.projects["lib"].clear()
    with pytest.raises(FetchError, match=r"lib-1\.0-py3-none-any\.whl is not there"):
        obtained(place, locked)


def test_each_target_is_resolved_by_the_metadata_of_its_own_wheel(place: Workplace, index: Index) -> None:
    index.add(make_wheel("fast", "1.0", tag="cp311-cp311-manylinux_2_17_x86_64", requires=["for-glibc"]))
    index.add(make_wheel("fast", "1.0", tag="cp311-cp311-musllinux_1_1_x86_64", requires=["for-musl"]))
    index.add(make_wheel("for-glibc", "1"), make_wheel("for-musl", "1"))
    place.targets = (PLANT, ("small", "3.11", "musllinux_1_2_x86_64"))
    locked = place.lock('requirements = ["fast"]')
    assert pins(locked, "plant") == {"fast": "1.0", "for-glibc": "1"}
    assert pins(locked, "small") == {"fast": "1.0", "for-musl": "1"}
