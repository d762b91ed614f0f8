"""An audit looks at what somebody may have prepared for it: it ends, follows nothing, and hides nothing."""

import io
import json
import struct
import zipfile
import zlib
from pathlib import Path

import pytest
from elftools.elf.elffile import ELFFile
from hypothesis import given
from hypothesis import strategies as st

from airlock import cli
from airlock.airgapped.audit import recorded
from airlock.airgapped.audit.recorded import last_report
from airlock.airgapped.observe.trace import read_trace
from airlock.core.elf import read_binary
from airlock.core.endpoints import endpoints
from airlock.errors import IntegrityError
from airlock.formats.exceptions import Exempted
from airlock.kinds.wheel.audit.imports import prefixes
from airlock.kinds.wheel.audit.mentions import mentions
from airlock.storage import advisories
from airlock.storage.advisories import Database
from tests.audit.binaries import binary
from tests.audit.plant import SITE_PACKAGES, Plant

SOURCES = {
    "a line that goes on and on": b"x = 1 \\\n" * 50_000 + b"import y\n",
    "an import that goes on and on": b"import a, \\\n" * 50_000 + b"b\n",
    "imports in one line": b"import a;" * 50_000,
    "a list without end": b"from a import (" + b"b, " * 100_000,
    "spaces": b"from" + b" " * 500_000 + b"import a\n",
    "spaces behind a semicolon": (b";from" + b" " * 1_900 + b"! y import a\n") * 1_000,
    "dots": b"from " + b"." * 100_000 + b" import a\n",
    "no letters": b"\xff\xfeimport\x00 \xff\n" * 10_000,
}


@pytest.mark.parametrize("source", SOURCES.values(), ids=SOURCES)
def test_a_source_that_was_made_to_be_read_for_ever(source: bytes) -> None:
    assert sum(1 for _ in mentions(source)) < 200_000


@pytest.mark.parametrize(
    "text",
    [
        "1 + " * 100_000 + "1",
        "-" * 100_000 + "1",
        "a" + ".a" * 100_000,
        "if a: pass\n" + "elif b: pass\n" * 50_000,
    ],
)
def test_a_source_that_was_made_to_be_nested_for_ever(plant: Plant, text: str) -> None:
    plant.own(feed=f"import orjson\n{text}\n")
    found = plant.audit_before_it_ships()
    assert found.of("python/unreadable") or found.of("python/import")


def test_a_name_with_more_parts_than_memory_has_room_for_in_all_its_beginnings() -> None:
    assert sum(map(len, prefixes("a." * 500_000 + "a"))) < 10_000
    assert sum(map(len, prefixes(".".join(["a" * 100_000] * 100)))) < 100_000
    assert prefixes("a.b.c") == ["a", "a.b", "a.b.c"]


@given(st.binary(max_size=300), st.integers(0, 400))
def test_a_binary_that_is_damaged_anywhere(noise: bytes, place: int) -> None:
    whole = binary(["libc.so.6"], versions={"libc.so.6": ["GLIBC_2.34"]}, wishes=[{"soname": ["x"]}])
    read_binary(io.BytesIO(whole[:place] + noise + whole[place + len(noise) :]))


def test_a_binary_whose_few_rows_stand_for_many() -> None:
    wanted = {f"lib{number}.so": [f"V_{number}.{one}" for one in range(70)] for number in range(70)}
    found = read_binary(io.BytesIO(binary(versions=wanted)))
    assert found is not None
    assert len(found.versions) == 4096


NESTED = binary(wishes=[{"soname": ["x" * 100_000]}]).replace(b'"' + b"x" * 100_000, b"[" * 100_001)


@pytest.mark.parametrize(
    "data", [NESTED, binary(["x" * 100_000]), binary(versions={"libc.so.6": ["x" * 100_000]})]
)
def test_a_binary_with_a_note_or_a_name_without_end(data: bytes) -> None:
    assert read_binary(io.BytesIO(data)) is None


@given(st.binary(max_size=200))
def test_addresses_are_sought_in_anything(data: bytes) -> None:
    list(endpoints(b"https://" + data + b"://" + data))


@given(st.lists(st.text(max_size=80), max_size=5))
def test_a_trace_may_be_anything(lines: list[str]) -> None:
    read_trace([*lines, *(f"7 connect(3, {line}, 16) = 0" for line in lines)])


def test_a_link_to_secrets_is_told_and_not_read(plant: Plant, tmp_path: Path) -> None:
    secret = tmp_path / "secret.py"
    secret.write_text("import secret_module_of_others\n")
    plant.own(feed="")
    target = plant.packages / "gateway/feed.py"
    target.unlink()
    target.symlink_to(secret)
    found = plant.audit()
    assert found.one("drift/relinked").path == f"{SITE_PACKAGES}/gateway/feed.py"
    assert not [one for one in found.all if "secret_module" in one.message]


def test_a_wheel_cannot_pretend_that_its_neighbour_is_the_projects_own(plant: Plant) -> None:
    plant.own(feed="import orjson\n")
    plant.wheel("orjson-stub", {"orjson_stub.py": "", "orjson/README": "no module"})
    plant.audit_before_it_ships().one("python/import", "orjson")


def test_what_is_excepted_is_shown_with_its_reason(plant: Plant, capsys: pytest.CaptureFixture[str]) -> None:
    plant.exceptions = (Exempted(rule="drift", path="lib/*", reason="nothing to see here"),)
    plant.own(feed="")
    (plant.packages / "gateway/feed.py").write_text("import os\n")
    root = str(plant.site().root)
    assert cli.main(["audit", "--root", root]) == 0
    assert "because nothing to see here" in capsys.readouterr().out
    assert cli.main(["audit", "--root", root, "--no-exceptions"]) == 21


def test_a_last_report_that_somebody_changed_is_none(plant: Plant) -> None:
    plant.own(feed="")
    site = plant.site()
    assert cli.main(["audit", "-q", "--root", str(site.root)]) == 0
    path = site.path(recorded.LAST_AUDIT)
    assert last_report(site) is not None
    path.write_bytes(path.read_bytes().replace(b"gateway", b"gatewax"))
    kept = json.loads(path.read_bytes())
    kept["findings"] = "none"
    path.write_text(json.dumps(kept))
    assert last_report(site) is None


def test_a_database_that_is_a_bomb_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "osv.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.json", b"[" + b" " * (advisories.MAX_RECORD + 10))
    with pytest.raises(IntegrityError, match="too large"):
        list(Database(path).advisories())


@pytest.mark.parametrize("packing", [zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA])
def test_a_database_that_is_damaged_is_refused(tmp_path: Path, packing: int) -> None:
    path = tmp_path / "osv.zip"
    with zipfile.ZipFile(path, "w", packing) as archive:
        archive.writestr("a.json", json.dumps({"id": "X", "affected": list(range(1000))}))
    whole = bytearray(path.read_bytes())
    whole[60:80] = b"\xff" * 20
    path.write_bytes(whole)
    with pytest.raises(IntegrityError, match="a damaged zip"):
        list(Database(path).advisories())


def test_a_binary_whose_sections_share_a_name_without_end() -> None:
    whole = bytearray(binary(["libc.so.6"], versions={"libc.so.6": ["GLIBC_2.34"]}))
    names, start, count = len(whole), len(whole) + 200_000, 1000
    strings = struct.pack("<IIQQQQIIQQ", 0, 3, 0, 0, names, 200_000, 0, 0, 1, 0)
    whole[40:48] = struct.pack("<Q", start)
    whole[60:64] = struct.pack("<HH", count, count - 1)
    assert read_binary(io.BytesIO(bytes(whole) + b"A" * 200_000 + strings * count)) is None


def test_a_note_that_is_a_bomb_is_not_unpacked() -> None:
    text = b'[{"soname": ["x"]}]' + b" " * (2 << 20)
    note = struct.pack("<III", 4, len(text), 0x407C0C0A) + b"FDO\0" + text
    packed = struct.pack("<IIQQ", 1, 0, len(note), 1) + zlib.compress(note)
    plain = binary(wishes=[{"soname": ["y" * len(packed)]}])
    file = ELFFile(io.BytesIO(plain))
    number = next(at for at, one in enumerate(file.iter_sections()) if one.name == ".note.dlopen")
    section, header = file.get_section(number), file["e_shoff"] + 64 * number
    whole = bytearray(plain)
    whole[header + 8 : header + 16] = struct.pack("<Q", 0x800)
    whole[section["sh_offset"] : section["sh_offset"] + len(packed)] = packed
    whole[header + 32 : header + 40] = struct.pack("<Q", len(packed))
    found = read_binary(io.BytesIO(bytes(whole)))
    assert found is not None
    assert found.wishes == ()
