"""Source distributions become wheels when locking: of packages that the manifest names, and of no others."""

import shutil
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from airlock.connected.fetch import fetch
from airlock.core.artifact import Artifact
from airlock.core.digest import digest_of
from airlock.errors import FetchError, IntegrityError, ResolutionError
from airlock.formats.lockfile import Lockfile
from airlock.kinds import Locked, Upgrade
from airlock.kinds.wheel.building.machine import platform
from airlock.kinds.wheel.building.sandbox import sandbox
from airlock.kinds.wheel.newer import newer
from tests.index_server import Index, serving
from tests.locking import Workplace, pins
from tests.sdist_factory import backend_wheel, make_sdist
from tests.wheel_factory import make_wheel

THING = 'requirements = ["thing"]\n[python.build]\npackages = ["thing"]'
NATIVE = 'tag = "py3-none-linux_x86_64"\n'


@pytest.fixture
def index() -> Iterator[Index]:
    with serving(Index()) as server:
        server.add(backend_wheel())
        yield server


@pytest.fixture
def place(tmp_path: Path, index: Index) -> Workplace:
    return Workplace(directory=tmp_path, index=index, cache=tmp_path / "cache")


def built(lockfile: Lockfile, name: str = "thing") -> Artifact:
    return next(one.artifact for one in lockfile.artifacts if one.artifact.name == name)


def tools(lockfile: Lockfile) -> dict[str, tuple[str, ...]]:
    return {
        f"{one.artifact.name} {one.artifact.version}": one.builds for one in lockfile.artifacts if one.builds
    }


def contents(place: Workplace, artifact: Artifact) -> dict[str, str]:
    from airlock.storage.store import Store

    with (
        Store(place.cache / "store").open(artifact.digest) as stream,
        zipfile.ZipFile(stream) as wheel,
    ):
        return {name: wheel.read(name).decode() for name in wheel.namelist()}


def fetched(place: Workplace, lockfile: Lockfile, python: str = THING) -> None:
    with place.near() as near:
        fetch(lockfile, place.manifest(python), near)


def refused(place: Workplace, python: str = THING) -> ResolutionError:
    with pytest.raises(ResolutionError) as caught:
        place.lock(python)
    return caught.value


def test_what_has_only_a_source_distribution_becomes_a_wheel(place: Workplace, index: Index) -> None:
    data = make_sdist("thing", "1.0", 'needs = ["dep>=2"]')
    index.add_sdist("thing", "1.0", data)
    index.add(make_wheel("dep", "1.0"), make_wheel("dep", "2.0"))
    lockfile = place.lock(THING)
    assert pins(lockfile) == {"thing": "1.0", "dep": "2.0"}
    assert built(lockfile).file == "thing-1.0-py3-none-any.whl"
    assert built(lockfile).origin == {
        "index": "default",
        "sdist": "thing-1.0.tar.gz",
        "sdist-sha256": digest_of(data).removeprefix("sha256:"),
        "python": "3.11",
    }
    assert tools(lockfile) == {"mini-backend 1.0": ("thing==1.0 on 3.11",)}
    assert "mini-backend" not in pins(lockfile), "a tool never crosses the gap"


def test_a_wheel_that_fits_is_taken_unless_it_is_always_to_be_built(place: Workplace, index: Index) -> None:
    index.add_sdist("thing", "1.0", make_sdist("thing", "1.0"))
    index.add(make_wheel("thing", "1.0"))
    assert built(place.lock(THING)).origin.keys() == {"index", "metadata"}
    always = 'requirements = ["thing"]\n[python.build]\nalways = ["thing"]'
    assert "sdist" in built(place.lock(always)).origin


def test_what_is_always_to_be_built_and_has_no_source_is_told(place: Workplace, index: Index) -> None:
    index.add(make_wheel("thing", "1.0"))
    error = refused(place, 'requirements = ["thing"]\n[python.build]\nalways = ["thing"]')
    assert "always to be built" in error.what


@pytest.mark.parametrize(
    "answer",
    [
        "os.symlink('/dev/zero', path)",
        "open(path, 'w').write('[' * 100000)",
        "open(path, 'w').truncate(1 << 30)",
    ],
    ids=["endless", "deep", "large"],
)
def test_a_hook_whose_answer_is_not_one_is_refused(place: Workplace, index: Index, answer: str) -> None:
    recipe = f"""
def build():
    import os, sys
    path = os.path.join(sys.argv[-1], "output.json")
    {answer}
    os._exit(0)
"""
    index.add_sdist("thing", "1.0", make_sdist("thing", "1.0", recipe))
    assert refused(place).what == "its build failed (build_wheel)"


def test_static_metadata_is_read_without_a_build(place: Workplace, index: Index) -> None:
    """The newest would fail to build, but what it says of itself keeps it from being tried."""
    index.add_sdist(
        "thing", "2.0", make_sdist("thing", "2.0", "raise SystemExit", pkg_info="Requires-Dist: dep>=3\n")
    )
    index.add_sdist("thing", "1.0", make_sdist("thing", "1.0", pkg_info=""))
    index.add(make_wheel("dep", "1.0"))
    assert place.pins('requirements = ["thing", "dep"]\n[python.build]\npackages = ["thing"]') == {
        "thing": "1.0",
        "dep": "1.0",
    }


def test_dynamic_metadata_are_those_of_the_wheel(place: Workplace, index: Index) -> None:
    data = make_sdist("thing", "1.0", 'needs = ["dep"]', pkg_info="Dynamic: Requires-Dist\n")
    index.add_sdist("thing", "1.0", data)
    index.add(make_wheel("dep", "1.0"))
    assert place.pins(THING) == {"thing": "1.0", "dep": "1.0"}


def test_a_wheel_that_needs_other_things_than_its_source_said_is_refused(
    place: Workplace, index: Index
) -> None:
    index.add_sdist("thing", "1.0", make_sdist("thing", "1.0", 'needs = ["dep"]', pkg_info=""))
    error = refused(place)
    assert "needs other things" in error.what
    assert (error.expected, error.found) == ("nothing", "dep")


@pytest.mark.parametrize("other", ['name = "other"', 'version = "1.1"'])
def test_a_wheel_of_something_else_is_refused(place: Workplace, index: Index, other: str) -> None:
    index.add_sdist("thing", "1.0", make_sdist("thing", "1.0", other, pkg_info=""))
    assert "a wheel of something else" in refused(place).what


def test_no_build_has_a_network(place: Workplace, index: Index) -> None:
    if sandbox() == "none":
        pytest.skip("neither bubblewrap nor unshare works here")
    port = index.url.rpartition(":")[2]
    recipe = f'import socket\ndef build():\n  socket.create_connection(("127.0.0.1", {port}), 5)\n'
    index.add_sdist("thing", "1.0", make_sdist("thing", "1.0", recipe))
    error = refused(place)
    assert error.what == "its build failed (build_wheel)"
    assert error.found in (
        "OSError: [Errno 101] Network is unreachable",
        "ConnectionRefusedError: [Errno 111] Connection refused",
    )


def test_a_build_that_writes_the_time_is_reported_and_pinned(place: Workplace, index: Index) -> None:
    recipe = 'import time\nfiles["stamp.txt"] = str(int(time.time()))'
    index.add_sdist("thing", "1.0", make_sdist("thing", "1.0", recipe))
    lockfile = place.lock(THING)
    assert any("thing 1.0" in text and "stamp.txt" in text for text in place.reporter.warnings)
    assert built(lockfile).origin["reproducible"] == "no"
    fetched(place, lockfile)
    shutil.rmtree(place.cache)
    with pytest.raises(IntegrityError, match="another wheel each time") as caught:
        fetched(place, lockfile)
    assert "airlock export" in str(caught.value.hint)


@pytest.mark.parametrize(
    "expression",
    ["__file__ if False else __import__('os').getcwd()", "hash('a')", "__import__('os').environ['HOME']"],
    ids=["directory", "hash seed", "home"],
)
def test_what_a_build_should_not_write_shows(place: Workplace, index: Index, expression: str) -> None:
    index.add_sdist("thing", "1.0", make_sdist("thing", "1.0", f'files["seen.txt"] = str({expression})'))
    assert built(place.lock(THING)).origin["reproducible"] == "no"
    assert any("seen.txt" in text for text in place.reporter.warnings)


def test_a_build_sees_an_environment_of_its_own(place: Workplace, index: Index) -> None:
    recipe = """
import os
os.umask(mask := os.umask(0))
keys = ("LC_ALL", "TZ", "SOURCE_DATE_EPOCH")
seen = {key: os.environ[key] for key in keys}
files["seen.txt"] = repr((seen, sorted(set(os.environ) - set(keys)), os.listdir(os.environ["HOME"]), oct(mask)))
"""
    index.add_sdist("thing", "1.0", make_sdist("thing", "1.0", recipe))
    lockfile = place.lock(THING)
    assert "reproducible" not in built(lockfile).origin
    seen, names, home, mask = eval(contents(place, built(lockfile))["seen.txt"])
    assert seen == {"LC_ALL": "C.UTF-8", "TZ": "UTC", "SOURCE_DATE_EPOCH": "1600000000"}
    assert {name for name in names if not name.startswith("_")} <= {
        "HOME", "PATH", "PWD", "PYTHONDONTWRITEBYTECODE", "PYTHONHASHSEED", "PYTHONNOUSERSITE",
        "TMPDIR", "VIRTUAL_ENV",
    }  # fmt: skip
    assert (home, mask) == ([], "0o22")


def test_nothing_outside_can_be_written_to(place: Workplace, index: Index, tmp_path: Path) -> None:
    if sandbox() != "bubblewrap":
        pytest.skip("only bubblewrap keeps files from a build")
    recipe = f'files["done.txt"] = "x"\nopen({str(tmp_path / "planted")!r}, "w")'
    index.add_sdist("thing", "1.0", make_sdist("thing", "1.0", recipe))
    place.lock(THING)
    assert not (tmp_path / "planted").exists(), "it wrote to a place that is gone"


def test_what_the_backend_asks_for_besides_is_locked_too(place: Workplace, index: Index) -> None:
    recipe = 'requires = ["helper"]\ndef build():\n  import helper\n  files["v.txt"] = helper.VERSION'
    index.add_sdist("thing", "1.0", make_sdist("thing", "1.0", recipe))
    index.add(make_wheel("helper", "3.0"))
    lockfile = place.lock(THING)
    label = ("thing==1.0 on 3.11",)
    assert tools(lockfile) == {"mini-backend 1.0": label, "helper 3.0": label}
    assert contents(place, built(lockfile))["v.txt"] == "3.0"


def test_a_file_that_is_carried_and_builds_has_one_row(place: Workplace, index: Index) -> None:
    index.add_sdist("thing", "1.0", make_sdist("thing", "1.0", 'needs = ["mini-backend"]'))
    rows = [one for one in place.lock(THING).artifacts if one.artifact.name == "mini-backend"]
    assert [(row.targets, row.builds) for row in rows] == [(("plant",), ("thing==1.0 on 3.11",))]


def test_a_build_that_fails_names_its_log_and_what_is_missing(place: Workplace, index: Index) -> None:
    recipe = """
def build():
    print("error: command 'gcc' failed: No such file or directory", flush=True)
    raise SystemExit("no luck")
"""
    index.add_sdist("thing", "1.0", make_sdist("thing", "1.0", recipe))
    error = refused(place)
    assert (error.where, error.found) == ("thing 1.0", "no luck")
    hint = str(error.hint)
    assert "C compiler (gcc) is missing" in hint
    assert "no luck" in Path(hint.rpartition("the log is ")[2]).read_text()


def test_a_build_that_never_ends_is_ended_with_all_it_started(
    place: Workplace, index: Index, tmp_path: Path
) -> None:
    recipe = """
def build():
    import os, time
    if os.fork() == 0:
        time.sleep(4)
        open("../tmp/alive", "w")
    time.sleep(1000)
"""
    index.add_sdist("thing", "1.0", make_sdist("thing", "1.0", recipe))
    error = refused(place, THING + "\ntimeout = 1")
    assert error.what == "its build took longer than 1 seconds (build_wheel)"
    assert "timeout = 4" in str(error.hint)


def test_two_projects_that_need_each_other_to_be_built_are_told_so(place: Workplace, index: Index) -> None:
    index.add_sdist("thing", "1.0", make_sdist("thing", "1.0", requires=["mini-backend", "other"]))
    index.add_sdist("other", "1.0", make_sdist("other", "1.0", requires=["mini-backend", "thing"]))
    error = refused(place, 'requirements = ["thing"]\n[python.build]\npackages = ["thing", "other"]')
    assert "thing 1.0 → other 1.0 → thing 1.0" in error.what


def test_a_tool_that_has_only_a_source_distribution_is_built_too(place: Workplace, index: Index) -> None:
    recipe = 'def build():\n  import other\n  files["ok.txt"] = ""'
    index.add_sdist("thing", "1.0", make_sdist("thing", "1.0", recipe, requires=["mini-backend", "other"]))
    index.add_sdist("other", "1.0", make_sdist("other", "1.0"))
    lockfile = place.lock('requirements = ["thing"]\n[python.build]\npackages = ["thing", "other"]')
    thing, other = "thing==1.0 on 3.11", "other==1.0 on 3.11"
    assert tools(lockfile) == {"mini-backend 1.0": (other, thing), "other 1.0": (thing,)}
    assert pins(lockfile) == {"thing": "1.0"}
    python = 'requirements = ["thing"]\n[python.build]\npackages = ["thing", "other"]'
    shutil.rmtree(place.cache)
    fetched(place, lockfile, python)


def test_tools_of_a_package_that_may_not_be_built_are_refused_by_name(place: Workplace, index: Index) -> None:
    index.add_sdist("thing", "1.0", make_sdist("thing", "1.0", requires=["other"]))
    index.add_sdist("other", "1.0", make_sdist("other", "1.0"))
    error = refused(place)
    assert error.where == "airlock.toml: tools to build thing 1.0"
    assert '[python.build] packages = ["other"]' in str(error.hint)


def test_constraints_and_requirements_of_builds_count(place: Workplace, index: Index) -> None:
    index.add(backend_wheel("2.0"), make_wheel("helper", "3.0"))
    index.add_sdist("thing", "1.0", make_sdist("thing", "1.0"))
    lockfile = place.lock(
        THING + '\nconstraints = ["mini-backend<2"]\n[python.build.requires]\nthing = ["helper"]'
    )
    assert list(tools(lockfile)) == ["helper 3.0", "mini-backend 1.0"] or list(tools(lockfile)) == [
        "mini-backend 1.0",
        "helper 3.0",
    ]


def test_tools_keep_their_pins_until_they_are_upgraded(
    place: Workplace, index: Index, tmp_path: Path
) -> None:
    index.add_sdist("thing", "1.0", make_sdist("thing", "1.0"))
    index.add(make_wheel("dep", "1.0"))
    first = place.lock(THING)
    index.add(backend_wheel("2.0"))
    place.cache = tmp_path / "other"
    more = THING.replace('"thing"]', '"thing", "dep"]', 1)
    second = place.lock(more, previous=first)
    assert list(tools(second)) == ["mini-backend 1.0"]
    place.cache = tmp_path / "another"
    third = place.lock(more, previous=second, upgrade=Upgrade(names=frozenset(["mini-backend"])))
    assert list(tools(third)) == ["mini-backend 2.0"]


def test_a_newer_source_distribution_is_told(place: Workplace, index: Index, tmp_path: Path) -> None:
    index.add_sdist("thing", "1.0", make_sdist("thing", "1.0"))
    lockfile = place.lock(THING)
    index.add_sdist("thing", "1.1", make_sdist("thing", "1.1"))
    place.cache = tmp_path / "other"
    locked = Locked(lockfile=lockfile, where="airlock.lock", manifest=place.manifest(THING))
    with place.near() as near:
        found = newer(locked, near)
    assert [(one.name, one.locked, one.newest) for one in found] == [("thing", "1.0", "1.1")]


def test_fetch_builds_again_with_the_tools_of_the_lock(place: Workplace, index: Index) -> None:
    index.add_sdist("thing", "1.0", make_sdist("thing", "1.0"))
    lockfile = place.lock(THING)
    shutil.rmtree(place.cache)
    index.add(backend_wheel("2.0"))
    fetched(place, lockfile)
    assert not index.asked("mini_backend-2.0")


def test_a_lock_that_gets_another_wheel_of_the_same_source_says_so(place: Workplace, index: Index) -> None:
    index.add_sdist(
        "thing", "1.0", make_sdist("thing", "1.0", 'import time; files["at.txt"] = str(time.time())')
    )
    index.add(make_wheel("dep", "1.0"))
    first = place.lock(THING)
    shutil.rmtree(place.cache)
    second = place.lock(THING.replace('"thing"]', '"thing", "dep"]', 1), previous=first)
    assert built(second).digest != built(first).digest
    assert any("another wheel than the lock had" in text for text in place.reporter.warnings)


def test_fetch_builds_nothing_that_no_manifest_allows(place: Workplace, index: Index) -> None:
    index.add_sdist("thing", "1.0", make_sdist("thing", "1.0"))
    lockfile = place.lock(THING)
    shutil.rmtree(place.cache)
    with pytest.raises(IntegrityError, match="no manifest beside the lock allows that"):
        fetched(place, lockfile, 'requirements = ["thing"]')


def test_fetch_says_which_python_is_missing(place: Workplace, index: Index) -> None:
    index.add_sdist("thing", "1.0", make_sdist("thing", "1.0"))
    lockfile = place.lock(THING)
    rows = [
        replace(one, artifact=replace(one.artifact, origin={**one.artifact.origin, "python": "3.999"}))
        for one in lockfile.artifacts
    ]
    shutil.rmtree(place.cache)
    with pytest.raises(FetchError, match=r"python3\.999 on PATH"):
        fetched(place, replace(lockfile, artifacts=tuple(rows)))


def test_a_source_whose_bytes_changed_is_refused(place: Workplace, index: Index) -> None:
    index.add_sdist("thing", "1.0", make_sdist("thing", "1.0"))
    lockfile = place.lock(THING)
    shutil.rmtree(place.cache)
    index.projects["thing"].clear()
    index.add_sdist("thing", "1.0", make_sdist("thing", "1.0", "poison = 1"))
    with pytest.raises(IntegrityError, match=r"thing-1\.0\.tar\.gz"):
        fetched(place, lockfile)


def test_what_was_built_before_is_not_built_again(place: Workplace, index: Index) -> None:
    index.add_sdist("thing", "1.0", make_sdist("thing", "1.0"))
    first = place.lock(THING)
    records = set((place.cache / "builds" / "records").rglob("*.json"))
    logs = [(path, path.stat().st_mtime_ns) for path in (place.cache / "builds" / "logs").iterdir()]
    assert place.lock(THING).artifacts == first.artifacts
    assert set((place.cache / "builds" / "records").rglob("*.json")) == records
    assert [(path, path.stat().st_mtime_ns) for path in (place.cache / "builds" / "logs").iterdir()] == logs
    assert [path.name for path in (place.cache / "builds").iterdir() if path.name.startswith("build-")] == []


@pytest.mark.parametrize(
    ("target", "tag", "why"),
    [
        (("plant", "3.11", "manylinux_2_28_aarch64"), "cp311-cp311-linux_x86_64", "compiled parts"),
        (("plant", "3.11", "win_amd64"), "cp311-cp311-linux_x86_64", "compiled parts"),
        (("plant", "3.99", "manylinux_2_28_x86_64"), "cp311-cp311-linux_x86_64", "no python3.99 is on PATH"),
        (("plant", "3.11", "musllinux_1_2_x86_64"), "py3-none-linux_x86_64", "another C library"),
    ],
    ids=["machine", "system", "python", "libc"],
)
def test_a_target_that_this_machine_cannot_build_for_is_named(
    place: Workplace, index: Index, target: tuple[str, str, str], tag: str, why: str
) -> None:
    if not (platform() or "").startswith("manylinux"):
        pytest.skip("another C library than the test is about")
    place.targets = (target,)
    index.add_sdist("thing", "1.0", make_sdist("thing", "1.0", f'tag = "{tag}"', pkg_info=""))
    error = refused(place)
    assert error.where == "thing 1.0"
    assert error.what.startswith("cannot be built here for target plant: ")
    assert why in error.what
    assert "put a wheel of it for the target on an index" in str(error.hint)


@pytest.mark.parametrize(("needs", "fits"), [("2.28", True), ("2.29", False)])
def test_compiled_parts_that_need_a_newer_c_library_are_refused(
    place: Workplace, index: Index, needs: str, fits: bool
) -> None:
    if not (platform() or "").startswith("manylinux"):
        pytest.skip("another C library than the test is about")
    place.targets = (("plant", "3.11", f"manylinux_2_28_{(platform() or '').split('_', 3)[3]}"),)
    binary = f'files["thing.so"] = b"\\x7fELF\\0GLIBC_2.4\\0GLIBC_{needs}\\0"'
    machine = place.targets[0][2].split("_", 3)[3]
    recipe = f'tag = "cp311-cp311-linux_{machine}"\n{binary}'
    index.add_sdist("thing", "1.0", make_sdist("thing", "1.0", recipe))
    if fits:
        assert place.pins(THING) == {"thing": "1.0"}
    else:
        error = refused(place)
        assert (error.expected, error.found) == ("glibc 2.28", "glibc 2.29")


def test_libraries_that_a_wheel_does_not_bring_are_told(place: Workplace, index: Index) -> None:
    if not (platform() or "").startswith("manylinux"):
        pytest.skip("another C library than the test is about")
    machine = (platform() or "").split("_", 3)[3]
    place.targets = (("plant", "3.11", f"manylinux_2_28_{machine}"),)
    names = "libpq.so.5\\0libc.so.6\\0libown.so.1\\0libstdc++.so.6"
    recipe = (
        f'tag = "cp311-cp311-linux_{machine}"\nfiles["thing.so"] = b"\\x7fELF\\0{names}\\0"\n'
        'files["thing.libs/libown.so.1"] = ""'
    )
    index.add_sdist("thing", "1.0", make_sdist("thing", "1.0", recipe))
    place.lock(THING)
    assert place.reporter.warnings == [
        "thing 1.0 asks for libpq.so.5, which must be on the far machine: it is not in the wheel"
    ]


def test_targets_of_two_pythons_share_a_wheel_that_is_the_same(place: Workplace, index: Index) -> None:
    """For a Python that is not here, the one that runs airlock builds, and a pure wheel fits."""
    place.targets = (("plant", "3.11", "manylinux_2_28_x86_64"), ("ship", "3.99", "macosx_11_0_arm64"))
    index.add_sdist("thing", "1.0", make_sdist("thing", "1.0"))
    rows = [one for one in place.lock(THING).artifacts if one.artifact.name == "thing"]
    assert [row.targets for row in rows] == [("plant", "ship")]
