"""AdamW."""

from dataclasses import dataclass
from typing import Annotated

from dist_bp.optim.rules.adam import Adam
from dist_bp.options import Doc, NonNegative


@dataclass(frozen=True, kw_only=True)
class AdamW(Adam):
    """Adam with decoupled weight decay (Loshchilov & Hutter 2019)."""

    weight_decay: Annotated[NonNegative, Doc("How strongly weights are drawn to zero.")] = 0.01
    decoupled: Annotated[bool, Doc("true: decay shrinks the weights themselves; false: as in adam.")] = True
