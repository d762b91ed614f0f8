"""Logins, certificates and proxies, from where pip's and uv's users have them, through a local TLS server and a local proxy;
and servers that behave badly."""

import base64
import gc
import json
import os
import ssl
import threading
import time
import tracemalloc
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from socket import SO_REUSEADDR, SOL_SOCKET, socket

import pytest
import trustme

from airlock.core.reporter import Silent
from airlock.core.web import MAX_CONTENT
from airlock.errors import AirlockError, FetchError, IntegrityError, ResolutionError
from airlock.kinds.wheel.obtain import obtain
from airlock.kinds.wheel.remote import RangesIgnored, RemoteFile
from airlock.net import Network, Patience, PipConfiguration
from tests.commands import Outcome, Shell
from tests.index_server import JSON_TYPE, Index, serving
from tests.locking import Workplace, pins
from tests.proxy_server import Proxy, forwarding
from tests.wheel_factory import make_wheel

SECRET = "s3cret-t0ken"


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


@pytest.fixture
def index() -> Iterator[Index]:
    with serving(Index()) as running:
        running.add(make_wheel("lib", "1"))
        yield running


@pytest.fixture
def place(tmp_path: Path, index: Index) -> Workplace:
    (tmp_path / "project").mkdir()
    return Workplace(directory=tmp_path / "project", index=index, cache=tmp_path / "cache")


FORGOTTEN = [
    *("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_CERT", "PIP_PROXY", "NETRC"),
    *("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"),
    *(
        "http_proxy",
        "https_proxy",
        "HTTP_PROXY",
        "HTTPS_PROXY",
        "all_proxy",
        "ALL_PROXY",
        "no_proxy",
        "NO_PROXY",
    ),
]
"""What this machine may have in its environment."""


@dataclass(slots=True, kw_only=True)
class Desk:
    """A user's shell with a home of its own, and what is in it."""

    place: Workplace
    home: Path
    environment: dict[str, str] = field(default_factory=dict)

    def lock(self, code: int = 0) -> Outcome:
        (self.place.directory / "airlock.toml").write_text(self.place.text('requirements = ["lib"]'))
        environment = {"AIRLOCK_CACHE": str(self.place.cache), "HOME": str(self.home)}
        environment |= {"PIP_CONFIG_FILE": os.devnull, **self.environment}
        forgotten = (part for name in FORGOTTEN if name not in environment for part in ("-u", name))
        shell = Shell(
            directory=self.place.directory, environment=environment, prefix=("/usr/bin/env", *forgotten)
        )
        return shell.airlock("lock", code=code)

    def pip(self, **options: object) -> None:
        """Write the user's pip.conf."""
        lines = "".join(f"{key.replace('_', '-')} = {value}\n" for key, value in options.items())
        file = self.home / "pip.conf"
        file.write_text(f"[global]\n{lines}")
        self.environment["PIP_CONFIG_FILE"] = str(file)

    def written(self) -> str:
        """Everything that the command left behind, caches too."""
        roots = (self.place.directory, self.place.cache)
        files = (path for root in roots for path in root.rglob("*") if path.is_file())
        return "\n".join(path.read_bytes().decode("latin-1") for path in files if path.name != "airlock.toml")


@pytest.fixture(autouse=True)
def _let_go() -> Iterator[None]:
    """An answer that is given up leaves a temporary file of the cache's to the garbage collector, which warns of it."""
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


@pytest.fixture
def desk(place: Workplace, tmp_path: Path) -> Desk:
    (tmp_path / "home").mkdir()
    return Desk(place=place, home=tmp_path / "home")


# Logins


def program(desk: Desk, text: str) -> None:
    folder = desk.home / "bin"
    folder.mkdir()
    (folder / "keyring").write_text(f"#!/bin/sh\n{text}\n")
    (folder / "keyring").chmod(0o755)
    desk.environment["PATH"] = f"{folder}:/usr/bin:/bin"


def by_url(desk: Desk) -> None:
    login = desk.place.index.simple.replace("://", f"://user:{SECRET}@")
    desk.place.indexes["default"] = login


def by_pip(desk: Desk) -> None:
    desk.pip(index_url=desk.place.index.simple.replace("://", f"://user:{SECRET}@"))
    desk.place.indexes["default"] = ""


def by_netrc(desk: Desk) -> None:
    file = desk.home / ".netrc"
    file.write_text(f"machine 127.0.0.1 login user password {SECRET}\n")
    file.chmod(0o600)


def by_variables(desk: Desk) -> None:
    desk.environment |= {"AIRLOCK_INDEX_DEFAULT_USERNAME": "user", "AIRLOCK_INDEX_DEFAULT_PASSWORD": SECRET}


def by_variables_of_uv(desk: Desk) -> None:
    desk.environment |= {"UV_INDEX_DEFAULT_USERNAME": "user", "UV_INDEX_DEFAULT_PASSWORD": SECRET}


def by_keyring_program(desk: Desk) -> None:
    program(desk, f'[ "$*" = "--mode creds get {desk.place.index.simple}" ] && printf "user\\n{SECRET}\\n"')


def by_keyring_program_and_user(desk: Desk) -> None:
    desk.place.indexes["default"] = desk.place.index.simple.replace("://", "://user@")
    program(desk, f'[ "$1 $3" = "get user" ] && echo {SECRET}')


def by_keyring_library(desk: Desk) -> None:
    folder = desk.home / "python"
    folder.mkdir()
    (folder / "keyring.py").write_text(
        "from types import SimpleNamespace\n"
        "def get_credential(service, user):\n"
        f"    return SimpleNamespace(username='user', password={SECRET!r}) if '127.0.0.1' in service else None\n"
    )
    desk.environment["PYTHONPATH"] = str(folder)


WAYS = [
    by_url,
    by_pip,
    by_netrc,
    by_variables,
    by_variables_of_uv,
    by_keyring_program,
    by_keyring_program_and_user,
    by_keyring_library,
]


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
def test_a_login_is_found_and_written_nowhere(desk: Desk, index: Index, way: object) -> None:
    index.authorization = basic("user", SECRET)
    way(desk)  # type: ignore[operator]
    said = desk.lock()
    assert "lib" in (desk.place.directory / "airlock.lock").read_text()
    for text in (said.stdout, said.stderr, desk.written()):
        assert SECRET not in text
        assert index.authorization not in text
    assert "127.0.0.1" not in (desk.place.directory / "airlock.lock").read_text()


def test_the_keyring_is_asked_only_where_a_login_is_wanted(desk: Desk, index: Index) -> None:
    program(desk, f"touch {desk.home}/asked; exit 1")
    desk.lock()
    assert not (desk.home / "asked").exists()


def test_a_keyring_that_pip_is_told_not_to_use_is_not_asked(desk: Desk, index: Index) -> None:
    index.authorization = basic("user", SECRET)
    program(desk, f"touch {desk.home}/asked; exit 1")
    desk.environment["PATH"] += f":{Path(desk.home / 'bin')}"
    desk.pip(keyring_provider="disabled")
    said = desk.lock(code=4)
    assert not (desk.home / "asked").exists()
    assert "AIRLOCK_INDEX_DEFAULT_PASSWORD" in said.stderr


def test_a_wrong_password_is_told_without_it(desk: Desk, index: Index) -> None:
    index.authorization = basic("user", "another")
    by_url(desk)
    said = desk.lock(code=4)
    assert "HTTP status 401" in said.stderr
    assert SECRET not in said.stderr


def test_a_login_is_kept_back_where_the_server_sends_to_another_host(place: Workplace, index: Index) -> None:
    with serving(Index()) as other:
        other.add(make_wheel("lib", "1"))
        index.raw["/simple/lib/"] = (
            302,
            {"Location": other.url.replace("127.0.0.1", "localhost") + "/simple/lib/"},
            b"",
        )
        place.indexes["default"] = index.simple.replace("://", f"://user:{SECRET}@")
        assert place.pins('requirements = ["lib"]') == {"lib": "1"}
        assert index.sent[0]["authorization"] == basic("user", SECRET)
        assert other.sent and all("authorization" not in headers for headers in other.sent)


def test_a_login_goes_to_the_files_of_its_server_and_to_no_other(place: Workplace, index: Index) -> None:
    with serving(Index()) as other:
        other.add(make_wheel("far", "1"))
        index.authorization = basic("user", SECRET)
        rows = [
            {
                "filename": "far-1-py3-none-any.whl",
                "url": f"{other.url}/files/far-1-py3-none-any.whl",
                "hashes": {},
            }
        ]
        body = json.dumps({"meta": {"api-version": "1.0"}, "name": "far", "files": rows}).encode()
        index.raw["/simple/far/"] = (200, {"Content-Type": JSON_TYPE}, body)
        place.indexes["default"] = index.simple.replace("://", f"://user:{SECRET}@")
        assert place.pins('requirements = ["lib", "far"]') == {"lib": "1", "far": "1"}
        assert index.asked("/files/lib"), "asked with the login, or it would be 401"
        assert other.sent and all("authorization" not in headers for headers in other.sent)


# Certificates


@dataclass(frozen=True, slots=True)
class Secure:
    index: Index
    authority: Path


@pytest.fixture
def secure(tmp_path: Path) -> Iterator[Secure]:
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    authority.cert_pem.write_to_path(str(tmp_path / "authority.pem"))
    with serving(Index(), context) as running:
        running.add(make_wheel("lib", "1"))
        yield Secure(running, tmp_path / "authority.pem")


@pytest.mark.parametrize("variable", ["PIP_CERT", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "pip.conf"])
def test_an_authority_of_ones_own_is_trusted_as_pip_is_told(
    desk: Desk, secure: Secure, variable: str
) -> None:
    desk.place.indexes["default"] = secure.index.simple
    if variable == "pip.conf":
        desk.pip(cert=str(secure.authority))
    else:
        desk.environment[variable] = str(secure.authority)
    desk.lock()
    assert secure.index.asked("/simple/lib/")


def test_a_certificate_of_nobody_is_refused_with_a_way_on(desk: Desk, secure: Secure) -> None:
    desk.place.indexes["default"] = secure.index.simple
    said = desk.lock(code=4)
    assert "the server's certificate is not trusted" in said.stderr
    assert "pip config set global.cert" in said.stderr
    assert secure.index.log == []


def test_a_redirect_out_of_tls_is_refused(desk: Desk, secure: Secure, index: Index) -> None:
    desk.place.indexes["default"] = secure.index.simple
    desk.environment["SSL_CERT_FILE"] = str(secure.authority)
    secure.index.raw["/simple/lib/"] = (302, {"Location": f"{index.simple}lib/"}, b"")
    said = desk.lock(code=4)
    assert "sends to what is no http or https address, or out of https" in said.stderr
    assert index.log == []


# Proxies


@pytest.mark.parametrize("login", ["", f"user:{SECRET}@"])
@pytest.mark.parametrize("way", ["variable", "pip.conf"])
def test_a_proxy_is_used_as_the_environment_or_pip_says(
    desk: Desk, secure: Secure, way: str, login: str
) -> None:
    proxy = Proxy(authorization=basic("user", SECRET) if login else "")
    with forwarding(proxy):
        desk.place.indexes["default"] = secure.index.simple
        if way == "variable":
            desk.environment |= {"SSL_CERT_FILE": str(secure.authority), "HTTPS_PROXY": proxy.url(login)}
        else:
            desk.pip(proxy=proxy.url(login), cert=secure.authority)
        said = desk.lock()
    assert proxy.log and all(line.startswith("CONNECT localhost:") for line in proxy.log)
    assert SECRET not in said.stderr + desk.written()


def test_plain_requests_go_through_a_proxy_too_and_no_proxy_is_heard(desk: Desk, index: Index) -> None:
    with forwarding(Proxy()) as proxy:
        desk.place.indexes["default"] = index.simple.replace("127.0.0.1", "index.invalid")
        desk.environment["HTTP_PROXY"] = proxy.url()
        desk.lock()
        assert any(line.endswith("/simple/lib/") for line in proxy.log)
        count = len(proxy.log)
        desk.place.indexes["default"] = index.simple
        desk.environment["NO_PROXY"] = "127.0.0.1"
        (desk.place.directory / "airlock.lock").unlink()
        desk.lock()
        assert len(proxy.log) == count


def test_a_proxy_that_wants_a_password_is_told_without_any(desk: Desk, secure: Secure) -> None:
    with forwarding(Proxy(authorization=basic("user", "another"))) as proxy:
        desk.place.indexes["default"] = secure.index.simple
        desk.environment |= {
            "SSL_CERT_FILE": str(secure.authority),
            "HTTPS_PROXY": proxy.url(f"user:{SECRET}@"),
        }
        said = desk.lock(code=4)
    assert "the proxy cannot be used" in said.stderr
    assert SECRET not in said.stderr


# Servers that behave badly

QUICK = Patience(connect=2, read=0.4, piece=0.4, again=0.05)


@contextmanager
def network(tmp_path: Path, attempts: int = 1, patience: Patience = QUICK) -> Iterator[Network]:
    opened = Network(
        tmp_path / "http", PipConfiguration({}, Silent()), attempts=attempts, backoff=0.001, patience=patience
    )
    try:
        yield opened
    finally:
        opened.close()


def answer(connection: socket, pieces: tuple[bytes | float, ...], over: threading.Event) -> None:
    with connection, suppress(OSError):
        connection.recv(65536)
        for piece in pieces:
            if isinstance(piece, bytes):
                connection.sendall(piece)
            else:
                over.wait(piece)
        while pieces[-1] and isinstance(pieces[-1], bytes) and not over.is_set():
            connection.sendall(pieces[-1])


@contextmanager
def scripted(*pieces: bytes | float) -> Iterator[str]:
    """A server that sends these bytes to everyone, pausing for the numbers (seconds), and the last piece over and over."""
    listener = socket()
    listener.setsockopt(SOL_SOCKET, SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", 0))
    listener.listen(20)
    over = threading.Event()

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=answer, args=(connection, pieces, over), daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/file"
    finally:
        over.set()
        listener.shutdown(2)
        listener.close()


HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n"


def drip(piece: bytes, pause: float, count: int) -> list[bytes | float]:
    return [part for _ in range(count) for part in (piece, pause)]


@pytest.mark.parametrize(
    ("pieces", "message"),
    [
        ([30.0, b""], "no answer in time|cannot be reached"),
        ([HEAD, 30.0, b""], "no answer in time|cannot be reached"),
        ([*drip(b"H", 0.1, 300), b""], "cannot be reached"),
        ([HEAD + b"Content-Length: 99\r\n\r\n", 30.0, b""], "too slow|broke off|in time"),
        ([HEAD + b"Content-Length: 999\r\n\r\n", *drip(b"x", 0.1, 300), b""], "too slow"),
        ([HEAD + b"Transfer-Encoding: chunked\r\n\r\n", *drip(b"1\r\nx\r\n", 0.1, 300), b""], "too slow"),
        ([HEAD + b"Content-Length: 99\r\n\r\nshort", b""], "broke off"),
    ],
    ids=[
        "silent",
        "half-a-head",
        "dripping-head",
        "silent-body",
        "dripping-body",
        "dripping-chunks",
        "cut-off",
    ],
)
def test_a_server_that_stalls_or_breaks_off_ends_in_an_error(
    tmp_path: Path, pieces: list[bytes | float], message: str
) -> None:
    began = time.monotonic()
    with scripted(*pieces) as url, network(tmp_path) as web:
        with pytest.raises(FetchError, match=message):
            web.get(url)
        with pytest.raises(FetchError, match=message), web.download(url) as reply:
            b"".join(reply.chunks)
    assert time.monotonic() - began < 25, "it did not wait for the server"


@pytest.mark.parametrize(
    "body",
    [
        HEAD + b"\r\n",
        HEAD + b"Content-Length: 99999999999\r\n\r\n",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n",
    ],
    ids=["until-closed", "announced", "chunked"],
)
def test_a_body_without_end_is_given_up(tmp_path: Path, body: bytes) -> None:
    piece = b"x" * (1 << 20)
    if b"chunked" in body:
        piece = b"%x\r\n%s\r\n" % (len(piece), piece)
    patience = Patience(connect=2, read=5, piece=20)
    too_large = pytest.raises(FetchError, match=f"too large: expected at most {MAX_CONTENT} bytes")
    with scripted(body, piece) as url, network(tmp_path, patience=patience) as web, too_large:
        web.get(url)


@pytest.mark.parametrize("chunked", [False, True])
def test_the_body_of_a_redirect_is_not_taken_in(tmp_path: Path, chunked: bool) -> None:
    head, piece = b"HTTP/1.1 302 Found\r\nLocation: /file\r\n", b"x" * (1 << 20)
    if chunked:
        head, piece = head + b"Transfer-Encoding: chunked\r\n", b"%x\r\n%s\r\n" % (len(piece), piece)
    with scripted(head + b"\r\n", *[piece] * 32, b"") as url, network(tmp_path) as web:
        tracemalloc.start()
        try:
            with pytest.raises(FetchError, match="without end"), web.download(url):
                pass
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert peak < 16 << 20


@pytest.mark.parametrize(
    "head", [b"302 Found\r\nLocation: /file", b"503 Busy", b"429 Slower\r\nRetry-After: 0"]
)
def test_what_nobody_reads_of_an_answer_is_not_waited_for(tmp_path: Path, head: bytes) -> None:
    began = time.monotonic()
    pieces = [b"HTTP/1.1 %s\r\n\r\n" % head, *drip(b"x", 0.1, 200), b""]
    with scripted(*pieces) as url, network(tmp_path) as web, pytest.raises(FetchError), web.download(url):
        pass
    assert time.monotonic() - began < 15


def test_a_redirect_that_says_little_leaves_its_connection_to_the_next_question(tmp_path: Path) -> None:
    leading = b"HTTP/1.1 302 Found\r\nLocation: /there\r\nContent-Length: 5\r\n\r\nthere"
    there = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nhere"
    patience = Patience()
    with (
        scripted(leading, 0.5, there, 0.0) as url,
        network(tmp_path, patience=patience) as web,
        web.download(url) as found,
    ):
        assert b"".join(found.chunks) == b"here"


def test_a_compressed_body_that_swells_is_given_up(tmp_path: Path, index: Index) -> None:
    import zlib

    bomb = zlib.compressobj(9, wbits=31)
    data = b"".join(bomb.compress(bytes(1 << 20)) for _ in range(80)) + bomb.flush()
    index.raw["/simple/lib/"] = (200, {"Content-Encoding": "gzip", "Content-Type": JSON_TYPE}, data)
    with (
        network(tmp_path, patience=Patience()) as web,
        pytest.raises(FetchError, match="the answer is too large"),
    ):
        web.get(f"{index.simple}lib/").content()


@pytest.mark.parametrize(
    "after",
    [
        *("100000", "Wed, 21 Oct 2099 07:28:00 GMT", "nonsense", "-5", "9" * 5000),
        "Wed, 21 Oct 99999999999999 07:28:00 GMT",
    ],
    ids=["long", "instant", "nonsense", "negative", "endless", "no-year"],
)
def test_a_server_that_asks_to_wait_is_heard_but_not_for_ever(
    tmp_path: Path, index: Index, after: str
) -> None:
    index.raw["/simple/lib/"] = (429, {"Retry-After": after}, b"")
    with network(tmp_path, attempts=2) as web, pytest.raises(FetchError, match="HTTP status 429") as caught:
        web.get(f"{index.simple}lib/")
    assert "try again later" in str(caught.value.hint)
    assert len(index.asked("/simple/lib/")) == 3


def test_a_part_that_begins_nowhere_is_refused(tmp_path: Path, index: Index) -> None:
    index.raw["/simple/lib/"] = (206, {"Content-Range": f"bytes {'1' * 5000}-1/2"}, b"x")
    url = f"{index.simple}lib/"
    refused = pytest.raises(FetchError, match="which part it is")
    with network(tmp_path) as web, refused, web.download(url):
        pass
    with network(tmp_path) as web, pytest.raises(RangesIgnored):
        RemoteFile(web, url)


def test_redirects_without_end_are_given_up(tmp_path: Path, index: Index) -> None:
    index.raw["/simple/lib/"] = (302, {"Location": f"{index.simple}lib/"}, b"")
    with (
        network(tmp_path) as web,
        pytest.raises(FetchError, match="from one address to the next without end"),
    ):
        web.get(f"{index.simple}lib/")


@pytest.mark.parametrize(
    "target", ["file:///etc/passwd", "javascript:alert(1)", "ftp://127.0.0.1/x", "//[bad/"]
)
def test_a_redirect_to_what_is_no_web_address_is_refused(tmp_path: Path, index: Index, target: str) -> None:
    index.raw["/simple/lib/"] = (302, {"Location": target}, b"")
    with (
        network(tmp_path) as web,
        pytest.raises(FetchError, match=r"no http or https address|cannot be reached"),
    ):
        web.get(f"{index.simple}lib/")


# Poisoned pages


def page(index: Index, body: bytes | list[dict[str, object]], kind: str = JSON_TYPE) -> None:
    if isinstance(body, list):
        body = json.dumps({"meta": {"api-version": "1.0"}, "name": "lib", "files": body}).encode()
    index.raw["/simple/lib/"] = (200, {"Content-Type": kind}, body)


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"{", JSON_TYPE),
        (b"[]", JSON_TYPE),
        (b'{"meta": {"api-version": "1.0"}, "files": 7}', JSON_TYPE),
        (b"[" * 100_000, JSON_TYPE),
        (b'{"meta": {"api-version": ' + b"9" * 10_000 + b'}, "files": []}', JSON_TYPE),
        (b"\xff\xfe", JSON_TYPE),
        (b"<html>please log in</html>", "application/pdf"),
        (b'<meta name="pypi:repository-version" content="2.0">', "text/html"),
    ],
)
def test_a_page_that_is_none_is_refused_by_name(
    place: Workplace, index: Index, body: bytes, kind: str
) -> None:
    page(index, body, kind)
    with pytest.raises(
        FetchError, match=r"index default: lib: (not a page of a simple index|unknown version)"
    ):
        place.lock('requirements = ["lib"]')


EVIL: list[dict[str, object]] = [
    {"filename": "lib-9-py3-none-any.whl", "url": "javascript:alert(1)", "hashes": {}},
    {"filename": "lib-9.1-py3-none-any.whl", "url": "file:///etc/passwd", "hashes": {}},
    {"filename": "lib-9.2-py3-none-any.whl", "url": "//[::/x.whl", "hashes": {}},
    {"filename": "../lib-9.3-py3-none-any.whl", "url": "x.whl", "hashes": {}},
    {"filename": "other-9.4-py3-none-any.whl", "url": "x.whl", "hashes": {}},
    {"filename": "lib-" + "9" * 5_000 + "-py3-none-any.whl", "url": "x.whl", "hashes": {}},
    {"filename": "lib-9.5-py3-none-any.whl\x1b[2J", "url": "x.whl", "hashes": {}},
    {"filename": None, "url": "x.whl"},
    {"filename": "lib-9.6-py3-none-any.whl"},
]


def test_rows_of_other_projects_and_with_odd_links_are_left_out(place: Workplace, index: Index) -> None:
    good: dict[str, object] = {
        "filename": "lib-1-py3-none-any.whl",
        "url": "../../files/lib-1-py3-none-any.whl",
        "hashes": {},
    }
    page(index, [*EVIL, good])
    assert place.pins('requirements = ["lib"]') == {"lib": "1"}


def test_links_of_html_that_lead_nowhere_are_left_out(place: Workplace, index: Index) -> None:
    links = "".join(f'<a href="{row.get("url")}#sha256=00">{row["filename"]}</a>' for row in EVIL)
    html = f'<base href="javascript:x">{links}<a href="{index.url}/files/lib-1-py3-none-any.whl">ok</a><a><a href>'
    page(index, html.encode(), "text/html")
    assert place.pins('requirements = ["lib"]') == {"lib": "1"}


@pytest.mark.parametrize("size", [-1, 1 << 60, "1", 1.5, True])
def test_a_size_that_makes_no_sense_is_none(place: Workplace, index: Index, size: object) -> None:
    url = "../../files/lib-1-py3-none-any.whl"
    page(index, [{"filename": "lib-1-py3-none-any.whl", "url": url, "hashes": {}, "size": size}])
    [artifact] = place.lock('requirements = ["lib"]').artifacts_for("plant")
    assert artifact.size == len(index.projects["lib"][0].data)


# Lies


def test_a_file_whose_bytes_differ_from_its_hash_is_refused(place: Workplace, index: Index) -> None:
    locked = place.lock('requirements = ["lib"]')
    [artifact] = locked.artifacts_for("plant")
    index.raw[f"/files/{artifact.file}"] = (200, {}, b"x" * artifact.size)
    place.cache = place.cache.parent / "another-machine"
    with place.near() as near:
        with pytest.raises(IntegrityError, match="content does not match its digest"):
            obtain(artifact, place.manifest("requirements = []"), near)
        assert artifact.digest not in near.store


def test_metadata_that_disagrees_with_its_wheel_is_seen_when_the_wheel_comes(
    place: Workplace, index: Index
) -> None:
    """The index hides a requirement: the hash that it advertises is that of its own lie."""
    index.metadata = "advertised"
    true = make_wheel("app", "1", requires=["lib"])
    index.add(true)
    lie = make_wheel("app", "1").metadata
    from dataclasses import replace

    index.projects["app"] = [replace(index.projects["app"][0], metadata=lie)]
    python = 'requirements = ["app"]'
    locked = place.lock(python)
    assert pins(locked) == {"app": "1"}
    [artifact] = locked.artifacts_for("plant")
    for cache in ("cache", "another-machine"):
        place.cache = place.cache.parent / cache
        with place.near() as near:
            for _ in range(2):
                with pytest.raises(IntegrityError, match="served other metadata than the wheel has"):
                    obtain(artifact, place.manifest(python), near)
                assert artifact.digest not in near.store
    index.metadata = "absent"
    assert pins(place.lock(python)) == {"app": "1", "lib": "1"}, "the lie was forgotten"


def test_metadata_that_disagrees_is_seen_at_once_where_the_wheel_is_there(
    place: Workplace, index: Index
) -> None:
    """An index without hashes makes us fetch the wheel while locking."""
    index.metadata, index.hashes, index.sizes = "advertised", False, False
    from dataclasses import replace

    index.add(make_wheel("app", "1", requires=["lib"]))
    index.projects["app"] = [replace(index.projects["app"][0], metadata=make_wheel("app", "1").metadata)]
    with pytest.raises((IntegrityError, ResolutionError), match="served other metadata"):
        place.lock('requirements = ["app"]')


def test_no_error_text_has_a_login_or_a_token(tmp_path: Path, index: Index) -> None:
    urls = [
        f"http://user:{SECRET}@127.0.0.1:9/x",
        f"{index.url}/gone?signature={SECRET}",
        f"file://user:{SECRET}@host/x",
        f"{index.url.replace('://', f'://user:{SECRET}@')}/gone.whl?token={SECRET}",
    ]
    with network(tmp_path) as web:
        for url in urls:
            with pytest.raises(AirlockError) as caught, web.download(url) as reply:
                b"".join(reply.chunks)
            assert SECRET not in f"{caught.value} {caught.value.hint} {caught.value!r}"
