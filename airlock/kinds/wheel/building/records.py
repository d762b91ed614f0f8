"""What earlier builds came to, below the cache: named by everything that decides it, so good for ever."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from airlock.core.canonical_json import dumps
from airlock.storage.atomic import write_atomically

_FORMAT = 1
"""Raised where a build of the same source with the same tools would come to something else."""


@dataclass(frozen=True, slots=True)
class Records:
    folder: Path

    def read(self, *key: object) -> Mapping[str, Any] | None:
        """None where there is none, or none that can be read: then it is made again."""
        try:
            found = json.loads(self._place(key).read_bytes())
        except (OSError, ValueError):
            return None
        return found if isinstance(found, dict) else None

    def write(self, record: Mapping[str, Any], *key: object) -> None:
        write_atomically(self._place(key), dumps(dict(record)))

    def _place(self, key: tuple[object, ...]) -> Path:
        name = hashlib.sha256(dumps([_FORMAT, *map(str, key)])).hexdigest()
        return self.folder / name[:2] / f"{name}.json"
