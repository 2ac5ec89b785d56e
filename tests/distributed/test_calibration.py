"""Two processes end with the same statistics, those of one process on the same images."""

import torch

from snnet_lightning.data.order import Draw
from snnet_lightning.network.calibrate import calibrate


def test_all_processes_have_what_one_finds_for_the_checkpoint(start_script, tmp_path):
    script = start_script("record_statistics.py", tmp_path)
    first, second = (torch.load(tmp_path / f"statistics{rank}.pt", weights_only=True) for rank in (0, 1))
    assert first["calibrated"].numel()
    assert first.keys() == second.keys()
    assert all(torch.equal(value, second[key]) for key, value in first.items())
    state = torch.load(tmp_path / "last.ckpt", weights_only=True)["state_dict"]
    net = script.make_net()
    net.load_state_dict({key.removeprefix("net."): value for key, value in state.items()})
    saved = net.route_statistics.state_dict()
    assert all(torch.equal(value, saved[key]) for key, value in first.items())

    data = script.DigitsDataModule(script.SIZE, batch_size=script.BATCH)
    data.setup()
    order = torch.randperm(1257, generator=torch.Generator().manual_seed(0)).tolist()
    x, y = map(torch.stack, zip(*data.train_set.__getitems__([Draw(i) for i in order]), strict=True))
    calibrate(net, zip(x.split(script.BATCH), y.split(script.BATCH), strict=True), script.IMAGES)
    alone = net.route_statistics.state_dict()
    assert alone.keys() == first.keys()
    for key, value in first.items():
        torch.testing.assert_close(alone[key], value)
