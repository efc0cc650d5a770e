"""What decoding finds of many images: their common shape, and which cannot be read or are not alike."""

from collections import Counter

from dist_bp.errors import DataError
from dist_bp.images.crew import Decoded
from dist_bp.images.decoder import SHOWN, described, first_of
from dist_bp.images.opening import Unreadable
from dist_bp.messages import plural
from dist_bp.types import Shape

NOTED = 3
"""Of those that are skipped."""


class Findings:
    """Of all images; where it `skips`, those that cannot be read are left out. `option` is what asks for that."""

    def __init__(self, skips: bool, option: str = "data.source.unreadable: skip") -> None:
        self.skips, self.option = skips, option
        self.shape: Shape | None = None
        self.images = 0
        self._shapes: Counter[Shape] = Counter()
        self._examples: dict[Shape, str] = {}
        self._unreadable: list[str] = []
        self._unfit: list[str] = []

    def take(self, name: str, one: Decoded) -> bool:
        """Whether the image called `name` is a sample."""
        self.images += 1
        if isinstance(one, DataError):
            (self._unreadable if isinstance(one, Unreadable) else self._unfit).append(str(one))
            return False
        self.shape = self.shape or one.shape
        self._shapes[one.shape] += 1
        self._examples.setdefault(one.shape, name)
        return bool(one.shape == self.shape)

    @property
    def notes(self) -> list[str]:
        """On images that were skipped."""
        if not self._unreadable:
            return []
        more = "; ..." if len(self._unreadable) > NOTED else ""
        return [f"{self._count}, which were skipped: {'; '.join(self._unreadable[:NOTED])}{more}"]

    @property
    def skipped(self) -> int:
        return len(self._unreadable) if self.skips else 0

    @property
    def sound(self) -> bool:
        """Whether all images so far are samples, or skipped."""
        return len(self._shapes) < 2 and not self._unfit and (self.skips or not self._unreadable)

    def problems(self) -> list[str]:
        """All that cannot be read, and images that are not alike."""
        problems: list[str] = []
        if self._unreadable and not (self.skips and self._shapes):
            remedy = "" if self.skips else f": remove them, or pass them over with {self.option}"
            problems = [*self._unreadable[:SHOWN], self._count + remedy]
        problems += first_of(self._unfit)
        if len(self._shapes) > 1:
            problems.append(self._unlike())
        return problems

    @property
    def _count(self) -> str:
        return f"{len(self._unreadable):,} of {plural(self.images, 'image')} cannot be read"

    def _unlike(self) -> str:
        common = self._shapes.most_common(NOTED)
        shown = [f"{count:,} of {described(shape)}, such as {self._examples[shape]}" for shape, count in common]
        if more := len(self._shapes) - len(common):
            shown.append(plural(more, "other size"))
        (height, width, _), _ = common[0]
        remedies = []
        if len({shape[2] for shape in self._shapes}) > 1:
            remedies.append("{type: rgb} or {type: grayscale}")
        if len({shape[:2] for shape in self._shapes}) > 1:
            remedies.append(f"{{type: resize, size: [{height}, {width}]}}")
        return f"the images are not alike: {'; '.join(shown)}: put {' and '.join(remedies)} first in data.preprocess"
