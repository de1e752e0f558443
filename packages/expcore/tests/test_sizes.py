from __future__ import annotations

import pytest

from expcore import parse_size


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("1", 1),
        ("1k", 1000),
        ("1.5M", 1_500_000),
        ("5GB", 5 * 10**9),
        (" 5 gb ", 5 * 10**9),
        ("2GiB", 2 << 30),
        ("7", 7),
        (7, 7),
        (1e6, 1_000_000),
    ],
)
def test_sizes_are_read_as_people_write_them(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "big", "-1", "5 XB", "1,000", "1e6", "nan"])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=f"'{text}' is no size; expected bytes, or a text"):
        parse_size(text)
