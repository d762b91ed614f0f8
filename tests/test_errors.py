import pytest

from airlock import errors


@pytest.mark.parametrize(
    ("family", "code"),
    [
        (errors.UsageError, 2),
        (errors.ResolutionError, 3),
        (errors.FetchError, 4),
        (errors.IntegrityError, 5),
        (errors.TargetError, 6),
    ],
)
def test_exit_codes_are_an_interface(family: type[errors.AirlockError], code: int) -> None:
    assert family.exit_code == code


def test_an_error_says_where_what_expected_and_found() -> None:
    error = errors.IntegrityError("a.airlock", "bad size", expected="3", found="4", hint="copy it again")
    assert str(error) == "a.airlock: bad size: expected 3, found 4"
    assert error.hint == "copy it again"
