from __future__ import annotations

import pytest

from expcore import without_credentials


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("simplecache::s3://key:secret@bucket/x", "simplecache::s3://bucket/x"),
        ("s3://key:sec@ret@bucket/a@b?token=secret", "s3://bucket/a@b"),
        ("s3://key:sec?ret@bucket/a", "s3://bucket/a"),
        ("zip://a.txt::sftp://me:secret@host/a.zip", "zip://a.txt::sftp://host/a.zip"),
        ("https://token@host:8443/x.git", "https://host:8443/x.git"),
        ("https://u:p@host:8443/a?private_token=x#y", "https://host:8443/a"),
        ("https://host/a@b#c", "https://host/a@b"),
        ("https://me:secret@[broken/a", "https://[broken/a"),
        ("ssh://git@host/x.git", "ssh://host/x.git"),
        ("git@host:me/x.git", "git@host:me/x.git"),
        ("/srv/what?.git", "/srv/what?.git"),
    ],
)
def test_no_part_of_a_url_is_shown_with_credentials(url: str, shown: str) -> None:
    assert without_credentials(url) == shown
