"""The tree of containers that an expanded form describes, and its two spellings: `recipe.json`, and the names of leaves."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from airlock.core.canonical_json import dumps, loads
from airlock.core.fields import Fields
from airlock.core.forms.codec import (
    MAX_CORRECTIONS,
    MAX_MADE,
    MAX_PARTS,
    MAX_STRUCTURE,
    CodecSet,
    Container,
    Slot,
)
from airlock.core.forms.record import record_of
from airlock.core.forms.registry import codec_named
from airlock.core.paths import safe_path
from airlock.errors import IntegrityError

FORM = "tree/1"
MAX_RECIPE = 16 << 20
MAX_DEPTH = 8
"""Containers inside each other."""
HUNGRY = frozenset({"xz/1", "zstd/1"})
MAX_HUNGRY = 2
"""Of those inside each other: an encoder takes up to 700 MB, and all of them are at work at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One container."""

    codec: str
    container: Container
    recipe: Mapping[str, Any]
    structure: bytes
    corrections: bytes
    record: int | None = None
    """The number of the part that is a wheel's RECORD, kept as a template."""
    inside: "Mapping[int, Node]" = field(default_factory=dict)
    """Parts that are containers themselves, by number."""

    def walk(self) -> "Iterator[Node]":
        """This node and all below it, in the order in which they are written."""
        yield self
        for _, node in sorted(self.inside.items()):
            yield from node.walk()

    def equals(self, other: "Node") -> bool:
        """Whether both make the same of the same leaves."""
        mine, theirs = (
            (node.codec, node.recipe, node.structure, node.corrections, node.record, node.inside.keys())
            for node in (self, other)
        )
        return mine == theirs and all(inner.equals(other.inside[at]) for at, inner in self.inside.items())

    @property
    def codecs(self) -> CodecSet:
        """Codecs and encoders that are needed to build it."""
        return frozenset().union(*({node.codec} | node.container.encoders for node in self.walk()))

    @property
    def file_codecs(self) -> CodecSet:
        """Those that are needed to give the files inside it."""
        return frozenset().union(*(node.codecs for node in self.inside.values()))


def write_recipe(root: Node) -> bytes:
    return dumps({"form": FORM, "root": _document(root)})


def _document(node: Node) -> dict[str, object]:
    document: dict[str, object] = {
        "codec": node.codec,
        "recipe": dict(node.recipe),
        "structure": len(node.structure),
    }
    if node.corrections:
        document["corrections"] = len(node.corrections)
    if node.record is not None:
        document["record"] = node.record
    if node.inside:
        document["inside"] = [[number, _document(inner)] for number, inner in sorted(node.inside.items())]
    return document


@dataclass(frozen=True, slots=True, kw_only=True)
class Shared:
    """What all nodes lie in, one behind the other."""

    structure: bytes
    corrections: bytes


class TreeReader:
    """Parses a recipe once it has been read."""

    def __init__(self, recipe: bytes, where: str) -> None:
        self.where = where
        document = loads(recipe, f"{where}: recipe.json")
        fields = Fields(document, f"{where}: recipe.json", IntegrityError)
        if fields.text("form") != FORM:
            raise fields.fault("form", f"not a recipe of {FORM}")
        if "root" not in fields:
            raise fields.fault("root", "missing")
        self._root = fields.table("root")
        fields.done()
        self._parts = self._structure = self._corrections = self._made = 0
        self._shared = Shared(structure=b"", corrections=b"")
        self.has_corrections = _has_corrections(document["root"], MAX_DEPTH)

    def root(self, shared: Shared) -> Node:
        self._shared = shared
        node = self._node(self._root, ())
        if self._structure != len(shared.structure) or self._corrections != len(shared.corrections):
            raise IntegrityError(self.where, "bytes of structure or corrections that no container has")
        return node

    def _node(self, fields: Fields, above: tuple[str, ...]) -> Node:
        """`above` are the codecs of the containers that it is inside of."""
        codec = codec_named(fields.text("codec"), fields.where)
        around = (*above, codec.name)
        if len(around) > MAX_DEPTH or sum(name in HUNGRY for name in around) > MAX_HUNGRY:
            raise fields.fault(
                "", f"deeper than {MAX_DEPTH}, or than {MAX_HUNGRY} of {', '.join(sorted(HUNGRY))}"
            )
        structure = self._take_structure(fields.integer("structure", limit=MAX_STRUCTURE))
        corrections = self._take_corrections(fields.integer("corrections", 0, limit=MAX_CORRECTIONS))
        recipe = fields.table("recipe")
        container = codec.parse(recipe, structure, corrections, self.where)
        self._made += container.made
        if self._made > MAX_MADE:
            raise fields.fault("", f"more than {MAX_MADE} bytes of nothing")
        self._parts += len(container.slots)
        if self._parts > MAX_PARTS:
            raise fields.fault("", f"more than {MAX_PARTS} parts")
        record = fields.integer("record") if "record" in fields else None
        node = Node(
            codec=codec.name,
            container=container,
            recipe=recipe.items(),
            structure=structure,
            corrections=corrections,
            record=record,
            inside=dict(self._inside(fields, container, around)),
        )
        if record is not None and (record != record_of(container.slots) or record in node.inside):
            raise fields.fault("record", "not a wheel's RECORD")
        if not ("recipe" in fields and ("corrections" in fields) == bool(corrections)):
            raise fields.fault("", "a default is spelt out, or the recipe is missing")
        fields.done()
        return node

    def _inside(
        self, fields: Fields, container: Container, around: tuple[str, ...]
    ) -> Iterator[tuple[int, Node]]:
        pairs, before = fields.raw("inside"), -1
        if "inside" in fields and not (isinstance(pairs, list) and pairs):
            raise fields.fault("inside", "not a list of containers")
        for pair in pairs if isinstance(pairs, list) else ():
            match pair:
                case [int(number), dict(document)] if type(number) is int and before < number < len(
                    container.slots
                ):
                    if container.slots[number].opaque:
                        raise fields.fault("inside", "an opaque part is not a container")
                    place = f"{fields.path}.inside[{number}]" if fields.path else f"inside[{number}]"
                    yield number, self._node(Fields(document, fields.where, IntegrityError, place), around)
                    before = number
                case _:
                    raise fields.fault("inside", "not a number and a container, in order")

    def _take_structure(self, size: int) -> bytes:
        start = self._structure
        self._structure += size
        return _piece(self._shared.structure, start, size, self.where)

    def _take_corrections(self, size: int) -> bytes:
        start = self._corrections
        self._corrections += size
        return _piece(self._shared.corrections, start, size, self.where)


def _piece(data: bytes, start: int, size: int, where: str) -> bytes:
    piece = data[start : start + size]
    if len(piece) != size:
        raise IntegrityError(where, "structure or corrections are truncated")
    return piece


def _has_corrections(document: Mapping[str, Any], depth: int) -> bool:
    """Whether any node asks for corrections; malformed documents are refused later."""
    if "corrections" in document or not depth:
        return "corrections" in document
    inside = document.get("inside")
    pairs = inside if isinstance(inside, list) else []
    return any(
        isinstance(pair, list)
        and len(pair) == 2
        and isinstance(pair[1], dict)
        and _has_corrections(pair[1], depth - 1)
        for pair in pairs
    )


class LeafNames:
    """Where each leaf is in the expanded form: `content/PATH`, or `opaque/PATH` for streams that are still compressed;
    `unnamed/NUMBER` for names that a tar cannot carry safely or that are in the way of each other. To be asked in order."""

    def __init__(self) -> None:
        self._taken: set[str] = set()
        self._folders = {""}
        self._count = 0

    def name(self, path: str, slot: Slot) -> str:
        number = self._count
        self._count += 1
        name = _safe("opaque/" if slot.opaque else "content/", path)
        if not name or name in self._taken or name in self._folders or not self._enter(name):
            return f"unnamed/{number}"
        self._taken.add(name)
        return name

    def _enter(self, name: str) -> bool:
        """Whether no folder above the name is a leaf. What is a folder once is never a leaf later."""
        fresh, folder = [], name.rpartition("/")[0]
        while folder not in self._folders:
            if folder in self._taken:
                return False
            fresh.append(folder)
            folder = folder.rpartition("/")[0]
        self._folders.update(fresh)
        return True


def _safe(folder: str, path: str) -> str:
    """Empty where the path is not safe."""
    try:
        return safe_path(folder + path) if path else folder + "content"
    except IntegrityError:
        return ""


def joined(path: str, name: str) -> str:
    """The path of a part below its container's; containers of one nameless content keep their own."""
    return f"{path}/{name}" if path and name else path or name
