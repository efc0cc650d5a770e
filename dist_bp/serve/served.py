"""What MLflow calls of a logged model, but for the base class that MLflow wants it to have."""

from typing import Any

import pandas as pd

from dist_bp.serve.columns import from_mlflow
from dist_bp.serve.find import ARTIFACT
from dist_bp.serve.saved_model import SavedModel


class Served:
    """Methods of an `mlflow.pyfunc.PythonModel`.

    MLflow evaluates the type hints and warns about all that could say that a table or an array comes in.
    """

    def load_context(self, context: Any) -> None:
        # Who lets MLflow load a model has it run the code that came along with it, this file among it.
        self._model = SavedModel.load(context.artifacts[ARTIFACT], trust_code=True)

    def predict(self, context: Any, model_input: pd.DataFrame, params: dict[str, Any] | None = None) -> pd.DataFrame:
        return self._model.predict(from_mlflow(model_input, self._model.pipeline))
