"""What a user reads: few lines, each once, each useful; and the log file, which has all of it and more."""

import logging
import warnings

import pytest

from snnet_lightning.command.logs import Terminal, libraries_logged

SHORT = ["trainer.max_epochs=2", "trainer.limit_train_batches=10", "trainer.limit_test_batches=1"]
MOST = 10


@pytest.fixture(scope="module")
def trained(start, tmp_path_factory):
    return start("train.py", *SHORT, directory=tmp_path_factory.mktemp("trained"))


def before(run, what):
    lines = run.out.splitlines()
    return lines[: next(i for i, line in enumerate(lines) if what in line)]


def test_few_lines_before_the_progress_bar_each_once(trained):
    assert trained.status == 0, trained.err
    lines = before(trained, "Epoch ")
    (gpu,) = (line for line in lines if line.startswith("GPU available: "))
    assert lines == [
        f"log, checkpoints and results go to {trained.directory}",
        gpu,
        "learning rate 0.002, not scaled with the global batch 64",
        "initialised 10 stitching layers by least squares on 100 images",
        "`Trainer.fit` stopped: `max_epochs=2` reached.",  # into a file, bars are printed when they are done
    ]
    assert len(lines) <= MOST
    assert trained.err == ""


def test_the_table_and_the_place_of_the_results_come_last(trained):
    *_, last_row, place = filter(str.strip, trained.out.splitlines())
    assert last_row.split()[0] == "34"
    assert place == f"results are in {trained.directory}"


def test_the_log_file_has_all_of_it_and_more(trained):
    log = (trained.directory / "train.log").read_text().splitlines()
    for line in before(trained, "Epoch "):
        assert len([logged for logged in log if logged.endswith(line)]) == 1
    text = "\n".join(log)
    assert text.count("digits_tiny.safetensors") == 2  # timm's two lines
    assert text.count("GPU available: ") == 1
    assert "`weights_only` was not set" not in text


def test_an_evaluation(trained, run_here, tmp_path):
    checkpoint = trained.directory / "checkpoints" / "last.ckpt"
    run = run_here("evaluate.py", f"ckpt_path={checkpoint}", SHORT[-1], directory=tmp_path)
    assert run.status == 0, run.err
    place, gpu = before(run, "Testing ")
    assert place == f"log, checkpoints and results go to {tmp_path}"
    assert gpu.startswith("GPU available: ")
    assert run.err == ""
    assert (tmp_path / "evaluate.log").read_text().count("GPU available: ") == 1


@pytest.fixture
def terminal():
    """The handler on the root, as Hydra would set it, beside whatever is there."""
    handler, level = Terminal(), logging.root.level
    logging.root.addHandler(handler)
    logging.root.setLevel(logging.INFO)
    yield handler
    logging.root.removeHandler(handler)
    logging.root.setLevel(level)


def test_warnings_of_libraries_are_printed_once_and_deprecations_are_logged_only(terminal, capsys, caplog):
    with libraries_logged():
        warnings.simplefilter("always")
        for _ in range(2):
            warnings.warn("few\nworkers", UserWarning, stacklevel=1)
            warnings.warn("old treespec", FutureWarning, stacklevel=1)
        logging.getLogger("timm.models").info("loading weights")
        logging.getLogger("timm.models").warning("no such layer")
        logging.getLogger("snnet_lightning.anchors").info("new heads")
        logging.getLogger("lightning.pytorch").info("time limit reached")
        logging.getLogger("lightning.pytorch").info("💡 Tip: install more")
    found = capsys.readouterr().out.splitlines()
    assert found == ["warning: few workers", "warning: no such layer", "new heads", "time limit reached"]
    assert [record.levelname for record in caplog.records if "treespec" in record.getMessage()] == ["INFO"] * 2
    assert "test_terminal.py" in caplog.text


def test_lightning_says_things_once(terminal, capfd):
    with libraries_logged():
        logging.getLogger("lightning").addHandler(logging.StreamHandler())  # as on its first import
    with libraries_logged():
        logging.getLogger("lightning.pytorch.x").warning("once")
    out, err = capfd.readouterr()
    assert (out, err) == ("warning: once\n", "")


def test_other_processes_speak_of_their_own_images_only(terminal, capsys, monkeypatch):
    monkeypatch.setenv("RANK", "1")
    for name in ("snnet_lightning.anchors", "snnet_lightning.data.image_datamodule", "py.warnings"):
        logging.getLogger(name).warning("from %s", name)
        logging.getLogger(name).info("said")
    assert capsys.readouterr().out.splitlines() == ["warning: from snnet_lightning.data.image_datamodule"]


def test_python_shows_warnings_as_before_afterwards():
    show = warnings.showwarning
    with libraries_logged():
        assert warnings.showwarning is not show
    assert warnings.showwarning is show
