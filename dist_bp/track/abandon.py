"""Marks a run as failed whose driver was killed: `python -m dist_bp.track.abandon TRACKING_URI RUN_ID DRIVER`."""

import sys

from dist_bp.track.mlflow_abandoned import close_abandoned

if __name__ == "__main__":
    close_abandoned(*sys.argv[1:])
