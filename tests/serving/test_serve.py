"""What a site holds, served to its network: what is asked for by name, compared before it is sent, and nothing else."""

import hashlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from airlock import cli
from airlock.airgapped.rollback import rollback
from airlock.airgapped.serving.catalogue import catalogue
from airlock.core.artifact import HealthCheck
from airlock.errors import TargetError
from airlock.kinds.registry import kinds
from tests.far.bundles import bundle, later, put, site_at
from tests.serving.server import TRUST, Served, install, serving, version_of

JSON = "application/vnd.pypi.simple.v1+json"


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("site") / "root"
    install(path, 1)
    install(path, 2)
    return path


@pytest.fixture(scope="module")
def served(root: Path) -> Iterator[Served]:
    with serving(root) as found:
        yield found


def link_of(served: Served, version: str) -> str:
    page = served.get("/simple/hello/", Accept=JSON).json()
    row = next(file for file in page["files"] if f"-{version}-" in file["filename"])
    return str(row["url"]).removeprefix("../..")


def test_a_project_page_names_the_wheels_of_every_generation_that_is_kept(served: Served) -> None:
    page = served.get("/simple/hello/", Accept=JSON).json()
    assert page["meta"] == {"api-version": "1.1"}
    assert page["versions"] == ["1.0", "2.0"]
    assert [set(file) >= {"filename", "url", "hashes", "size", "core-metadata"} for file in page["files"]]


def test_a_wheel_comes_with_the_bytes_that_its_page_promises(served: Served) -> None:
    for row in served.get("/simple/hello/", Accept=JSON).json()["files"]:
        data = served.get(row["url"].removeprefix("../..")).content
        assert hashlib.sha256(data).hexdigest() == row["hashes"]["sha256"]
        assert len(data) == row["size"]


def test_metadata_beside_a_wheel_is_that_in_it(served: Served) -> None:
    for row in served.get("/simple/hello/", Accept=JSON).json()["files"]:
        data = served.get(row["url"].removeprefix("../..") + ".metadata").content
        assert hashlib.sha256(data).hexdigest() == row["core-metadata"]["sha256"]
        assert b"Name: hello" in data


@pytest.mark.parametrize(
    ("accept", "answer"),
    [
        (JSON, JSON),
        (f"{JSON}, text/html;q=0.1", JSON),
        (f"{JSON};q=0.1, text/html", "text/html; charset=utf-8"),
        ("application/vnd.pypi.simple.v1+html", "application/vnd.pypi.simple.v1+html"),
        ("*/*", "text/html; charset=utf-8"),
        ("nonsense", "text/html; charset=utf-8"),
    ],
)
def test_the_page_is_in_the_form_that_the_client_prefers(served: Served, accept: str, answer: str) -> None:
    reply = served.get("/simple/hello/", Accept=accept)
    assert reply.headers["Content-Type"] == answer
    assert reply.headers["Vary"] == "Accept"


def test_an_address_without_its_last_slash_leads_to_the_one_with_it(served: Served) -> None:
    for path, location in (("/simple", "simple/"), ("/simple/hello", "hello/")):
        reply = served.get(path)
        assert (reply.status_code, reply.headers["Location"]) == (301, location)


def test_a_file_is_served_at_its_destination_from_the_generation_in_use(served: Served) -> None:
    assert served.get("/files/share/notice.txt").text == "release 2\n"


def test_a_file_that_not_everybody_may_read_is_not_served(served: Served, root: Path) -> None:
    assert (root / "current/share/secret.txt").exists()
    assert served.get("/files/share/secret.txt").status_code == 404


@pytest.mark.parametrize(
    "path",
    [
        "/../../../../../../etc/passwd",
        "/files/../../state/journal.jsonl",
        "/files/%2e%2e/%2e%2e/state/journal.jsonl",
        "/files/share/..%2f..%2f..%2fstate%2fjournal.jsonl",
        "/files//share/notice.txt",
        "/files/share/notice.txt/",
        "/files/share/notice.txt%00",
        "//files/share/notice.txt",
        "/files/share",
        "/files/",
        "/state/trust/root.json",
        "/current/share/notice.txt",
        "/simple/HELLO/../hello/",
        "/packages/",
    ],
)
def test_a_path_that_nothing_names_is_refused(served: Served, path: str) -> None:
    reply = served.get(path)
    assert (reply.status_code, reply.text) == (404, "not here\n")


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND"])
def test_a_write_is_refused(served: Served, method: str) -> None:
    reply = requests.request(method, f"{served.url}/files/share/notice.txt", data=b"x", timeout=20)
    assert reply.status_code == 405
    assert set(reply.headers["Allow"].split(", ")) == {"GET", "HEAD"}
    assert served.get("/files/share/notice.txt").text == "release 2\n"


def test_a_part_is_sent_to_who_asks_for_a_part(served: Served) -> None:
    path = link_of(served, "1.0")
    whole = served.get(path).content
    part = served.get(path, Range="bytes=10-29")
    assert (part.status_code, part.content) == (206, whole[10:30])
    assert part.headers["Content-Range"] == f"bytes 10-29/{len(whole)}"
    assert served.get(path, Range=f"bytes={len(whole)}-").status_code == 416


def test_who_has_it_already_is_told_so(served: Served) -> None:
    for path in (link_of(served, "1.0"), "/simple/hello/", "/files/share/notice.txt"):
        tag = served.get(path).headers["ETag"]
        assert served.get(path, **{"If-None-Match": f'"other", {tag}'}).status_code == 304
        assert served.get(path, **{"If-None-Match": '"other"'}).status_code == 200


def test_a_head_tells_the_size_and_sends_nothing(served: Served) -> None:
    path = link_of(served, "1.0")
    reply = requests.head(served.url + path, timeout=20)
    assert int(reply.headers["Content-Length"]) == len(served.get(path).content)
    assert reply.content == b""


def test_a_browser_runs_nothing_that_is_served(served: Served) -> None:
    for path in ("/files/share/notice.txt", "/simple/", "/nothing"):
        headers = served.get(path).headers
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert "sandbox" in headers["Content-Security-Policy"]


def test_pip_installs_from_it(served: Served, tmp_path: Path) -> None:
    command = (
        sys.executable,
        "-m",
        "pip",
        "install",
        "--isolated",
        "--no-cache-dir",
        "--target",
        str(tmp_path),
    )
    done = subprocess.run(
        (*command, "--index-url", f"{served.url}/simple/", "Hello==1.0"), capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "V = '1.0'" in (tmp_path / "hello.py").read_text()


def test_uv_installs_from_it(served: Served, tmp_path: Path) -> None:
    place = ("--target", str(tmp_path / "there"), "--python", sys.executable)
    source = ("--no-config", "--no-cache", "--index-url", f"{served.url}/simple/")
    done = subprocess.run(("uv", "pip", "install", *place, *source, "hello"), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "V = '2.0'" in (tmp_path / "there" / "hello.py").read_text()


def test_curl_takes_up_where_it_was_cut_off(served: Served, tmp_path: Path) -> None:
    path = link_of(served, "2.0")
    whole = served.get(path).content
    (tmp_path / "part").write_bytes(whole[:50])
    done = subprocess.run(
        ("curl", "-fsS", "-C", "-", "-o", str(tmp_path / "part"), served.url + path), capture_output=True
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "part").read_bytes() == whole


def _state(root: Path) -> dict[str, tuple[int, int]]:
    return {str(path): (path.lstat().st_mtime_ns, path.lstat().st_size) for path in root.rglob("*")}


def test_nothing_below_the_root_is_written(root: Path, served: Served) -> None:
    before = _state(root)
    for path in (link_of(served, "1.0"), "/files/share/notice.txt", "/simple/"):
        served.get(path)
    assert _state(root) == before


def test_an_update_shows_without_a_restart(tmp_path: Path) -> None:
    install(tmp_path / "site", 1)
    with serving(tmp_path / "site") as served:
        assert served.get("/files/share/notice.txt").text == "release 1\n"
        install(tmp_path / "site", 2)
        assert served.get("/files/share/notice.txt").text == "release 2\n"
        assert served.get("/simple/hello/", Accept=JSON).json()["versions"] == ["1.0", "2.0"]


def test_a_rollback_shows_without_a_restart(tmp_path: Path) -> None:
    install(tmp_path / "site", 1)
    install(tmp_path / "site", 2)
    with serving(tmp_path / "site") as served:
        assert served.get("/files/share/notice.txt").text == "release 2\n"
        rollback(site_at(tmp_path / "site"), None, later(50))
        assert served.get("/files/share/notice.txt").text == "release 1\n"


def test_what_failed_its_health_check_is_not_offered(tmp_path: Path) -> None:
    install(tmp_path / "site", 1)
    sick = bundle(version_of(2), version="2.0", health=HealthCheck(command=("false",), timeout=5))
    with pytest.raises(TargetError):
        put(site_at(tmp_path / "site"), TRUST.verified(sick, counter=2), later(2))
    offers = catalogue(site_at(tmp_path / "site"), kinds()).offers
    assert [path for path in offers if "hello-2.0" in path] == []
    assert [path for path in offers if path.endswith("hello-1.0-py3-none-any.whl")]


def test_a_file_that_was_changed_by_hand_is_not_served(tmp_path: Path) -> None:
    install(tmp_path / "site", 1)
    with serving(tmp_path / "site") as served:
        assert served.get("/files/share/notice.txt").status_code == 200
        (tmp_path / "site/current/share/notice.txt").write_text("malice 1\n\n")
        reply = served.get("/files/share/notice.txt")
        assert reply.status_code == 500
        assert "malice" not in reply.text
        served.end()
        assert "not what was installed" in served.log


def test_a_link_in_the_place_of_a_file_or_folder_is_not_followed(tmp_path: Path) -> None:
    install(tmp_path / "site", 1)
    share = tmp_path / "site/generations/1/share"
    copy = tmp_path / "elsewhere"
    with serving(tmp_path / "site") as served:
        share.rename(copy)
        share.symlink_to(copy)
        assert served.get("/files/share/notice.txt").status_code == 500
        share.unlink()
        copy.rename(share)
        (share / "notice.txt").rename(share / "other.txt")
        (share / "notice.txt").symlink_to("other.txt")
        assert served.get("/files/share/notice.txt").status_code == 500


def test_a_wheel_whose_stored_content_was_damaged_is_not_served(tmp_path: Path) -> None:
    install(tmp_path / "site", 1)
    for frame in (tmp_path / "site/store/frames").iterdir():
        data = bytearray(frame.read_bytes())
        data[len(data) // 2] ^= 1
        frame.write_bytes(data)
    with serving(tmp_path / "site") as served:
        assert served.get(link_of(served, "1.0")).status_code == 500
        assert served.get("/files/share/notice.txt").status_code == 200


def test_a_wheel_that_the_store_no_longer_has_is_not_named(tmp_path: Path) -> None:
    install(tmp_path / "site", 1)
    for frame in (tmp_path / "site/store/frames").iterdir():
        frame.unlink()
    with serving(tmp_path / "site") as served:
        assert served.get("/simple/hello/").status_code == 404
        assert served.get("/files/share/notice.txt").status_code == 200


def test_it_ends_well_when_it_is_told_to_and_leaves_nothing_behind(tmp_path: Path) -> None:
    install(tmp_path / "site", 1)
    (spool := tmp_path / "spool").mkdir()
    with serving(tmp_path / "site", "--spool", str(spool)) as served:
        served.get(link_of(served, "1.0"))
        assert len(list(spool.iterdir())) == 1
        assert served.end() == 0
    assert list(spool.iterdir()) == []


def test_an_empty_root_is_told_so(tmp_path: Path) -> None:
    with pytest.raises(TargetError, match="nothing is installed here"):
        catalogue(site_at(tmp_path), kinds())


@pytest.mark.parametrize(
    "bind", ["127.0.0.1", ":80", "127.0.0.1:x", "127.0.0.1:70000", "127.0.0.1:00000099999"]
)
def test_an_address_that_cannot_be_meant_is_told_so(bind: str, tmp_path: Path) -> None:
    assert cli.main(["serve", "--root", str(tmp_path), "--bind", bind]) == 2
