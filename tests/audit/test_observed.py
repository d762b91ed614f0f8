"""Applications that reach for what nothing declares, run where there is no network, and caught."""

import shutil
import subprocess
import sysconfig
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from airlock import cli
from airlock.airgapped.audit.watched import audit_running
from airlock.airgapped.observe.isolation import isolation, strace_version
from airlock.errors import TargetError
from airlock.formats.findings import Ran
from airlock.formats.rules import CLASSES, RUN_FAILED
from tests.audit.plant import Findings, Plant

ENVIRONMENT = {"PATH": "/usr/bin:/bin"}
BY_C = "from gateway import _phone\ndef go():\n    _phone.home()\n"
BY_CTYPES = """
import ctypes, struct
def go():
    libc = ctypes.CDLL(None)
    tie = libc.socket(2, 1, 0)
    libc.connect(tie, struct.pack('<H', 2) + struct.pack('!H', 4433) + bytes([192, 0, 2, 77]) + bytes(8), 16)
"""
CALLS = {
    "urllib": "import urllib.request\ndef go():\n    urllib.request.urlopen('http://192.0.2.10:8080/ping', timeout=5)\n",
    "name": "import socket\ndef go():\n    socket.getaddrinfo('telemetry.vendor.io', 443)\n",
    "program": (
        "import subprocess, sys\ndef go():\n"
        "    subprocess.run(['/usr/bin/env', '-S', 'perl', '-MIO::Socket::INET', '-e', "
        "\"IO::Socket::INET->new(PeerAddr => '192.0.2.30:25', Timeout => 5)\"])\n"
    ),
}
MAIN = """
import sys
from importlib import import_module
for name in sys.argv[1:]:
    try:
        import_module('gateway.' + name).go()
    except OSError as error:
        print(name, error)
"""


def _isolated() -> bool:
    with TemporaryDirectory() as scratch:
        try:
            isolation(Path(scratch))
        except TargetError:
            return False
    return True


pytestmark = pytest.mark.skipif(not _isolated(), reason="no network namespace can be made here")
traced = pytest.mark.skipif(not strace_version(), reason="strace is not here, or may not trace")


@pytest.fixture(scope="session")
def extension(tmp_path_factory: pytest.TempPathFactory) -> bytes | None:
    """Compiled, where there is a compiler and Python's headers."""
    compiler, headers = shutil.which("gcc") or shutil.which("cc"), sysconfig.get_paths()["include"]
    if compiler is None or not Path(headers, "Python.h").is_file():
        return None
    out = tmp_path_factory.mktemp("extension") / "_phone.so"
    source = Path(__file__).with_name("phone.c")
    subprocess.run([compiler, "-shared", "-fPIC", f"-I{headers}", str(source), "-o", str(out)], check=True)
    return out.read_bytes()


@pytest.fixture
def phoning(plant: Plant, extension: bytes | None) -> Plant:
    """An application that phones home in four ways."""
    files: dict[str, str | bytes] = {f"gateway/{name}.py": text for name, text in CALLS.items()}
    files["gateway/native.py"] = BY_CTYPES if extension is None else BY_C
    if extension is not None:
        files["gateway/_phone.so"] = extension
    plant.wheel("gateway", {"gateway/__init__.py": "", "gateway/main.py": MAIN} | files)
    return plant


def watched(
    plant: Plant, command: Sequence[str], *, tracing: bool = True, seconds: int | None = None
) -> tuple[Findings, Ran]:
    site = plant.site()
    generation = site.current_generation()
    assert generation is not None
    findings, ran = audit_running(site, generation, command, ENVIRONMENT, seconds, tracing=tracing)
    return Findings(findings), ran


def started(*names: str) -> list[str]:
    return ["python", "-m", "gateway.main", *names]


@traced
def test_an_application_that_phones_home_in_four_ways_is_caught_in_all_four(phoning: Plant) -> None:
    found, ran = watched(phoning, started("urllib", "native", "program", "name"))
    urllib = found.one("observed/connection", "192.0.2.10 8080")
    assert any("gateway/urllib.py:3 in go" in line for line in urllib.evidence), urllib
    native = found.one("observed/connection", "192.0.2.77 4433")
    assert any("gateway/native.py:" in line and "in go" in line for line in native.evidence), native
    program = found.one("observed/connection", "192.0.2.30 25")
    assert "/perl" in program.evidence[0]
    name = found.one("observed/name", "telemetry.vendor.io")
    assert any("gateway/name.py:3 in go" in line for line in name.evidence)
    assert found.of("observed/program")[0].name.endswith("/perl")
    assert "audit hook" in ran.means


def test_without_strace_python_tells_of_itself_and_the_kernel_counts_the_rest(phoning: Plant) -> None:
    found, ran = watched(phoning, started("urllib", "native", "name"), tracing=False)
    found.one("observed/connection", "192.0.2.10 8080")
    found.one("observed/name", "telemetry.vendor.io")
    found.one("observed/connection", "native code")
    assert "kernel counters" in ran.means


@traced
def test_an_application_that_needs_nothing_is_silent(plant: Plant) -> None:
    plant.own(main="import json, ssl, sqlite3, zoneinfo, decimal, ctypes\nprint(json.dumps(1))\n")
    found, ran = watched(plant, ["python", "-m", "gateway.main"])
    assert found.all == ()
    assert ran.exit_code == 0


@traced
def test_files_that_it_reads_elsewhere(plant: Plant, tmp_path: Path) -> None:
    shadow = tmp_path / "shadow.conf"
    shadow.write_text("x")
    plant.own(main=f"def go():\n    return open({str(shadow)!r}).read()\ngo()\n")
    found, _ = watched(plant, ["python", "-m", "gateway.main"])
    one = found.one("observed/file", str(shadow))
    assert one.severity == "error"
    assert any("gateway/main.py:2 in go" in line for line in one.evidence)


@traced
def test_files_of_its_own_are_notes(plant: Plant, tmp_path: Path) -> None:
    own = tmp_path / "own.txt"
    plant.own(main=f"open({str(own)!r}, 'w').write('x')\nopen({str(own)!r}).read()\n")
    found, _ = watched(plant, ["python", "-m", "gateway.main"])
    assert found.one("observed/file", str(own)).severity == "note"


@traced
def test_modules_that_it_takes_from_elsewhere(plant: Plant, tmp_path: Path) -> None:
    (tmp_path / "helper.py").write_text("")
    plant.own(main=f"import sys\nsys.path.insert(0, {str(tmp_path)!r})\nimport helper\n")
    found, _ = watched(plant, ["python", "-m", "gateway.main"])
    found.one("observed/file", str(tmp_path / "helper.py"))


@traced
def test_a_program_that_is_sought_in_vain(plant: Plant) -> None:
    text = "import subprocess\ndef go():\n    try: subprocess.run(['no-such-program'])\n    except OSError: pass\ngo()\n"
    plant.own(main=text)
    found, _ = watched(plant, ["python", "-m", "gateway.main"])
    assert "tried to start" in found.one("observed/program", "no-such-program").message


@traced
def test_a_service_of_the_machine(plant: Plant) -> None:
    text = "import socket\ntry: socket.create_connection(('127.0.0.1', 6379), 2)\nexcept OSError: pass\n"
    plant.own(main=text)
    found, _ = watched(plant, ["python", "-m", "gateway.main"])
    assert found.one("observed/connection", "127.0.0.1 6379").severity == "warning"


@traced
def test_a_service_of_its_own_is_none(plant: Plant) -> None:
    text = (
        "import multiprocessing, socket\nif __name__ == '__main__':\n"
        "    with multiprocessing.Pool(1) as pool: pool.map(abs, [1])\n"
        "    one, two = socket.socketpair()\n    one.send(b'x')\n    two.recv(1)\n"
    )
    plant.own(main=text)
    found, _ = watched(plant, ["python", "-m", "gateway.main"])
    assert [one for one in found.all if one.severity != "note"] == []


def test_nothing_gets_out(plant: Plant) -> None:
    text = (
        "import pathlib, sys\nsys.exit(len(pathlib.Path('/proc/net/route').read_text().splitlines()[1:]))\n"
    )
    plant.own(main=text)
    _, ran = watched(plant, ["python", "-m", "gateway.main"])
    assert ran.exit_code == 0, "there is a route"


def test_an_application_without_end_is_ended(plant: Plant) -> None:
    plant.own(main="import time\ntime.sleep(600)\n")
    _, ran = watched(plant, ["python", "-m", "gateway.main"], seconds=1)
    assert ran.exit_code != 0


@pytest.mark.parametrize("tracing", [pytest.param(True, marks=traced), False])
def test_an_application_is_asked_to_end_and_is_gone_then(
    plant: Plant, tmp_path: Path, *, tracing: bool
) -> None:
    plant.own(
        main="import os, pathlib, signal, sys, time\n"
        f"place = pathlib.Path({str(tmp_path)!r}, 'said')\n"
        "def asked(*_):\n    place.write_text(f'{os.getpid()} was asked')\n    sys.exit()\n"
        "signal.signal(signal.SIGTERM, asked)\ntime.sleep(600)\n"
    )
    watched(plant, ["python", "-m", "gateway.main"], tracing=tracing, seconds=3)
    process, said = (tmp_path / "said").read_text().split(" ", 1)
    assert said == "was asked"
    assert not Path("/proc", process).exists()


def test_a_command_that_is_not_there(plant: Plant) -> None:
    plant.own(main="")
    _, ran = watched(plant, ["no-such-command"])
    assert ran.exit_code != 0


@traced
def test_the_command_line_tells_both_the_findings_and_how_it_ended(
    phoning: Plant, capfd: pytest.CaptureFixture[str]
) -> None:
    root = str(phoning.site().root)
    assert cli.main(["audit", "--root", root, "--run", "--", *started("name")]) == CLASSES["observed"]
    told = capfd.readouterr()
    assert "asked for the address of telemetry.vendor.io" in told.out
    assert "Temporary failure" in told.err


def test_an_application_that_fails_and_reaches_for_nothing(
    plant: Plant, capfd: pytest.CaptureFixture[str]
) -> None:
    plant.own(main="import sys\nprint('said')\nsys.exit(9)\n")
    root = str(plant.site().root)
    command = ["audit", "--root", root, "--run", "--", "python", "-m", "gateway.main"]
    assert cli.main(command) == RUN_FAILED
    told = capfd.readouterr()
    assert "ended with exit code 9" in told.out
    assert "said" in told.err
