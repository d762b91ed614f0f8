"""A site, and `airlock serve` over it in a process of its own."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import requests

from tests.far.bundles import Item, Trust, bundle, file_item, later, put, site_at, wheel, wheel_item

TRUST = Trust.new()


def hello(version: str) -> Item:
    return wheel_item("hello", version, wheel("hello", version, {"hello.py": f"V = {version!r}\n".encode()}))


def version_of(number: int) -> list[Item]:
    """What release `number` of the site's project carries."""
    return [
        hello(f"{number}.0"),
        file_item("share/notice.txt", f"release {number}\n".encode()),
        file_item("share/secret.txt", b"not for everybody\n", mode="0640"),
    ]


def install(root: Path, number: int) -> None:
    data = bundle(version_of(number), version=f"{number}.0")
    put(site_at(root), TRUST.verified(data, counter=number), later(number))


class Served:
    """`log` is what the server has said since the last look, once it ended."""

    def __init__(self, url: str, process: "subprocess.Popen[str]") -> None:
        self.url, self._process, self.log = url, process, ""

    def get(self, path: str, **headers: str) -> requests.Response:
        """The path goes out as it is written."""
        with requests.Session() as session:
            request = session.prepare_request(requests.Request("GET", self.url, headers=headers))
            request.url = self.url + path
            return session.send(request, timeout=20, allow_redirects=False)

    def end(self) -> int:
        self._process.send_signal(signal.SIGTERM)
        _, self.log = self._process.communicate(timeout=20)
        return self._process.returncode


@contextmanager
def serving(root: Path, *options: str) -> Iterator[Served]:
    command = (
        sys.executable,
        "-m",
        "airlock",
        "serve",
        "--root",
        str(root),
        "--bind",
        "127.0.0.1:0",
        "--json",
    )
    process = subprocess.Popen(
        (*command, *options), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout
    try:
        lines = [process.stdout.readline() for _ in range(3)]
        yield (served := Served(json.loads("".join(lines))["url"], process))
        if process.poll() is None:
            served.end()
    finally:
        if process.poll() is None:
            process.kill()
            process.communicate()
