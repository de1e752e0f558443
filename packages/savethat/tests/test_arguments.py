"""From the words of a command line, a config file or JSON to a dataclass, and back."""

from __future__ import annotations

import datetime
import enum
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NewType

import pytest
from hypothesis import given
from hypothesis import strategies as st

import savethat
from savethat._args import make_args, write_args
from savethat._parser import parse_argv
from savethat._plain import to_data
from savethat._values import from_data, parse_word

UserId = NewType("UserId", int)


class Color(enum.Enum):
    RED = 1
    BLUE = 2


@dataclass(frozen=True)
class Optimizer:
    name: Literal["adam", "sgd"] = "adam"
    betas: tuple[float, float] = (0.9, 0.99)


@dataclass(frozen=True)
class Model:
    lr: float = 0.1  # learning rate
    width: int = 3
    optimizer: Optimizer = Optimizer()


@dataclass(frozen=True)
class Full:
    """Every type there is."""

    dataset: str
    my_arg: int = 3  # a 100% comment
    ratio: float = 0.5
    color: Color = Color.RED
    tags: list[str] = field(default_factory=list)
    ids: set[int] = field(default_factory=set)
    sizes: tuple[int, ...] = (1, 2)
    weights: dict[str, float] = field(default_factory=dict)
    limit: int | None = None
    number: int | str = 0
    mode: Literal["a", "b", 3] = "a"
    path: Path = Path("here")
    use_cuda: bool = True
    fast: bool = False
    model: Model = Model(width=7)
    maybe: Model | None = None
    shapes: list[Optimizer] = field(default_factory=list)
    names: Sequence[str] = ("one",)
    user: UserId = UserId(1)
    users: list[UserId] = field(default_factory=list)
    day: datetime.date = datetime.date(2026, 11, 21)
    raw: bytes = b""


def parse(*words: str) -> Any:
    return parse_argv(Full, ["--dataset", "d", *words])


@pytest.mark.parametrize(
    ("words", "name", "value"),
    [
        (["--my-arg", "4"], "my_arg", 4),
        (["--my_arg=4"], "my_arg", 4),
        (["--ratio", "1e-3"], "ratio", 0.001),
        (["--ratio", "-1"], "ratio", -1.0),
        (["--color", "BLUE"], "color", Color.BLUE),
        (["--color", "2"], "color", Color.BLUE),
        (["--tags", "x", "y"], "tags", ["x", "y"]),
        (["--tags"], "tags", []),
        (["--ids", "1", "1"], "ids", {1}),
        (["--sizes", "4", "5", "6"], "sizes", (4, 5, 6)),
        (["--weights", "a=0.5", "b=1"], "weights", {"a": 0.5, "b": 1.0}),
        (["--limit", "5"], "limit", 5),
        (["--limit", "None"], "limit", None),
        (["--number", "5"], "number", 5),
        (["--number", "five"], "number", "five"),
        (["--mode", "3"], "mode", 3),
        (["--path", "a/b"], "path", Path("a/b")),
        (["--no-use-cuda"], "use_cuda", False),
        (["--no_use_cuda"], "use_cuda", False),
        (["--use-cuda", "false"], "use_cuda", False),
        (["--use-cuda", "true"], "use_cuda", True),
        (["--fast"], "fast", True),
        (["--model.lr", "0.5"], "model", Model(lr=0.5, width=7)),
        (
            ["--model.optimizer.betas", "0.1", "0.2"],
            "model",
            Model(width=7, optimizer=Optimizer(betas=(0.1, 0.2))),
        ),
        (["--maybe.lr", "0.5"], "maybe", Model(lr=0.5)),
        (["--shapes", '{"name": "sgd"}'], "shapes", [Optimizer("sgd")]),
        (["--names", "a", "b"], "names", ("a", "b")),
        (["--user", "5"], "user", 5),
        (["--users", "5", "6"], "users", [5, 6]),
        (["--day", "2026-11-22"], "day", datetime.date(2026, 11, 22)),
        (["--raw", "ü"], "raw", "ü".encode()),
    ],
)
def test_words_become_values(words: list[str], name: str, value: object) -> None:
    parsed = parse(*words)

    assert getattr(parsed, name) == value
    assert type(getattr(parsed, name)) is type(value)


def test_what_is_not_given_has_its_default() -> None:
    assert parse() == Full(dataset="d")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--my-arg", "x"], "--my-arg: invalid literal for int"),
        (["--color", "GREEN"], "'GREEN' is not one of RED, BLUE"),
        (["--mode", "c"], "'c' is not one of a, b, 3"),
        (["--use-cuda"], "is on by default; write --no-use-cuda to turn it off"),
        (["--use-cuda", "perhaps"], "'perhaps' is not true or false"),
        (["--weights", "a"], "'a' is not KEY=VALUE"),
        (["--model.optimizer.betas", "1"], "expected 2 arguments"),
        (["--wrong", "1"], "unrecognized arguments: --wrong 1"),
        (["--my", "1"], "unrecognized arguments: --my 1"),
        (["--model.optimizer.betas", "1", "x"], "could not convert string to float: 'x'"),
    ],
)
def test_wrong_words_are_refused(
    words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as refusal:
        parse(*words)

    assert refusal.value.code == 2
    assert message in capsys.readouterr().err


def test_a_required_argument_is_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse_argv(Full, [])

    assert "the following arguments are required: --dataset" in capsys.readouterr().err


def test_help_shows_types_defaults_and_comments(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse_argv(Full, ["--help"])

    shown = " ".join(capsys.readouterr().out.split())
    assert "Every type there is." in shown
    assert re.search(r"--my-arg( INT)?, --my_arg INT \(int, default=3\) a 100% comment", shown)
    assert "--model.lr FLOAT (float, default=0.1) learning rate" in shown
    assert "--dataset STR (str, required)" in shown


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("c.toml", 'dataset = "file"\nmy_arg = 8\n[model]\nlr = 0.5\n'),
        ("c.json", '{"dataset": "file", "my_arg": 8, "model": {"lr": 0.5}}'),
    ],
)
def test_the_command_line_wins_over_a_config_file(tmp_path: Path, name: str, text: str) -> None:
    file = tmp_path / name
    file.write_text(text)

    expected = Full(dataset="file", my_arg=9, model=Model(lr=0.5, width=7))
    assert parse_argv(Full, ["--my-arg", "9"], config=file) == expected
    assert parse_argv(Full, ["--config", str(file), "--my-arg", "9"]) == expected


def test_yaml_is_read_where_it_is_installed(tmp_path: Path) -> None:
    pytest.importorskip("yaml")
    file = tmp_path / "c.yaml"
    file.write_text("dataset: file\ntags: [a, b]\n")

    assert parse_argv(Full, [], config=file) == Full(dataset="file", tags=["a", "b"])


def test_an_argument_called_config_is_the_nodes_own() -> None:
    @dataclass(frozen=True)
    class WithConfig:
        config: str

    assert parse_argv(WithConfig, ["--config", "mine"]) == WithConfig("mine")


def test_a_bad_config_file_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "c.toml"
    for text, message in [("a = [", "cannot be read"), ('dataset = "d"\nx = 1', "no argument x")]:
        file.write_text(text)
        with pytest.raises(SystemExit):
            parse_argv(Full, [], config=file)
        assert message in capsys.readouterr().err


def test_args_json_gives_the_same_arguments_back(tmp_path: Path) -> None:
    args = parse(
        *["--tags", "x", "--ids", "3", "1", "--color", "BLUE", "--weights", "a=1"],
        *["--maybe.width", "9", "--shapes", '{"name": "sgd"}', "--limit", "4"],
        *["--names", "a", "b", "--users", "5", "--day", "2026-11-22", "--raw", "ü"],
    )
    write_args(args, tmp_path / "args.json")

    again = make_args(Full, json.loads((tmp_path / "args.json").read_text()))

    assert again == args


def test_args_can_derive_from_the_base_class(tmp_path: Path) -> None:
    @dataclass(frozen=True)
    class Checked(savethat.Args):
        size: int = 1

        def process_args(self) -> None:
            if self.size < 0:
                raise ValueError("size is negative")

    assert Checked.parse_args(["--size", "3"]) == Checked(3)
    assert Checked.from_dict(Checked(3).as_dict()) == Checked(3)
    Checked(4).save(tmp_path / "args.json")
    assert Checked.from_json(tmp_path / "args.json") == Checked(4)
    with pytest.raises(savethat.ArgumentsError, match="size is negative"):
        Checked.from_dict({"size": -1})


@pytest.mark.parametrize(
    ("tp", "data", "message"),
    [
        (int, True, "True is not of type int"),
        (int, "3", "'3' is not of type int"),
        (int, 0.5, "0.5 is not of type int"),
        (str, 3, "3 is not of type str"),
        (list[int], "12", "'12' is not a list"),
        (tuple[int, int], [1], "has 1 values, expected 2"),
        (dict[str, int], [1], r"\[1\] is not a mapping"),
        (Color, "GREEN", "'GREEN' is not one of"),
        (Optimizer, {"nam": "adam"}, "Optimizer has no argument nam; it has name, betas"),
        (Model, {"optimizer": {"name": "x"}}, "optimizer: name: 'x' is not one of adam, sgd"),
    ],
)
def test_data_of_another_type_are_refused(tp: Any, data: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        from_data(tp, data)


@pytest.mark.parametrize(
    ("tp", "data", "value"),
    [
        (float, 1, 1.0),
        (int | str, "1", "1"),
        (int | str, 1, 1),
        (Sequence[int], [1], (1,)),
        (Mapping[str, int], {"a": 1}, {"a": 1}),
        (dict[int, str], {"1": "a"}, {1: "a"}),
        (frozenset[int], [1, 1], frozenset({1})),
        (Any, {"a": [1]}, {"a": [1]}),
        (None | int, None, None),
    ],
)
def test_data_become_values(tp: Any, data: object, value: object) -> None:
    made = from_data(tp, data)

    assert made == value
    assert type(made) is type(value)


@given(st.one_of(st.integers(), st.floats(allow_nan=False), st.booleans(), st.text()))
def test_a_plain_value_survives_json(value: Any) -> None:
    assert from_data(type(value), json.loads(json.dumps(to_data(value)))) == value


@given(st.floats(allow_nan=False) | st.integers())
def test_a_number_survives_the_command_line(value: Any) -> None:
    assert parse_word(type(value), str(value)) == value
