"""Documents of a bundle, made when it is built: bills of materials, by the libraries of their own standards.

Both are pure functions of one value, `Bill`, and of the releases that the lock pins: no clock, and identities that follow from
digests.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version

from airlock.connected.documents.bill import Bill, bill_of
from airlock.core.artifact import Encoder
from airlock.errors import TargetError, UsageError
from airlock.formats.documents import PinnedDocuments
from airlock.formats.index import Document
from airlock.formats.lockfile import Lockfile
from airlock.storage.documents import pack
from airlock.storage.store import Store

_TOOLS = {
    "cyclonedx": ("cyclonedx-python-lib", "license-expression", "packageurl-python", "py-serializable"),
    "spdx": ("license-expression", "spdx-tools"),
}
"""What decides the bytes of each form."""
_HINT = "install it with `pip install 'airlock-deploy[documents]'`"


@dataclass(frozen=True, slots=True, kw_only=True)
class Packed:
    """A document, and its frame."""

    document: Document
    frame: bytes


def pin_documents(forms: tuple[str, ...], where: str) -> PinnedDocuments | None:
    """The releases at hand; None where no form is asked for. Raises UsageError where a library is absent."""
    if not forms:
        return None
    names = sorted({name for form in forms for name in _TOOLS[form]})
    try:
        return PinnedDocuments(sbom=forms, tools={name: version(name) for name in names})
    except PackageNotFoundError as error:
        raise UsageError(f"{where}: documents", f"{error.name} is not installed", hint=_HINT) from error


def pack_documents(lockfile: Lockfile, target: str, store: Store) -> tuple[Packed, ...]:
    """What the lock asks for, sorted by name. Raises TargetError where other releases are at hand than it pins."""
    if lockfile.documents is None:
        return ()
    _check(lockfile.documents)
    bill = bill_of(lockfile, target, store)
    return tuple(
        sorted(_packed(bill, lockfile.documents, lockfile.encoder), key=lambda one: one.document.name)
    )


def _packed(bill: Bill, pinned: PinnedDocuments, encoder: Encoder) -> Iterator[Packed]:
    for form in pinned.sbom:
        if form == "cyclonedx":
            from airlock.connected.documents.cyclonedx import MEDIA, NAME, written
        else:
            from airlock.connected.documents.spdx import MEDIA, NAME, written
        document, frame = pack(NAME, MEDIA, written(bill), encoder)
        yield Packed(document=document, frame=frame)


def _check(pinned: PinnedDocuments) -> None:
    found: Mapping[str, str] = {}
    try:
        found = {name: version(name) for name in pinned.tools}
    except PackageNotFoundError as error:
        raise TargetError("the lock: documents", f"{error.name} is not installed", hint=_HINT) from error
    for name, expected in pinned.tools.items():
        if found[name] != expected:
            raise TargetError(
                "the lock: documents",
                f"the {name} at hand may write other bytes",
                expected=expected,
                found=found[name],
                hint=f"install `pip install {name}=={expected}`, or pin what is at hand with `airlock lock --upgrade`",
            )
