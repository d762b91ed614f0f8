"""Names that are the same to some, and names that are too much."""

from dataclasses import replace

from tests.attacks.ground import Command, Ground, attack, demo
from tests.far.bundles import Item, file_item, wheel, wheel_item

_FAMILY = "Names"


def _wheel(ground: Ground, *paths: str) -> list[Command]:
    files = {path: path.encode() for path in paths}
    return ground.install(ground.signed([demo("2.0", files)]))


def _files(ground: Ground, *paths: str) -> list[Command]:
    return ground.install(ground.signed([file_item(path, path.encode()) for path in paths]))


@attack(_FAMILY, "stands twice")
def wheel_member_twice(ground: Ground) -> list[Command]:
    """a wheel has a member twice, the second with other bytes"""
    data = demo("2.0", {"demo/one.py": b"good\n", "demo/two.py": b"evil\n"}).data
    from airlock.core.digest import digest_of

    data = data.replace(b"demo/two.py", b"demo/one.py")
    item = demo("2.0")
    return ground.install(
        ground.signed([Item(replace(item.artifact, size=len(data), digest=digest_of(data)), data)])
    )


@attack(_FAMILY, "has it already")
def two_wheels_with_one_path(ground: Ground) -> list[Command]:
    """a wheel replaces a file of another"""
    evil = wheel_item("evil", "1.0", wheel("evil", "1.0", {"demo/__init__.py": b"evil\n"}))
    return ground.install(ground.signed([demo("2.0"), evil]))


@attack(_FAMILY, "has it already")
def file_over_a_wheel(ground: Ground) -> list[Command]:
    """a file replaces a module of a wheel"""
    from tests.far.bundles import PYTHON

    path = f"lib/python{PYTHON}/site-packages/demo/__init__.py"
    return ground.install(ground.signed([demo("2.0"), file_item(path, b"evil\n")]))


@attack(_FAMILY, "has it already")
def names_that_differ_in_case(ground: Ground) -> list[Command]:
    """two names that are one where case is folded"""
    return _wheel(ground, "demo/Config.py", "demo/config.py")


@attack(_FAMILY, "has it already")
def names_that_fold_to_one(ground: Ground) -> list[Command]:
    """two names that full case folding takes for one: ß and ss"""
    return _files(ground, "share/straße", "share/strasse")


@attack(_FAMILY, "has it already")
def folders_that_differ_in_case(ground: Ground) -> list[Command]:
    """a file whose name is the folder of another but for case"""
    return _wheel(ground, "demo/Data", "demo/data/x")


@attack(_FAMILY, "normal form C")
def name_in_decomposed_unicode(ground: Ground) -> list[Command]:
    """a name in normal form D, which is another's in form C"""
    return _files(ground, "share/cafe\u0301", "share/caf\u00e9")


@attack(_FAMILY, "normal form C")
def name_of_compatible_unicode(ground: Ground) -> list[Command]:
    """the Kelvin sign, which normalises to the letter K"""
    return _files(ground, "share/\u212a")


@attack(_FAMILY, "has it already")
def file_against_a_folder(ground: Ground) -> list[Command]:
    """a name that is a file here and a folder there"""
    return _wheel(ground, "demo/thing", "demo/thing/inside.py")


@attack(_FAMILY, "has it already")
def folder_against_a_file(ground: Ground) -> list[Command]:
    """the same, the folder first"""
    return _files(ground, "share/thing/inside", "share/thing")


@attack(_FAMILY, "longer than")
def part_of_a_name_too_long(ground: Ground) -> list[Command]:
    """a part of 256 bytes"""
    return _wheel(ground, "demo/" + "a" * 256)


@attack(_FAMILY, "longer than")
def part_too_long_in_bytes(ground: Ground) -> list[Command]:
    """a part of 200 characters that are 400 bytes"""
    return _files(ground, "share/" + "é" * 200)


@attack(_FAMILY, "longer than")
def path_too_long(ground: Ground) -> list[Command]:
    """a path of many kilobytes"""
    return _wheel(ground, "demo/" + "a/" * 4000 + "b")


@attack(_FAMILY, "control character")
def name_with_a_control_character(ground: Ground) -> list[Command]:
    """a line break in a name, which lists of files would tell as two"""
    return _wheel(ground, "demo/one\ntwo.py")


@attack(_FAMILY, "turns the order")
def name_that_turns_text_around(ground: Ground) -> list[Command]:
    """a name that is shown in another order than it is: U+202E"""
    return _files(ground, "share/report\u202efdp.exe")


@attack(_FAMILY, "control character")
def label_that_a_terminal_obeys(ground: Ground) -> list[Command]:
    """a version that clears the screen and prints its own verdict"""
    item = demo("2.0")
    evil = replace(item.artifact, version="2.0\x1b[2J\x1b[32mverified")
    data = ground.signed([replace(item, artifact=evil)])
    file = ground.put("hostile.airlock", data)
    return [*ground.everywhere(data), ("inspect", file)]


@attack(_FAMILY, "turns the order")
def label_that_turns_text_around(ground: Ground) -> list[Command]:
    """an artifact's version that hides what follows it: U+2066"""
    item = demo("2.0")
    return ground.everywhere(
        ground.signed([replace(item, artifact=replace(item.artifact, version="2.0\u2066\u202e"))])
    )
