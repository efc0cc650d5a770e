"""Files of images or sounds as data: lists of files, folders of them, and the way to prepared arrays."""
