import subprocess
import sys


def test_importing_the_package_imports_nothing_heavy():
    code = (
        "import sys, torch_saveload; "
        "print(sorted({'torch', 'numpy', 'packaging', 'pluggy', 'tqdm'} & set(sys.modules)))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


def test_the_public_names_are_sorted_and_exist():
    import torch_saveload

    assert torch_saveload.__all__ == sorted(torch_saveload.__all__)
    assert all(hasattr(torch_saveload, name) for name in torch_saveload.__all__)
