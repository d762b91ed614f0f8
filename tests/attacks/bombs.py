"""Little that becomes much. Frames anybody may change on the way; recipes only who holds a release key."""

import io
import struct
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import zstandard

from airlock.core.artifact import Artifact
from airlock.core.canonical_json import dumps
from airlock.core.digest import digest_of
from airlock.core.plain_tar import END, header, padding
from airlock.formats.index import frame_name, parse_index, write_index
from airlock.storage.frames import DEFAULT_LEVEL, compress, this_encoder
from tests.attacks.ground import Command, Ground, Members, attack, demo
from tests.far.bundles import archive_of, bundle, file_item, members_in

_FRAMES = "Frames"
_RECIPES = "Recipes of expanded forms"
ZEROS = 1 << 20


def _frame_of(ground: Ground, change: Callable[[bytes, bytes], bytes]) -> list[Command]:
    """The next bundle, one of its frames replaced on the way: `change(content, frame)`."""
    members = members_in(ground.next)
    index = parse_index(members["index.json"], "index")
    entry = next(entry for entry in index.entries if entry.artifact.name == "share/banner.txt")
    content = b"welcome\n" * 20
    assert entry.expanded.digest == digest_of(content)
    members[entry.frame] = change(content, members[entry.frame])
    return ground.everywhere(archive_of(members))


@attack(_FRAMES, "damaged frame", confined=True)
def frame_with_a_lying_size(ground: Ground) -> list[Command]:
    """a frame says the size of the index, and holds a hundred megabytes"""

    def change(content: bytes, frame: bytes) -> bytes:
        return _with_size(zstandard.compress(bytes(100 << 20), 3), len(content))

    return _frame_of(ground, change)


def _with_size(frame: bytes, size: int) -> bytes:
    """The blocks of a frame behind a header that says another size."""
    body = frame[zstandard.frame_header_size(frame) :]
    return b"\x28\xb5\x2f\xfd" + bytes((0x84,)) + bytes((0x88,)) + struct.pack("<I", size) + body + bytes(4)


@attack(_FRAMES, "not of the size")
def frame_of_another_size(ground: Ground) -> list[Command]:
    """an honest frame of a content that is larger than the index says"""
    return _frame_of(ground, lambda content, frame: _compressed(content * 2))


def _compressed(content: bytes) -> bytes:
    out = io.BytesIO()
    compress(io.BytesIO(content), len(content), out, this_encoder(DEFAULT_LEVEL, "portable/1"))
    return out.getvalue()


@attack(_FRAMES, "not a frame that airlock writes", confined=True)
def frame_with_a_huge_window(ground: Ground) -> list[Command]:
    """a frame that asks its reader for two gigabytes of memory"""

    def change(content: bytes, frame: bytes) -> bytes:
        body = frame[zstandard.frame_header_size(frame) :]
        return b"\x28\xb5\x2f\xfd" + bytes((0x84, 21 << 3)) + struct.pack("<I", len(content)) + body

    return _frame_of(ground, change)


@attack(_FRAMES, "not of the size", confined=True)
def frames_without_end(ground: Ground) -> list[Command]:
    """a hundred thousand empty frames in the place of one"""
    empty = zstandard.ZstdCompressor(write_checksum=True).compress(b"")
    return _frame_of(ground, lambda content, frame: empty * 100_000 + frame)


@attack(_FRAMES, "damaged frame", confined=True)
def blocks_without_end(ground: Ground) -> list[Command]:
    """two hundred thousand empty blocks in one frame"""

    def change(content: bytes, frame: bytes) -> bytes:
        start = zstandard.frame_header_size(frame)
        return frame[:start] + bytes(3) * 200_000 + frame[start:-1] + b"\0"

    return _frame_of(ground, change)


@attack(_FRAMES, "not of the size")
def skippable_frame_in_front(ground: Ground) -> list[Command]:
    """a skippable frame hides bytes in front of the content"""
    skippable = b"\x50\x2a\x4d\x18" + struct.pack("<I", 6) + b"hidden"
    return _frame_of(ground, lambda content, frame: skippable + frame)


@attack(_FRAMES, ".zst: ")
def skippable_frame_behind(ground: Ground) -> list[Command]:
    """a skippable frame hides bytes behind the content"""
    skippable = b"\x50\x2a\x4d\x18" + struct.pack("<I", 6) + b"hidden"
    return _frame_of(ground, lambda content, frame: frame + skippable)


@attack(_FRAMES, "not a frame that airlock writes")
def frame_that_asks_for_a_dictionary(ground: Ground) -> list[Command]:
    """a frame whose content depends on a dictionary of somebody's choice"""
    samples: list[bytes | bytearray | memoryview] = [
        b"%d: some text of the sample %d\n" % (number, number * 7) for number in range(2000)
    ]
    dictionary = zstandard.train_dictionary(2048, samples)
    packer = zstandard.ZstdCompressor(dict_data=dictionary, write_checksum=True)
    return _frame_of(ground, lambda content, frame: packer.compress(content))


@attack(_FRAMES, "not a frame that airlock writes")
def frame_without_a_checksum(ground: Ground) -> list[Command]:
    """a frame that was packed anew in a way that airlock does not write"""
    return _frame_of(ground, lambda content, frame: zstandard.compress(content, 3))


@attack(_FRAMES, "does not match its digest")
def frame_of_other_content(ground: Ground) -> list[Command]:
    """a frame of the very same size and other content"""
    return _frame_of(ground, lambda content, frame: _compressed(content.upper()))


@attack(_FRAMES, "frame")
def frame_cut_short(ground: Ground) -> list[Command]:
    """a frame without its last block"""
    return _frame_of(ground, lambda content, frame: frame[:-12])


@dataclass(frozen=True)
class Form:
    """An artifact and an expanded form that need not go together."""

    artifact: Artifact
    expanded: bytes
    codecs: Sequence[str]


def crafted(ground: Ground, form: Form) -> list[Command]:
    """A bundle with the form, signed."""
    out = members_in(bundle([], version="2.0"))
    index = parse_index(out["index.json"], "index")
    entry = parse_index(members_in(bundle([file_item("a", b"a")]))["index.json"], "index").entries[0]
    expanded = replace(
        entry.expanded,
        form="tree/1",
        size=len(form.expanded),
        digest=digest_of(form.expanded),
        codecs=tuple(form.codecs),
        file_codecs=(),
    )
    if form.artifact.kind == "wheel":
        expanded = replace(expanded, file_codecs=tuple(form.codecs[:-1]))
    entries = (replace(entry, artifact=form.artifact, expanded=expanded),)
    members: Members = {"index.json": write_index(replace(index, entries=entries))}
    members[frame_name(expanded.digest)] = _compressed(form.expanded)
    return ground.install(archive_of(ground.keys.sign(members)))


def tree(
    root: object, structure: bytes, leaves: Sequence[tuple[str, bytes]] = (), corrections: bytes = b""
) -> bytes:
    """An expanded form with a tar around it that is in order."""
    recipe = root if isinstance(root, bytes) else dumps({"form": "tree/1", "root": root})
    files = [("recipe.json", recipe), ("structure", structure)]
    files += [("corrections", corrections)] if corrections else []
    out = [header(name, len(data)) + data + padding(len(data)) for name, data in [*files, *leaves]]
    return b"".join(out) + END


def _file(ground: Ground, expanded: bytes, codecs: Sequence[str] = ("tar/1",)) -> list[Command]:
    """As the form of a file, which is put together before it is placed, and by `export` without any signature."""
    item = file_item("share/a", b"a promise of a kilobyte".ljust(1024))
    commands = crafted(ground, Form(item.artifact, expanded, codecs))
    return [*commands, ("export", commands[0][1], "--all", str(ground.machine / "tmp"))]


def tar_node(end: int, **more: object) -> dict[str, object]:
    """A tar of one empty file, and so many zeros behind it."""
    empty = [number for number in range(16) if number != 7]
    return {"codec": "tar/1", "recipe": {"empty": empty, "end": end, "headers": 1}, "structure": 1, **more}


@attack(_RECIPES, "not a recipe of")
def recipe_of_another_form(ground: Ground) -> list[Command]:
    """a recipe that says to be of another form than the index says"""
    return _file(ground, tree(dumps({"form": "tree/2", "root": tar_node(0)}), b"0"))


@attack(_RECIPES, "unknown container codec")
def recipe_with_an_unknown_codec(ground: Ground) -> list[Command]:
    """a recipe that names a codec which does not exist"""
    return _file(ground, tree({"codec": "shell/1", "recipe": {}, "structure": 0}, b""))


@attack(_RECIPES, "recursion", confined=True)
def recipe_nested_too_deeply(ground: Ground) -> list[Command]:
    """containers inside each other, a thousand times"""
    node = b'{"codec":"gzip/1","recipe":{},"structure":0}'
    for _ in range(1000):
        node = b'{"codec":"gzip/1","inside":[[0,' + node + b']],"recipe":{},"structure":0}'
    return _file(ground, tree(b'{"form":"tree/1","root":' + node + b"}\n", b""), ("gzip/1",))


def _zip_node(count: int, **more: object) -> tuple[dict[str, object], bytes]:
    names = [b"%x" % number for number in range(count)]
    central = b"".join(_central(name) for name in names)
    end = struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, count & 0xFFFF, count & 0xFFFF, 0, 0, 0)
    recipe = {"members": [[count, "store", "twin", 0]]}
    return {"codec": "zip/1", "recipe": recipe, "structure": len(central + end), **more}, central + end


def _central(name: bytes) -> bytes:
    fields = (0x314, 20, 0, 0, 0, 0x21, 0, 0, 0, len(name), 0, 0, 0, 0, 0o100644 << 16, 0)
    return struct.pack("<4s6H3I5H2I", b"PK\1\2", *fields) + name


@attack(_RECIPES, "more than 200000 parts", confined=True)
def recipe_with_a_wide_fan(ground: Ground) -> list[Command]:
    """zips of sixty thousand members inside each other: more parts than there may be"""
    inner, structure = _zip_node(60_000)
    inside = [[number, inner] for number in range(4)]
    outer, front = _zip_node(60_000, inside=inside)
    return _file(ground, tree(outer, front + 4 * structure), ("zip/1",))


@attack(_RECIPES, "bytes of nothing", confined=True)
def recipe_of_zeros(ground: Ground) -> list[Command]:
    """thousands of tars inside a zip, each with a megabyte of zeros behind it, from a recipe of some kilobytes"""
    count = 4000
    inside = [[number, tar_node(ZEROS)] for number in range(count)]
    outer, front = _zip_node(count, inside=inside)
    return _file(ground, tree(outer, front + b"0" * count), ("tar/1", "zip/1"))


@attack(_RECIPES, "bytes of nothing", confined=True)
def recipe_of_headers(ground: Ground) -> list[Command]:
    """tars of a quarter of a million empty files, each kept in one byte"""
    counts = (20_000, 250_000, 250_000)
    empty = [number for number in range(16) if number != 7]
    inside = []
    for number, count in enumerate(counts):
        recipe = {"empty": empty, "end": 0, "headers": count}
        inside.append([number, {"codec": "tar/1", "recipe": recipe, "structure": count}])
    outer, front = _zip_node(len(counts), inside=inside)
    return _file(ground, tree(outer, front + b"0" * sum(counts)), ("tar/1", "zip/1"))


@attack(_RECIPES, "rebuilt to other bytes", confined=True)
def recipe_that_makes_more_than_the_file(ground: Ground) -> list[Command]:
    """a content of fifty megabytes for a file of which the index says a kilobyte"""
    node, structure = _zip_node(1)
    return _file(ground, tree(node, structure, [("content/0", bytes(50 << 20))]), ("zip/1",))


@attack(_RECIPES, "deeper than", confined=True)
def recipe_of_hungry_encoders(ground: Ground) -> list[Command]:
    """xz inside xz, eight deep, each with the largest dictionary"""
    node: dict[str, object] = {"codec": "xz/1", "recipe": {"check": 1, "encoder": "lzma/1:9"}, "structure": 0}
    for _ in range(7):
        node = {**node, "inside": [[0, node]]}
    return _file(ground, tree(node, b"", [("content/content", b"x")]), ("lzma/1", "xz/1"))


@attack(_RECIPES, "truncated")
def recipe_with_too_little_structure(ground: Ground) -> list[Command]:
    """a recipe that takes more of the structure than there is"""
    return _file(ground, tree({**tar_node(0), "structure": 1 << 20}, b"0"))


@attack(_RECIPES, "no container has")
def recipe_with_surplus_structure(ground: Ground) -> list[Command]:
    """structure that no container has"""
    return _file(ground, tree(tar_node(0), b"0hidden"))


@attack(_RECIPES, "with corrections")
def recipe_with_surplus_corrections(ground: Ground) -> list[Command]:
    """corrections that a tar does not have"""
    return _file(ground, tree({**tar_node(0), "corrections": 6}, b"0", corrections=b"hidden"))


@attack(_RECIPES, "impossible size")
def nested_tar_with_a_size_in_base_256(ground: Ground) -> list[Command]:
    """a header inside a nested tar says 2^80 bytes"""
    block = bytearray(512)
    block[124:136] = b"\x80\x00" + (1 << 72).to_bytes(10, "big")
    recipe = {"empty": [n for n in range(16) if n not in (4, 7)], "end": 0, "headers": 1}
    node = {"codec": "tar/1", "recipe": recipe, "structure": 13}
    return _file(ground, tree(node, bytes(block[124:136]) + b"0"))


@attack(_RECIPES, "sparse")
def nested_tar_with_a_sparse_file(ground: Ground) -> list[Command]:
    """a sparse file inside a nested tar"""
    return _file(ground, tree(tar_node(0), b"S"))


@attack(_RECIPES, "rebuilt to other bytes")
def nested_tar_with_a_device(ground: Ground) -> list[Command]:
    """a device inside a nested tar, for a file that is no tar at all"""
    return _file(ground, tree(tar_node(1024), b"3"))


@attack(_RECIPES, "damaged pax")
def nested_tar_with_a_damaged_pax_header(ground: Ground) -> list[Command]:
    """a pax header inside a nested tar whose length is a lie"""
    recipe = {"empty": [n for n in range(16) if n not in (4, 7)], "end": 0, "headers": 1}
    content = b"999999999 path=x\n"
    structure = b"%011o\0" % len(content) + b"x" + content
    return _file(ground, tree({"codec": "tar/1", "recipe": recipe, "structure": len(structure)}, structure))


@attack(_RECIPES, "as it must be spelled")
def expanded_form_with_a_second_spelling(ground: Ground) -> list[Command]:
    """the tar of an expanded form has a header that airlock would not write"""
    form = bytearray(tree(tar_node(0), b"0"))
    form[100:108] = b"0000755\0"
    form[148:156] = b" " * 8
    form[148:156] = b"%06o\0 " % sum(form[:512])
    return _file(ground, bytes(form))


@attack(_RECIPES, "bad end")
def expanded_form_with_bytes_behind(ground: Ground) -> list[Command]:
    """bytes hide behind the end of an expanded form"""
    return _file(ground, tree(tar_node(0), b"0") + b"hidden")


@attack(_RECIPES, "not as long as it says", confined=True)
def deflated_member_that_is_a_bomb(ground: Ground) -> list[Command]:
    """a stream that stays compressed and holds a thousand times what was declared"""
    packer = zlib.compressobj(9, wbits=-15)
    stream = packer.compress(bytes(200 << 20)) + packer.flush()
    name = b"demo/bomb.py"
    fields = (0x314, 20, 0, 8, 0, 0x21, 0, 0, 1000, len(name), 0, 0, 0, 0, 0o100644 << 16, 0)
    central = struct.pack("<4s6H3I5H2I", b"PK\1\2", *fields) + name
    end = struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, 1, 1, 0, 0, 0)
    node = {"codec": "zip/1", "recipe": {"members": [[1, "opaque", "twin", 0]]}, "structure": 0}
    node["structure"] = len(central + end)
    form = tree(node, central + end, [("opaque/demo/bomb.py", stream)])
    return crafted(ground, Form(demo("2.0").artifact, form, ("zip/1",)))


@attack(_RECIPES, "RECORD is too large", confined=True)
def record_that_is_a_bomb(ground: Ground) -> list[Command]:
    """the template of a wheel's RECORD repeats a name of sixty kilobytes six million times"""
    names = [b"a", b"b" * 60_000, b"demo-2.0.dist-info/RECORD"]
    central = b"".join(_central(name) for name in names)
    end = struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, 3, 3, 0, 0, 0)
    recipe = {"members": [[3, "store", "twin", 0]]}
    node = {"codec": "zip/1", "recipe": recipe, "record": 2, "structure": len(central + end)}
    template = b"lf\n" + b"\n".join([b"=a", b"+"] * 2_000_000)
    leaves = [("content/a", b""), ("unnamed/1", b""), ("content/demo-2.0.dist-info/RECORD", template)]
    return crafted(ground, Form(demo("2.0").artifact, tree(node, central + end, leaves), ("zip/1",)))


def _information(ground: Ground, name: str, data: bytes) -> list[Command]:
    """A wheel of one file of `.dist-info`."""
    central = _central(b"demo-2.0.dist-info/" + name.encode())
    structure = central + struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, 1, 1, 0, 0, 0)
    recipe = {"members": [[1, "store", "twin", 0]]}
    node = {"codec": "zip/1", "recipe": recipe, "structure": len(structure)}
    form = tree(node, structure, [(f"content/demo-2.0.dist-info/{name}", data)])
    return crafted(ground, Form(demo("2.0").artifact, form, ("zip/1",)))


@attack(_RECIPES, "more than 250000 rows", confined=True)
def record_of_too_many_rows(ground: Ground) -> list[Command]:
    """a RECORD of eleven million short rows, which take many times the room of their text"""
    return _information(ground, "RECORD", b"a,,\n" * 11_000_000)


@attack(_RECIPES, "too large", confined=True)
def entry_points_that_are_a_bomb(ground: Ground) -> list[Command]:
    """forty megabytes of entry points"""
    return _information(ground, "entry_points.txt", b"[console_scripts]\n" + b"a=b:c\n" * 7_000_000)
