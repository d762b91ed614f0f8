"""The kinds that this airlock carries."""

from airlock.errors import IntegrityError
from airlock.kinds import Kind
from airlock.kinds.config import ConfigKind
from airlock.kinds.deb.kind import DebKind
from airlock.kinds.file import FileKind
from airlock.kinds.image.kind import ImageKind
from airlock.kinds.wheel.kind import WheelKind

_KINDS: tuple[Kind, ...] = (WheelKind(), FileKind(), ConfigKind(), DebKind(), ImageKind())


def kinds() -> tuple[Kind, ...]:
    """Every kind, in the order in which their artifacts are placed."""
    return _KINDS


def kind_named(name: str, where: str) -> Kind:
    """Raises IntegrityError that names `where` for a kind that this airlock does not know."""
    for kind in kinds():
        if kind.name == name:
            return kind
    known = ", ".join(kind.name for kind in kinds())
    raise IntegrityError(
        where, "unknown kind", expected=f"one of {known}", found=repr(name), hint="update airlock"
    )


def sections() -> frozenset[str]:
    return frozenset(kind.section for kind in kinds())
