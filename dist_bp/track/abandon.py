"""Marks a run as failed whose driver was killed: `python -m dist_bp.track.abandon RUN_ID DRIVER`.

The store is that of MLFLOW_TRACKING_URI: a command line shows a password in it to everybody.
"""

import os
import sys

from dist_bp.track.mlflow_abandoned import close_abandoned

if __name__ == "__main__":
    close_abandoned(os.environ["MLFLOW_TRACKING_URI"], *sys.argv[1:])
