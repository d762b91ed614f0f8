"""The native crate is optional, but not where it could have been built."""

from airlock.core.native import native
from tests.native import needs_cargo


@needs_cargo
def test_the_native_crate_is_there_where_cargo_is() -> None:
    assert native() is not None
