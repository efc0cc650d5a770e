"""What MLflow calls of a logged model, but for the base class that MLflow wants it to have."""

from typing import Any

import pandas as pd

from dist_bp.serve.saved_model import SavedModel

ARTIFACT = "model"


class Served:
    """Methods of an `mlflow.pyfunc.PythonModel`; MLflow evaluates their type hints."""

    def load_context(self, context: Any) -> None:
        self._model = SavedModel.load(context.artifacts[ARTIFACT])

    def predict(self, context: Any, model_input: pd.DataFrame, params: dict[str, Any] | None = None) -> pd.DataFrame:
        return self._model.predict(model_input)
