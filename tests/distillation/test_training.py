"""Training with a teacher through a real Trainer: what moves, what is saved, when a teacher is made at all."""

from copy import deepcopy

import lightning as L
import pytest
import timm
import torch
import torch.nn.functional as F

from snnet_lightning.data import DigitsDataModule
from snnet_lightning.data.order import Draw
from snnet_lightning.distillation import HardDistillation, SoftDistillation
from snnet_lightning.model import SNNetModule
from snnet_lightning.optim import OptimizerRecipe
from snnet_lightning.sampler import SingleSampler, UniformSampler
from tests.few_digits import FewDigits

RECIPE = OptimizerRecipe("adamw", lr=1e-3, warmup_epochs=0)
SHORT = {"max_epochs": 1, "limit_train_batches": 3, "limit_val_batches": 1}


def module_with(net, distillation):
    return SNNetModule(net, UniformSampler(seed=3), RECIPE, distillation=distillation)


class WatchTeacher(L.Callback):
    """Notes the teacher's state at the start, and at every step its mode and what it gives."""

    def __init__(self):
        self.training, self.precisions = [], []

    def on_train_start(self, trainer, module):
        teacher = module.distillation.teacher.model
        self.before = {name: value.clone() for name, value in teacher.state_dict().items()}
        teacher.register_forward_hook(lambda model, given, found: self.note(model, found))

    def note(self, model, found):
        self.training += [part.training for part in model.modules()]
        self.precisions.append(found.dtype)

    def on_train_batch_start(self, trainer, module, batch, batch_idx):
        module.train()


def checkpoint_of(trainer, path):
    trainer.save_checkpoint(path)
    return torch.load(path, weights_only=True)


@pytest.mark.parametrize("teacher", [("digits_small", "pretrained"), ("test_resnet", "random")], ids=lambda t: t[0])
def test_a_teacher_never_changes_and_is_in_no_checkpoint(digits_net, make_trainer, tmp_path, teacher):
    """One with BatchNorm too, whose statistics a pass in train mode would move."""
    plain = module_with(deepcopy(digits_net), None)
    without = make_trainer(**SHORT)
    without.fit(plain, datamodule=DigitsDataModule())

    module, watch = module_with(digits_net, SoftDistillation(*teacher)), WatchTeacher()
    trainer = make_trainer(**SHORT, callbacks=[watch])
    trainer.fit(module, datamodule=DigitsDataModule())
    after = module.distillation.teacher.model.state_dict()
    assert all(torch.equal(after[name], value) for name, value in watch.before.items())
    assert len(watch.precisions) == 3  # once a step, and not for validation
    assert not any(watch.training)
    assert len(list(module.parameters())) == len(list(plain.parameters()))

    found, expected = checkpoint_of(trainer, tmp_path / "a.ckpt"), checkpoint_of(without, tmp_path / "b.ckpt")
    assert found.keys() == expected.keys()
    assert found["state_dict"].keys() == expected["state_dict"].keys()
    groups = [[c["optimizer_states"][0]["param_groups"][i]["params"] for i in range(4)] for c in (found, expected)]
    assert groups[0] == groups[1]


@pytest.mark.parametrize("mode", [HardDistillation, SoftDistillation])
def test_the_loss_of_a_step(digits_net, make_trainer, mode):
    expected = []

    class Expect(L.Callback):
        def on_train_batch_start(self, trainer, module, batch, batch_idx):
            images, classes = batch
            teacher = timm.create_model("digits_base", pretrained=True).eval()
            with torch.no_grad():
                taught = teacher(images)
                logits = module.net(images, *UniformSampler(seed=3).draw(module.trained_flops, 0))
            base = F.cross_entropy(logits, classes, label_smoothing=0.1)
            if mode is HardDistillation:
                pull = F.cross_entropy(logits, taught.argmax(1))
            else:
                pull = (taught.softmax(1) * (taught.softmax(1).log() - logits.softmax(1).log())).mean()
            expected.append(0.75 * base + 0.25 * pull)

    trainer = make_trainer(**SHORT | {"limit_train_batches": 1, "limit_val_batches": 0}, callbacks=[Expect()])
    trainer.fit(module_with(digits_net, mode("digits_base", alpha=0.25)), datamodule=DigitsDataModule())
    assert trainer.callback_metrics["train/loss"].item() == pytest.approx(expected[0].item(), rel=1e-5)


@pytest.mark.parametrize(
    ("precision", "dtype"), [("bf16-mixed", torch.bfloat16), ("bf16-true", torch.bfloat16), ("64-true", torch.float64)]
)
def test_a_teacher_runs_in_the_precision_of_the_trainer(digits_net, make_trainer, precision, dtype):
    watch = WatchTeacher()
    trainer = make_trainer(**SHORT | {"limit_val_batches": 0}, precision=precision, callbacks=[watch])
    trainer.fit(module_with(digits_net, SoftDistillation("digits_small")), datamodule=DigitsDataModule())
    assert watch.precisions == [dtype] * 3
    assert trainer.callback_metrics["train/loss"].isfinite()


@pytest.mark.parametrize("nothing", [{"max_epochs": 0}, {"max_steps": 0}])
def test_no_teacher_where_there_is_nothing_to_train(digits_net, make_trainer, monkeypatch, nothing):
    module = module_with(digits_net, HardDistillation("digits_small"))
    monkeypatch.setattr(module.distillation, "start", lambda net: pytest.fail("a teacher was made"))
    trainer = make_trainer(**SHORT | nothing | {"limit_test_batches": 1})
    trainer.fit(module, datamodule=DigitsDataModule())
    trainer.test(module, datamodule=DigitsDataModule(), verbose=False)


def test_a_copy_made_at_setup_holds_no_teacher(digits_net, make_trainer):
    class CopyAtSetup(L.Callback):
        def setup(self, trainer, pl_module, stage):
            self.copy = deepcopy(pl_module)

    copying = CopyAtSetup()
    module = module_with(digits_net, HardDistillation("digits_small"))
    make_trainer(**SHORT, callbacks=[copying]).fit(module, datamodule=DigitsDataModule())
    assert hasattr(module.distillation, "teacher")
    assert not hasattr(copying.copy.distillation, "teacher")


def test_with_nothing_but_a_teacher_the_student_becomes_it(digits_net, make_trainer):
    """Labels have no share, the largest anchor teaches the one stitch that every step draws."""
    stitch = digits_net.space["digits_tiny[:1] > digits_small[1:]"]
    base = timm.create_model("digits_base", pretrained=True).eval()
    data = FewDigits(batch_size=32)
    data.setup()
    images = torch.stack([data.train_set[Draw(index)][0] for index in range(len(data.train_set))])

    def agreement():
        with torch.no_grad():
            return (digits_net.eval()(images, stitch).argmax(1) == base(images).argmax(1)).double().mean()

    before = agreement()
    module = SNNetModule(
        digits_net, SingleSampler(stitch.name), RECIPE, distillation=HardDistillation("anchor", alpha=1)
    )
    make_trainer(max_epochs=40, limit_val_batches=0).fit(module, datamodule=data)
    assert before < 0.5
    assert agreement() > 0.8
