"""Nodes are made from a class and arguments in any form."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

import pytest

import savethat


@dataclass(frozen=True)
class EchoArgs:
    word: str = "hello"


class Echo(savethat.Node[EchoArgs, str]):
    def _run(self) -> str:
        return self.args.word


A = TypeVar("A")


class Base(savethat.Node[A, int], Generic[A]):
    pass


class Derived(Base[EchoArgs]):
    def _run(self) -> int:
        return 1


class MoreDerived(Derived):
    pass


class ByNameArgs(savethat.Args):
    pass


class ByName(savethat.Node):  # type: ignore[type-arg]
    def _run(self) -> int:
        return 1


def test_the_arguments_class_is_found() -> None:
    assert Derived.get_args_class() is EchoArgs
    assert MoreDerived.get_args_class() is EchoArgs
    assert ByName.get_args_class() is ByNameArgs


def test_a_node_without_arguments_class_is_refused() -> None:
    class Nothing(savethat.Node):  # type: ignore[type-arg]
        def _run(self) -> int:
            return 1

    with pytest.raises(savethat.NodeDefinitionError, match="has no arguments class"):
        Nothing.get_args_class()


def test_create_node_takes_arguments_in_every_form(storage: savethat.Storage) -> None:
    forms: list[Any] = [EchoArgs("x"), {"word": "x"}, ["--word", "x"], ("--word", "x")]
    for form in forms:
        assert savethat.create_node(Echo, form, storage=storage).args == EchoArgs("x")
    assert savethat.create_node(Echo, storage=storage).args == EchoArgs("hello")


def test_wrong_arguments_are_refused_before_anything_is_made(storage: savethat.Storage) -> None:
    with pytest.raises(savethat.ArgumentsError, match="has no argument wrod; it has word"):
        savethat.create_node(Echo, {"wrod": "x"}, storage=storage)
    with pytest.raises(savethat.ArgumentsError, match="word: 3 is not of type str"):
        savethat.create_node(Echo, {"word": 3}, storage=storage)

    assert not storage.storage_path.exists()


def test_the_default_storage_is_a_folder_of_the_project(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("builtins.input", lambda *_: pytest.fail("a question was asked"))
    savethat.set_project_dir(tmp_path)

    node = savethat.create_node(Echo)

    assert node.storage.storage_path == tmp_path / "data_storage"
    assert node.project_dir == tmp_path


def test_env_file_sets_storage_and_project(tmp_path: Path) -> None:
    env_file = tmp_path / "savethat.toml"
    env_file.write_text('local_path = "${PROJECT_ROOT}/kept"')

    node = savethat.create_node(Echo, env_file=env_file)

    assert (node.storage.storage_path, node.project_dir) == (tmp_path / "kept", tmp_path)
