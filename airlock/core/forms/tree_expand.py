"""Take an artifact apart into `tree/1`, proven: the deciding half.

Each container inside another is proven when it is opened, by building it from its parts; the outermost by running the
decoder over the whole expanded form. What fails is opened again with every stream compared to its end, and then left as
it is.
"""

import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import BinaryIO

from airlock.core.canonical_json import dumps, loads
from airlock.core.digest import CHUNK, Hasher
from airlock.core.expanded import Expansion
from airlock.core.fields import Fields
from airlock.core.forms.codec import (
    HEAD,
    MAX_CORRECTIONS,
    MAX_MADE,
    MAX_PARTS,
    MAX_STRUCTURE,
    Chunks,
    Codec,
    CodecSet,
    Container,
    Opened,
    Part,
    Room,
)
from airlock.core.forms.nodes import (
    FORM,
    HUNGRY,
    MAX_DEPTH,
    MAX_HUNGRY,
    MAX_RECIPE,
    LeafNames,
    Node,
    joined,
    write_recipe,
)
from airlock.core.forms.record import MAX_RECORD, Rows, record_of
from airlock.core.forms.registry import codecs as all_codecs
from airlock.core.forms.spool import Scratch
from airlock.core.forms.tree import built, exhaust
from airlock.core.plain_tar import END, write_file
from airlock.errors import IntegrityError

_WHERE = f"expanding to {FORM}"
_GROWTH, _ALWAYS = 100, 1 << 30
"""A container stays closed if its contents, or those of all containers that were looked into so far, are more than
`_ALWAYS` bytes and more than `_GROWTH` times as large as it, or as the artifact."""


def expand(original: BinaryIO, expanded: BinaryIO, codecs: CodecSet) -> Expansion | None:
    """None where no codec restores the outermost container."""
    scratch = Scratch()
    try:
        return _Expander(scratch, codecs).expand(original, expanded)
    finally:
        scratch.close()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Plan:
    """A container that was opened; `inside` as in Node."""

    codec: str
    opened: Opened
    container: Container
    inside: "Mapping[int, _Plan]" = field(default_factory=dict)
    originals: Mapping[int, BinaryIO] = field(default_factory=dict)
    """Of those inside, their own bytes."""

    @property
    def record(self) -> int | None:
        number = record_of(self.container.slots)
        small = number is not None and self.opened.parts[number].size <= MAX_RECORD // 2
        return number if small and number not in self.inside else None

    def node(self) -> Node:
        return Node(
            codec=self.codec,
            container=self.container,
            recipe=self.opened.recipe,
            structure=self.opened.structure,
            corrections=self.opened.corrections,
            record=self.record,
            inside={number: plan.node() for number, plan in self.inside.items()},
        )


class _Expander:
    def __init__(self, scratch: Scratch, codecs: CodecSet) -> None:
        self._scratch, self._codecs, self._parts = scratch, codecs, 0
        self._room = Room(0)

    def expand(self, original: BinaryIO, expanded: BinaryIO) -> Expansion | None:
        size = original.seek(0, io.SEEK_END)
        original.seek(0)
        head = original.read(HEAD)
        for codec in _candidates(head):
            for thorough in (False, True):
                self._parts, self._room = 0, Room(max(_ALWAYS, _GROWTH * size))
                plan = self._opened(codec, original, thorough)
                if plan is None:
                    break
                try:
                    plan = self._with_inside(plan, ())
                    if _write(plan, expanded) and _proven(expanded, original):
                        node = plan.node()
                        return Expansion(
                            form=FORM,
                            codecs=tuple(sorted(node.codecs)),
                            file_codecs=tuple(sorted(node.file_codecs)),
                        )
                except IntegrityError:
                    break
        return None

    def _opened(self, codec: Codec, original: BinaryIO, thorough: bool) -> _Plan | None:
        before = self._room.left
        opened = codec.open(original, self._codecs, thorough=thorough, room=self._room)
        if opened is None or self._parts + len(opened.parts) > MAX_PARTS:
            return None
        # Formats that compress nothing take no room themselves, but what lies in them does once it is looked into.
        self._room.left = min(self._room.left, before - sum(part.size for part in opened.parts))
        if self._room.left < 0:
            return None
        recipe = Fields(loads(dumps(opened.recipe), _WHERE), _WHERE, IntegrityError)
        container = codec.parse(recipe, opened.structure, opened.corrections, _WHERE)
        if len(container.slots) != len(opened.parts):
            raise AssertionError(f"{codec.name} does not parse what it wrote")
        return _Plan(codec=codec.name, opened=opened, container=container)

    def _with_inside(self, plan: _Plan, above: tuple[str, ...]) -> _Plan:
        """`above` are the codecs of the containers that it is inside of."""
        self._parts += len(plan.opened.parts)
        around = (*above, plan.codec)
        if len(around) == MAX_DEPTH:
            return plan
        full = sum(name in HUNGRY for name in around) >= MAX_HUNGRY
        inside: dict[int, _Plan] = {}
        originals: dict[int, BinaryIO] = {}
        for number, (part, slot) in enumerate(zip(plan.opened.parts, plan.container.slots, strict=True)):
            candidates = [] if slot.opaque else _candidates(_head(part))
            if full:
                candidates = [codec for codec in candidates if codec.name not in HUNGRY]
            if not candidates:
                continue
            original = self._scratch.keep(part.read())
            found = self._inner(candidates, original, part.size)
            if found is not None:
                inside[number] = self._with_inside(found, around)
                originals[number] = original
        return _Plan(
            codec=plan.codec,
            opened=plan.opened,
            container=plan.container,
            inside=inside,
            originals=originals,
        )

    def _inner(self, candidates: Sequence[Codec], original: BinaryIO, size: int) -> _Plan | None:
        """The first codec's that is proven on its own."""
        for codec in candidates:
            for thorough in (False, True):
                plan = self._opened(codec, original, thorough)
                if plan is None or _grows(plan, size):
                    break
                made = plan.container.build(part.read() for part in plan.opened.parts)
                if _same(made, original):
                    return plan
        return None


def _candidates(head: bytes) -> list[Codec]:
    return [codec for codec in all_codecs() if codec.matches(head)]


def _head(part: Part) -> bytes:
    if part.head is not None:
        return part.head
    head = b""
    for chunk in part.read():
        head += chunk
        if len(head) >= HEAD:
            break
    return head[:HEAD]


def _grows(plan: _Plan, size: int) -> bool:
    return sum(part.size for part in plan.opened.parts) > max(_ALWAYS, _GROWTH * size)


def _write(plan: _Plan, expanded: BinaryIO) -> bool:
    """False where a limit is passed."""
    expanded.seek(0)
    expanded.truncate()
    node = plan.node()
    recipe = write_recipe(node)
    structure = b"".join(each.structure for each in node.walk())
    corrections = b"".join(each.corrections for each in node.walk())
    made = sum(each.container.made for each in node.walk())
    if len(recipe) > MAX_RECIPE or len(structure) > MAX_STRUCTURE or len(corrections) > MAX_CORRECTIONS:
        return False
    if made > MAX_MADE:
        return False
    write_file(expanded, "recipe.json", len(recipe), [recipe])
    write_file(expanded, "structure", len(structure), [structure])
    if corrections:
        write_file(expanded, "corrections", len(corrections), [corrections])
    _write_leaves(plan, "", expanded, LeafNames())
    expanded.write(END)
    return True


def _write_leaves(plan: _Plan, path: str, expanded: BinaryIO, names: LeafNames) -> None:
    rows, record = Rows(), plan.record
    for number, (part, slot) in enumerate(zip(plan.opened.parts, plan.container.slots, strict=True)):
        place = joined(path, slot.name)
        hasher = Hasher() if record is not None and number < record and not slot.opaque else None
        if (inner := plan.inside.get(number)) is not None:
            _write_leaves(inner, place, expanded, names)
            if hasher:
                exhaust(hasher.watch(_chunks(plan.originals[number])))
        elif number == record:
            template = rows.template(b"".join(part.read()))
            write_file(expanded, names.name(place, slot), len(template), [template])
        else:
            chunks = hasher.watch(part.read()) if hasher else part.read()
            write_file(expanded, names.name(place, slot), part.size, chunks)
        if hasher:
            rows.add(slot, hasher)


def _chunks(stream: BinaryIO) -> Chunks:
    stream.seek(0)
    while chunk := stream.read(CHUNK):
        yield chunk


def _proven(expanded: BinaryIO, original: BinaryIO) -> bool:
    """Whether the decoder restores the very bytes."""
    expanded.seek(0)
    return _same(built(expanded), original)


def _same(made: Iterator[bytes], original: BinaryIO) -> bool:
    """Whether what was made is what `original` holds. Stops at the first piece that differs."""
    position = 0
    try:
        for piece in made:
            original.seek(position)
            if original.read(len(piece)) != piece:
                return False
            position += len(piece)
    except IntegrityError:
        return False
    original.seek(position)
    return not original.read(1)
