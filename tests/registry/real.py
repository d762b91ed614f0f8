"""Debian's `docker-registry` on the loopback, with a folder of its own."""

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

_PATIENCE = 20
"""Seconds for it to answer."""


@contextmanager
def docker_registry(folder: Path, password: str = "") -> Iterator[str]:
    """Its host and port. With a `password`, only `plant` may do anything. Skips the test where the program is not installed."""
    if (program := shutil.which("docker-registry")) is None:
        pytest.skip("docker-registry is not installed")
    port = _free_port()
    folder.mkdir(parents=True, exist_ok=True)
    (configuration := folder / "config.yml").write_text(
        "version: 0.1\nlog: {level: error}\n"
        f"storage: {{filesystem: {{rootdirectory: {folder / 'data'}}}, delete: {{enabled: true}}}}\n"
        f"http: {{addr: '127.0.0.1:{port}'}}\n" + (_login(folder, password) if password else "")
    )
    with subprocess.Popen(
        (program, "serve", str(configuration)), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        try:
            _wait_for(port)
            yield f"127.0.0.1:{port}"
        finally:
            process.terminate()


def _login(folder: Path, password: str) -> str:
    """The part of the configuration; the registry takes nothing but bcrypt, which Perl asks the C library for."""
    code = "print crypt($ARGV[0], q($2y$05$abcdefghijklmnopqrstuu))"
    hashed = subprocess.run(("perl", "-e", code, password), capture_output=True, text=True, check=True).stdout
    if not hashed.startswith("$2y$"):
        pytest.skip("this C library has no bcrypt")
    (folder / "htpasswd").write_text(f"plant:{hashed}\n")
    return f"auth: {{htpasswd: {{realm: plant, path: '{folder / 'htpasswd'}'}}}}\n"


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        port: int = found.getsockname()[1]
        return port


def _wait_for(port: int) -> None:
    end = time.monotonic() + _PATIENCE
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.05)
