"""The file of class names is text with one name a line; whatever else it is, one line says so."""

import os
import pickle

import pytest

from snnet_lightning.data.class_map import read_class_map
from snnet_lightning.errors import InputError


@pytest.fixture
def written(tmp_path):
    def write(content, name="map.txt"):
        (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
        return str(tmp_path / name)

    return write


def test_names_are_numbered_by_line(written, tmp_path):
    for text in ("cat\nant\nrée 2\n", "\ufeffcat\r\nant\r\nrée 2"):
        assert read_class_map(written(text), "nowhere") == {"cat": 0, "ant": 1, "rée 2": 2}
    assert read_class_map("map.txt", str(tmp_path)) == {"cat": 0, "ant": 1, "rée 2": 2}  # beside the images


def test_it_orders_and_chooses_the_classes(make_data, written):
    data = make_data(class_map=written("cat\nbee"))
    assert (data.num_classes, data.class_names) == (2, ("cat", "bee"))
    found = [(path.split(os.sep)[-2], label) for path, label in data.test_set.images.reader.samples]
    assert set(found) == {("cat", 0), ("bee", 1)}


class Hostile:
    """What a stranger may put into a pickle."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (self.path,)


@pytest.mark.parametrize(
    ("content", "name", "says"),
    [
        (None, "map.txt", "there is no such file"),
        (
            pickle.dumps({"ant": 0}),
            "map.pkl",
            r"must be a text file \(\.txt\) with the name of one class",
        ),
        ("ant\nbee", "map.csv", "must be a text file"),
        (pickle.dumps({"ant": 0}), "map.txt", "is not a readable text file|is no name of a class"),
        (b"\x89PNG\r\n\x1a\n\x00\x00", "map.txt", "is not a readable text file"),
        (b"ant\nb\x00e", "map.txt", "line 2 is no name of a class"),
        ("", "map.txt", "line 1 is no name of a class"),
        ("ant\n\nbee", "map.txt", "line 2 is no name of a class"),
        ("ant\nbee\nant", "map.txt", "line 3 is ant again, as line 1"),
    ],
)
def test_what_is_refused(make_data, written, tmp_path, content, name, says):
    path = str(tmp_path / name) if content is None else written(content, name)
    with pytest.raises(InputError, match=rf"^data\.class_map={path}: .*({says})") as caught:
        make_data(class_map=path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["map.pkl", "map.txt"])
@pytest.mark.parametrize("protocol", [0, 4])
def test_nothing_in_it_is_executed(make_data, written, tmp_path, name, protocol):
    path = written(pickle.dumps(Hostile(str(tmp_path / "proof")), protocol=protocol), name)
    with pytest.raises(InputError, match="class_map"):
        make_data(class_map=path)
    assert not (tmp_path / "proof").exists()


def test_a_folder_is_no_file(make_data, tmp_path):
    (tmp_path / "map.txt").mkdir()
    with pytest.raises(InputError, match=r"^data\.class_map=.*there is no such file"):
        make_data(class_map=str(tmp_path / "map.txt"))


def test_names_that_no_image_has(make_data, written):
    path = written("wasp\nhornet")
    with pytest.raises(InputError, match=rf"^data\.class_map={path} data\.root=.*, split train: Found 0 images"):
        make_data(class_map=path)
