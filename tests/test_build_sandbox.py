"""What a build may touch, and what is unpacked for it."""

import io
import json
import os
import subprocess
import sys
import tarfile
import time
import zipfile
from pathlib import Path

import pytest

from airlock.core.target import Target
from airlock.errors import IntegrityError
from airlock.kinds.wheel.building.machine import machine_target, own_interpreter, platform
from airlock.kinds.wheel.building.sandbox import Cell, Kind, TimeUp, run, sandbox
from airlock.kinds.wheel.building.sources import EPOCH, copy_tree, project_root, unpack_archive
from airlock.kinds.wheel.building.static import static_metadata
from airlock.kinds.wheel.building.trouble import diagnosis, tail
from tests.sdist_factory import archive

AT_HAND: tuple[Kind, ...] = {
    "bubblewrap": ("bubblewrap", "namespaces", "network"),
    "namespaces": ("namespaces", "network"),
    "network": ("network",),
    "none": (),
}[sandbox()]  # type: ignore[assignment]


def a_cell(root: Path, seconds: int = 30) -> Cell:
    (root / "out").mkdir()
    return Cell(
        writable=(root / "out",),
        readable=(Path(own_interpreter().prefix),),
        environment={"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"},
        log=root / "log",
        seconds=seconds,
    )


def told(kind: Kind, root: Path, script: str) -> str:
    cell = a_cell(root)
    run([own_interpreter().prefix + "/bin/python3", "-I", "-c", script], root / "out", {}, cell, kind)
    return cell.log.read_text()


CONNECT = """
import socket
try:
    socket.create_connection(("127.0.0.1", {port}), 5)
    print("connected")
except OSError as error:
    print(type(error).__name__)
"""


@pytest.mark.parametrize("kind", [*AT_HAND, "none"])
def test_only_without_a_sandbox_there_is_a_network(tmp_path: Path, kind: Kind) -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as server:
        text = told(kind, tmp_path, CONNECT.format(port=server.getsockname()[1]))
    assert ("connected" in text) == (kind == "none")


@pytest.mark.parametrize("kind", [*AT_HAND, "none"])
def test_the_environment_is_what_was_given(tmp_path: Path, kind: Kind) -> None:
    names = set(json.loads(told(kind, tmp_path, "import json, os; print(json.dumps(list(os.environ)))")))
    assert names - {"PWD", "LC_CTYPE"} == {"PATH", "LC_ALL"}


@pytest.mark.skipif("bubblewrap" not in AT_HAND, reason="bubblewrap does not work here")
def test_bubblewrap_hides_what_people_keep_and_what_services_listen_on(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("secret")
    script = f"""
import os
print(os.path.exists({str(secret)!r}), os.listdir("/run"), os.getpid() < 10)
open("kept", "w").write("kept")
try:
    open("/usr/planted", "w")
except OSError as error:
    print(type(error).__name__, error.errno)
"""
    lines = told("bubblewrap", tmp_path, script).splitlines()
    assert lines == ["False [] True", "OSError 30"]
    assert (tmp_path / "out" / "kept").read_text() == "kept"


@pytest.mark.parametrize("kind", [*AT_HAND, "none"])
def test_time_is_up_for_a_process_and_its_children(tmp_path: Path, kind: Kind) -> None:
    cell = a_cell(tmp_path, seconds=1)
    script = "(sleep 3; touch late) & sleep 60"
    with pytest.raises(TimeUp):
        run(["/bin/sh", "-c", script], tmp_path / "out", {}, cell, kind)
    time.sleep(3)
    assert not (tmp_path / "out" / "late").exists()


@pytest.mark.parametrize("kind", [kind for kind in AT_HAND if kind != "network"])
def test_a_child_that_left_its_group_is_ended_too(tmp_path: Path, kind: Kind) -> None:
    told(
        kind, tmp_path, "import os, time\nif os.fork() == 0:\n  os.setsid(); time.sleep(2); open('late', 'w')"
    )
    time.sleep(2.5)
    assert not (tmp_path / "out" / "late").exists()


def test_a_failure_is_told_by_its_code(tmp_path: Path) -> None:
    with pytest.raises(subprocess.CalledProcessError) as caught:
        run(["/bin/sh", "-c", "exit 7"], tmp_path, {}, a_cell(tmp_path), sandbox())
    assert caught.value.returncode == 7


def test_a_python_on_the_path_that_does_not_run_is_passed_over(tmp_path: Path) -> None:
    for folder, script in (
        ("shim", "#!/bin/sh\nexit 127\n"),
        ("other", '#!/bin/sh\necho \'["pypy", "3.77.1", "", "/x"]\'\n'),
        ("good", '#!/bin/sh\necho \'["cpython", "3.77.1", "", "/opt/x"]\'\n'),
    ):
        path = tmp_path / folder / "python3.77"
        path.parent.mkdir()
        path.write_text(script)
        path.chmod(0o755)
    script = (
        "from airlock.core.target import Target\n"
        "from airlock.kinds.wheel.building.machine import interpreter_for\n"
        "target = Target(name='t', python='3.77', platform='manylinux_2_28_x86_64', prefix='')\n"
        "print(interpreter_for(target).executable)\n"
    )
    folders = [str(tmp_path / name) for name in ("none", "shim", "other", "good")]
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={"PATH": os.pathsep.join([*folders, "/usr/bin", "/bin"])},
        cwd=Path(__file__).parent.parent,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == str(tmp_path / "good" / "python3.77")


def test_tools_are_chosen_for_no_newer_library_than_machines_of_some_years_have() -> None:
    found = machine_target("3.11")
    if found is None:
        pytest.skip("not a machine that builds")
    here = Target(name="here", python="3.11", platform=platform() or "", prefix="")
    assert found.on.family == here.on.family
    assert found.on.floor <= here.on.floor
    assert found.on.floor in ((2, 28), (1, 2), here.on.floor)


def packed(*members: tuple[tarfile.TarInfo, bytes]) -> io.BytesIO:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        for member, data in members:
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return io.BytesIO(out.getvalue())


def link(name: str, to: str, kind: bytes = tarfile.SYMTYPE) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, to
    return member


@pytest.mark.parametrize(
    "members",
    [
        [(tarfile.TarInfo("../outside"), b"x")],
        [(link("a/link", "/etc"), b""), (tarfile.TarInfo("a/link/planted"), b"x")],
        [(link("a/link", "../../outside"), b"")],
        [(link("a/link", "../../outside", tarfile.LNKTYPE), b"")],
        [(link("a/pipe", "", tarfile.FIFOTYPE), b"")],
        [(link("a/device", "", tarfile.CHRTYPE), b"")],
    ],
    ids=["parent", "through a link", "link out", "hard link out", "pipe", "device"],
)
def test_an_archive_that_reaches_out_is_refused(
    tmp_path: Path, members: list[tuple[tarfile.TarInfo, bytes]]
) -> None:
    inside = tmp_path / "inside"
    inside.mkdir()
    with pytest.raises(IntegrityError, match=r"a-1\.tar\.gz"):
        unpack_archive(packed(*members), "a-1.tar.gz", inside)
    assert not (tmp_path / "outside").exists()


def test_a_zip_that_reaches_out_is_refused(tmp_path: Path) -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("../outside", "x")
    with pytest.raises(IntegrityError):
        unpack_archive(out, "a-1.zip", tmp_path)


@pytest.mark.parametrize("data", [b"", b"no archive", archive({"a/b": b"x" * 5000})[:60]])
@pytest.mark.parametrize("file", ["a-1.tar.gz", "a-1.zip"])
def test_what_is_no_archive_is_refused(tmp_path: Path, data: bytes, file: str) -> None:
    with pytest.raises(IntegrityError, match="not a source archive that can be unpacked"):
        unpack_archive(io.BytesIO(data), file, tmp_path)
    assert static_metadata(io.BytesIO(data), file) is None


def test_the_epoch_is_the_newest_time_of_the_archive_and_no_earlier_than_1980(tmp_path: Path) -> None:
    for folder in ("one", "two", "three"):
        (tmp_path / folder).mkdir()
    data = io.BytesIO(archive({"a/b": b""}, time=1_700_000_000))
    assert unpack_archive(data, "a.tar.gz", tmp_path / "one") == 1_700_000_000
    assert unpack_archive(io.BytesIO(archive({"a/b": b""}, time=0)), "a.tar.gz", tmp_path / "two") == EPOCH
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as zipped:
        zipped.writestr(zipfile.ZipInfo("a/b", (2020, 1, 1, 0, 0, 0)), b"")
    assert unpack_archive(out, "a.zip", tmp_path / "three") == 1_577_836_800


def test_a_copy_is_the_same_whatever_the_order(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    (tree / "folder" / "empty").mkdir(parents=True)
    (tree / "folder" / "run").write_text("x")
    (tree / "folder" / "run").chmod(0o700)
    (tree / "link").symlink_to("folder/run")
    for name, backwards in (("one", False), ("two", True)):
        copy_tree(tree, tmp_path / name, backwards=backwards)
        assert sorted(str(path.relative_to(tmp_path / name)) for path in (tmp_path / name).rglob("*")) == [
            "folder",
            "folder/empty",
            "folder/run",
            "link",
        ]
        assert (tmp_path / name / "folder" / "run").stat().st_mode & 0o777 == 0o755
        assert (tmp_path / name / "link").readlink() == Path("folder/run")
    assert project_root(tree) == tree


@pytest.mark.parametrize(
    ("headers", "reliable"),
    [
        ("Metadata-Version: 2.2\nName: a\nVersion: 1", True),
        ("Metadata-Version: 2.4\nName: a\nVersion: 1\nDynamic: License-File", True),
        ("Metadata-Version: 2.2\nName: a\nVersion: 1\nDynamic: requires-dist", False),
        ("Metadata-Version: 2.2\nName: a\nVersion: 1\nDynamic: Version", False),
        ("Metadata-Version: 2.1\nName: a\nVersion: 1", False),
        ("Metadata-Version: 10.x\nName: a\nVersion: 1", False),
        ("Name: a\nVersion: 1", False),
    ],
)
def test_metadata_are_relied_on_only_where_they_may_be(headers: str, reliable: bool) -> None:
    data = io.BytesIO(archive({"a-1/PKG-INFO": headers.encode(), "a-1/x/PKG-INFO": b"other"}))
    assert (static_metadata(data, "a-1.tar.gz") is not None) == reliable


@pytest.mark.parametrize(
    ("line", "meaning"),
    [
        ("error: command 'x86_64-linux-gnu-gcc' failed: No such file or directory", "x86_64-linux-gnu-gcc"),
        ("src/a.c:3:10: fatal error: lber.h: No such file or directory", "header lber.h"),
        ("a.c:1:10: fatal error: Python.h: No such file or directory", "headers of Python"),
        ("/usr/bin/ld: cannot find -lpq: No such file or directory", "library pq"),
        ("Error: pg_config executable not found.", "pg_config is missing"),
        ("Package 'cairo', required by 'virtual:world', not found", "does not know cairo"),
        ("ModuleNotFoundError: No module named 'numpy.core'", "imports numpy"),
        ("Exception: Can not find valid pkg-config name.", "pkg-config, or"),
        ("Could not resolve host: files.example", "wants the network"),
    ],
)
def test_what_is_missing_is_read_from_the_log(tmp_path: Path, line: str, meaning: str) -> None:
    log = tmp_path / "log"
    log.write_text(f"building\n{line}\nstopped\n")
    assert meaning in str(diagnosis(log))
    assert tail(log)[-1] == "stopped"


def test_a_log_that_says_nothing_known_is_only_shown(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("\n".join(map(str, range(100))))
    assert diagnosis(log) is None
    assert tail(log) == [str(number) for number in range(80, 100)]
    assert tail(tmp_path / "none") == []
