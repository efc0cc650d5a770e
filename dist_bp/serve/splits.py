"""A saved model on a split of the data that it was trained on."""

from pathlib import Path

from dist_bp import build
from dist_bp.config import JobConfig
from dist_bp.config.data import DataConfig
from dist_bp.config.trust import check_trusted, code_of_data
from dist_bp.data import Prepared
from dist_bp.errors import DataError
from dist_bp.media.decoding import HERE, Decoding
from dist_bp.serve.saved_model import SavedModel


def evaluate_split(
    saved: SavedModel,
    split: str = "test",
    moved: JobConfig | None = None,
    trust_code: bool = False,
    decoding: Decoding = HERE,
) -> tuple[int, dict[str, float]]:
    """The number of samples, and loss and metrics; `moved` says where the data is now, if not where it was.

    Raises DataError where there is no such split, or the data is not what the model was trained on, UntrustedCode
    where a function that the model names would read the data and `trust_code` does not say that it may.
    """
    if not moved:
        check_trusted(code_of_data(saved.config), trust_code, "data.source of the model")
    config = saved.config.model_copy(update={"data": (moved or where_it_lies(saved.config, saved.data_digest)).data})
    prepared = build.prepare(config, decoding)
    if prepared.digest != saved.data_digest:
        raise DataError(
            "the data of the job is no longer what the model was trained on (its content, split, data.preprocess or "
            "data.target is another), so its splits are others too: evaluate a file with --data"
        )
    if split not in prepared.splits:
        raise DataError(f"the job has no {split} split, only {', '.join(prepared.splits)}")
    samples = prepared.split(split)
    return len(samples), saved.evaluate_prepared([samples], build.JobParts(config, prepared).loss)


def where_it_lies(config: JobConfig, data_digest: str) -> JobConfig:
    """The configuration of a model: its prepared data is used where it still lies, else made in this folder.

    A model that comes from elsewhere does not say where to write.
    """
    data = config.data
    if _is_there(Path(data.prepared), data_digest):
        return config
    default = DataConfig.model_fields["prepared"].default
    return config.model_copy(update={"data": data.model_copy(update={"prepared": default})})


def _is_there(folder: Path, digest: str) -> bool:
    try:
        return Prepared.open(folder / digest[:16]).digest == digest
    except DataError:
        return False
