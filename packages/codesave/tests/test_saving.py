"""What goes into a zip, what stays out, and what the bytes depend on."""

from __future__ import annotations

import logging
import os
import random
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from codesave import Snapshot, UniqueCodebase, checkpoint, verify
from codesave.errors import NotAFolderError


def names(zip_path: Path | Snapshot) -> set[str]:
    """The user's files in a zip."""
    with zipfile.ZipFile(zip_path) as archive:
        files = {name for name in archive.namelist() if not name.endswith("/")}
    return files - {"__main__.py", ".codesave.json"}


def git(folder: Path, *args: str) -> str:
    identity = ("-c", "user.name=a", "-c", "user.email=a@example.org")
    done = subprocess.run(
        ["git", *identity, *args], cwd=folder, check=True, capture_output=True, text=True
    )
    return done.stdout


@pytest.fixture(scope="session")
def has_git() -> None:
    try:
        subprocess.run(["git", "--version"], check=True, capture_output=True)
    except OSError:
        pytest.skip("git is not installed")


def save(folder: Path, tmp_path: Path, **options) -> Snapshot:
    return checkpoint(folder, tmp_path / "out.zip", verbose=False, **options)


def test_the_documented_call_saves_the_documented_tree(tree, monkeypatch, tmp_path):
    files = dict.fromkeys(("src/model.py", "src/utils.py", "train.py", "eval.py"), "x = 1\n")
    tree(files, name="codebase")
    monkeypatch.chdir(tmp_path)

    checkpoint("codebase/", output_zipname="codebase.zip")

    assert names("codebase.zip") == set(files)


def test_the_zip_unzips_to_a_normal_folder(tree, tmp_path):
    folder = tree({"src/model.py": "x = 1\n", "empty.txt": "", "a b/ü.txt": "é"})

    with zipfile.ZipFile(save(folder, tmp_path)) as archive:
        archive.extractall(tmp_path / "there")

    assert (tmp_path / "there/src/model.py").read_text() == "x = 1\n"
    assert (tmp_path / "there/a b/ü.txt").read_text("utf-8") == "é"
    assert (tmp_path / "there/empty.txt").read_bytes() == b""


def test_the_zip_is_imported_without_codesave(zipped, python):
    path = zipped({"src/model.py": "from src.utils import x\n", "src/utils.py": "x = 41 + 1\n"})

    code = "import sys; sys.path.append(sys.argv[1]); import src.model; print(src.model.x)"

    assert python(str(path), code=code).strip() == "42"


def test_equal_code_gives_equal_bytes_whatever_the_clock_and_the_order(tmp_path):
    contents = {f"pkg{i % 3}/m{i}.py": os.urandom(50).hex() for i in range(30)}
    zips = []
    for attempt in range(2):
        folder = tmp_path / f"folder{attempt}" / "code"
        shuffled = list(contents.items())
        random.Random(attempt).shuffle(shuffled)
        for name, text in shuffled:
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
            os.utime(path, (attempt * 1e9, attempt * 1e9))
            path.chmod(0o640 if attempt else 0o644)
        zips.append(save(folder, tmp_path / str(attempt)).path.read_bytes())

    assert zips[0] == zips[1]


def test_a_zip_written_into_the_tree_is_not_in_itself(tree):
    folder = tree({"train.py": "x = 1\n"})

    first = checkpoint(folder, folder / "out/codebase.zip", verbose=False).path.read_bytes()
    again = checkpoint(folder, folder / "out/codebase.zip", verbose=False)

    assert names(again) == {"train.py"}
    assert again.path.read_bytes() == first


def test_a_failed_save_leaves_the_old_zip(tree, tmp_path, monkeypatch):
    folder = tree({"train.py": "x = 1\n"})
    path = save(folder, tmp_path).path
    old = path.read_bytes()
    monkeypatch.setattr("codesave._save.encode_manifest", lambda _: 1 / 0)

    with pytest.raises(ZeroDivisionError):
        save(folder, tmp_path)

    assert path.read_bytes() == old
    assert sorted(entry.name for entry in tmp_path.glob("*.tmp")) == []


@pytest.fixture
def compressed(monkeypatch) -> list[int]:
    """The sizes of what is compressed rather than taken over."""
    from codesave import _pack

    sizes: list[int] = []
    compress, stream = _pack.compress, _pack.ZipWriter.add_stream

    def counting(data, level):
        sizes.append(len(data))
        return compress(data, level)

    def streaming(writer, name, *args, **kwargs):
        packed = stream(writer, name, *args, **kwargs)
        sizes.append(packed.size)
        return packed

    monkeypatch.setattr(_pack, "compress", counting)
    monkeypatch.setattr(_pack.ZipWriter, "add_stream", streaming)
    monkeypatch.setattr(_pack, "STREAM_ABOVE", 1000)
    return sizes


def test_unchanged_files_are_taken_over_and_the_bytes_are_those_of_a_fresh_zip(
    tree, tmp_path, compressed
):
    folder = tree({"a.py": "a = 1\n" * 20, "b.py": "b" * 50, "big.bin": os.urandom(3 << 20)})
    save(folder, tmp_path)
    (folder / "b.py").write_text("changed")
    (folder / "a.py").rename(folder / "renamed.py")
    compressed.clear()

    again = save(folder, tmp_path)

    assert len("changed") in compressed
    assert not {120, 3 << 20} & set(compressed)
    fresh = checkpoint(folder, tmp_path / "fresh.zip", verbose=False)
    assert again.path.read_bytes() == fresh.path.read_bytes()


@pytest.mark.parametrize("why", ["another level", "damaged", "no zip", "foreign"])
def test_nothing_is_taken_over_from_a_zip_that_may_differ(why, tree, tmp_path):
    folder = tree({"a.py": "a = 1\n" * 20, "b.bin": b"x" * 1500})
    path = save(folder, tmp_path, level=1 if why == "another level" else 5).path
    if why == "damaged":
        data = bytearray(path.read_bytes())
        data[40] ^= 1
        path.write_bytes(data)
    elif why == "no zip":
        path.write_bytes(b"something else")
    elif why == "foreign":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("a.py", "a = 1\n" * 20)

    again = save(folder, tmp_path)

    fresh = checkpoint(folder, tmp_path / "fresh.zip", verbose=False)
    assert again.path.read_bytes() == fresh.path.read_bytes()


def test_secrets_stay_out_and_are_reported(tree, tmp_path):
    secrets = [".env", "deploy/key.pem", "id_rsa", "credentials.json", ".aws/config", ".netrc"]
    secrets += ["token.json", "hf_token", "prod.kubeconfig"]
    kept = ["train.py", "credentials.py", ".env.example", "id_rsa.pub", "keys.txt"]
    folder = tree(dict.fromkeys([*secrets, *kept], "x"))

    snapshot = save(folder, tmp_path)

    assert names(snapshot) == set(kept)
    assert {skipped.name for skipped in snapshot.left_out} == set(secrets)
    assert {skipped.reason for skipped in snapshot.left_out} == {"looks like a secret"}


KEY = "K0014fe3d9c1b7a2058e6f4"


@pytest.mark.parametrize(
    ("name", "text", "what"),
    [
        ("savethat.toml", f'b2_key_id = "0014key"\nb2_key = "{KEY}"\n', "b2_key"),
        ("conf/wandb.yaml", f"wandb:\n  api_key: {KEY}\n", "api_key"),
        ("aws.ini", f"[default]\nAWS_SECRET_ACCESS_KEY={KEY}\n", "secret_access_key"),
        ("db.json", f'{{"user": "me", "password": "{KEY}"}}', "password"),
        ("list.yaml", f"buckets:\n  - b2_key: {KEY}\n", "b2_key"),
        ("dash.yaml", f"api-key: {KEY}\n", "api-key"),
        ("camel.json", f'{{"clientSecret": "{KEY}"}}', "clientsecret"),
        ("bom.ini", f"\ufeffpassword = {KEY}\n", "password"),
        ("second.ini", f"api_key = your-key-goes-here\nb2_key = {KEY}\n", "b2_key"),
        ("x.cfg", f"remote = sftp://me:{KEY}@host/runs\n", "a password in a URL"),
        ("gcp.json", '{"k": "-----BEGIN PRIVATE KEY-----\\n"}', "a private key"),
    ],
)
def test_settings_with_a_key_in_them_stay_out_and_are_reported(tree, tmp_path, name, text, what):
    snapshot = save(tree({name: text, "train.py": "b2_key = '…'"}), tmp_path)

    assert names(snapshot) == {"train.py"}
    assert [str(skipped) for skipped in snapshot.left_out] == [f"{name} holds {what}"]
    assert KEY.encode() not in snapshot.path.read_bytes()
    assert names(save(tmp_path / "code", tmp_path, include=[name])) == {name, "train.py"}


@pytest.mark.parametrize(
    "text",
    [
        'b2_key = "XXXXXXXXXXXXXXXXXXXXX"\n',
        'b2_key = "${B2_KEY_OF_THE_PROJECT}"\nb2_key_id = "0014fe3d9c1b7a2058e6f4"\n',
        "password: <the password of the database>\n",
        "password: postgres\nurl: postgresql://me:me@localhost/db\n",
        '{"pad_token": "<|finetune_right_pad_id|>", "secrets": ["0014fe3d9c1b7a2058e6f4"]}',
        "url: https://example.org:8080/a@b\n",
        'api_key = "YOUR_API_KEY_GOES_HERE"\n',
        "secret: projects/p/secrets/wandb\n",
        "api_key: os.environ/OPENAI_API_KEY\n",
        "url: postgresql://postgres:postgres@localhost/db\n",
    ],
)
def test_settings_without_a_key_go_in(tree, tmp_path, text):
    assert names(save(tree({"settings.yaml": text}), tmp_path)) == {"settings.yaml"}


@pytest.mark.parametrize(
    "unit",
    ["a", "a.", "://a:", "{secret:", " ", "- ", "secret=x{", "password: example.", "://a:a"],
)
def test_no_settings_take_long_to_look_into(tree, tmp_path, unit):
    # 0.1 s; where a pattern looks at all that follows from each letter, half a minute.
    folder = tree({f"{number}.yaml": unit * (100_000 // len(unit)) for number in range(3)})

    save(folder, tmp_path)


def test_a_secret_goes_in_when_asked_for(tree, tmp_path):
    folder = tree({".env": "x", "a/key.pem": "x", "b/key.pem": "x"})

    snapshot = save(folder, tmp_path, include=["a/*.pem"], extra_files=[folder / ".env"])

    assert {".env", "a/key.pem"} <= names(snapshot)
    assert "b/key.pem" not in names(snapshot)


def test_what_is_left_out_is_logged_as_a_warning(tree, tmp_path, caplog):
    folder = tree({".env": "x", "train.py": ""})

    checkpoint(folder, tmp_path / "a.zip")

    warnings = [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING]
    assert len(warnings) == 1
    assert ".env looks like a secret" in warnings[0]


def test_large_files_stay_out_and_are_reported_but_source_never_does(tree, tmp_path):
    folder = tree({"data.bin": b"x" * 2000, "big.py": "#" * 2000, "small.bin": b"x"})

    snapshot = save(folder, tmp_path, ignore_larger_than="1K")

    assert names(snapshot) == {"big.py", "small.bin"}
    (skipped,) = snapshot.left_out
    assert str(skipped) == "data.bin is 2,000 bytes, above the limit of 1,000"


def test_no_limit_takes_all(tree, tmp_path):
    folder = tree({"data.bin": os.urandom(11_000_000)})

    assert names(save(folder, tmp_path)) == set()
    snapshot = save(folder, tmp_path, ignore_larger_than=None)

    assert names(snapshot) == {"data.bin"}
    with zipfile.ZipFile(snapshot) as archive:
        assert archive.read("data.bin") == (folder / "data.bin").read_bytes()


def test_a_size_that_is_none_is_refused(tree, tmp_path):
    with pytest.raises(ValueError, match="'big' is no size"):
        save(tree({}), tmp_path, ignore_larger_than="big")


def test_by_products_stay_out(tree, tmp_path):
    junk = [
        "__pycache__/a.pyc",
        "node_modules/x/index.js",
        "env/pyvenv.cfg",
        "env/lib/site.py",
        "wandb/run-1/files/config.yaml",
        ".git/config",
        "sub/.venv/x.py",
        "nohup.out",
        "slurm-4711.out",
    ]
    folder = tree(dict.fromkeys([*junk, "wandb2/x.py", "sub/a.py"], ""))

    snapshot = save(folder, tmp_path)

    assert names(snapshot) == {"wandb2/x.py", "sub/a.py"}
    assert snapshot.left_out == ()


def test_a_package_named_wandb_is_code(tree, tmp_path):
    assert names(save(tree({"wandb/__init__.py": ""}), tmp_path)) == {"wandb/__init__.py"}


IGNORE_TREE: dict[str, str | bytes] = {
    ".gitignore": "*.log\n!keep.log\nbuild/\n/only_top.txt\ndata/*\n!data/small.csv\n**/deep/*.x",
    "a.log": "",
    "keep.log": "",
    "only_top.txt": "",
    "sub/only_top.txt": "",
    "build/x.py": "",
    "sub/build/y.py": "",
    "data/big.csv": "",
    "data/small.csv": "",
    "sub/.gitignore": "!a.log\n*.tmp\n# comment\n\\#odd\n",
    "sub/a.log": "",
    "sub/b.tmp": "",
    "sub/#odd": "",
    "sub/deep/q.x": "",
    "sub/deep/q.y": "",
    "b.tmp": "",
    "trailing .txt": "",
    "ünï.py": "",
}


def test_names_that_the_system_decomposes_are_saved_as_python_spells_them(tree, tmp_path):
    composed, decomposed = "caf\u00e9.py", "cafe\u0301.py"
    folder = tree({composed: "x = 1\n"})
    if not (folder / decomposed).exists():
        (folder / decomposed).hardlink_to(folder / composed)  # as if they were one name

    found = names(save(folder, tmp_path))
    assert composed in found
    assert decomposed not in found


def test_without_git_nested_gitignore_files_hold(tree, tmp_path):
    folder = tree(IGNORE_TREE)

    assert names(save(folder, tmp_path)) == {
        ".gitignore",
        "keep.log",
        "sub/only_top.txt",
        "data/small.csv",
        "sub/.gitignore",
        "sub/a.log",
        "sub/deep/q.y",
        "b.tmp",
        "trailing .txt",
        "ünï.py",
    }


@pytest.mark.usefixtures("has_git")
@pytest.mark.parametrize("name", [".gitignore", ".codesaveignore"])
@pytest.mark.parametrize("line", ["build\\", "!", "/", "a**\\", "[", "\\"])
def test_lines_that_are_no_patterns_ignore_nothing(line, name, tree, tmp_path):
    folder = tree({name: f"{line}\n*.log\n", "build/a.py": "", "b.log": ""})

    assert names(save(folder, tmp_path)) == {name, "build/a.py"}


def test_ignore_files_of_windows_editors_are_read(tree, tmp_path):
    """They begin with a byte order mark, and their lines end in a carriage return."""
    folder = tree({".gitignore": b"\xef\xbb\xbfdata\r\n*.log\r\n", "data/x": "", "b.log": ""})

    assert names(save(folder, tmp_path)) == {".gitignore"}


def test_with_git_the_files_are_those_that_git_lists(tree, tmp_path):
    folder = tree(IGNORE_TREE)
    without = names(save(folder, tmp_path))
    git(folder, "init", "-q")
    git(folder, "add", "-f", "a.log")  # tracked, though ignored

    listed = git(folder, "ls-files", "-z", "-co", "--exclude-standard").split("\0")

    assert names(save(folder, tmp_path)) == set(filter(None, listed))
    assert names(save(folder, tmp_path)) - without == {"a.log"}


PATTERNS = r"""
*.a !*.a x /x x/ /x/ !x x/* !x/y **/y y/** x/**/z !z * !*/ d[xy] ? #c \#c \!\!b /* !/x x/y */y
**/x/ a**b ** x/**/ !y/**/ **/
""".split()  # noqa: SIM905
NAMES = ("x", "y", "z", "a.a", "b.b", "dx", "#c", "!b", "ab")


@pytest.mark.usefixtures("has_git")
@pytest.mark.parametrize("seed", range(60))
def test_any_tree_and_rules_give_what_git_lists(seed, tmp_path):
    rng = random.Random(seed)
    folder = tmp_path / "code"
    for _ in range(14):
        path = folder.joinpath(*rng.choices(NAMES, k=rng.randint(1, 4)))
        if not any(parent.is_file() for parent in path.parents) and not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("")
    folders = [folder, *sorted(path for path in folder.rglob("*") if path.is_dir())]
    for place in rng.sample(folders, min(len(folders), rng.randint(1, 3))):
        lines = rng.choices(PATTERNS, k=rng.randint(1, 5))
        (place / ".gitignore").write_text("\n".join(lines) + "\n")

    without = names(save(folder, tmp_path))
    git(folder, "init", "-q")
    listed = set(git(folder, "ls-files", "-z", "-co", "--exclude-standard").split("\0")) - {""}

    assert without == listed
    assert names(save(folder, tmp_path)) == listed


@pytest.mark.usefixtures("has_git")
def test_a_folder_that_git_ignores_is_saved_when_named(tree, tmp_path):
    folder = tree({".gitignore": "scratch/\n", "scratch/exp.py": "", "scratch/__init__.py": ""})
    git(folder, "init", "-q")

    assert names(save(folder / "scratch", tmp_path)) == {"exp.py", "__init__.py"}


@pytest.mark.usefixtures("has_git")
def test_nested_repositories_and_deleted_files_do_no_harm(tree, tmp_path):
    folder = tree({"a.py": "", "gone.py": "", "inner/b.py": "", "inner/.gitignore": "c.py\n"})
    (folder / "inner/c.py").write_text("")
    git(folder / "inner", "init", "-q")
    git(folder, "init", "-q")
    git(folder, "add", "a.py", "gone.py")
    (folder / "gone.py").unlink()

    assert names(save(folder, tmp_path)) == {"a.py", "inner/b.py", "inner/.gitignore"}


def test_codesaveignore_leaves_out_more(tree, tmp_path):
    kept = {".codesaveignore": "notes/\n*.csv\n", "a.py": ""}
    folder = tree({**kept, "notes/a.md": "", "d/x.csv": ""})

    assert names(save(folder, tmp_path)) == set(kept)


def test_empty_folders_survive(tree, tmp_path):
    folder = tree({"a.py": ""})
    (folder / "logs/deep").mkdir(parents=True)

    with zipfile.ZipFile(save(folder, tmp_path)) as archive:
        assert {"logs/", "logs/deep/"} <= set(archive.namelist())


@pytest.mark.skipif(sys.platform == "win32", reason="links need a privilege there")
def test_links_are_followed_and_loops_and_dangling_ones_reported(tree, tmp_path):
    folder = tree({"src/a.py": "a = 1\n"})
    outside = tree({"mod.py": "b = 2\n"}, name="outside")
    (folder / "file_link.py").symlink_to("src/a.py")
    (folder / "lib").symlink_to(outside)
    (folder / "src/loop").symlink_to(folder)
    (folder / "dangling").symlink_to("nowhere")
    (folder / "self").symlink_to("self")

    snapshot = save(folder, tmp_path)

    assert names(snapshot) == {"src/a.py", "file_link.py", "lib/mod.py"}
    assert {skipped.name for skipped in snapshot.left_out} == {"src/loop", "dangling", "self"}


@pytest.mark.skipif(sys.platform == "win32", reason="no such files there")
def test_pipes_and_odd_names_are_reported(tree, tmp_path):
    folder = tree({"a.py": "", "back\\slash.txt": "", "C:x.txt": ""})
    os.mkfifo(folder / "pipe")
    Path(os.fsdecode(os.fsencode(folder) + b"/bad\xff.txt")).touch()

    snapshot = save(folder, tmp_path)

    assert names(snapshot) == {"a.py"}
    reported = {skipped.name for skipped in snapshot.left_out}
    assert reported == {"pipe", "back\\slash.txt", "C:x.txt", "bad\\udcff.txt"}


def test_extra_files_that_no_zip_can_hold_are_reported(tree, tmp_path):
    folder, extra = tree({"a.py": ""}), tree({".codesave.json": "{}", "notes.txt": ""}, name="x")
    odd = ["folder", "back\\slash", os.fsdecode(b"bad\xff"), "pipe", ".codesave.json"]
    if sys.platform == "win32":
        odd = ["folder", ".codesave.json"]
    else:
        os.mkfifo(extra / "pipe")
        for name in odd[1:3]:
            (extra / name).write_text("")
    (extra / "folder").mkdir()

    given = [extra / name for name in (*odd, "notes.txt")]
    snapshot = checkpoint(folder, tmp_path / "o.zip", extra_files=given, verbose=False)

    assert names(snapshot) == {"a.py", "notes.txt"}
    assert len(snapshot.left_out) == len(odd)
    assert verify(snapshot) == []
    assert UniqueCodebase(snapshot).valid_libraries == ["a"]


def test_folders_in_folders_without_end_are_reported(tree, tmp_path):
    folder = tree({"a.py": "", "/".join(["d"] * 400) + "/b.py": ""})

    (out,) = checkpoint(folder, tmp_path / "o.zip", verbose=False).left_out

    assert "folders deep" in out.reason


def test_times_before_1980_are_no_problem(tree, tmp_path):
    folder = tree({"a.py": ""})
    os.utime(folder / "a.py", (0, 0))

    assert names(save(folder, tmp_path)) == {"a.py"}


def test_a_file_that_fails_while_it_is_streamed_is_not_in_the_zip(tmp_path):
    from codesave._zipwriter import ZipWriter

    def chunks():
        yield b"some"
        raise OSError("disk")

    with (tmp_path / "a.zip").open("w+b") as file:
        writer = ZipWriter(file)
        with pytest.raises(OSError, match="disk"):
            writer.add_stream("a.bin", chunks(), 6)
        writer.add_stream("b.bin", [b"whole"], 6)
        writer.finish()

    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        assert archive.namelist() == ["b.bin"]
        assert archive.testzip() is None


def test_names_that_differ_by_case_only_are_reported(tree, tmp_path):
    folder = tree({"Makefile": "", "Src/a.py": "", "b.py": ""})
    if (folder / "makefile").exists():
        pytest.skip("the file system knows no case")
    (folder / "makefile").write_text("")

    snapshot = save(folder, tmp_path)

    assert names(snapshot) == {"Makefile", "Src/a.py", "b.py"}
    assert [skipped.name for skipped in snapshot.left_out] == ["makefile"]


def test_the_users_own_main_and_packages_files_are_kept(tree, tmp_path, python):
    folder = tree({"__main__.py": "print('mine')\n", "packages.txt": "mine\n"})

    snapshot = save(folder, tmp_path)

    assert python(str(snapshot.path)).strip() == "mine"
    with zipfile.ZipFile(snapshot) as archive:
        assert archive.read("packages.txt") == b"mine\n"


def test_an_unpacked_zip_saves_to_the_same_bytes(tree, tmp_path):
    snapshot = save(tree({"src/a.py": "a = 1\n", ".codesaveignore": "x\n"}), tmp_path)
    with zipfile.ZipFile(snapshot) as archive:
        archive.extractall(tmp_path / "there")

    again = checkpoint(tmp_path / "there", tmp_path / "again.zip", verbose=False)

    assert again.path.read_bytes() == snapshot.path.read_bytes()


def test_py_only_and_patterns_and_filters(tree, tmp_path):
    folder = tree(dict.fromkeys(("a.py", "b.txt", "tests/c.py", "old_x.py", "d.ipynb"), ""))

    assert names(save(folder, tmp_path, py_only=True)) == {"a.py", "tests/c.py", "old_x.py"}
    assert names(save(folder, tmp_path, ignore_patterns=["tests", "*.ipynb"])) == {
        "a.py",
        "b.txt",
        "old_x.py",
    }

    def no_old(folder, names):
        return [name for name in names if name.startswith("old_")]

    assert "old_x.py" not in names(save(folder, tmp_path, ignore=[no_old]))


def test_extra_libraries_lie_beside_the_folders_own_code(tree, tmp_path):
    folder = tree({"train.py": "import mylib, single, third\n"})
    library = tree({"mylib/__init__.py": "", "setup.py": ""}, name="repo") / "mylib"
    single = tree({"single.py": ""}, name="one") / "single.py"
    path = tree({"third/__init__.py": "", "data/x.txt": ""}, name="path")

    snapshot = save(folder, tmp_path, extra_libraries=[library, single], extra_pythonpath=[path])

    assert names(snapshot) == {
        "train.py",
        "mylib/__init__.py",
        "single.py",
        "third/__init__.py",
    }


def test_the_folders_own_file_wins_over_an_extra_one(tree, tmp_path):
    folder = tree({"utils.py": "mine = 1\n"})
    other = tree({"utils.py": "theirs = 1\n"}, name="other") / "utils.py"

    snapshot = save(folder, tmp_path, extra_libraries=[other])

    with zipfile.ZipFile(snapshot) as archive:
        assert archive.read("utils.py") == b"mine = 1\n"
    assert [skipped.name for skipped in snapshot.left_out] == ["utils.py"]


def test_only_libraries_can_be_saved(tree, tmp_path):
    library = tree({"mylib/__init__.py": ""}) / "mylib"

    assert names(save(None, tmp_path, extra_libraries=[library])) == {"mylib/__init__.py"}


def test_a_folder_that_is_none_is_refused(tmp_path):
    with pytest.raises(NotAFolderError, match="'nowhere' is not a folder"):
        checkpoint("nowhere", tmp_path / "o.zip")
    assert not (tmp_path / "o.zip").exists()


def test_the_output_is_the_name_given(tree, tmp_path):
    folder = tree({"a.py": ""})

    snapshot = checkpoint(folder, tmp_path / "new/o.zip", verbose=False)

    assert snapshot.path == tmp_path / "new/o.zip"
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["o.zip"]


@pytest.mark.skipif(sys.platform == "win32", reason="mode bits mean little there")
def test_executable_files_stay_executable(tree, tmp_path):
    folder = tree({"run.sh": "", "a.py": ""})
    (folder / "run.sh").chmod(0o755)

    with zipfile.ZipFile(save(folder, tmp_path)) as archive:
        assert archive.getinfo("run.sh").external_attr >> 16 == 0o100755
        assert archive.getinfo("a.py").external_attr >> 16 == 0o100644


def test_the_snapshot_tells_what_went_in(tree, tmp_path):
    snapshot = save(tree({"a.py": "123", "b.py": "1", ".env": ""}), tmp_path)

    assert (snapshot.files, snapshot.size) == (2, 4)
    assert snapshot.largest == (("a.py", 3), ("b.py", 1))
    assert "biggest: a.py (3), b.py (1)" in snapshot.summary()
    assert "left out: .env looks like a secret" in snapshot.summary()
    assert snapshot.digest.startswith("sha256:")


@pytest.mark.skipif(sys.platform == "win32", reason="no resource module there")
def test_memory_stays_flat_with_a_large_file(tree, tmp_path, python):
    folder = tree({"a.py": "x = 1\n"})
    with (folder / "data.bin").open("wb") as file:
        for _ in range(60):
            file.write(os.urandom(1 << 20))
    code = """if True:
        import resource, sys
        from codesave import UniqueCodebase, checkpoint
        checkpoint(sys.argv[1], sys.argv[2] + "warm.zip", ignore_larger_than="1K", verbose=False)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        for _ in range(2):
            checkpoint(sys.argv[1], sys.argv[2], ignore_larger_than=None, verbose=False)
        UniqueCodebase(sys.argv[2])
        after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        print((after - before) // (1 if sys.platform != "darwin" else 1024))
    """

    grown_kib = int(python(str(folder), str(tmp_path / "o.zip"), code=code))

    assert grown_kib < 30 * 1024


def test_a_file_that_has_the_name_of_the_manifest_is_reported(tree, tmp_path):
    snapshot = save(tree({"a.py": "a = 1\n", ".codesave.json": "{}"}), tmp_path)

    assert [skipped.name for skipped in snapshot.left_out] == [".codesave.json"]
