"""Archives that `docker save` and `podman save` write: configurations and layers, but no manifest.

The manifest is made here, always the same: its digest is not the one that a registry gives the image, for that depends on how
somebody compressed the layers when he pushed them.
"""

import json
from collections.abc import Iterator
from typing import Any, BinaryIO

from airlock.core.digest import Digest, digest_of, parse_digest
from airlock.core.fields import Fields
from airlock.errors import IntegrityError, UsageError
from airlock.oci.documents import (
    MAX_CONFIG,
    MAX_DOCUMENT,
    OCI_CONFIG,
    OCI_LAYER,
    OCI_MANIFEST,
    Descriptor,
    Document,
    parse_document,
    read_json,
    write_descriptor,
)
from airlock.oci.files import Files

MANIFEST = "manifest.json"


class Saved:
    saved = True

    def __init__(self, files: Files, where: str) -> None:
        self._files, self._where = files, where
        table = {"images": self._json(MANIFEST, MAX_DOCUMENT)}
        self._entries = list(Fields(table, f"{where}: {MANIFEST}", IntegrityError).tables("images"))
        self._names: dict[Digest, str] = {}
        """Of the files that hold the blobs of the image that was chosen."""
        self._manifest = b""

    def document(self, tag: str) -> Document:
        entry = self._chosen(tag)
        config_name, layer_names = entry.text("Config"), entry.texts("Layers")
        config = self._read(config_name, MAX_CONFIG)
        where = f"{self._where}: {config_name}"
        layers = list(
            self._layers(Fields(read_json(config, where, MAX_CONFIG), where, IntegrityError), layer_names)
        )
        self._names = {digest_of(config): config_name}
        self._names |= {layer.digest: name for layer, name in zip(layers, layer_names, strict=True)}
        described = Descriptor(media_type=OCI_CONFIG, digest=digest_of(config), size=len(config))
        self._manifest = _manifest(described, layers)
        return parse_document(self._manifest, OCI_MANIFEST, f"{self._where}: the manifest made of it")

    def open(self, digest: Digest) -> tuple[BinaryIO, int]:
        if (name := self._names.get(digest)) is None:
            raise IntegrityError(self._where, "a blob is missing", expected=digest)
        return self._files.open(name), self._files.size(name) or 0

    def beside(self, digest: Digest) -> Iterator[tuple[str, Document]]:
        return iter(())

    def _chosen(self, tag: str) -> Fields:
        names = [_names(entry) for entry in self._entries]
        found = [
            entry
            for entry, known in zip(self._entries, names, strict=True)
            if not tag or any(tag in (name, name.rpartition(":")[2]) for name in known)
        ]
        if len(found) == 1:
            return found[0]
        what = f"has no image {tag!r}" if tag else f"has {len(found)} images"
        known = ", ".join(sorted(name for row in names for name in row)) or "none with a name"
        raise UsageError(self._where, what, hint=f"say with `tag` which one is meant: there are {known}")

    def _layers(self, config: Fields, names: tuple[str, ...]) -> Iterator[Descriptor]:
        """A layer is not compressed here, so that the configuration already says its digest."""
        digests = config.table("rootfs").texts("diff_ids")
        if len(digests) != len(names):
            raise config.fault("rootfs.diff_ids", f"expected {len(names)}, one a layer, found {len(digests)}")
        for text, name in zip(digests, names, strict=True):
            if (size := self._files.size(name)) is None:
                raise IntegrityError(self._where, "a layer is missing", expected=name)
            digest = parse_digest(text, f"{config.where}: rootfs.diff_ids")
            yield Descriptor(media_type=OCI_LAYER, digest=digest, size=size)

    def _json(self, name: str, limit: int) -> Any:
        return read_json(self._read(name, limit), f"{self._where}: {name}", limit)

    def _read(self, name: str, limit: int) -> bytes:
        with self._files.open(name) as stream:
            return stream.read(limit + 1)


def _names(entry: Fields) -> tuple[str, ...]:
    """An image without a name has none, or null."""
    return () if entry.raw("RepoTags") is None else entry.texts("RepoTags")


def _manifest(config: Descriptor, layers: list[Descriptor]) -> bytes:
    document = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": write_descriptor(config),
        "layers": [write_descriptor(layer) for layer in layers],
    }
    return json.dumps(document, separators=(",", ":")).encode()
