"""`decision`: which of two classes is the positive one, and when a sample is taken for it."""

from pydantic import Field

from dist_bp.config.fields import Section


class DecisionConfig(Section):
    """The two classes of a classification."""

    positive: str | int | float | bool | None = Field(
        default=None,
        description="The class that precision, recall, f1 and average_precision are of; null: the second one.",
    )
