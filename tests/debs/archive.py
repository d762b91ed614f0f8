"""A small archive of Debian packages: made by dpkg-deb, signed by a key of its own, served on the loopback."""

import gzip
import hashlib
import lzma
import os
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)
SUITE = "stable"
Tree = Mapping[str, str | bytes]


@dataclass(frozen=True)
class Key:
    """An OpenPGP key in a GnuPG home of its own."""

    home: Path
    fingerprint: str

    @property
    def public(self) -> bytes:
        return self._gpg("--export", self.fingerprint)

    @property
    def armored(self) -> bytes:
        return self._gpg("--armor", "--export", self.fingerprint)

    def sign(self, text: str, *options: str) -> bytes:
        return self._gpg("--clear-sign", *options, text=text)

    def _gpg(self, *arguments: str, text: str = "") -> bytes:
        command = ["gpg", "--batch", "--quiet", "--homedir", str(self.home), "--local-user", self.fingerprint]
        return subprocess.run(
            [*command, *arguments], input=text.encode(), capture_output=True, check=True
        ).stdout


@contextmanager
def new_key(name: str = "archive") -> Iterator[Key]:
    """Below /tmp, for the sockets of GnuPG's agent have short names."""
    home = Path(tempfile.mkdtemp(prefix="key-"))
    try:
        command = ["gpg", "--batch", "--quiet", "--homedir", str(home), "--passphrase", ""]
        made = ["--faked-system-time", "20260101T000000", "--quick-gen-key", f"{name} <{name}@example>"]
        subprocess.run([*command, *made, "ed25519", "sign", "0"], capture_output=True, check=True)
        listing = subprocess.run(
            [*command, "--with-colons", "-k"], capture_output=True, check=True, text=True
        )
        fingerprint = next(
            line.split(":")[9] for line in listing.stdout.splitlines() if line.startswith("fpr:")
        )
        yield Key(home, fingerprint)
    finally:
        subprocess.run(["gpgconf", "--homedir", str(home), "--kill", "all"], capture_output=True, check=False)
        shutil.rmtree(home, ignore_errors=True)


def make_deb(folder: Path, control: str, files: Tree, links: Mapping[str, str] | None = None) -> Path:
    """A package as dpkg-deb makes it. `files` are contents by path; those below `bin` are executable. `control` has at
    least Package and Version."""
    tree = Path(tempfile.mkdtemp(dir=folder))
    fields = {"Architecture": "amd64", "Maintainer": "nobody <nobody@example>", "Description": "for a test"}
    missing = "".join(f"{key}: {value}\n" for key, value in fields.items() if f"{key}:" not in control)
    _write(tree / "DEBIAN/control", control.strip() + "\n" + missing)
    for path, content in files.items():
        _write(tree / path, content)
        if "bin/" in path:
            (tree / path).chmod(0o755)
    for path, target in (links or {}).items():
        (tree / path).parent.mkdir(parents=True, exist_ok=True)
        (tree / path).symlink_to(target)
    environment = {**os.environ, "SOURCE_DATE_EPOCH": "1700000000"}
    command = ["dpkg-deb", "--root-owner-group", "-Zxz", "-b", str(tree), str(folder)]
    ran = subprocess.run(command, env=environment, capture_output=True, check=True, text=True)
    shutil.rmtree(tree)
    return Path(ran.stdout.split("'")[-2])


def _write(path: Path, content: str | bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)


@dataclass
class Archive:
    """What lies below `root` is served at `url`."""

    root: Path
    key: Key
    url: str = ""
    asked: list[str] = field(default_factory=list)
    _packages: dict[tuple[str, str], list[str]] = field(default_factory=dict)

    def add(
        self, control: str, files: Tree | None = None, suite: str = SUITE, **more: Mapping[str, str]
    ) -> Path:
        """Put a package into the pool, and its stanza into the suite; `publish` makes it known."""
        pool = self.root / "pool"
        pool.mkdir(parents=True, exist_ok=True)
        deb = make_deb(pool, control, files or {"usr/share/doc/readme": control}, more.get("links"))
        stanza = subprocess.run(
            ["dpkg-deb", "-f", str(deb)], capture_output=True, check=True, text=True
        ).stdout
        self.add_stanza(stanza.strip(), f"pool/{deb.name}", deb.read_bytes(), suite)
        return deb

    def add_stanza(self, stanza: str, path: str, data: bytes, suite: str = SUITE) -> None:
        """Whatever the stanza says."""
        architecture = next(
            (line[14:] for line in stanza.splitlines() if line.startswith("Architecture: ")), "amd64"
        )
        digest = hashlib.sha256(data).hexdigest()
        row = f"{stanza}\nFilename: {path}\nSize: {len(data)}\nSHA256: {digest}\n"
        for each in ("amd64", "arm64") if architecture == "all" else (architecture,):
            self._packages.setdefault((suite, each), []).append(row)

    def forget(self, suite: str = SUITE) -> None:
        self._packages = {key: rows for key, rows in self._packages.items() if key[0] != suite}

    def publish(self, suite: str = SUITE, date: datetime = NOW, **changes: str) -> None:
        """Write the suite's indexes and sign its Release. `changes` are fields of the Release, with underscores."""
        folder = self.root / "dists" / suite
        rows = []
        for architecture in ("amd64", "arm64"):
            data = "\n".join(self._packages.get((suite, architecture), [])).encode()
            path = f"main/binary-{architecture}/Packages"
            for name, content in (
                (path, data),
                (f"{path}.xz", lzma.compress(data)),
                (f"{path}.gz", gzip.compress(data)),
            ):
                digest = hashlib.sha256(content).hexdigest()
                rows.append(f" {digest} {len(content)} {name}")
                _write(folder / name, content)
                _write(folder / path.rpartition("/")[0] / "by-hash/SHA256" / digest, content)
        self.sign(release_text(suite, date, rows, changes), suite)

    def sign(self, text: str, suite: str = SUITE, key: Key | None = None) -> None:
        _write(self.root / "dists" / suite / "InRelease", (key or self.key).sign(text))

    def release(self, suite: str = SUITE) -> Path:
        return self.root / "dists" / suite / "InRelease"


def release_text(suite: str, date: datetime, rows: list[str], changes: Mapping[str, str]) -> str:
    fields = {
        "Origin": "Test",
        "Suite": suite,
        "Codename": suite,
        "Date": format_datetime(date).replace("+0000", "UTC"),
        "Valid-Until": format_datetime(date + timedelta(days=7)).replace("+0000", "UTC"),
        "Acquire-By-Hash": "yes",
        "Architectures": "amd64 arm64",
        "Components": "main",
        **{key.replace("_", "-"): value for key, value in changes.items()},
    }
    head = "".join(f"{key}: {value}\n" for key, value in fields.items() if value)
    return head + "SHA256:\n" + "\n".join(rows) + "\n"


@contextmanager
def serving(archive: Archive) -> Iterator[Archive]:
    class Handler(SimpleHTTPRequestHandler):
        def log_message(self, format: str, *arguments: object) -> None:
            archive.asked.append(self.path)

    archive.root.mkdir(parents=True, exist_ok=True)
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(archive.root)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    archive.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield archive
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
