"""Shadow dependencies of binaries and on networks, each planted and each found; and what looks like one and is none."""

from dataclasses import replace

import pytest

from airlock.airgapped.audit.native import Machine
from airlock.core.base_libraries import base_libraries, too_new
from airlock.core.platforms import parse_platform
from tests.audit.binaries import binary
from tests.audit.plant import Plant
from tests.far.bundles import TARGET

EXTENSION = "fast/_core.abi3.so"


@pytest.fixture
def linux(plant: Plant) -> Plant:
    plant.target = replace(TARGET, platform="manylinux_2_28_x86_64")
    return plant


def fast(plant: Plant, data: bytes, **libraries: bytes) -> None:
    """A wheel with an extension, and libraries beside it."""
    files: dict[str, str | bytes] = {"fast/__init__.py": "", EXTENSION: data}
    plant.wheel("fast", files | {f"fast.libs/{name}.so.1": library for name, library in libraries.items()})


def test_a_library_that_neither_the_generation_nor_the_base_has(linux: Plant) -> None:
    fast(linux, binary(["libc.so.6", "libpq.so.5"]))
    one = linux.audit_before_it_ships().one("native/library", "libpq.so.5")
    assert one.severity == "error"
    assert one.path.endswith(EXTENSION)


def test_a_library_that_only_this_machine_has_is_still_undeclared(linux: Plant) -> None:
    fast(linux, binary(["libpq.so.5"]))
    assert linux.audit().one("native/library", "libpq.so.5").evidence == (
        "this machine has it as /usr/lib/libpq.so.5",
    )


def test_a_library_of_the_base_that_this_machine_does_not_have(linux: Plant) -> None:
    fast(linux, binary(["libGL.so.1"]))
    bare = Machine(library=lambda name: "", is_folder=lambda path: False)
    assert (
        "this machine does not have" in linux.audit(machine=bare).one("native/library", "libGL.so.1").message
    )
    assert linux.audit_before_it_ships().grave() == []


def test_a_library_beside_the_extension_by_its_run_path(linux: Plant) -> None:
    fast(linux, binary(["libx.so.1"], runpath="$ORIGIN/../fast.libs"), libx=binary(soname="libx.so.1"))
    assert linux.audit_before_it_ships().grave() == []


def test_a_library_by_an_old_rpath_in_braces(linux: Plant) -> None:
    fast(linux, binary(["libx.so.1"], rpath="${ORIGIN}/../fast.libs:$ORIGIN"), libx=binary())
    assert linux.audit_before_it_ships().grave() == []


def test_a_library_that_the_run_path_does_not_lead_to_is_a_note(linux: Plant) -> None:
    fast(linux, binary(["libx.so.1"]), libx=binary(soname="libx.so.1"))
    assert linux.audit_before_it_ships().one("native/library-preloaded").severity == "note"


def test_a_library_that_another_wheel_has(linux: Plant) -> None:
    linux.wheel("other", {"other/lib/libx.so.1": binary(soname="libx.so.1")})
    fast(linux, binary(["libx.so.1"], runpath="$ORIGIN/../other/lib"))
    assert linux.audit_before_it_ships().grave() == []


def test_a_run_path_that_leads_out_of_the_generation(linux: Plant) -> None:
    fast(linux, binary(["libc.so.6"], runpath="/usr/local/cuda/lib64"))
    one = linux.audit().one("native/search-path")
    assert (one.severity, one.name) == ("warning", "/usr/local/cuda/lib64")


def test_a_run_path_that_climbs_out_of_the_generation(linux: Plant) -> None:
    fast(linux, binary(runpath="$ORIGIN/" + "../" * 12 + "usr/lib"))
    linux.audit().one("native/search-path")


def test_a_run_path_to_nothing_is_a_note(linux: Plant) -> None:
    fast(linux, binary(runpath="/build/host/lib"))
    assert linux.audit().one("native/search-path-stale").severity == "note"


def test_a_run_path_that_is_whatever_folder_the_program_starts_in(linux: Plant) -> None:
    fast(linux, binary(runpath="$ORIGIN::lib"))
    assert {one.name for one in linux.audit_before_it_ships().of("native/search-path")} == {".", "lib"}


def test_a_newer_c_library_than_the_target_promises(linux: Plant) -> None:
    fast(linux, binary(["libc.so.6"], versions={"libc.so.6": ["GLIBC_2.2.5", "GLIBC_2.34", "GLIBC_2.28"]}))
    assert linux.audit_before_it_ships().one("native/base-too-new").name == "GLIBC_2.34"


def test_a_newer_cpp_library_than_the_target_promises(linux: Plant) -> None:
    fast(linux, binary(["libstdc++.so.6"], versions={"libstdc++.so.6": ["GLIBCXX_3.4.29"]}))
    linux.audit_before_it_ships().one("native/base-too-new", "GLIBCXX_3.4.29")


def test_a_library_that_a_binary_says_it_must_load(linux: Plant) -> None:
    wish = {"feature": "tpm", "priority": "required", "soname": ["libtss2.so.0"]}
    fast(linux, binary(wishes=[wish]))
    assert linux.audit_before_it_ships().one("native/library", "libtss2.so.0").severity == "error"


def test_a_library_that_a_binary_says_it_may_load_is_a_note(linux: Plant) -> None:
    wish = {"feature": "zip", "priority": "suggested", "soname": ["libzip.so.5", "libzip.so.4"]}
    fast(linux, binary(wishes=[wish]))
    assert linux.audit_before_it_ships().one("native/library-optional").severity == "note"


def test_an_extension_for_another_machine(linux: Plant) -> None:
    fast(linux, binary(machine="aarch64"))
    linux.audit_before_it_ships().one("native/machine", "EM_AARCH64")


def test_a_program_with_another_loader(linux: Plant) -> None:
    linux.file("bin/agent", binary(loader="/nix/store/ld-linux-x86-64.so.2"), "0755")
    linux.audit_before_it_ships().one("native/interpreter")


def test_a_script_that_an_undeclared_program_runs(linux: Plant) -> None:
    linux.file("bin/report", b"#!/usr/bin/env perl\n", "0755")
    linux.own(feed="")
    assert linux.audit_before_it_ships().one("native/interpreter", "report").severity == "warning"


def test_a_library_that_code_loads_by_name(linux: Plant) -> None:
    linux.wheel("magic", {"magic.py": "import ctypes\nlib = ctypes.CDLL('libmagic.so.1')\n"})
    assert linux.audit_before_it_ships().one("native/library-loaded", "libmagic.so.1").severity == "warning"


def test_a_library_that_code_searches_for(linux: Plant) -> None:
    linux.own(feed="from ctypes.util import find_library\ndef go():\n    return find_library('usb-1.0')\n")
    assert linux.audit_before_it_ships().one("native/library-loaded", "usb-1.0").severity == "warning"


def test_a_library_of_the_base_that_code_searches_for_is_fine(linux: Plant) -> None:
    linux.own(feed="from ctypes.util import find_library\nlib = find_library('c')\n")
    assert linux.audit_before_it_ships().grave() == []


def test_libraries_inside_a_wheel_are_told_with_their_bill_of_materials(linux: Plant) -> None:
    files: dict[str, str | bytes] = {
        "fast/__init__.py": "",
        "fast.libs/libx.so.1": binary(),
        "fast-1.0.dist-info/sboms/auditwheel.cdx.json": "{}",
    }
    linux.wheel("fast", files)
    one = linux.audit_before_it_ships().one("native/vendored")
    assert one.severity == "note"
    assert "bill of materials lists" in one.message


def test_bytes_that_only_begin_as_a_binary_are_passed_over(linux: Plant) -> None:
    fast(linux, b"\x7fELF" + b"\xff" * 200)
    assert linux.audit_before_it_ships().grave() == []


def test_binaries_of_another_system_are_told_as_not_looked_into(plant: Plant) -> None:
    plant.target = replace(TARGET, platform="win_amd64")
    plant.own(feed="")
    plant.audit_before_it_ships().one("native/not-audited")


def test_musl_promises_the_c_library_alone() -> None:
    base = base_libraries(parse_platform("musllinux_1_2_x86_64"))
    assert "libc.musl-x86_64.so.1" in base
    assert "libstdc++.so.6" not in base


@pytest.mark.parametrize(
    ("version", "answer"), [("GLIBC_2.28", False), ("GLIBC_2.29", True), ("GLIBC_PRIVATE", False)]
)
def test_a_version_is_held_against_the_floor(version: str, answer: bool) -> None:
    assert too_new(parse_platform("manylinux_2_28_x86_64"), version) is answer


@pytest.mark.parametrize(
    ("text", "rule", "host"),
    [
        ("extra-index-url = https://mirror.corp.net/simple/", "network/index", "mirror.corp.net"),
        ("endpoint: https://telemetry.vendor.io/v1", "network/telemetry", "telemetry.vendor.io"),
        ("feed = 'https://vendor.io/product/updates.json'", "network/update", "vendor.io"),
        ("broker = mqtts://user:x@broker.vendor.io:8883/a", "network/endpoint", "broker.vendor.io"),
    ],
)
def test_an_address_in_configuration(plant: Plant, text: str, rule: str, host: str) -> None:
    plant.config("etc/gateway.conf", f"# addresses\n{text}\n")
    one = plant.audit_before_it_ships().one(rule, host)
    assert (one.line, one.severity) == (2, "note")


def test_an_address_of_telemetry_in_code(plant: Plant) -> None:
    plant.own(feed="URL = 'https://o1.ingest.sentry.vendor.io/4'\nDOCS = 'https://docs.vendor.io/a'\n")
    found = plant.audit_before_it_ships()
    found.one("network/telemetry", "o1.ingest.sentry.vendor.io")
    assert len(found.all) == 1


@pytest.mark.parametrize(
    "text", ["http://localhost:8080/simple", "https://127.0.0.1/updates", "https://hub.example.com/"]
)
def test_an_address_that_is_nobodys_is_none(plant: Plant, text: str) -> None:
    plant.config("etc/gateway.conf", text)
    assert plant.audit_before_it_ships().all == ()
