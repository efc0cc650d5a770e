"""Whether images are alike."""

from dist_bp.data.media.files import IMAGES
from dist_bp.data.media.findings import Findings
from dist_bp.images.decoder import described
from dist_bp.types import Array, Shape


class ImageFindings(Findings):
    """Images must have one height, width and number of channels."""

    def __init__(self, skips: bool, option: str) -> None:
        super().__init__(IMAGES, skips, option)

    def form(self, one: Array) -> Shape:
        return one.shape

    def described(self, form: Shape) -> str:
        return described(form)

    def remedy(self) -> str:
        (height, width, _), _ = self.forms.most_common(1)[0]
        remedies = []
        if len({shape[2] for shape in self.forms}) > 1:
            remedies.append("{type: rgb} or {type: grayscale}")
        if len({shape[:2] for shape in self.forms}) > 1:
            remedies.append(f"{{type: resize, size: [{height}, {width}]}}")
        return f"put {' and '.join(remedies)}"
