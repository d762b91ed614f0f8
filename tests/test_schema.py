"""Every parser and its schema agree on every fixture, and the formats keep what they are given."""

import json
import tomllib
from collections.abc import Callable
from datetime import date, datetime, time
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from airlock.core import canonical_json
from airlock.core.artifact import Artifact, Encoder, HealthCheck, Project
from airlock.core.codecs import SETS
from airlock.core.digest import digest_of
from airlock.core.fields import Fields
from airlock.core.paths import MAX_PART, MAX_PATH, TURNING, safe_path
from airlock.core.target import Target
from airlock.errors import IntegrityError, UsageError
from airlock.formats.delta_index import parse_delta_index, write_delta_index
from airlock.formats.findings import parse_report
from airlock.formats.index import parse_index, write_index
from airlock.formats.kit import parse_kit_table, write_kit_table
from airlock.formats.lockfile import Cutoff, LockedArtifact, Lockfile, Seed, parse_lockfile, write_lockfile
from airlock.formats.manifest import parse_manifest
from airlock.formats.trust import parse_root, parse_targets, signed_index
from airlock.formats.trust_fields import read_particulars, read_policy
from airlock.formats.volume import parse_header, write_header
from airlock.kinds import Kind
from airlock.kinds.config import ConfigKind
from airlock.kinds.deb.kind import DebKind
from airlock.kinds.file import FileKind
from airlock.kinds.image.kind import ImageKind

REPOSITORY = Path(__file__).parent.parent
FIXTURES = REPOSITORY / "fixtures"
FORMATS = ("manifest", "lockfile", "index", "delta_index", "trust_root", "targets", "volume", "audit", "kit")
SECTIONS = ("python", "file", "config", "deb", "image")
KINDS: tuple[Kind, ...] = (FileKind(), ConfigKind(), DebKind(), ImageKind())


def fixtures(kind: str) -> list[Any]:
    found = [path for name in FORMATS for path in (FIXTURES / name / kind).iterdir()]
    return [pytest.param(path, id=f"{path.parent.parent.name}-{path.stem}") for path in sorted(found)]


def as_json(value: object) -> object:
    """TOML's dates as JSON has them."""
    match value:
        case dict():
            return {key: as_json(item) for key, item in value.items()}
        case list():
            return [as_json(item) for item in value]
        case datetime() | date() | time():
            return value.isoformat()
        case _:
            return value


def schema_accepts(path: Path) -> bool:
    name = path.relative_to(FIXTURES).parts[0]
    schema = json.loads((REPOSITORY / "schema" / f"{name}.json").read_text())
    data = path.read_text()
    document = json.loads(data) if path.suffix == ".json" else as_json(tomllib.loads(data))
    return bool(Draft202012Validator(schema).is_valid(document))


PARSERS: dict[str, Callable[[bytes, str], object]] = {
    "index": parse_index,
    "delta_index": parse_delta_index,
    "volume": parse_header,
    "kit": parse_kit_table,
    "lockfile": parse_lockfile,
    "audit": parse_report,
    "trust_root": lambda data, where: read_policy(parse_root(data, where).signed, where),
    "targets": lambda data, where: _read_targets(data, where),
    "manifest": lambda data, where: _read_manifest(data, where),
}


def _read_targets(data: bytes, where: str) -> object:
    targets = parse_targets(data, where)
    return signed_index(targets, where), read_particulars(targets.signed, where)


def _read_manifest(data: bytes, where: str) -> object:
    manifest = parse_manifest(data, where, SECTIONS, FIXTURES / "manifest")
    for kind in KINDS:
        kind.fingerprint(manifest, where, FIXTURES / "manifest")
    return manifest


def parse(path: Path) -> object:
    return PARSERS[path.relative_to(FIXTURES).parts[0]](path.read_bytes(), path.name)


@pytest.mark.parametrize("name", FORMATS)
def test_each_schema_is_one(name: str) -> None:
    Draft202012Validator.check_schema(json.loads((REPOSITORY / "schema" / f"{name}.json").read_text()))


@pytest.mark.parametrize("path", fixtures("valid"))
def test_both_accept_what_is_valid(path: Path) -> None:
    assert schema_accepts(path)
    assert parse(path)


@pytest.mark.parametrize("path", fixtures("invalid"))
def test_both_refuse_what_is_not(path: Path) -> None:
    assert not schema_accepts(path)
    with pytest.raises((UsageError, IntegrityError)) as caught:
        parse(path)
    assert caught.value.where.startswith(path.name), "the error names the file"


@pytest.mark.parametrize("path", fixtures("invalid-beyond-schema"))
def test_the_parser_alone_sees_what_a_schema_cannot_say(path: Path) -> None:
    assert schema_accepts(path)
    with pytest.raises((UsageError, IntegrityError)):
        parse(path)


@pytest.mark.parametrize("path", sorted((FIXTURES / "manifest" / "invalid-python").iterdir()))
def test_the_schema_refuses_a_broken_python_section(path: Path) -> None:
    assert not schema_accepts(path)


NAMES = st.from_regex(r"[a-z0-9]{1,8}(-[a-z0-9]{1,8})?", fullmatch=True)
PLAIN = st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters=TURNING), max_size=30)
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
TEXTS = st.dictionaries(TEXT, TEXT, max_size=3).map(MappingProxyType)
DIGESTS = st.binary(max_size=4).map(digest_of)
TARGETS = st.builds(
    Target,
    name=NAMES,
    python=st.sampled_from(["3.11", "3.12.4", "3.14t"]),
    platform=st.sampled_from(["manylinux_2_28_x86_64", "musllinux_1_2_aarch64", "win32"]),
    prefix=st.sampled_from(["", "/opt/plant"]),
    markers=st.sampled_from([(), (("platform_release", "6.1"),)]),
)
ARTIFACTS = st.builds(
    Artifact,
    kind=NAMES,
    name=PLAIN,
    version=PLAIN,
    file=st.from_regex(r"[a-zA-Z0-9_é]{1,20}\.whl", fullmatch=True).filter(lambda text: text.isascii()),
    size=st.integers(0, 1 << 40),
    digest=DIGESTS,
    placement=TEXTS,
    origin=TEXTS,
)


CUTOFFS = st.builds(Cutoff, instant=st.just("2026-08-01T00:00:00Z"), cooldown=PLAIN)
SEEDS = st.builds(
    Seed,
    name=PLAIN,
    version=PLAIN,
    source=PLAIN,
    marker=PLAIN,
    files=st.lists(st.tuples(PLAIN, st.just("a" * 64)), max_size=2).map(tuple),
)


@st.composite
def lockfiles(draw: st.DrawFn) -> Lockfile:
    targets = draw(st.lists(TARGETS, min_size=1, max_size=3, unique_by=lambda target: target.name))
    names = st.lists(st.sampled_from([target.name for target in targets]), min_size=1, unique=True)
    builds = st.lists(st.sampled_from(["docopt==0.6.2 on 3.11", "a-b==1!2.0rc1+c.1 on 3.14t"]), unique=True)
    artifacts = draw(st.lists(ARTIFACTS, max_size=4, unique_by=lambda artifact: artifact.key))
    return Lockfile(
        project=Project(name=draw(NAMES), version=draw(st.sampled_from(["1", "2.0rc1", "1!3.post1"]))),
        encoder=Encoder(
            name="zstd",
            version=draw(PLAIN),
            level=draw(st.integers(0, 22)),
            codecs=draw(st.sampled_from(sorted(SETS))),
        ),
        inputs=draw(st.dictionaries(TEXT, DIGESTS, max_size=3)),
        targets=tuple(targets),
        health=draw(
            st.none()
            | st.builds(
                HealthCheck,
                command=st.lists(TEXT.filter(lambda text: "\0" not in text), min_size=1, max_size=3).map(
                    tuple
                ),
                timeout=st.integers(0, 86_400),
            )
        ),
        artifacts=tuple(
            LockedArtifact(artifact=one, targets=tuple(draw(names)), builds=tuple(draw(builds)))
            for one in artifacts
        ),
        cutoff=draw(st.none() | CUTOFFS),
        seeds=tuple(draw(st.lists(SEEDS, max_size=3))),
    )


@given(lockfiles())
def test_a_lock_is_read_as_it_was_written_and_has_one_spelling(lockfile: Lockfile) -> None:
    written = write_lockfile(lockfile)
    read = parse_lockfile(written, "airlock.lock")
    assert write_lockfile(read) == written
    assert (read.project, read.encoder, read.health) == (lockfile.project, lockfile.encoder, lockfile.health)
    assert read.inputs == lockfile.inputs
    assert set(read.targets) == set(lockfile.targets)
    for target in lockfile.targets:
        before, after = lockfile.artifacts_for(target.name), read.artifacts_for(target.name)
        assert sorted(after, key=lambda one: one.key) == sorted(before, key=lambda one: one.key)


@pytest.mark.parametrize("data", [b"a = " + b"[" * 100_000, b"a = " + b"9" * 10_000, b"\xff", b"a = "])
@pytest.mark.parametrize(
    ("parser", "error"),
    [
        (lambda data: parse_lockfile(data, "x"), IntegrityError),
        (lambda data: parse_manifest(data, "x", SECTIONS), UsageError),
    ],
)
def test_toml_that_breaks_its_parser_is_refused(
    parser: Callable[[bytes], object], error: type[Exception], data: bytes
) -> None:
    with pytest.raises(error, match="not valid TOML"):
        parser(data)


def test_an_index_is_written_as_it_was_read() -> None:
    data = (FIXTURES / "index" / "valid" / "full.json").read_bytes()
    assert write_index(parse_index(data, "index.json")) == data


def test_a_delta_index_is_written_as_it_was_read() -> None:
    data = (FIXTURES / "delta_index" / "valid" / "full.json").read_bytes()
    assert write_delta_index(parse_delta_index(data, "delta.json")) == data


def test_a_volume_header_is_written_as_it_was_read() -> None:
    data = (FIXTURES / "volume" / "valid" / "parity-of-three.json").read_bytes()
    assert write_header(parse_header(data, "volume.json")) == data


def test_the_table_of_a_kit_is_written_as_it_was_read() -> None:
    data = (FIXTURES / "kit" / "valid" / "full.json").read_bytes()
    assert write_kit_table(parse_kit_table(data, "kit.json")) == data


DOCUMENTS = st.recursive(
    st.none() | st.booleans() | st.integers() | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=10,
)


@given(DOCUMENTS)
def test_canonical_json_comes_back(document: object) -> None:
    assert canonical_json.loads(canonical_json.dumps(document), "x") == document


@given(DOCUMENTS, st.sampled_from([b" ", b"\n", b"\t", b"0", b"\x00", b"{}"]), st.data())
def test_canonical_json_has_no_other_spelling(document: object, noise: bytes, data: st.DataObject) -> None:
    written = canonical_json.dumps(document)
    place = data.draw(st.integers(0, len(written)))
    try:
        other = canonical_json.loads(written[:place] + noise + written[place:], "x")
    except IntegrityError:
        return
    assert canonical_json.dumps(other) == written[:place] + noise + written[place:]


@pytest.mark.parametrize(
    "data", [b'{"a":1,"a":1}\n', b"1.0\n", b"NaN\n", b"-0\n", b'"\\ud800"\n', b"[" * 100_000, b"1", b"\xff\n"]
)
def test_what_is_not_canonical_json_is_refused(data: bytes) -> None:
    with pytest.raises(IntegrityError):
        canonical_json.loads(data, "x")


@given(st.text(max_size=40))
def test_a_safe_path_stays_below_its_root(text: str) -> None:
    try:
        path = safe_path(text)
    except IntegrityError:
        return
    joined = Path("/root") / path
    assert joined.is_relative_to("/root") and joined != Path("/root")
    assert ".." not in joined.parts and "\x00" not in path and str(joined) == f"/root/{path}"


@pytest.mark.parametrize(
    "text", ["", "/", "/a", "a/", "a//b", ".", "..", "a/../b", "./a", "a\\b", "a\nb", "e\u0301", "\ud800"]
)
def test_unsafe_paths_are_refused(text: str) -> None:
    with pytest.raises(IntegrityError, match="unsafe path"):
        safe_path(text)


def test_paths_that_no_file_system_takes_are_refused() -> None:
    for text in ("a" * (MAX_PART + 1), "/".join(["a" * 100] * 11)):
        assert len(text) > MAX_PART or len(text) > MAX_PATH
        with pytest.raises(IntegrityError, match="longer"):
            safe_path(text)


def test_an_unknown_key_is_refused_with_the_nearest_known() -> None:
    fields = Fields({"nam": "x"}, "a.toml", UsageError)
    fields.text("name", "")
    with pytest.raises(UsageError, match=r"a\.toml: nam: unknown key") as caught:
        fields.done()
    assert caught.value.hint == "did you mean 'name'?"


def test_a_missing_key_is_told_with_the_one_that_may_be_meant() -> None:
    with pytest.raises(UsageError, match=r"a\.toml: python: missing") as caught:
        Fields({"pyhton": "3.11"}, "a.toml", UsageError).text("python")
    assert caught.value.hint == "'pyhton' is there: did you mean 'python'?"


def test_null_is_not_the_same_as_absent() -> None:
    with pytest.raises(IntegrityError, match="expected a string, found null"):
        Fields({"version": None}, "a.json", IntegrityError).text("version", "")
