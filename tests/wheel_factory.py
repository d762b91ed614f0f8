"""Small valid wheels, the same bytes for the same arguments."""

import base64
import hashlib
import io
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Wheel:
    name: str
    version: str
    file: str
    data: bytes
    metadata: bytes
    requires_python: str

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.data).hexdigest()


def make_wheel(
    name: str,
    version: str,
    *,
    requires: Iterable[str] = (),
    extras: Iterable[str] = (),
    requires_python: str = "",
    tag: str = "py3-none-any",
    files: Mapping[str, bytes] | None = None,
    entry_points: str = "",
    stored: bool = False,
    headers: Iterable[str] = (),
) -> Wheel:
    """`files` defaults to one module; `entry_points` is the text of `entry_points.txt`; `stored` leaves it uncompressed, so
    that its bytes do not depend on zlib; `headers` are lines of METADATA."""
    module = name.replace("-", "_")
    information = f"{module}-{version}.dist-info"
    metadata = _metadata(name, version, [*_asked(requires, extras, requires_python), *headers])
    members = dict(
        files if files is not None else {f"{module}/__init__.py": f"VERSION = {version!r}\n".encode()}
    )
    members[f"{information}/METADATA"] = metadata
    members[f"{information}/WHEEL"] = f"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: {tag}\n".encode()
    if entry_points:
        members[f"{information}/entry_points.txt"] = entry_points.encode()
    members[f"{information}/RECORD"] = _record(members, f"{information}/RECORD")
    return Wheel(
        name=name,
        version=version,
        file=f"{module}-{version}-{tag}.whl",
        data=_zip(members, zipfile.ZIP_STORED if stored else zipfile.ZIP_DEFLATED),
        metadata=metadata,
        requires_python=requires_python,
    )


def _asked(requires: Iterable[str], extras: Iterable[str], requires_python: str) -> list[str]:
    lines = [f"Requires-Python: {requires_python}"] if requires_python else []
    lines += [f"Provides-Extra: {extra}" for extra in extras]
    return lines + [f"Requires-Dist: {requirement}" for requirement in requires]


def _metadata(name: str, version: str, headers: Iterable[str]) -> bytes:
    lines = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}", *headers]
    return "\n".join([*lines, "", f"About {name}.", ""]).encode()


def _record(members: Mapping[str, bytes], own: str) -> bytes:
    lines = []
    for path, data in members.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
        lines.append(f"{path},sha256={digest},{len(data)}")
    return "\n".join([*lines, f"{own},,", ""]).encode()


def _zip(members: Mapping[str, bytes], method: int) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for path, data in members.items():
            entry = zipfile.ZipInfo(path, (1980, 1, 1, 0, 0, 0))
            entry.external_attr = 0o100644 << 16
            entry.compress_type = method
            archive.writestr(entry, data)
    return buffer.getvalue()
