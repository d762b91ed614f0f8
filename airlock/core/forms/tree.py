"""The form `tree/1`: an artifact as a tar of the raw contents of its containers, with what restores it to the bit.

The tar holds, in order, `recipe.json` (canonical JSON, a tree of containers), `structure` (what their codecs keep of them,
parents first), `corrections` (of their streams, if any has some), and each leaf's contents in the order of the containers.
Memory: structure, corrections and what containers hold back (see `spool`), whatever the size of a content.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import BinaryIO, NamedTuple

from airlock.core.digest import CHUNK, Hasher
from airlock.core.expanded import SAME, Costs, Expansion, Member, Splice
from airlock.core.forms.codec import MAX_CORRECTIONS, MAX_STRUCTURE, Chunks, CodecSet, Slot
from airlock.core.forms.gzip_container import GzipContainer
from airlock.core.forms.nodes import FORM, HUNGRY, MAX_RECIPE, LeafNames, Node, Shared, TreeReader, joined
from airlock.core.forms.record import MAX_RECORD, Rows
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

    def splices(self, before: BinaryIO, after: BinaryIO) -> Mapping[str, Splice]:
        old, new = dict(_Tree(before).containers()), dict(_Tree(after).containers())
        pairs = {name: (old[name], made) for name, made in new.items() if name in old}
        return {
            name: splice
            for name, (known, made) in pairs.items()
            if (splice := made.splice(known)) is not None and made.reads_as(known, after, before)
        }

    def costs(self, expanded: BinaryIO) -> Costs:
        tree = _Tree(expanded)
        opaque = dict(tree.opaque())
        tree.end()
        return Costs(
            recipe=tree.recipe,
            structure=sum(len(node.structure) for node in tree.root.walk()),
            corrections=sum(len(node.corrections) for node in tree.root.walk()),
            opaque=opaque,
        )


class _Made(NamedTuple):
    """A file inside that is made of leaves."""

    node: Node
    spans: tuple[tuple[int, int], ...]
    """Where each leaf stands in the expanded form, and its size in bytes."""

    def splice(self, earlier: "_Made") -> Splice | None:
        """How this follows from an `earlier` one whose leaves hold the same."""
        if self.node.equals(earlier.node):
            return SAME
        mine, theirs = self.node.container, earlier.node.container
        bare = not (self.node.inside or earlier.node.inside)
        if bare and isinstance(mine, GzipContainer) and isinstance(theirs, GzipContainer):
            return mine.splice(theirs)
        return None

    def reads_as(self, other: "_Made", mine: BinaryIO, theirs: BinaryIO) -> bool:
        """Whether the leaves hold the same."""
        if [size for _, size in self.spans] != [size for _, size in other.spans]:
            return False
        spans = zip(self.spans, other.spans, strict=True)
        return all(_alike(mine, here, theirs, there, size) for (here, size), (there, _) in spans)


def _alike(one: BinaryIO, here: int, other: BinaryIO, there: int, size: int) -> bool:
    one.seek(here)
    other.seek(there)
    while size:
        chunk = one.read(min(size, CHUNK))
        if not chunk or other.read(len(chunk)) != chunk:
            return False
        size -= len(chunk)
    return True


def built(expanded: BinaryIO) -> Chunks:
    """The original, from one pass over its expanded form."""
    tree = _Tree(expanded)
    yield from tree.build(tree.root, "")
    tree.end()


class _Tree:
    """One pass over an expanded form. What is left of a leaf is skipped when the next is read."""

    def __init__(self, expanded: BinaryIO) -> None:
        self._expanded = expanded
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
        rows = Rows()
        for number, slot in enumerate(node.container.slots):
            if number == node.record:
                yield iter((rows.record(self._template(path, slot), _WHERE),))
            elif node.record is not None and number < node.record:
                hasher = Hasher()
                yield hasher.watch(self._part(node, number, path))
                rows.add(slot, hasher)
            else:
                yield self._part(node, number, path)

    def _part(self, node: Node, number: int, path: str) -> Chunks:
        slot = node.container.slots[number]
        place = joined(path, slot.name)
        if (inner := node.inside.get(number)) is not None:
            return self.build(inner, place)
        return self._leaf(place, slot)[1]

    def _leaf(self, place: str, slot: Slot) -> tuple[int, Chunks]:
        return self._reader.file(self._names.name(place, slot))

    def _template(self, path: str, slot: Slot) -> bytes:
        return self._reader.small(self._names.name(joined(path, slot.name), slot), MAX_RECORD)

    def members(self) -> Iterator[Member]:
        rows = Rows()
        for number, slot in enumerate(self.root.container.slots):
            if number == self.root.record:
                yield self._record_member(slot, rows)
            elif (inner := self.root.inside.get(number)) is not None:
                yield from self._inner_member(inner, slot)
            else:
                yield self._leaf_member(number, slot)
            rows.add_name(slot)

    def _leaf_member(self, number: int, slot: Slot) -> Member:
        size, chunks = self._leaf(slot.name, slot)
        offset: int | None = self._reader.offset
        if slot.opaque:
            size, chunks, offset = slot.size, self.root.container.content(number, chunks), None
        return Member(name=slot.name, size=size, mode=slot.mode, chunks=chunks, offset=offset)

    def _inner_member(self, inner: Node, slot: Slot) -> Iterator[Member]:
        """Built only if it is read."""
        if isinstance(inner.container, GzipContainer) and not inner.inside:
            yield from self._gzip_member(inner.container, slot)
            return
        made = _Lazy(lambda: self.build(inner, slot.name))
        unpacked = _Lazy(lambda: self._part(inner, 0, slot.name)) if _is_stream(inner) else None
        yield Member(name=slot.name, size=-1, mode=slot.mode, chunks=made, unpacked=unpacked)
        if begun := [chunks for chunks in (made, unpacked) if chunks and chunks.begun]:
            exhaust(begun[0])
        else:
            for leaf, place in self._leaves(inner, slot.name):
                self._leaf(place, leaf)

    def _gzip_member(self, container: GzipContainer, slot: Slot) -> Iterator[Member]:
        size, content = self._leaf(slot.name, container.slots[0])
        job = container.job(self._reader.offset, size)
        made = _Lazy(lambda: container.build(iter((content,))))
        yield Member(name=slot.name, size=-1, mode=slot.mode, chunks=made, gzip=job)
        if made.begun:
            exhaust(made)

    def _record_member(self, slot: Slot, rows: Rows) -> Member:
        derived = rows.derived(self._template("", slot), _WHERE)
        return Member(name=slot.name, size=-1, mode=slot.mode, chunks=_Lazy(self._record), record=derived)

    def _record(self) -> Chunks:
        """The true RECORD, by another pass over the same stream, which must be seekable."""
        if not self._expanded.seekable():
            raise AssertionError("a derived RECORD can only be read where the expanded form is seekable")
        position = self._expanded.tell()
        self._expanded.seek(0)
        again = _Tree(self._expanded)
        parts = again._parts(again.root, "")
        for _ in range(again.root.record or 0):
            exhaust(next(parts))
        record = b"".join(next(parts))
        self._expanded.seek(position)
        yield record

    def containers(self) -> Iterator[tuple[str, _Made]]:
        """The files inside that are made of leaves, but for a name that stands twice."""
        twice = Counter(slot.name for slot in self.root.container.slots)
        for number, slot in enumerate(self.root.container.slots):
            if (inner := self.root.inside.get(number)) is None:
                self._leaf(slot.name, slot)
                continue
            spans: list[tuple[int, int]] = []
            for leaf, place in self._leaves(inner, slot.name):
                size, _ = self._leaf(place, leaf)
                spans.append((self._reader.offset, size))
            if twice[slot.name] == 1:
                yield slot.name, _Made(inner, tuple(spans))
        self.end()

    def _leaves(self, node: Node, path: str) -> Iterator[tuple[Slot, str]]:
        """The leaves below a container, with their paths."""
        for number, slot in enumerate(node.container.slots):
            place = joined(path, slot.name)
            if (inner := node.inside.get(number)) is not None:
                yield from self._leaves(inner, place)
            else:
                yield slot, place

    def opaque(self) -> Iterator[tuple[str, int]]:
        for slot, place in self._leaves(self.root, ""):
            name = self._names.name(place, slot)
            size, _ = self._reader.file(name)
            if slot.opaque:
                yield name, size


def _is_stream(node: Node) -> bool:
    """Whether it is nothing but one content, and costly to compress again."""
    slots = node.container.slots
    return node.codec in HUNGRY and len(slots) == 1 and not slots[0].opaque


class _Lazy:
    """Chunks that are made from the first one on that is asked for."""

    def __init__(self, make: Callable[[], Chunks]) -> None:
        self._make = make
        self._chunks: Chunks | None = None

    @property
    def begun(self) -> bool:
        return self._chunks is not None

    def __iter__(self) -> Chunks:
        return self

    def __next__(self) -> bytes:
        if self._chunks is None:
            self._chunks = self._make()
        return next(self._chunks)


def exhaust(chunks: Chunks) -> None:
    for _ in chunks:
        pass
