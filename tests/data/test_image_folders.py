"""Folders of images become samples, and whatever is wrong with them is said at once."""

import errno
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from dist_bp.data import Split
from dist_bp.data.sources.image_folder import ImageFolderSource
from dist_bp.errors import DataError
from dist_bp.images import opening
from tests.data.pictures import animals, cache, make, picture, problems, samples, write

pytestmark = pytest.mark.usefixtures("workplace")


def test_a_folder_for_each_class() -> None:
    animals()
    prepared = make()
    assert prepared.schema.classes == ("cat", "dog")
    assert prepared.splits == {"train": 12, "validation": 4}
    seen: dict[str, set[bytes]] = {"cat": set(), "dog": set()}
    for split in ("train", "validation"):
        for name, pixels in samples(prepared, split).items():
            seen[name] |= pixels
    assert seen == {
        "cat": {picture(number).tobytes() for number in range(8)},
        "dog": {picture(100 + number).tobytes() for number in range(8)},
    }


def test_train_and_test_folders_and_what_is_no_image() -> None:
    animals("pets/train")
    animals("pets/test", each=3)
    Path("pets/train/cat/notes.txt").write_text("fluffy")
    Path("pets/train/cat/.hidden.png").write_text("nothing")
    Path("pets/.cache").mkdir()
    prepared = make()
    assert prepared.splits == {"train": 12, "validation": 4, "test": 6}
    assert prepared.schema.own_test
    assert samples(prepared, "test")["cat"] == {picture(number).tobytes() for number in range(3)}
    assert prepared.notes == ("1 file without the suffix of an image passed over: 'pets/train/cat/notes.txt'",)


def test_a_validation_folder_is_the_validation_set() -> None:
    animals("pets/train")
    write("pets/val/dog/0.png", picture(9))
    prepared = make(split=Split(0.25, 0.25))
    assert samples(prepared, "validation") == {"dog": {picture(9).tobytes()}}
    assert prepared.splits == {"train": 12, "validation": 1, "test": 4}
    assert prepared.notes == (
        "'pets/val' is the validation set: data.split.validation has no effect",
        "rare classes: 1 never in the validation split ('cat')",
    )


def test_another_folder_is_the_test_set() -> None:
    animals()
    write("more/dog/0.png", picture(9))
    prepared = make(test_path="more")
    assert samples(prepared, "test") == {"dog": {picture(9).tobytes()}}


def test_folders_in_classes_may_have_the_same_names_beside_images() -> None:
    animals()
    for name in ("cat", "dog"):
        write(f"pets/{name}/more/x.png", picture(1))
    write("pets/dog/0.png", picture(2))
    assert sum(make().splits.values()) == 8 + 1 + 8 + 1 + 1


def test_links_to_folders_are_followed_once() -> None:
    animals()
    write("elsewhere/x.png", picture(50))
    Path("pets/cat/link").symlink_to("../../elsewhere")
    Path("pets/cat/round").symlink_to("../cat")
    prepared = make()
    assert sum(prepared.splits.values()) == 17
    assert picture(50).tobytes() in set.union(*(samples(prepared, split)["cat"] for split in prepared.splits))


def test_one_folder_for_two_classes_is_an_error() -> None:
    animals()
    Path("pets/emu").symlink_to("cat")
    Path("elsewhere").symlink_to("pets/dog")
    Path("pets/fox").symlink_to("../elsewhere")
    assert problems() == [
        f"the folders {one!r} and {same!r} of 'pets' are one and the same: remove the link"
        for one, same in (("cat", "emu"), ("dog", "fox"))
    ]


def test_one_folder_for_training_and_test_is_an_error() -> None:
    animals("pets/train")
    Path("pets/test").symlink_to("train")
    assert problems() == ["the folders 'test' and 'train' of 'pets' are one and the same: remove the link"]


def test_class_names_that_are_numbers_keep_their_images() -> None:
    for number in (0, 1, 2, 10):
        for shade in range(4):
            write(f"pets/{number}/{shade}.png", picture(20 * number + shade))
    prepared = make()
    assert prepared.schema.classes == ("0", "1", "10", "2")
    assert samples(prepared, "train")["2"] <= {picture(40 + shade).tobytes() for shade in range(4)}


def test_unreadable_files_are_all_named_or_skipped() -> None:
    animals()
    for number in range(12):
        Path(f"pets/cat/x{number:02}.png").write_text("no")
    found = problems()
    assert found[:2] == [
        f"image file 'pets/cat/x{number:02}.png' cannot be read: it is no PNG, JPEG, BMP, GIF or WebP"
        for number in (0, 1)
    ]
    assert len(found) == 11
    assert found[-1] == (
        "12 of 28 images cannot be read: remove them, or pass them over with data.source.unreadable: skip"
    )
    prepared = make(unreadable="skip")
    assert sum(prepared.splits.values()) == 16
    (note,) = prepared.notes
    assert note.startswith("12 of 28 images cannot be read, which were skipped: image file 'pets/cat/x00.png' cannot")
    assert samples(prepared, "train")["dog"] <= {picture(100 + number).tobytes() for number in range(8)}


def test_what_passes_by_is_not_skipped_and_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    animals()
    open_file = opening.open_file

    def fails(path: Any, most: int | None = None) -> Any:
        if str(path).endswith("3.png"):
            raise OSError(errno.EIO, "Input/output error")
        return open_file(path, most)

    with monkeypatch.context() as disk:
        disk.setattr(opening, "open_file", fails)
        with pytest.raises(DataError) as caught:
            make(unreadable="skip")
    reason = "Input/output error: the file itself may be sound: start again once that is mended"
    assert caught.value.problems == [
        f"image file 'pets/cat/3.png' cannot be read: {reason} (1 more image like it)",
    ]
    assert sum(make(unreadable="skip").splits.values()) == 16


@pytest.mark.parametrize("unreadable", ["error", "skip"])
def test_all_that_is_wrong_with_a_folder_is_told_at_once(unreadable: str) -> None:
    animals("pets/train")
    animals("pets/test", each=2)
    Path("pets/train/eel").mkdir()
    Path("pets/test/yak").mkdir()
    write("pets/test/fox/0.png", picture(3, colour=True))
    Path("pets/train/cat/x.png").write_text("no")
    Path("pets/train/gnu").mkdir()
    Path("pets/train/gnu/0.png").write_text("no")
    of_folder = [
        "the class 'eel' of 'pets/train' has no images (.png, .jpg, .jpeg, .bmp, .gif, .webp): remove it",
        "the class 'yak' of 'pets/test' has no images (.png, .jpg, .jpeg, .bmp, .gif, .webp): remove it",
        "'pets/test' has the class 'fox', which 'pets/train' has not: remove it, or add images to train on",
        "'pets/test' has the class 'yak', which 'pets/train' has not: remove it, or add images to train on",
    ]
    refused = [
        f"image file 'pets/train/{name}.png' cannot be read: it is no PNG, JPEG, BMP, GIF or WebP"
        for name in ("cat/x", "gnu/0")
    ]
    refused.append("2 of 23 images cannot be read: remove them, or pass them over with data.source.unreadable: skip")
    unlike = (
        "the images are not alike: 20 of 4 x 6 and grey, such as 'pets/train/cat/0.png'; 1 of 4 x 6 and in colour, "
        "such as 'pets/test/fox/0.png': put {type: rgb} or {type: grayscale} first in data.preprocess"
    )
    if unreadable == "error":
        assert problems(unreadable=unreadable) == [*of_folder, *refused, unlike]
    else:
        gone = "the class 'gnu' has no image that can be read: remove it"
        assert problems(unreadable=unreadable) == [*of_folder, unlike, gone]


def test_a_class_of_which_nothing_can_be_read_is_an_error() -> None:
    animals()
    Path("pets/emu").mkdir()
    Path("pets/emu/0.png").write_text("no")
    assert problems(unreadable="skip") == ["the class 'emu' has no image that can be read: remove it"]


@pytest.mark.parametrize(("files", "lines"), [
    ((), ["the folder 'pets' was not found (looked in {here})"]),
    (("pets/a.png",), ["the folder 'pets' has no folders in it: put the images of each class into one of its name"]),
    (("pets/cat/0.png", "pets/d\udcffg/0.png"), [
        "the folder 'd\\udcffg' of 'pets' has a name that is no text: rename it"
    ]),
    (("pets/cat/0.png", "pets/dog/a.txt", "pets/emu/"), [
        f"the class {name!r} of 'pets' has no images (.png, .jpg, .jpeg, .bmp, .gif, .webp): remove it"
        for name in ("dog", "emu")
    ]),
    (("pets/cat/", "pets/dog/"), [
        f"the class {name!r} of 'pets' has no images (.png, .jpg, .jpeg, .bmp, .gif, .webp): remove it"
        for name in ("cat", "dog")
    ]),
    (("pets/train/cat/0.png", "pets/train/dog/0.png", "pets/test/emu/0.png", "pets/test/fox/0.png"), [
        f"'pets/test' has the class {name!r}, which 'pets/train' has not: remove it, or add images to train on"
        for name in ("emu", "fox")
    ]),
    (("pets/train/cat/0.png", "pets/dog/0.png"), [
        "the folder 'pets' holds 'train' and 'dog': it must hold a folder for each class, or train and test with a "
        "folder for each class"
    ]),
    (("pets/val/0.png", "pets/test/cat/0.png"), [
        "the folder 'pets' holds 'val' and no 'train': put the classes to train on into 'train', or give a class of "
        "the name 'val' another one"
    ]),
    (("pets/one/cat/0.png", "pets/one/dog/0.png", "pets/two/cat/0.png", "pets/two/dog/0.png"), [
        "the folders 'one', 'two' of 'pets' all hold 'cat', 'dog' and no images beside: call them train, val and test "
        "if they are splits, or put the images of each class into its folder itself"
    ]),
])  # fmt: skip
def test_a_folder_that_is_not_as_it_must_be(files: tuple[str, ...], lines: list[str]) -> None:
    for name in files:
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        if name.endswith("/"):
            Path(name).mkdir()
        elif name.endswith(".png"):
            write(name, picture(1))
        else:
            Path(name).write_text("text")
    assert problems() == [line.format(here=os.getcwd()) for line in lines]


def test_the_digest_is_of_names_and_bytes_and_not_of_the_disk() -> None:
    animals()
    first = make()
    shutil.copytree("pets", "copy")
    shutil.rmtree("pets")
    Path("pets").mkdir()
    for path in sorted(Path("copy").rglob("*.png"), reverse=True):  # another order on the disk, another time
        target = Path("pets") / path.relative_to("copy")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(path.read_bytes())
    assert make().source_digest == first.source_digest
    assert ImageFolderSource("copy").open(cache()).digest == first.source_digest
    Path("pets/cat/0.png").rename("pets/cat/zero.png")
    renamed = make().source_digest
    write("pets/cat/zero.png", picture(50))
    assert len({first.source_digest, renamed, make().source_digest}) == 3


def test_settled_folders_are_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    from dist_bp.data import files

    animals()
    monkeypatch.setattr(files, "SETTLED_SECONDS", 0.0)
    Path("prepared").mkdir()
    digest = ImageFolderSource("pets").open(cache()).digest
    monkeypatch.setattr(files, "open_file", lambda path: pytest.fail("it is read again"))
    assert ImageFolderSource("pets").open(cache()).digest == digest
