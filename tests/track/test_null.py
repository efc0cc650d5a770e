from pathlib import Path

from dist_bp.track.figures import loss_curves
from dist_bp.track.null import NullTracker
from dist_bp.track.port import ModelPackage, Tracker


def test_takes_everything_and_leaves_nothing(tmp_path: Path) -> None:
    tracker: Tracker = NullTracker()
    tracker.log(1, {"a": 1.0})
    tracker.log_tags({"a": "b"})
    tracker.log_figure("a.png", loss_curves([1.0]))
    tracker.log_artifact(tmp_path / "missing")
    tracker.log_text("a.txt", "a")
    tracker.log_dataset("a", "b", "c", {}, "training")
    assert tracker.log_model(ModelPackage(tmp_path, {}, None, None, []), 1, {}) is None
    assert tracker.finish("FINISHED") == []
    assert (tracker.run_id, tracker.run_url) == (None, None)
    assert list(tmp_path.iterdir()) == []
