"""The workspace that a command saves. Saving needs W&B's service, so what would be sent to it is looked at."""

import json
import subprocess
import sys

import pytest
import wandb

from snnet_lightning.errors import InputError
from snnet_lightning.logger import keys
from snnet_lightning.logger.workspace import save_workspace, stitch_workspace


@pytest.fixture(scope="module")
def sent() -> dict:
    return json.loads(stitch_workspace("me", "snnet")._to_model().model_dump_json(by_alias=True, exclude_none=True))


def panels(sent):
    return [panel for section in sent["spec"]["section"]["panelBankConfig"]["sections"] for panel in section["panels"]]


def test_its_panels_show_what_is_logged(sent):
    assert (sent["entity"], sent["project"], sent["displayName"]) == ("me", "snnet", "SN-Net")
    configs = {p["config"].get("chartTitle"): p["config"] for p in panels(sent)}
    assert configs["Stitches"]["mediaKeys"] == [keys.PAGE]
    assert configs["Pareto front"]["xAxis"] == keys.FRONT_COST
    assert configs["Pareto front"]["metrics"] == [keys.FRONT_ACCURACY]
    assert configs["Learning rate of each group"]["metricRegex"] == "^lr/"
    assert configs["Loss"]["metrics"] == ["train/loss"]
    assert all(configs[title]["xAxis"] == keys.STEP for title in ("Loss", "Validated top-1 (%)"))
    assert any(f'"val": "{keys.TABLE}"' in json.dumps(p) for p in panels(sent) if p["viewType"] == "Weave")


def test_the_command_saves_it_and_says_where_it_is(monkeypatch, capsys):
    import wandb_workspaces.workspaces as ws

    saved = []
    monkeypatch.setattr(ws.Workspace, "save", lambda self: saved.append(self))
    monkeypatch.setattr(ws.Workspace, "url", property(lambda self: f"https://there/{self.entity}/{self.name}"))
    save_workspace(["me/snnet", "--name", "mine"])
    assert [(w.entity, w.project, w.name) for w in saved] == [("me", "snnet", "mine")]
    assert capsys.readouterr().out == "https://there/me/mine\n"


def test_what_cannot_be_saved_is_refused(monkeypatch):
    import wandb_workspaces.workspaces as ws

    with pytest.raises(InputError, match="ENTITY/PROJECT"):
        save_workspace(["snnet"])

    def save(self):
        raise wandb.errors.UsageError("No API key configured. Use `wandb login` to log in.")

    monkeypatch.setattr(ws.Workspace, "save", save)
    with pytest.raises(InputError, match="wandb login"):
        save_workspace(["me/snnet"])


def test_without_its_package_one_line_names_it():
    code = "import runpy, sys; sys.modules['wandb_workspaces'] = None; sys.argv[1:] = ['me/snnet']; "
    code += "runpy.run_module('snnet_lightning.logger.workspace', run_name='__main__')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert done.stderr == "error: a workspace needs W&B's package for it: pip install wandb-workspaces\n"
