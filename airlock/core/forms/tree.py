"""The form `tree/1`: an artifact as a tar of the raw contents of its containers, with what restores it to the bit.

The tar holds, in order, `recipe.json` (canonical JSON, a tree of containers), `structure` (what their codecs keep of them,
parents first), `corrections` (of their streams, if any has some), and each leaf's contents in the order of the containers.
Memory: structure, corrections and what containers hold back (see `spool`), whatever the size of a content.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from airlock.core.digest import Hasher
from airlock.core.expanded import Costs, Expansion, Member
from airlock.core.forms.codec import MAX_CORRECTIONS, MAX_STRUCTURE, Chunks, CodecSet
from airlock.core.forms.nodes import FORM, MAX_RECIPE, LeafNames, Node, Shared, TreeReader, joined
from airlock.core.forms.record import MAX_RECORD, Rows
from airlock.core.forms.spool import held_back
from airlock.core.plain_tar import Reader

_WHERE = f"expanded form {FORM}"


class TreeForm:
    name = FORM

    def expand(self, original: BinaryIO, expanded: BinaryIO, codecs: CodecSet) -> Expansion | None:
        from airlock.core.forms.tree_expand import expand

        return expand(original, expanded, codecs)

    def rebuild(self, expanded: BinaryIO, original: BinaryIO) -> None:
        for chunk in built(expanded):
            original.write(chunk)

    def members(self, expanded: BinaryIO) -> Iterator[Member]:
        tree = _Tree(expanded)
        yield from tree.members()
        tree.end()

    def costs(self, expanded: BinaryIO) -> Costs:
        tree = _Tree(expanded)
        opaque = dict(tree.opaque(tree.root, ""))
        tree.end()
        return Costs(
            recipe=tree.recipe,
            structure=sum(len(node.structure) for node in tree.root.walk()),
            corrections=sum(len(node.corrections) for node in tree.root.walk()),
            opaque=opaque,
        )


def built(expanded: BinaryIO) -> Chunks:
    """The original, from one pass over its expanded form."""
    tree = _Tree(expanded)
    yield from tree.build(tree.root, "")
    tree.end()


@dataclass(slots=True)
class _Passing:
    """Whether parts are hashed on their way, and the rows that they make for RECORD."""

    node: Node
    rows: Rows

    def wanted(self, number: int) -> bool:
        return self.node.record is not None and number < self.node.record


class _Tree:
    """One pass over an expanded form. What is left of a leaf is skipped when the next is read."""

    def __init__(self, expanded: BinaryIO) -> None:
        self._reader = Reader(expanded, _WHERE)
        recipe = self._reader.small("recipe.json", MAX_RECIPE)
        self.recipe = len(recipe)
        parsed = TreeReader(recipe, _WHERE)
        structure = self._reader.small("structure", MAX_STRUCTURE)
        corrections = self._reader.small("corrections", MAX_CORRECTIONS) if parsed.has_corrections else b""
        self.root = parsed.root(Shared(structure=structure, corrections=corrections))
        self._names = LeafNames()

    def end(self) -> None:
        self._reader.end()

    def build(self, node: Node, path: str) -> Chunks:
        return node.container.build(self._parts(node, path))

    def _parts(self, node: Node, path: str) -> Iterator[Chunks]:
        passing = _Passing(node, Rows())
        for number, slot in enumerate(node.container.slots):
            _, chunks = self._part(node, number, path, passing.rows)
            if passing.wanted(number):
                hasher = Hasher()
                yield hasher.watch(chunks)
                passing.rows.add(slot, hasher)
            else:
                yield chunks

    def _part(self, node: Node, number: int, path: str, rows: Rows) -> tuple[int | None, Chunks]:
        """The part's size, where that is known, and its bytes."""
        slot = node.container.slots[number]
        place = joined(path, slot.name)
        if (inner := node.inside.get(number)) is not None:
            return None, self.build(inner, place)
        name = self._names.name(place, slot)
        if number == node.record:
            record = rows.record(self._reader.small(name, MAX_RECORD), _WHERE)
            return len(record), iter((record,))
        return self._reader.file(name)

    def members(self) -> Iterator[Member]:
        node = self.root
        passing = _Passing(node, Rows())
        for number, slot in enumerate(node.container.slots):
            size, chunks = self._part(node, number, "", passing.rows)
            if slot.opaque:
                size, chunks = slot.size, node.container.content(number, chunks)
            if size is None:
                size, chunks = held_back(chunks)
            hasher = Hasher() if passing.wanted(number) else None
            if hasher:
                chunks = hasher.watch(chunks)
            yield Member(name=slot.name, size=size, mode=slot.mode, chunks=chunks, hasher=hasher)
            if hasher:
                for _ in chunks:
                    pass
                passing.rows.add(slot, hasher)

    def opaque(self, node: Node, path: str) -> Iterator[tuple[str, int]]:
        for number, slot in enumerate(node.container.slots):
            place = joined(path, slot.name)
            if (inner := node.inside.get(number)) is not None:
                yield from self.opaque(inner, place)
                continue
            size, _ = self._reader.file(name := self._names.name(place, slot))
            if slot.opaque:
                yield name, size
