"""Image files in a folder for each class."""

from dataclasses import dataclass

from dist_bp.data.media.files import IMAGES
from dist_bp.data.sources.media_folder import MediaFolderSource


@dataclass(frozen=True)
class ImageFolderSource(MediaFolderSource):
    """A folder of images with a folder for each class, or with train and test folders that have them."""

    kind = IMAGES
