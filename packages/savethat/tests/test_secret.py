"""A secret argument appears in no file of its run."""

from __future__ import annotations

import copy
import json
import pickle
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

import savethat
from savethat._args import make_args, write_args
from savethat._parser import parse_argv

WORD = 'hunter2 "ü'


@dataclass(frozen=True)
class LoginArgs:
    token: savethat.Secret[str]
    pins: list[savethat.Secret[int]] = field(default_factory=list)
    user: str = "me"


class Login(savethat.Node[LoginArgs, object]):
    def _run(self) -> object:
        token = self.args.token.value
        savethat.logger.info("args {}", self.args)
        savethat.logger.info("careless {}", token)
        print("printed", token)
        if self.args.user == "fail":
            raise ValueError(f"refused: {token}")
        return self.args


def everything(folder: Path) -> str:
    texts = [
        file.read_bytes().decode("utf-8", "replace")
        for file in folder.rglob("*")
        if file.is_file()
    ]
    return "\n".join(texts)


@pytest.mark.parametrize("user", ["me", "fail"])
def test_no_file_of_the_run_has_it(
    storage: savethat.Storage, monkeypatch: pytest.MonkeyPatch, user: str
) -> None:
    savethat.set_project_dir(storage.storage_path)  # not these tests, with the word in their diff
    words = ["--token", WORD, "--pins", "424242", "--user", user]
    monkeypatch.setattr("sys.argv", ["prog", *words])
    node = savethat.create_node(Login, words, storage=storage)
    assert node.args.token.value == WORD
    assert node.args.pins[0].value == 424242
    try:
        node.run()
    except ValueError:
        assert user == "fail"

    kept = everything(node.output_dir)
    assert "careless ***" in kept
    assert "printed ***" in kept
    for leak in ("hunter2", "424242"):
        assert leak not in kept


def test_no_run_of_the_process_writes_the_secret_of_another(
    storage: savethat.Storage,
    node_that: Callable[..., savethat.Node[Any, Any]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    savethat.set_project_dir(storage.storage_path)
    monkeypatch.setattr("sys.argv", ["prog", "--token", "424242"])

    def login(node: savethat.Node[Any, Any]) -> None:
        savethat.create_node(Login, {"token": "hunter2"}, storage=node.storage).run()

    class Outer(Login):
        def _run(self) -> object:
            node_that(lambda _: print("careless", self.args.token.value)).run()
            return node_that(login).run()

    savethat.create_node(Outer, {"token": "424242"}, storage=storage).run()
    node_that(lambda _: None).run()

    kept = [everything(folder) for folder in storage.storage_path.iterdir()]
    assert len(kept) == 5
    assert [text for text in kept if "hunter2" in text or "424242" in text] == []


def test_the_files_stay_json_whatever_the_secret_is(
    storage: savethat.Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ["--token", '"', "--pins", "1", "--user", "me"]
    monkeypatch.setattr("sys.argv", ["prog", *words])
    node = savethat.create_node(Login, words, storage=storage)

    node.run()

    json.loads((node.output_dir / "reproducible.json").read_text())
    for line in (node.output_dir / "output.jsonl").read_text().splitlines():
        assert "record" in json.loads(line)


@pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
def test_a_key_that_was_written_into_the_toml_is_not_in_the_diff(tmp_path: Path) -> None:
    toml = tmp_path / "savethat.toml"
    toml.write_text('local_path = "runs"\n')
    for words in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "first"]):
        identity = ["-c", "user.name=A", "-c", "user.email=a@b.c"]
        subprocess.run(["git", *identity, *words], cwd=tmp_path, check=True)
    remote = (tmp_path / "remote").as_uri()
    toml.write_text(f'local_path = "runs"\nremote = "{remote}"\nb2_key = "hunter2"\n')

    node = savethat.create_node(Login, {"token": WORD}, env_file=toml)
    node.run()

    assert "b2_key" in (node.output_dir / "reproducible.json").read_text()
    assert "hunter2" not in everything(node.output_dir)


def test_it_is_not_kept_so_it_must_be_given_again(storage: savethat.Storage) -> None:
    node = savethat.create_node(Login, {"token": WORD}, storage=storage)
    node.run()

    again = storage.load_results(node.key)
    (found,) = storage.find_runs()

    assert found["token"] == "***"
    with pytest.raises(LookupError, match="give it again"):
        _ = again.token.value
    with pytest.raises(LookupError, match="give it again"):
        _ = make_args(LoginArgs, {"token": None}).token.value
    with pytest.raises(LookupError, match="give it again"):
        _ = make_args(LoginArgs, {"token": "***"}).token.value


def test_it_is_hidden_wherever_it_is_shown() -> None:
    secret = savethat.Secret(WORD)

    shown = [repr(secret), str(secret), f"{secret:>5}", f"{[secret]}", repr(pickle.dumps(secret))]
    assert all("hunter2" not in text for text in shown)
    assert secret == savethat.Secret(WORD) != savethat.Secret("other")
    assert hash(secret) == hash(savethat.Secret(WORD))
    assert copy.copy(secret) != secret


def test_a_refusal_does_not_show_it(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        make_args(LoginArgs, ["--token", "x", "--pins", "hunter2"])

    shown = capsys.readouterr().err
    assert "--pins: a secret is not of type int" in shown
    assert "hunter2" not in shown


LOCAL = savethat.Secret("http://localhost")


@dataclass(frozen=True)
class ServiceArgs:
    key: savethat.Secret[str] | None = None
    url: savethat.Secret[str] = LOCAL
    login: LoginArgs | None = None


def kept(args: ServiceArgs, folder: Path) -> tuple[Path, dict[str, object]]:
    file = folder / "args.json"
    write_args(args, file)
    content = json.loads(file.read_text())
    return file, {name: content[name] for name in content if not name.startswith("__")}


def test_none_is_told_from_a_secret_that_was_not_kept(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, content = kept(ServiceArgs(), tmp_path)
    assert content == {"key": None, "login": None}
    assert parse_argv(ServiceArgs, [], config=file) == ServiceArgs()

    given = ServiceArgs(key=savethat.Secret(WORD), url=savethat.Secret(WORD))
    file, content = kept(given, tmp_path)
    assert content == {"key": "***", "url": "***", "login": None}
    with pytest.raises(SystemExit):
        parse_argv(ServiceArgs, ["--url", WORD], config=file)
    assert "--key: secrets are not kept; give it again" in capsys.readouterr().err
    assert parse_argv(ServiceArgs, ["--key", WORD, "--url", WORD], config=file) == given


def test_where_there_is_a_terminal_a_secret_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = ServiceArgs(login=LoginArgs(savethat.Secret("***")))
    file, _ = kept(given, tmp_path)
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    asked: list[str] = []

    def answer(question: str) -> str:
        asked.append(question)
        return "***"

    monkeypatch.setattr("getpass.getpass", answer)

    assert parse_argv(ServiceArgs, [], config=file) == given
    assert asked == ["--login.token (a secret, which is not kept): "]


def test_one_that_is_no_argument_is_left_out_too(tmp_path: Path) -> None:
    @dataclass(frozen=True)
    class FixedArgs:
        token: savethat.Secret[str] = field(init=False, default=savethat.Secret("hunter2"))

    write_args(FixedArgs(), tmp_path / "args.json")

    assert "token" not in json.loads((tmp_path / "args.json").read_text())
