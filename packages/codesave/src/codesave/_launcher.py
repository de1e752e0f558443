"""The ``__main__.py`` of a zip: ``python codebase.zip train.py`` without codesave installed."""

from __future__ import annotations

LAUNCHER = '''\
"""Run a file or a function of this zip of code: python <zip> train.py | module:function."""

import importlib
import os
import runpy
import sys
import zipimport

USAGE = """usage: python {zip} FILE.py [ARGS...]          run a file, as `python FILE.py` would
       python {zip} PACKAGE.MODULE [ARGS...]   run a module, as `python -m` would
       python {zip} MODULE:FUNCTION [ARGS...]  call a function
"""


def main():
    here = os.path.dirname(os.path.abspath(__file__))
    if len(sys.argv) < 2 or sys.argv[1] in ("-h", "--help"):
        text = USAGE.format(zip=os.path.basename(here))
        sys.exit(text if len(sys.argv) < 2 else print(text))
    target = sys.argv.pop(1)
    if ":" in target:
        module, _, function = target.partition(":")
        found = importlib.import_module(module)
        for name in function.split("."):
            found = getattr(found, name)
        sys.exit(found())
    if not target.endswith(".py"):
        runpy.run_module(target, run_name="__main__", alter_sys=True)
        return
    parts = [part for part in target.replace(os.sep, "/").split("/") if part not in ("", ".")]
    sys.argv[0] = os.path.join(here, *parts)
    folder = os.path.join(here, *parts[:-1])
    if len(parts) > 1:  # `python scripts/train.py` finds what lies beside train.py
        sys.path.insert(0, folder)
    if os.path.isdir(here):
        runpy.run_path(sys.argv[0], run_name="__main__")
    elif zipimport.zipimporter(folder).find_spec(parts[-1][:-3]) is None:
        sys.exit("{}: no file {!r} in it".format(os.path.basename(here), target))
    else:
        runpy.run_module(parts[-1][:-3], run_name="__main__", alter_sys=True)


main()
'''


def module_launcher(module: str) -> str:
    """The text of a ``__main__.py`` that runs one module of the zip."""
    return f'import runpy\n\nrunpy.run_module({module!r}, run_name="__main__", alter_sys=True)\n'


def file_launcher(path: str) -> str:
    """The text of a ``__main__.py`` that runs one file of the zip."""
    call = f"sys.argv.insert(1, {path!r})\n\n\nmain()\n"
    return LAUNCHER.removesuffix("main()\n").rstrip("\n") + "\n\n\n" + call
