"""Where runs are kept, as the configuration says it."""

from __future__ import annotations

from pathlib import Path

import pytest

import savethat
from savethat._config import Config, load_config


@pytest.fixture
def toml(tmp_path: Path) -> Path:
    return tmp_path / "repro" / "savethat.toml"


def load(toml: Path, text: str, **options: str) -> Config:
    toml.parent.mkdir(exist_ok=True)
    toml.write_text(text)
    return load_config(toml, package="my_project", **options)  # type: ignore[arg-type]


def test_the_documented_file_is_read(toml: Path) -> None:
    config = load(
        toml,
        """
        # the data will be stored at this location
        local_path="${PROJECT_ROOT}/data_storage"

        # the B2 Key
        b2_key_id="XXXXXXXXXXX"
        b2_key="YYYYYYYYYYY"
        # name of the B2 bucket
        b2_bucket="my-b2-bucket"
        # prefix for this project
        b2_prefix="my_project"
        """,
    )

    assert config.local_path == toml.parent / "data_storage"
    assert config.remote == "b2://my-b2-bucket/my_project"
    assert (config.b2_key_id, config.b2_key) == ("XXXXXXXXXXX", "YYYYYYYYYYY")
    assert "YYYYYYYYYYY" not in repr(config)


def test_credentials_may_come_from_the_environment(
    toml: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("B2_KEY_ID", "id")
    monkeypatch.setenv("B2_KEY", "key")

    config = load(toml, 'b2_bucket = "bucket"')

    assert (config.b2_key_id, config.b2_key) == ("id", "key")
    assert load(toml, 'b2_bucket = "b"\nb2_key_id = "own"').b2_key_id == "own"


def test_a_bucket_in_the_environment_alone_uploads_nothing(
    toml: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("B2_BUCKET", "of-another-program")

    assert load(toml, 'local_path = "x"').remote is None
    assert load(toml, 'b2_prefix = "p"').remote == "b2://of-another-program/p"


def test_any_storage_can_be_remote(toml: Path) -> None:
    assert load(toml, 'remote = "s3://bucket/prefix"').remote == "s3://bucket/prefix"


def test_paths_are_relative_to_the_file_and_know_variables(
    toml: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scratch = toml.parent.parent / "scratch"
    monkeypatch.setenv("SCRATCH", str(scratch))

    assert load(toml, 'local_path = "runs"').local_path == toml.parent / "runs"
    assert load(toml, 'local_path = "${SCRATCH}/runs"').local_path == scratch / "runs"
    assert load(toml, 'local_path = "~/runs"').local_path == Path.home() / "runs"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("local_path = ", "is not valid TOML"),
        ('local_pth = "x"', "unknown key 'local_pth'; the keys are local_path"),
        ("local_path = 3", "local_path is 3, expected a str"),
        ('local_path = "${NOWHERE}"', r"\$\{NOWHERE\} is not set"),
        ('remote = "s3://b"\nb2_bucket = "b"', "has both 'remote' and 'b2_bucket'"),
        ('b2_prefix = "p"', "has b2_prefix but no b2_bucket"),
    ],
)
def test_what_cannot_be_is_refused(toml: Path, text: str, message: str) -> None:
    with pytest.raises(savethat.ConfigError, match=message) as refusal:
        load(toml, text)

    assert str(toml) in str(refusal.value)


def test_a_missing_file_is_refused_by_get_storage(toml: Path) -> None:
    with pytest.raises(savethat.ConfigNotFound, match="no configuration at"):
        savethat.get_storage(toml)


def test_the_credentials_file_fills_in_what_the_project_leaves_open(toml: Path) -> None:
    (Path.home() / "savethat_credentials.toml").write_text(
        '[my_project]\nb2_key_id = "id"\nb2_key = "key"\nb2_bucket = "bucket"\n'
        'remote_path = "pre"\nlocal_path = "/elsewhere"\n[other]\nb2_bucket = "no"\n'
    )

    config = load(toml, 'local_path = "here"')

    assert config.local_path == toml.parent / "here"
    assert (config.remote, config.b2_key) == ("b2://bucket/pre", "key")


def test_skip_syncing_keeps_runs_local(toml: Path, tmp_path: Path) -> None:
    credentials = tmp_path / "c.toml"
    credentials.write_text(
        '[my_project]\nb2_key_id = ""\nb2_key = ""\nb2_bucket = ""\nremote_path = ""\n'
        f"local_path = '{tmp_path}'\nskip_syncing = true\n"
    )

    config = load_config(package="my_project", credential_file=credentials)

    assert (config.remote, config.local_path) == (None, tmp_path)


def test_a_user_without_a_home_has_no_credentials_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def expanduser(path: Path) -> Path:
        if str(path).startswith("~"):
            raise RuntimeError("Could not determine home directory.")
        return path

    monkeypatch.setattr(Path, "expanduser", expanduser)

    assert load_config(default_dir=tmp_path).local_path == tmp_path / "data_storage"


def test_a_configuration_that_is_not_there_is_no_silent_default(tmp_path: Path) -> None:
    """Its bucket would be missed when it is too late."""
    with pytest.warns(savethat.SavethatWarning, match="there is no .*: runs are kept in .*data_"):
        config = load_config(tmp_path / "savethat.toml", must_exist=False)

    assert config.local_path == tmp_path / "data_storage"


def test_a_configuration_that_cannot_be_read_is_refused(toml: Path) -> None:
    toml.mkdir(parents=True)

    with pytest.raises(savethat.ConfigError, match="cannot be read"):
        savethat.get_storage(toml)
