"""Sound files in a folder for each class."""

from dataclasses import dataclass

from dist_bp.data.media.files import SOUNDS
from dist_bp.data.sources.media_folder import MediaFolderSource


@dataclass(frozen=True)
class SoundFolderSource(MediaFolderSource):
    """A folder of sounds with a folder for each class, or with train and test folders that have them.

    Sounds are files that end with .wav, .flac, .ogg or .mp3.
    """

    kind = SOUNDS
