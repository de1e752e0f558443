"""A storage's URL for a folder: saved locally, uploaded behind, restored from there."""

from __future__ import annotations

import shutil
import warnings
from pathlib import Path

import numpy as np
import pytest

import ckpt
import expcore
from ckpt import _remote

BUCKET = Path("bucket")


@pytest.fixture
def url(tmp_path) -> str:
    return (tmp_path / "bucket").as_uri()


def stored() -> list[str]:
    return sorted(path.name for path in (BUCKET / "ckpt").iterdir())


def forget_local() -> None:
    """As on another machine."""
    shutil.rmtree(Path("home/.cache/ckpt"))


def save(checkpoint, net, idx, **options) -> None:
    net["b"].assign(np.full(3, idx, np.float32))
    checkpoint.save(net, idx, **options)


def test_what_was_saved_is_there_and_restored_on_another_machine(url, net) -> None:
    with ckpt.Checkpoint(url, keep_ckpts=2, verbose=False) as checkpoint:
        for idx in (1, 2, 3):
            save(checkpoint, net, idx)
    assert stored() == ["0000000002.npz", "0000000003.npz"]
    forget_local()
    net["b"].assign(np.zeros(3, np.float32))

    idx, path = ckpt.Checkpoint(url, 2, verbose=False).restore(net)

    assert (idx, Path(path).name) == (3, "0000000003.npz")
    assert net["b"].value.tolist() == [3, 3, 3]
    assert ckpt.Checkpoint(url, 2, verbose=False).restore(net, idx=2)[0] == 2


def test_retention_goes_on_there_where_the_local_folder_is_new(url, net) -> None:
    keep = ckpt.Retention(last=1, best=1, metric="loss")
    with ckpt.Checkpoint(url, keep, verbose=False) as checkpoint:
        for idx, loss in ((1, 0.1), (2, 0.5)):
            save(checkpoint, net, idx, metrics={"loss": loss})
    forget_local()

    with ckpt.AsyncCheckpoint(url, keep, verbose=False) as checkpoint:
        save(checkpoint, net, 3, metrics={"loss": 0.3})

    assert stored() == ["0000000001.npz", "0000000003.npz"]


def test_what_is_broken_here_is_not_put_there(url, net) -> None:
    with ckpt.Checkpoint(url, 1, verbose=False) as checkpoint:
        save(checkpoint, net, 1)
        broken = Path(checkpoint.restore(net)[1])
        broken.write_bytes(broken.read_bytes()[:100])
        save(checkpoint, net, 2)
        save(checkpoint, net, 3)

    assert stored() == ["0000000003.npz"]
    assert broken.exists()


def test_other_files_there_are_never_touched(url, net) -> None:
    (BUCKET / "ckpt").mkdir(parents=True)
    (BUCKET / "ckpt" / "best.npz").write_bytes(b"mine")

    with ckpt.Checkpoint(url, 1, verbose=False) as checkpoint:
        save(checkpoint, net, 1)
        save(checkpoint, net, 2)

    assert stored() == ["0000000002.npz", "best.npz"]


def test_a_broken_one_there_is_walked_past_and_kept(url, net) -> None:
    with ckpt.Checkpoint(url, 2, verbose=False) as checkpoint:
        save(checkpoint, net, 1)
        save(checkpoint, net, 2)
    (BUCKET / "ckpt" / "0000000002.npz").write_bytes(b"cut")
    forget_local()
    checkpoint = ckpt.Checkpoint(url, 1, verbose=False)

    with pytest.warns(ckpt.BrokenCheckpointWarning, match="0000000002.npz"):
        assert checkpoint.restore(net)[0] == 1

    save(checkpoint, net, 3)
    checkpoint.wait()
    assert stored() == ["0000000002.npz", "0000000003.npz"]


def test_nothing_there_is_nothing_saved(url, net, capsys) -> None:
    assert ckpt.Checkpoint(url, 1).restore(net) == (0, "")
    assert "No checkpoints found" in capsys.readouterr().out
    with pytest.raises(ckpt.CheckpointNotFoundError):
        ckpt.Checkpoint(url, 1).restore(net, idx=4)


def test_a_storage_that_is_down_ends_no_training_and_gets_the_file_later(
    url, net, monkeypatch
) -> None:
    checkpoint = ckpt.Checkpoint(url, 2, verbose=False)

    def down(*_):
        raise ConnectionError("no route to the storage")

    with monkeypatch.context() as patch:
        patch.setattr(expcore.LocalStorage, "upload", down)
        save(checkpoint, net, 1)
        with pytest.raises(ConnectionError, match="no route"):
            checkpoint.wait()
        save(checkpoint, net, 2)
        with pytest.warns(UserWarning, match="could not upload"):
            save(checkpoint, net, 3)
        with pytest.raises(ConnectionError, match="no route"):
            checkpoint.wait()

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        save(checkpoint, net, 4)
        checkpoint.wait()

    assert stored() == ["0000000003.npz", "0000000004.npz"]


def test_a_newer_one_of_another_machine_is_restored(url, net, monkeypatch) -> None:
    mine = ckpt.Checkpoint(url, 2, verbose=False)
    save(mine, net, 1)
    mine.wait()
    with monkeypatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", "another")
        other = ckpt.Checkpoint(url, 2, verbose=False)
    for idx in (2, 3):
        save(other, net, idx)
        other.wait()
        net["b"].assign(np.zeros(3, np.float32))

        assert mine.restore(net)[0] == idx

        assert net["b"].value.tolist() == [idx] * 3
    assert sorted(path.stem[-1] for path in mine._folder.path.iterdir()) == ["1", "3"]


def test_what_is_deleted_there_meanwhile_is_passed_over(url, net, monkeypatch) -> None:
    with ckpt.Checkpoint(url, 2, verbose=False) as checkpoint:
        save(checkpoint, net, 1)
        save(checkpoint, net, 2)
    forget_local()
    download = expcore.LocalStorage.download

    def gone(storage, key, path):
        if key.endswith("2.npz"):
            storage.delete(key)
        download(storage, key, path)

    monkeypatch.setattr(expcore.LocalStorage, "download", gone)

    assert ckpt.Checkpoint(url, 2, verbose=False).restore(net)[0] == 1


def test_a_storage_that_is_down_hides_nothing_that_is_here(url, net, monkeypatch) -> None:
    checkpoint = ckpt.Checkpoint(url, 2, verbose=False)
    save(checkpoint, net, 1)
    checkpoint.wait()

    def down(*_, **__):
        raise ConnectionError("no route to the storage")

    monkeypatch.setattr(expcore.LocalStorage, "list", down)

    with pytest.warns(UserWarning, match="newer checkpoints: no route"):
        assert checkpoint.restore(net)[0] == 1
    forget_local()
    with pytest.raises(ConnectionError, match="no route"):
        checkpoint.restore(net)


def test_what_is_there_is_listed_on_another_machine(url, net, monkeypatch) -> None:
    with ckpt.Checkpoint(url, 3, verbose=False) as checkpoint:
        for idx, loss in ((1, 0.1), (2, 0.5), (3, 0.3)):
            save(checkpoint, net, idx, metrics={"loss": loss})
    forget_local()
    checkpoint = ckpt.Checkpoint(url, 3, verbose=False)
    open_read = expcore.LocalStorage.open_read

    assert [saved.step for saved in checkpoint.all()] == [1, 2, 3]
    assert checkpoint.latest().step == 3
    assert checkpoint.restore(net, idx=checkpoint.best("loss").step)[0] == 1

    def gone(storage, key, *args):
        if key.endswith("2.npz"):
            storage.delete(key)
        return open_read(storage, key, *args)

    monkeypatch.setattr(expcore.LocalStorage, "open_read", gone)
    assert [saved.step for saved in ckpt.Checkpoint(url, 3, verbose=False).all()] == [1, 3]

    def down(*_, **__):
        raise ConnectionError("no route to the storage")

    monkeypatch.setattr(expcore.LocalStorage, "list", down)
    with pytest.warns(UserWarning, match="more checkpoints: no route"):
        assert [saved.step for saved in checkpoint.all()] == [1]


def test_a_url_may_be_longer_than_a_name_of_a_folder(tmp_path, net) -> None:
    urls = [(tmp_path / "bucket" / name / ("重" * 60)).as_uri() for name in "ab"]
    for idx, url in enumerate(urls, 1):
        with ckpt.Checkpoint(url, 1, verbose=False) as checkpoint:
            save(checkpoint, net, idx)

    assert [ckpt.Checkpoint(url, 1, verbose=False).restore(net)[0] for url in urls] == [1, 2]
    assert len(list(Path("home/.cache/ckpt").iterdir())) == 2


def test_a_password_in_a_url_is_shown_nowhere(net, capsys, monkeypatch) -> None:
    monkeypatch.setattr(_remote, "open_storage", lambda _: expcore.MemoryStorage())
    with ckpt.Checkpoint("sftp://me:s3cret@host/run", 1) as checkpoint:
        save(checkpoint, net, 1)

    found = checkpoint.restore(net)

    said = capsys.readouterr().out + repr(checkpoint) + str(found) + str(checkpoint.all())
    assert "sftp" in said
    assert "s3cret" not in said


def test_keys_that_look_like_queries_are_told_apart() -> None:
    urls = ["s3://bucket/run", "s3://bucket/run#7", "s3://bucket/run#8", "s3://bucket/run?lr=1"]

    assert len({_remote.local_folder(url) for url in urls}) == 4
