"""Documents of a bundle or delta: small, each in a zstd frame of its own."""

import io

from airlock.core.artifact import Encoder
from airlock.core.digest import digest_of
from airlock.errors import IntegrityError
from airlock.formats.index import BundleIndex, Document
from airlock.storage.archive import Archive
from airlock.storage.frames import compress, decompress


def pack(name: str, media: str, data: bytes, encoder: Encoder) -> tuple[Document, bytes]:
    """The row of the index, and the frame."""
    out = io.BytesIO()
    compress(io.BytesIO(data), len(data), out, encoder)
    return Document(name=name, media=media, size=len(data), digest=digest_of(data)), out.getvalue()


def read_document(archive: Archive, document: Document) -> bytes:
    """Checked. Raises IntegrityError."""
    where = f"{archive.where}: {document.member}"
    with archive.open(document.member) as frame:
        return b"".join(decompress(frame, document.digest, document.size, where))


def check_documents(archive: Archive, index: BundleIndex) -> None:
    """Every document of the index is there and whole. Raises IntegrityError."""
    for document in index.documents:
        if document.member not in archive.members:
            raise IntegrityError(
                f"{archive.where}: member {document.member}", "missing, though the index names it"
            )
        with archive.open(document.member) as frame:
            for _ in decompress(frame, document.digest, document.size, f"{archive.where}: {document.member}"):
                pass
