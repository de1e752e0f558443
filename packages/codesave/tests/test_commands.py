"""Running zips, and the commands."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile

import pytest

from codesave import checkpoint, diff, packages, show, verify
from codesave._cli import code_from_wandb, main, make_pyz
from codesave.errors import NotAZipError

FILES = {
    "train.py": "import sys\nfrom src.model import x\nprint(__name__, sys.argv[1:], x)\n",
    "scripts/my-run.py": "import beside, src.model\nprint(__name__, beside.y, src.model.x)\n",
    "scripts/beside.py": "y = 2\n",
    "src/model.py": "x = 1\ndef main():\n    print('main', x)\n    return 3\n",
    "src/tool.py": "import sys\nprint(__name__, __package__, sys.argv[1:])\n",
}


def run(*args: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, *map(str, args)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_a_zip_runs_its_files(zipped, tmp_path):
    path = zipped(FILES)

    assert run(path, "train.py", "--lr", "1").stdout == "__main__ ['--lr', '1'] 1\n"
    assert run(path, "./scripts/my-run.py").stdout == "__main__ 2 1\n"
    assert run(path, "src.tool", "a").stdout == "__main__ src ['a']\n"
    done = run(path, "src.model:main")
    assert (done.stdout, done.returncode) == ("main 1\n", 3)


def test_a_zip_runs_nothing_unless_told_what(zipped):
    path = zipped(FILES)

    assert "usage: python codebase0.zip FILE.py" in run(path).stderr
    assert "MODULE:FUNCTION" in run(path, "--help").stdout
    done = run(path, "nope.py")
    assert (done.returncode, "no file 'nope.py'" in done.stderr) == (1, True)


def test_an_unpacked_zip_runs_the_same(zipped, tmp_path):
    with zipfile.ZipFile(zipped(FILES)) as archive:
        archive.extractall(tmp_path / "there")

    assert run(tmp_path / "there", "train.py", "a").stdout == "__main__ ['a'] 1\n"


def test_a_file_of_a_zip_starts_spawned_workers(zipped):
    source = """\
        import multiprocessing
        def double(x):
            return 2 * x
        if __name__ == "__main__":
            with multiprocessing.get_context("spawn").Pool(1) as pool:
                print(pool.map(double, [1, 2]))
    """

    done = run(zipped({"train.py": source}), "train.py")

    assert done.stdout == "[2, 4]\n", done.stderr


def test_the_command_saves_and_tells_what_it_did(tree, capsys, tmp_path):
    folder = tree({**FILES, ".env": "x"})

    assert main([str(folder), "-o", str(tmp_path / "o.zip")]) == 0

    out = capsys.readouterr().out
    assert "5 files" in out
    assert "left out: .env looks like a secret" in out
    with zipfile.ZipFile(tmp_path / "o.zip") as archive:
        assert "train.py" in archive.namelist()


def test_a_refusal_is_one_line_and_status_1(capsys, tmp_path):
    assert main([str(tmp_path / "nowhere")]) == 1

    captured = capsys.readouterr()
    assert captured.err.startswith("NotAFolderError:")
    assert captured.err.count("\n") == 1


def test_help_shows_examples(capsys):
    for command in (main, make_pyz, code_from_wandb):
        with pytest.raises(SystemExit) as stop:
            command(["--help"])
        assert stop.value.code == 0

    out = capsys.readouterr().out
    assert "codesave . -o codebase.zip" in out
    assert "python train.pyz" in out


@pytest.mark.parametrize("launcher", ["scripts/my-run.py", "train.py", "src.tool", "outside.py"])
def test_make_pyz_makes_a_zip_that_runs(launcher, tree, tmp_path, capsys, monkeypatch):
    folder = tree(FILES)
    (tmp_path / "work/outside.py").write_text("import src.model\nprint('outside')\n")
    output = tmp_path / "app.pyz"

    assert make_pyz([str(folder), launcher, "-o", str(output)]) == 0

    first = {"scripts/my-run.py": "__main__ 2 1", "outside.py": "outside"}
    rest = {"train.py": "__main__ ['a'] 1", "src.tool": "__main__ src ['a']"}
    assert run(output, "a").stdout.strip() == {**first, **rest}[launcher]
    assert verify(output) == []


def test_without_wandb_the_line_that_installs_it_is_shown(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "wandb", None)

    assert code_from_wandb(["entity/project/run"]) == 1

    assert "pip install './packages/codesave[wandb]'" in capsys.readouterr().err


def test_make_pyz_leaves_the_zip_as_it_is(zipped, capsys):
    path = zipped({**FILES, "__main__.py": "print('mine')\n"})
    before = path.read_bytes()

    assert make_pyz([str(path), "train.py"]) == 0

    assert path.read_bytes() == before
    assert run(path.with_suffix(".pyz")).stdout == "__main__ [] 1\n"
    assert run(path).stdout == "mine\n"


def test_make_pyz_refuses_what_is_not_there(zipped, capsys):
    path = zipped(FILES)

    assert make_pyz([str(path), "nope.py"]) == 1

    assert "'nope.py' is neither a script here nor" in capsys.readouterr().err
    assert not path.with_suffix(".pyz").exists()


def test_verify_finds_what_was_changed(zipped, capsys, tmp_path):
    path = zipped(FILES)
    assert verify(path) == []
    assert main(["verify", str(path)]) == 0

    changed = tmp_path / "changed.zip"
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(changed, "w") as new:
        for member in old.infolist():
            if member.filename != "scripts/beside.py":
                data = old.read(member)
                new.writestr(member, b"x = 2" if member.filename == "src/model.py" else data)
        new.writestr("added.py", "")

    problems = verify(changed)

    assert problems[0] == "added.py is not in the manifest"
    assert problems[1].startswith("src/model.py has changed: its digest is not sha256:")
    assert problems[2:] == ["scripts/beside.py is missing"]
    assert main(["verify", str(changed)]) == 1


def test_verify_finds_a_damaged_file(zipped):
    path = zipped({"a.bin": bytes(range(256))})
    path.write_bytes(path.read_bytes().replace(b"\x10\x11\x12\x13", b"\x13\x12\x11\x10"))

    assert [problem.partition(" (")[0] for problem in verify(path)] == ["a.bin is damaged"]


def test_verify_refuses_a_zip_without_manifest(tmp_path):
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr("a.py", "")

    with pytest.raises(NotAZipError, match="no manifest"):
        verify(tmp_path / "x.zip")


def test_diff_is_a_unified_diff_that_patch_applies(zipped, tree, tmp_path, capsys):
    old = {"a.py": "1\n2\n3\n", "gone.py": "x\n", "end.py": "no newline", "b.bin": b"\0\1"}
    new = {"a.py": "1\n2!\n3\n", "new.py": "y\n", "end.py": "no newline!", "b.bin": b"\0\2"}
    left, right = zipped(old), zipped(new)

    lines = list(diff(left, right))

    assert lines[:6] == ["--- a/a.py", "+++ b/a.py", "@@ -1,3 +1,3 @@", " 1", "-2", "+2!"]
    assert "Binary files a/b.bin and b/b.bin differ" in lines
    assert "--- a/gone.py" in lines
    assert "+++ /dev/null" in lines
    assert lines.count("\\ No newline at end of file") == 2
    assert main(["diff", str(left), str(right)]) == 1
    assert main(["diff", str(left), str(left)]) == 0


@pytest.mark.skipif(not shutil.which("git"), reason="git applies the patch")
def test_git_applies_the_diff_whatever_ends_the_lines(zipped, tmp_path):
    old = {"a.py": "1\n-- 2", "b.py": "x\r\n\x0cy\r\n", "c.py": "\u2028a\x85b\rc\n", "d.sql": "++"}
    new = {"a.py": "1\n++ 2", "b.py": "x\r\n\x0cz\r\n", "c.py": "\u2028a\x85b\rd", "e.sql": "--"}
    left, right = zipped(old), zipped(new)
    patch = "\n".join(diff(left, right)) + "\n"
    with zipfile.ZipFile(left) as archive:
        archive.extractall(tmp_path / "tree")

    subprocess.run(["git", "apply"], cwd=tmp_path / "tree", input=patch.encode(), check=True)

    for name, text in new.items():
        assert (tmp_path / "tree" / name).read_bytes() == text.encode()
    assert not (tmp_path / "tree/d.sql").exists()


def test_data_above_a_megabyte_is_only_said_to_differ(zipped):
    """Where every third line of 20,000 has changed, difflib takes a minute."""
    lines = [f"{number},{number**3}\n" for number in range(100_000)]
    changed = [line if number % 3 else "!" + line for number, line in enumerate(lines)]

    left, right = zipped({"a.csv": "".join(lines)}), zipped({"a.csv": "".join(changed)})

    assert list(diff(left, right)) == ["Binary files a/a.csv and b/a.csv differ"]
    assert list(diff(left, left)) == []


def test_a_name_of_two_lines_is_shown_on_one(tmp_path):
    name = "a.py\npython: none"
    for number in (1, 2):
        with zipfile.ZipFile(tmp_path / f"{number}.zip", "w") as archive:
            archive.writestr(name, f"x = {number}\n")

    shown = [*show(tmp_path / "1.zip"), *diff(tmp_path / "1.zip", tmp_path / "2.zip")]

    assert not any("\n" in line for line in shown)


def test_diff_shows_the_distributions_that_changed(tree, tmp_path, monkeypatch):
    folder = tree({"a.py": ""})
    zips = []
    for number, found in enumerate([{"numpy": "1.0", "old": "1"}, {"numpy": "2.0"}]):
        monkeypatch.setattr("codesave._save.distributions", lambda found=found: found)
        zips.append(checkpoint(folder, tmp_path / f"{number}.zip", verbose=False))

    assert list(diff(*zips)) == ["# numpy: 1.0 -> 2.0", "# old: 1 -> none"]


def test_show_lists_the_files_and_the_origin(zipped, capsys):
    lines = list(show(zipped({"a.py": "x = 1\n", ".env": ""})))

    assert "           6  a.py" in lines
    assert "left out: .env looks like a secret" in lines
    assert any(line.startswith("python: CPython 3.") for line in lines)


def test_show_lists_what_was_installed_as_pip_reads_it(zipped, capsys):
    from importlib.metadata import version

    path = zipped({"a.py": ""})

    assert main(["show", "--packages", str(path)]) == 0

    assert f"expcore=={version('expcore')}" in capsys.readouterr().out.splitlines()
    assert packages(path)["expcore"] == version("expcore")


def test_packages_are_known_only_where_codesave_wrote_the_zip(tmp_path):
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr("a.py", "")

    with pytest.raises(NotAZipError, match="no manifest"):
        packages(tmp_path / "x.zip")


def test_show_works_on_any_zip(tmp_path, capsys):
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr("a.py", "")

    assert main(["show", str(tmp_path / "x.zip")]) == 0
    assert "codesave did not write this zip" in capsys.readouterr().out
