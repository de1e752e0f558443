"""Get code, model and training state back from one run's folder, and check every bit.

``python recover.py RUN_FOLDER``: needs no other file of the project that made the run.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np

import ckpt
from codesave import UniqueCodebase


def main(run: Path) -> int:
    """Compare what comes back with what the first process wrote; the number of differences."""
    differences = 0

    def compare(label: str, found: np.ndarray, file: str) -> None:
        nonlocal differences
        expected = np.load(run / file)
        same = found.dtype == expected.dtype and found.tobytes() == expected.tobytes()
        differences += not same
        print(f"{label} {'identical' if same else 'DIFFERENT'}", flush=True)

    with UniqueCodebase(run / "code.zip") as code:
        quickstart = code.import_module("quickstart")
        print(f"code         {quickstart.FitDigits.__qualname__} imported from code.zip")
        saved = json.loads((run / "args.json").read_text("utf-8"))
        values = {name: value for name, value in saved.items() if not name.startswith("__")}
        args = quickstart.FitDigitsArgs(**values)

        training = quickstart.Training(args)
        model = quickstart.DigitNet.load(run / "best_model.pth")
        predictions = quickstart.predict(model, training.test_images)
        compare("model        best_model.pth: predictions", predictions, "best_predictions.npy")

        checkpoints = ckpt.Checkpoint(str(run), keep_ckpts=3, verbose=False)
        last, _ = checkpoints.restore(training.variables)
        predictions = quickstart.predict(training.model, training.test_images)
        compare(f"checkpoint   epoch {last}: predictions", predictions, "last_predictions.npy")

        resumed = quickstart.Training(args)
        checkpoints.restore(resumed.variables, idx=last - 1)
        resumed.run_epoch(last)
        predictions = quickstart.predict(resumed.model, resumed.test_images)
        compare(
            f"resumed      epoch {last - 1} → {last}: predictions",
            predictions,
            "last_predictions.npy",
        )

        resumed.run_epoch(last + 1)
        print(f"went on      epoch {last + 1}: accuracy {resumed.accuracy():.2%}")
    print("recovered:   identical" if not differences else f"recovered:   {differences} DIFFER")
    return differences


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
