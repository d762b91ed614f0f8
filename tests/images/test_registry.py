"""A registry that dies in the middle, sends other bytes than pinned, redirects, or wants a token."""

import base64
import hashlib
import json
from dataclasses import replace
from pathlib import Path

import pytest

from airlock.core.digest import parse_digest
from airlock.errors import AirlockError, FetchError, IntegrityError
from airlock.formats.lockfile import Lockfile
from airlock.net.tokens import bearer_challenge
from tests.images.conftest import Project, an_image, named
from tests.images.factory import Thing, image, signature
from tests.images.registry_server import Registry, serving
from tests.manifests import write

SECRET = "s3cret-t0ken"
BIG = b"".join(hashlib.sha256(bytes([high, low])).digest() for high in range(64) for low in range(256))
PLC = image({"bin/plc": BIG})


def locked(registry: Registry, project: Project, thing: Thing = PLC) -> Lockfile:
    registry.push("plant/plc", thing, "1")
    return project.lock(an_image(f"{registry.host}/plant/plc:1"))


def emptied(project: Project) -> Project:
    """The same project on another machine, which has only the lock."""
    return replace(project, cache="another")


def refusal(project: Project, lockfile: Lockfile) -> AirlockError:
    with pytest.raises(AirlockError) as caught:
        project.fetch(lockfile)
    return caught.value


def test_a_registry_that_dies_in_the_middle_of_a_layer_is_asked_for_the_rest(
    registry: Registry, project: Project
) -> None:
    lockfile = locked(registry, project)
    registry.cut, registry.cuts = 70_000, 3
    store = emptied(project).fetch(lockfile)
    assert parse_digest(PLC.layers[0]) in store
    ranges = [entry[1] for entry in registry.asked(PLC.layers[0])]
    assert ranges == ["", "bytes=65536-", "bytes=131072-", "bytes=196608-"]


def test_a_registry_that_stays_dead_leaves_a_beginning_that_the_next_run_continues(
    registry: Registry, project: Project
) -> None:
    lockfile, other = locked(registry, project), emptied(project)
    registry.cut, registry.cuts = 70_000, 6
    error = refusal(other, lockfile)
    assert isinstance(error, FetchError)
    registry.cut = 0
    registry.log.clear()
    other.fetch(lockfile)
    (layer,) = registry.asked(PLC.layers[0])
    assert layer[1].startswith("bytes="), "what was had is not asked for again"


def test_a_layer_of_other_bytes_is_refused_and_not_kept(registry: Registry, project: Project) -> None:
    lockfile, other = locked(registry, project), emptied(project)
    size = len(PLC.blobs[PLC.layers[0]])
    registry.blobs["plant/plc", PLC.layers[0]] = b"x" * size
    error = refusal(other, lockfile)
    assert isinstance(error, IntegrityError)
    assert "content does not match its digest" in str(error)
    registry.push("plant/plc", PLC)
    assert parse_digest(PLC.layers[0]) in other.fetch(lockfile)


def test_a_layer_that_does_not_end_is_cut_off(registry: Registry, project: Project) -> None:
    lockfile, other = locked(registry, project), emptied(project)
    registry.blobs["plant/plc", PLC.layers[0]] += b"and more"
    assert "longer than the lock says" in str(refusal(other, lockfile))


def test_a_manifest_of_other_bytes_is_refused(registry: Registry, project: Project) -> None:
    lockfile, other = locked(registry, project), emptied(project)
    registry.manifests["plant/plc", PLC.digest] = (PLC.media_type, image({"bin/plc": b"other"}).data)
    error = refusal(other, lockfile)
    assert isinstance(error, IntegrityError)
    assert "the registry sends another manifest" in str(error)


def test_a_tag_whose_manifest_is_not_what_the_registry_says_is_refused(
    registry: Registry, project: Project
) -> None:
    body = image({"bin/plc": b"other"}).data
    headers = {"Content-Type": PLC.media_type, "Docker-Content-Digest": PLC.digest}
    registry.raw["/v2/plant/plc/manifests/1"] = (200, headers, body)
    with pytest.raises(IntegrityError, match="the registry sends another manifest"):
        project.lock(an_image(f"{registry.host}/plant/plc:1"))


def test_a_blob_that_is_gone_is_told_with_its_place(registry: Registry, project: Project) -> None:
    lockfile, other = locked(registry, project), emptied(project)
    del registry.blobs["plant/plc", PLC.layers[0]]
    error = refusal(other, lockfile)
    assert isinstance(error, FetchError)
    assert "HTTP status 404" in str(error)


def test_a_redirect_is_followed_and_the_token_stays_behind(registry: Registry, project: Project) -> None:
    registry.token = SECRET
    lockfile, other = locked(registry, project), emptied(project)
    with serving() as storage:
        registry.elsewhere = storage.url
        for digest, data in PLC.blobs.items():
            storage.raw[f"/stored/{digest}"] = (200, {}, data)
        assert parse_digest(PLC.layers[0]) in other.fetch(lockfile)
        assert storage.log and all(entry[2] == "" for entry in storage.log)


def test_a_server_to_which_a_redirect_leads_gets_no_login(registry: Registry, project: Project) -> None:
    """It says 401, and names a token service of its own."""
    lockfile, other = locked(registry, project), emptied(project)
    with serving() as thief:
        log_in(project, registry.host)
        other.environment |= project.environment
        thief.token = "x"
        registry.elsewhere = thief.url
        error = refusal(other, lockfile)
        assert "HTTP status 401" in str(error)
        assert thief.tokens_given == []
        assert all(entry[2] == "" for entry in thief.log)


def test_a_token_is_asked_for_once_for_each_repository(registry: Registry, project: Project) -> None:
    registry.token = SECRET
    lockfile = locked(registry, project)
    emptied(project).fetch(lockfile)
    wanted = {"service": ["registry.example"], "scope": ["repository:plant/plc:pull"]}
    assert registry.tokens_given == [wanted, wanted], "once for the lock, once for the fetch"


@pytest.mark.parametrize("life", ["1" + "0" * 400, "1e999", "-1", "true", '"x"', "[]"])
def test_a_token_is_used_for_however_long_it_is_said_to_be_good(
    registry: Registry, project: Project, life: str
) -> None:
    registry.token = SECRET
    registry.raw["/token"] = (200, {}, f'{{"token":"{SECRET}","expires_in":{life}}}'.encode())
    assert "plc" in named(locked(registry, project))


def test_a_challenge_of_one_endless_word_is_looked_through_once() -> None:
    assert bearer_challenge("Bearer " + "a" * 1_000_000 + ', realm="here"') == {"realm": "here"}


def log_in(project: Project, host: str, **entry: str) -> None:
    entry = entry or {"auth": base64.b64encode(f"plant:{SECRET}".encode()).decode()}
    write(project.directory / "auth.json", json.dumps({"auths": {host: entry}}))
    project.environment["REGISTRY_AUTH_FILE"] = str(project.directory / "auth.json")


def test_a_token_service_is_shown_the_login_that_podman_and_docker_have(
    registry: Registry, project: Project
) -> None:
    registry.token, registry.login = "t", f"plant:{SECRET}"
    log_in(project, registry.host)
    assert "plc" in named(locked(registry, project))
    assert all(SECRET not in entry[2] for entry in registry.log if "/v2/" in entry[0])


def test_an_identity_token_is_exchanged(registry: Registry, project: Project) -> None:
    registry.token, registry.login = "t", f"plant:{SECRET}"
    log_in(project, registry.host, identitytoken=SECRET)
    assert "plc" in named(locked(registry, project))
    assert registry.tokens_given[0]["grant_type"] == ["refresh_token"]


def test_a_registry_may_ask_for_the_password_itself(registry: Registry, project: Project) -> None:
    registry.basic, registry.login = True, f"plant:{SECRET}"
    log_in(project, f"{registry.host}/plant")
    assert "plc" in named(locked(registry, project)), "the login is for this namespace alone"


def test_a_helper_keeps_the_login(registry: Registry, project: Project) -> None:
    registry.token, registry.login = "t", f"plant:{SECRET}"
    program = write(
        project.directory / "bin/docker-credential-vault",
        f'#!/bin/sh\n[ "$1 $(cat)" = "get {registry.host}" ] || exit 1\n'
        f'echo \'{{"Username": "plant", "Secret": "{SECRET}"}}\'\n',
    )
    program.chmod(0o755)
    write(project.directory / ".docker/config.json", json.dumps({"credHelpers": {registry.host: "vault"}}))
    project.environment |= {"HOME": str(project.directory), "PATH": f"{program.parent}:/usr/bin:/bin"}
    assert "plc" in named(locked(registry, project))


@pytest.mark.parametrize("name", ["../vault", "vault; rm -rf", "", "/bin/vault"])
def test_a_helper_is_no_path(registry: Registry, project: Project, name: str) -> None:
    registry.token, registry.login = "t", f"plant:{SECRET}"
    write(project.directory / ".docker/config.json", json.dumps({"credsStore": name}))
    project.environment |= {"HOME": str(project.directory), "PATH": f"{project.directory}:/usr/bin"}
    with pytest.raises(FetchError, match="HTTP status 401"):
        locked(registry, project)


@pytest.mark.parametrize("data", ["no json", "[]", '{"auths": ["x"]}', '{"auths": {"x": 1}}'])
def test_a_file_of_logins_that_cannot_be_read_is_named(
    registry: Registry, project: Project, data: str
) -> None:
    registry.token = SECRET
    path = write(project.directory / "auth.json", data)
    project.environment["REGISTRY_AUTH_FILE"] = str(path)
    with pytest.raises(FetchError, match=r"auth\.json: not a file of logins"):
        locked(registry, project)


def test_a_login_that_is_refused_is_told_and_shown_nowhere(
    registry: Registry, project: Project, capfd: pytest.CaptureFixture[str]
) -> None:
    registry.token, registry.login = "t", "plant:another"
    log_in(project, registry.host)
    with pytest.raises(FetchError) as caught:
        locked(registry, project)
    assert "HTTP status 401" in str(caught.value)
    assert "podman login" in str(caught.value.hint)
    shown = f"{caught.value!r}{caught.value}{caught.value.hint}{''.join(capfd.readouterr())}"
    assert SECRET not in shown


@pytest.mark.parametrize(
    "realm", ["ftp://x/token", "https://", "http://user:pass@x/token", "token", "http://x:y/"]
)
def test_a_token_service_that_is_none_is_not_asked(registry: Registry, project: Project, realm: str) -> None:
    registry.token, registry.realm = SECRET, realm
    with pytest.raises(FetchError, match="HTTP status 401"):
        locked(registry, project)


@pytest.mark.parametrize(
    "answer", [b"", b"[]", b"{}", b'{"token": 1}', b'{"token": "a\\r\\nX-Evil: 1"}', b"[" * 50_000]
)
def test_a_token_that_is_none_is_refused(registry: Registry, project: Project, answer: bytes) -> None:
    registry.token = SECRET
    registry.raw["/token"] = (200, {}, answer)
    with pytest.raises(FetchError, match="gave no token that can be used"):
        locked(registry, project)


def test_a_token_without_end_is_not_read_to_its_end(registry: Registry, project: Project) -> None:
    registry.token = SECRET
    registry.raw["/token"] = (200, {}, b" " * (2 << 20))
    with pytest.raises(FetchError, match="the answer is too large"):
        locked(registry, project)


def test_pages_of_referrers_that_do_not_end_are_not_followed_for_ever(
    registry: Registry, project: Project
) -> None:
    registry.push("plant/plc", PLC, "1")
    page = json.dumps({"schemaVersion": 2, "manifests": []}).encode()
    path = f"/v2/plant/plc/referrers/{PLC.digest}"
    headers = {"Content-Type": "application/vnd.oci.image.index.v1+json", "Link": f'<{path}>; rel="next"'}
    registry.raw[path] = (200, headers, page)
    with pytest.raises(IntegrityError, match="the list of what refers to it has no end"):
        project.lock(an_image(f"{registry.host}/plant/plc:1"))
    assert len(registry.asked(path)) == 32


def test_a_list_of_referrers_that_breaks_off_is_not_taken_for_all_of_them(
    registry: Registry, project: Project
) -> None:
    registry.push("plant/plc", PLC, "1")
    beside = registry.push("plant/plc", signature(PLC))
    path = f"/v2/plant/plc/referrers/{PLC.digest}"
    page = json.dumps({"schemaVersion": 2, "manifests": [beside.descriptor()]}).encode()
    headers = {
        "Content-Type": "application/vnd.oci.image.index.v1+json",
        "Link": f'<{path}/2>; rel="next"',
    }
    registry.raw = {path: (200, headers, page), f"{path}/2": (403, {}, b"")}
    with pytest.raises(FetchError, match="page 2: the registry refused: found HTTP status 403"):
        project.lock(an_image(f"{registry.host}/plant/plc:1"))


def test_pages_of_referrers_on_another_server_are_not_asked_for(registry: Registry, project: Project) -> None:
    registry.push("plant/plc", PLC, "1")
    beside = registry.push("plant/plc", signature(PLC))
    path = f"/v2/plant/plc/referrers/{PLC.digest}"
    page = json.dumps({"schemaVersion": 2, "manifests": [beside.descriptor()]}).encode()
    with serving() as other:
        headers = {
            "Content-Type": "application/vnd.oci.image.index.v1+json",
            "Link": f'<{other.url}{path}>; rel="next"',
        }
        registry.raw[path] = (200, headers, page)
        lockfile = project.lock(an_image(f"{registry.host}/plant/plc:1"))
        assert named(lockfile)["plc/beside-1"].digest == beside.digest
        assert other.log == []


def test_more_referrers_than_anybody_has_are_refused(registry: Registry, project: Project) -> None:
    registry.push("plant/plc", PLC, "1")
    row = signature(PLC).descriptor()
    registry.referrers = {("plant/plc", PLC.digest): [row] * 300}
    with pytest.raises(IntegrityError, match="too much refers to it: expected at most 256, found 300"):
        project.lock(an_image(f"{registry.host}/plant/plc:1"))


def test_nothing_is_fetched_twice(registry: Registry, project: Project, tmp_path: Path) -> None:
    lockfile = locked(registry, project)
    registry.log.clear()
    project.fetch(lockfile)
    assert [entry[0].rpartition("/")[2] for entry in registry.log] == [PLC.layers[0]]
