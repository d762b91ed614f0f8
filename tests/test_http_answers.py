"""What is kept of an answer, for how long, and by which way a question goes."""

import gzip
import json
import os
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from socket import gaierror

import pytest

from airlock.core.reporter import Silent
from airlock.core.web import Reply
from airlock.errors import FetchError
from airlock.net import Network, PipConfiguration
from airlock.net.addresses import Addresses
from airlock.net.kept import FRESH, Answers
from tests.index_server import JSON_TYPE, Index, serving
from tests.wheel_factory import make_wheel

URL = "https://index.example/simple/lib/"


def answer(body: bytes = b"{}", *, status: int = 200, gzipped: bool = False, **headers: str) -> Reply:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Reply(status=status, url=URL, headers=named, body=body, gzipped=gzipped)


DATE = {"date": "Wed, 25 Nov 2026 10:00:00 GMT"}


@pytest.mark.parametrize(
    ("headers", "kept", "fresh"),
    [
        ({}, True, True),
        ({"etag": '"1"'}, True, False),
        ({"last-modified": DATE["date"]}, True, True),
        ({"cache-control": "max-age=600, public"}, True, True),
        ({"cache-control": 'max-age="600"'}, True, True),
        ({"cache-control": "max-age=600", "age": "600"}, False, False),
        ({"cache-control": "max-age=0"}, False, False),
        ({"cache-control": "max-age=0", "etag": '"1"'}, True, False),
        ({"cache-control": "no-cache, max-age=600", "etag": '"1"'}, True, False),
        ({"cache-control": "no-store, max-age=600", "etag": '"1"'}, False, False),
        ({"cache-control": "max-age=600", "vary": "Authorization"}, False, False),
        ({"cache-control": "max-age=600", "vary": "*"}, False, False),
        ({"cache-control": "max-age=600", "vary": "Accept, Accept-Encoding"}, True, True),
        ({"expires": "Wed, 25 Nov 2099 10:05:00 GMT"}, True, True),
        ({"expires": DATE["date"], **DATE}, False, False),
        ({"expires": "nonsense"}, False, False),
        ({"cache-control": "max-age=nonsense"}, False, False),
        ({"pragma": "no-cache"}, False, False),
    ],
)
def test_an_answer_is_kept_and_fresh_as_rfc_9111_says(
    tmp_path: Path, headers: dict[str, str], kept: bool, fresh: bool
) -> None:
    answers = Answers(tmp_path)
    answers.keep(URL, "", Reply(status=200, url=URL, headers=headers, body=b"page"))
    found = answers.find(URL, "")
    assert (found is not None, found is not None and found.fresh) == (kept, fresh)
    assert answers.find(URL, JSON_TYPE) is None, "another form was asked for"


@pytest.mark.parametrize("status", [206, 404, 500])
def test_only_whole_and_good_answers_are_kept(tmp_path: Path, status: int) -> None:
    answers = Answers(tmp_path)
    answers.keep(URL, "", answer(status=status))
    assert answers.find(URL, "") is None


def test_an_answer_that_is_good_still_is_fresh_again_with_its_new_headers(tmp_path: Path) -> None:
    answers = Answers(tmp_path)
    answers.keep(URL, "", answer(b"page", etag='"1"', content_type=JSON_TYPE))
    kept = answers.find(URL, "")
    assert kept is not None and not kept.fresh
    assert kept.conditions == {"If-None-Match": '"1"'}
    same = answers.renew(URL, "", kept, answer(b"", status=304, cache_control="max-age=60"))
    assert (same.status, same.body, same.headers["content-type"]) == (200, b"page", JSON_TYPE)
    again = answers.find(URL, "")
    assert again is not None and again.fresh


@pytest.mark.parametrize("damage", [b"", b"{}\n", b"\0", b"[]\nx", b"null"])
def test_a_damaged_file_of_the_cache_is_none(tmp_path: Path, damage: bytes) -> None:
    answers = Answers(tmp_path)
    answers.keep(URL, "", answer(b"page"))
    (file,) = (path for path in tmp_path.rglob("*") if path.is_file())
    file.write_bytes(damage or file.read_bytes()[:-1])
    assert answers.find(URL, "") is None


def test_a_clock_that_was_put_back_keeps_nothing_fresh_for_longer(tmp_path: Path) -> None:
    answers = Answers(tmp_path)
    answers.keep(URL, "", answer(b"page"))
    (file,) = (path for path in tmp_path.rglob("*") if path.is_file())
    head, _, body = file.read_bytes().partition(b"\n")
    document = json.loads(head) | {"until": time.time() + 2 * FRESH}
    file.write_bytes(json.dumps(document).encode() + b"\n" + body)
    found = answers.find(URL, "")
    assert found is not None and not found.fresh


def test_answers_are_kept_in_a_folder_whose_name_is_no_text(tmp_path: Path) -> None:
    answers = Answers(tmp_path / os.fsdecode(b"caf\xe9"))
    answers.keep(URL, "", answer(b"page"))
    found = answers.find(URL, "")
    assert found is not None and found.reply.body == b"page"


def test_a_packed_body_is_unpacked_member_by_member() -> None:
    packed = gzip.compress(b"one, ") + gzip.compress(b"two")
    assert answer(packed, gzipped=True).content() == b"one, two"
    for broken in (packed[:-3], b"not packed", packed + b"more"):
        with pytest.raises(FetchError, match="broke off, or is packed in no known way"):
            answer(broken, gzipped=True).content()


def test_a_body_of_very_many_members_is_refused() -> None:
    with pytest.raises(FetchError, match="packed in no known way"):
        answer(gzip.compress(b"") * 1001, gzipped=True).content()
    assert answer(gzip.compress(b"a") * 1000, gzipped=True).content() == b"a" * 1000


@pytest.fixture
def index() -> Iterator[Index]:
    with serving(Index(etags=True)) as running:
        running.add(make_wheel("lib", "1"))
        yield running


def test_a_plain_question_needs_nothing_but_the_standard_library(tmp_path: Path, index: Index) -> None:
    network = Network(tmp_path, PipConfiguration({}, Silent()), attempts=0)
    try:
        reply = network.get(f"{index.simple}lib/")
        assert (reply.status, reply.headers["content-type"]) == (200, JSON_TYPE)
        assert network.get(f"{index.simple}lib/").body == reply.body
        assert network.get(f"{index.simple}gone/").status == 404
        assert [status for _, _, status in index.log] == [200, 304, 404]
        assert "_sessions" not in vars(network)
    finally:
        network.close()


def test_a_server_in_trouble_is_asked_again_and_the_first_attempt_counts(
    tmp_path: Path, index: Index
) -> None:
    index.failures = 2
    network = Network(tmp_path, PipConfiguration({}, Silent()), attempts=2, backoff=0.001)
    try:
        assert network.get(f"{index.simple}lib/").status == 200
        assert [status for _, _, status in index.log] == [503, 503, 200]
    finally:
        network.close()


def test_a_connection_that_the_server_closed_meanwhile_is_opened_anew(tmp_path: Path, index: Index) -> None:
    network = Network(tmp_path, PipConfiguration({}, Silent()), attempts=0)
    index.raw["/last"] = (200, {"Connection": "close"}, b"bye")
    try:
        for _ in range(2):
            assert network.get(f"{index.url}/last").content() == b"bye"
        assert "_sessions" not in vars(network)
    finally:
        network.close()


def test_a_host_is_looked_up_once_and_its_addresses_are_tried_in_turn(index: Index) -> None:
    """The server listens on IPv4 alone, whatever else `localhost` is."""
    port = int(index.url.rpartition(":")[2])
    addresses = Addresses()
    for _ in range(2):
        with addresses.connect("localhost", port, 5) as connection:
            assert connection.getpeername() == ("127.0.0.1", port)
    with pytest.raises(OSError):
        addresses.connect("localhost", 1, 5)


def test_nobody_waits_for_the_name_of_another_host_and_a_failure_is_told_to_all_who_wait() -> None:
    asked: list[str] = []
    waiting = threading.Event()

    def look_up(host: str, port: int, **_: object) -> list[object]:
        asked.append(host)
        if host == "slow.example":
            waiting.wait(30)
        raise gaierror(f"{host} is not known")

    addresses = Addresses(look_up)
    with ThreadPoolExecutor(4) as threads:
        slow = [threads.submit(addresses.connect, "slow.example", 1, 1) for _ in range(3)]
        with pytest.raises(gaierror, match="quick"):
            threads.submit(addresses.connect, "quick.example", 1, 1).result(10)
        waiting.set()
        for one in slow:
            with pytest.raises(gaierror, match="slow"):
                one.result(10)
    assert "quick.example" in asked
    with pytest.raises(gaierror):
        addresses.connect("quick.example", 1, 1)
    assert asked.count("quick.example") == 2, "it may have been lost on the way"
