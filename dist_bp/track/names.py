"""Names of metrics: as the configuration has them, and as the tracker shows them, grouped."""


def tracked_name(monitor: str) -> str:
    """The tracker's name of a monitored value: train_loss is train/epoch_loss, val_accuracy is val/accuracy."""
    split, _, metric = monitor.partition("_")
    return "train/epoch_loss" if monitor == "train_loss" else f"{split}/{metric}"
