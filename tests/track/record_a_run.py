"""Records a run with everything a job records; prints nothing. Run with the folder as its argument."""

import sys
from pathlib import Path

import pandas as pd

from dist_bp.track.figures import loss_curves
from dist_bp.track.mlflow_open import open_tracker
from dist_bp.track.port import ModelPackage, TrackingSettings

folder = Path(sys.argv[1])
settings = TrackingSettings(f"sqlite:///{folder}/mlflow.db", "shared", folder / "spool")
tracker = open_tracker(settings, {"epochs": "2"}, "epochs: 2\n", {})
for step in range(20):
    tracker.log(step, {"train/loss": 1 / (step + 1)})
tracker.log_figure("figures/loss.png", loss_curves([1.0, 0.5]))
rows = pd.DataFrame({"a": [1, 2], "b": [0.5, 1.5]})
package = ModelPackage(
    python_model=Path(__file__).with_name("summing_model.py"),
    artifacts={"folder": folder / "artifacts"},
    input_example=rows,
    output_example=pd.DataFrame({"sum": [3.0, 7.0]}),
    pip_requirements=["numpy"],
)
uri = tracker.log_model(package, 19, {"train/loss": 0.05})
notes = tracker.finish("FINISHED")
sys.exit(0 if uri and not notes else f"{uri} {notes}")
