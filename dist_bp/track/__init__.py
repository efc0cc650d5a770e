"""Tracking: what a run logs, behind a narrow port; MLflow is one implementation of it.

MLflow reads its switches from the environment when it is imported, so they are set here, before any module of
this package can import it. Values the user has set are kept.
"""

import os

_SWITCHES = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_DISABLE_AGENT_HINT": "true",
    "MLFLOW_LOGGING_LEVEL": "CRITICAL",  # failures of the store are reported by `Tracker.finish`
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_UV_AUTO_DETECT": "false",  # the requirements of a model are always given
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "20",  # the background writer has its own retries
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
}

for _name, _value in _SWITCHES.items():
    os.environ.setdefault(_name, _value)
