"""Wheels that are not what they say. Whoever signs a release may have taken one from somebody else."""

import io
import zipfile
from collections.abc import Callable
from dataclasses import replace

from airlock.core.digest import digest_of
from tests.attacks.ground import Command, Ground, attack, demo
from tests.far.bundles import Item, wheel, wheel_item

_FAMILY = "Wheels"
_LINKS = "Links"
INFO = "demo-2.0.dist-info"


def _recorded(ground: Ground, spoil: Callable[[list[list[str]]], object]) -> list[Command]:
    def change(rows: list[list[str]]) -> None:
        spoil(rows)

    data = wheel("demo", "2.0", {"demo/__init__.py": b"honest\n"}, change_record=change)
    return ground.install(ground.signed([wheel_item("demo", "2.0", data)]))


def _zipped(ground: Ground, members: dict[str, bytes], modes: dict[str, int] | None = None) -> list[Command]:
    """A wheel of just these members."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            info = zipfile.ZipInfo(name)
            info.external_attr = (modes or {}).get(name, 0o100644) << 16
            archive.writestr(info, data, zipfile.ZIP_DEFLATED)
    return _wheel(ground, out.getvalue())


def _wheel(ground: Ground, data: bytes) -> list[Command]:
    artifact = replace(demo("2.0").artifact, size=len(data), digest=digest_of(data))
    return ground.install(ground.signed([Item(artifact, data)]))


def _informed(**files: bytes) -> dict[str, bytes]:
    """`.dist-info` with these files, RECORD listing nothing."""
    names = {"METADATA": b"Metadata-Version: 2.1\nName: demo\nVersion: 2.0\n", "RECORD": b""}
    names["WHEEL"] = b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    return {f"{INFO}/{name}": data for name, data in (names | files).items()}


@attack(_FAMILY, "not what RECORD says")
def record_with_another_digest(ground: Ground) -> list[Command]:
    """RECORD says another digest than a file has"""

    def spoil(rows: list[list[str]]) -> None:
        rows[0][1] = "sha256=" + "A" * 43

    return _recorded(ground, spoil)


@attack(_FAMILY, "not what RECORD says")
def record_with_another_size(ground: Ground) -> list[Command]:
    """RECORD says another size than a file has"""

    def spoil(rows: list[list[str]]) -> None:
        rows[0][2] = "99999"

    return _recorded(ground, spoil)


@attack(_FAMILY, "RECORD does not list it")
def record_without_a_file(ground: Ground) -> list[Command]:
    """a file that RECORD does not list"""
    return _recorded(ground, lambda rows: rows.pop(0))


@attack(_FAMILY, "RECORD has no digest of it")
def record_without_a_digest(ground: Ground) -> list[Command]:
    """a file for which RECORD has no digest"""

    def spoil(rows: list[list[str]]) -> None:
        rows[0][1:] = ["", ""]

    return _recorded(ground, spoil)


@attack(_FAMILY, "weak digest")
def record_with_a_weak_digest(ground: Ground) -> list[Command]:
    """a file for which RECORD has an md5"""

    def spoil(rows: list[list[str]]) -> None:
        rows[0][1] = "md5=" + "A" * 22

    return _recorded(ground, spoil)


@attack(_FAMILY, "cannot be read")
def record_that_is_no_table(ground: Ground) -> list[Command]:
    """RECORD with a field of two hundred kilobytes, which the csv module does not take"""
    members = _informed(RECORD=b'"' + b"a" * 200_000 + b'",,\n')
    return _zipped(ground, members)


@attack(_FAMILY, "cannot be read")
def record_in_another_encoding(ground: Ground) -> list[Command]:
    """RECORD in UTF-16"""
    return _zipped(ground, _informed(RECORD="demo.py,,\n".encode("utf-16")))


@attack(_FAMILY, "/RECORD: missing")
def wheel_without_record(ground: Ground) -> list[Command]:
    """a wheel without RECORD"""
    members = _informed()
    del members[f"{INFO}/RECORD"]
    return _zipped(ground, members)


@attack(_FAMILY, "/WHEEL: missing")
def wheel_without_wheel(ground: Ground) -> list[Command]:
    """a wheel that does not say which format it has"""
    members = _informed()
    del members[f"{INFO}/WHEEL"]
    return _zipped(ground, members)


@attack(_FAMILY, "not a wheel")
def wheel_of_a_later_format(ground: Ground) -> list[Command]:
    """a wheel of a format that does not exist yet"""
    return _zipped(ground, _informed(WHEEL=b"Wheel-Version: 9.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"))


@attack(_FAMILY, "expected one folder")
def wheel_with_two_names(ground: Ground) -> list[Command]:
    """a wheel with the metadata of two projects"""
    other = {name.replace("demo-2.0", "evil-1.0"): data for name, data in _informed().items()}
    return _zipped(ground, _informed() | other)


@attack(_FAMILY, "expected one folder")
def wheel_with_an_endless_version(ground: Ground) -> list[Command]:
    """a version of five thousand digits, which Python does not convert"""
    digits = "9" * 5000
    members = {name.replace("demo-2.0", f"demo-{digits}"): data for name, data in _informed().items()}
    return _zipped(ground, members)


@attack(_FAMILY, "cannot be read")
def entry_points_without_a_module(ground: Ground) -> list[Command]:
    """an entry point that names nothing"""
    return ground.install(ground.signed([demo("2.0", entry_points="[console_scripts]\nevil = ; rm -rf /\n")]))


@attack(_FAMILY, "cannot be read")
def entry_points_in_disorder(ground: Ground) -> list[Command]:
    """entry points that are not of their format"""
    return ground.install(ground.signed([demo("2.0", entry_points="[console_scripts\n= =\n")]))


@attack(_FAMILY, "control character")
def entry_point_with_an_escape(ground: Ground) -> list[Command]:
    """the name of a script holds what a terminal obeys"""
    return ground.install(
        ground.signed([demo("2.0", entry_points="[console_scripts]\nevil\x1b[2J = demo:main\n")])
    )


@attack(_FAMILY, "its first line has no end")
def script_with_an_endless_first_line(ground: Ground) -> list[Command]:
    """a script whose `#!python` line never ends"""
    files = {"demo-2.0.data/scripts/run": b"#!python" + bytes(9 << 20)}
    return ground.install(ground.signed([demo("2.0", files)]))


@attack(_FAMILY, "has it already")
def script_onto_the_interpreter(ground: Ground) -> list[Command]:
    """a script of a wheel takes the place of the generation's Python"""
    files = {"demo-2.0.data/scripts/python": b"#!/bin/sh\necho evil\n"}
    return ground.install(ground.signed([demo("2.0", files)]))


@attack(_FAMILY, "has it already")
def data_onto_the_environment(ground: Ground) -> list[Command]:
    """the data scheme of a wheel takes the place of `pyvenv.cfg`"""
    files = {"demo-2.0.data/data/pyvenv.cfg": b"home = /tmp\n"}
    return ground.install(ground.signed([demo("2.0", files)]))


@attack(_FAMILY, "not a wheel")
def wheel_that_is_no_zip(ground: Ground) -> list[Command]:
    """a wheel that is something else"""
    return _wheel(ground, b"#!/bin/sh\necho evil\n")


@attack(_LINKS, "has it already")
def wheel_with_a_link_that_later_members_pass_through(ground: Ground) -> list[Command]:
    """a symbolic link in a wheel, and a member that would be written through it"""
    link, through = "demo/link", "demo/link/precious"
    members = {link: str(ground.outside).encode(), through: b"evil\n"}
    rows = "".join(f"{name},sha256={_spelled(data)},{len(data)}\n" for name, data in members.items())
    everything = members | _informed(RECORD=rows.encode())
    for name in ("METADATA", "WHEEL"):
        data = everything[f"{INFO}/{name}"]
        rows += f"{INFO}/{name},sha256={_spelled(data)},{len(data)}\n"
    return _zipped(ground, everything | {f"{INFO}/RECORD": rows.encode()}, {link: 0o120777})


def _spelled(data: bytes) -> str:
    import base64
    import hashlib

    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
