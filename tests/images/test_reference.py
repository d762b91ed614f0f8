"""References, platforms and where registries are."""

import pytest

from airlock.core.target import Target
from airlock.oci.platform import Platform, best, parse_platform, platform_of
from airlock.oci.reference import locate, parse_reference

DIGEST = "sha256:" + "a" * 64


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("registry.example/plc:1", ("registry.example", "plc", "1", None)),
        ("localhost:5000/plant/plc:v1.0_x", ("localhost:5000", "plant/plc", "v1.0_x", None)),
        ("[::1]:5000/plc:1", ("[::1]:5000", "plc", "1", None)),
        (f"corp/a__b/c--d/e.f@{DIGEST}", ("corp", "a__b/c--d/e.f", "", DIGEST)),
        (f"corp/plc:1@{DIGEST}", ("corp", "plc", "1", DIGEST)),
    ],
)
def test_a_reference_is_read_and_written_back(text: str, parts: tuple[str, ...]) -> None:
    found = parse_reference(text)
    assert (found.registry, found.repository, found.tag, found.digest) == parts
    assert str(found) == text


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("plc:1", "a reference says its registry"),
        ("", "a reference says its registry"),
        ("/plc:1", "a reference says its registry"),
        ("registry.example/plc", "neither a tag nor a digest"),
        ("registry.example/Plc:1", "not the name of a repository"),
        ("registry.example/plant//plc:1", "not the name of a repository"),
        ("registry.example/../plc:1", "not the name of a repository"),
        ("registry.example/plc:", "not a tag"),
        ("registry.example/plc:-x", "not a tag"),
        ("registry.example/plc:" + "a" * 129, "not a tag"),
        ("registry.example/" + "a" * 256 + ":1", "not the name of a repository"),
        ("registry.example/plc@sha256:abc", "not a digest"),
        ("registry.example/plc@sha512:" + "a" * 128, "sha512 are not supported"),
        ("user:password@registry.example/plc:1", "a reference says its registry"),
        ("https://registry.example/plc:1", "a reference says its registry"),
    ],
)
def test_what_is_no_reference_is_refused(text: str, what: str) -> None:
    with pytest.raises(ValueError, match=what):
        parse_reference(text)


@pytest.mark.parametrize(
    ("registry", "declared", "url"),
    [
        ("registry.example", None, "https://registry.example/v2/plc/tags"),
        ("registry.example:5000", None, "https://registry.example:5000/v2/plc/tags"),
        ("127.0.0.1:5000", None, "http://127.0.0.1:5000/v2/plc/tags"),
        ("localhost", None, "http://localhost/v2/plc/tags"),
        ("[::1]:5000", None, "http://[::1]:5000/v2/plc/tags"),
        ("localhost.example", None, "https://localhost.example/v2/plc/tags"),
        ("corp", "http://bench.example:5000", "http://bench.example:5000/v2/plc/tags"),
        ("registry.example", "https://mirror.example/cache/x/", "https://mirror.example/v2/cache/x/plc/tags"),
    ],
)
def test_plain_http_is_for_the_loopback_or_for_what_was_declared(
    registry: str, declared: str | None, url: str
) -> None:
    assert locate(registry, "plc", declared).url("tags") == url


@pytest.mark.parametrize(
    ("platform", "expected"),
    [
        ("manylinux_2_28_x86_64", "linux/amd64"),
        ("musllinux_1_2_aarch64", "linux/arm64/v8"),
        ("manylinux_2_28_armv7l", "linux/arm/v7"),
        ("manylinux_2_28_i686", "linux/386"),
        ("manylinux_2_28_riscv64", "linux/riscv64"),
        ("win_amd64", "None"),
        ("macosx_11_0_arm64", "None"),
    ],
)
def test_a_target_says_what_its_containers_are_made_for(platform: str, expected: str) -> None:
    target = Target(name="t", python="3.11", platform=platform, prefix="")
    assert str(platform_of(target)) == expected


@pytest.mark.parametrize(
    ("wanted", "there", "chosen"),
    [
        ("linux/amd64", ["linux/arm64", "linux/amd64"], "linux/amd64"),
        ("linux/arm64", ["linux/arm64/v8"], "linux/arm64/v8"),
        ("linux/arm64/v8", ["linux/arm64"], "linux/arm64"),
        ("linux/arm/v7", ["linux/arm/v5", "linux/arm/v6"], "linux/arm/v6"),
        ("linux/arm/v7", ["linux/arm/v6", "linux/arm/v7"], "linux/arm/v7"),
        ("linux/arm/v6", ["linux/arm/v7"], None),
        ("linux/amd64", ["linux/amd64/v3", "linux/amd64"], "linux/amd64"),
        ("linux/amd64", ["linux/amd64/v3"], None),
        ("linux/amd64", ["windows/amd64", "unknown/unknown"], None),
        ("linux/amd64", [], None),
    ],
)
def test_the_image_that_fits_best_is_chosen(wanted: str, there: list[str], chosen: str | None) -> None:
    assert best([(parse_platform(one), one) for one in there], parse_platform(wanted)) == chosen


@pytest.mark.parametrize("text", ["linux", "linux/", "Linux/amd64", "linux/amd64/v1/x", ""])
def test_what_is_no_platform_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="expected a platform"):
        parse_platform(text)


def test_a_platform_is_told_as_everybody_writes_it() -> None:
    assert str(Platform(os="linux", architecture="arm", variant="v7")) == "linux/arm/v7"
