"""What MLflow calls of a logged model, but for the base class that MLflow wants it to have."""

from typing import TYPE_CHECKING, Any

from dist_bp.serve.saved_model import SavedModel

if TYPE_CHECKING:
    import pandas as pd

ARTIFACT = "model"


class Served:
    """Methods of an `mlflow.pyfunc.PythonModel`."""

    def load_context(self, context: Any) -> None:
        self._model = SavedModel.load(context.artifacts[ARTIFACT])

    def predict(self, context: Any, model_input: Any, params: dict[str, Any] | None = None) -> "pd.DataFrame":
        return self._model.predict(model_input)
