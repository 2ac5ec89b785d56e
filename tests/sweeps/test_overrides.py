"""In what jobs differ."""

from snnet_lightning.sweeps.overrides import as_columns, labels_of, setting_of


def test_overrides_as_columns():
    found = as_columns(["optim.lr=0.1", "+anchors.kwargs.depth=3", "++seed=1", "~callbacks.progress", "name='a=b, c'"])
    assert found == {
        "optim.lr": "0.1",
        "anchors.kwargs.depth": "3",
        "seed": "1",
        "callbacks.progress": "~",
        "name": "'a=b, c'",
    }


def test_the_seed_makes_no_other_setting():
    assert setting_of(["seed=1", "a=2"]) == setting_of(["a=2", "seed=3"]) == {"a": "2"}


def test_labels_name_what_differs():
    settings = [{"a": "1", "b": "x"}, {"a": "2", "b": "x"}, {"a": "1", "b": "x", "c": "3"}]
    assert labels_of(settings) == ["a=1", "a=2", "a=1, c=3"]
    assert labels_of(settings[:1]) == [""]
