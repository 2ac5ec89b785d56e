"""How jobs are started, and how they end."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from hydra.conf import HydraConf
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import DictConfig, OmegaConf

from snnet_lightning.errors import InputError
from snnet_lightning.sweeps import own_process
from snnet_lightning.sweeps.own_process import command_of, run_in_own_process, wait_for
from snnet_lightning.sweeps.record import jobs_of

ROOT = Path(__file__).parents[2]
# A job of two processes, of which the first takes its time to end and the second does not listen.
STUBBORN = "trap 'sleep 0.2; exit 3' TERM; (trap '' TERM; echo $BASHPID > second; sleep 60) & touch started; wait"


def test_the_command_line_of_a_job():
    odd = "a b,'c'"
    overrides = ["hydra.mode=MULTIRUN", "hydra.job.num=3", "hydra.job.id=x3", r"hydra.sweep.dir='runs/a b,\'c\''"]
    overrides += [r"hydra.runtime.output_dir='/there/runs/a b,\'c\'/3'", "seed=3"]
    overrides += ["hydra.sweep.subdir=${hydra.job.num}/${hydra.job.override_dirname}", "optimized_metric=a${seed}"]
    with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        hydra = compose("train", overrides, return_hydra_config=True).hydra
    program, script, *words = command_of("snnet_lightning.command.train", hydra)
    assert (program, script) == (sys.executable, str(ROOT / "train.py"))
    assert words[:4] == ["--config-path", str(ROOT / "conf"), "--config-name", "train"]
    told = {o.key_or_group: o.value() for o in OverridesParser.create().parse_overrides(words[4:])}  # the later counts
    assert told["seed"] == 3
    assert told["optimized_metric"] == "a${seed}"
    assert told["hydra.mode"] == "RUN"
    assert str(told["hydra.job.num"]) == "3"
    assert str(told["hydra.job.id"]) == "x3"
    assert told["hydra.run.dir"] == f"/there/runs/{odd}/3"
    assert told["hydra.sweep.dir"] == os.path.abspath(f"runs/{odd}")
    assert told["hydra.callbacks.sweep.name"] == odd


def test_a_launcher_that_starts_a_job_twice_is_refused(monkeypatch):
    monkeypatch.setenv("SUBMITIT_LOCAL_NTASKS", "2")
    with pytest.raises(InputError, match=r"^hydra\.launcher\.tasks_per_node must be 1"):
        run_in_own_process("snnet_lightning.command.train", HydraConf())


def job_in(directory: Path) -> DictConfig:
    """Hydra's configuration, as far as a job is started by it."""
    runtime = {"output_dir": str(directory), "cwd": str(directory)}
    return OmegaConf.create({"runtime": runtime, "overrides": {"task": ["seed=7"]}, "job": {"num": 2}})


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("sys.exit(4)", "ended with exit status 4"),
        ("os.abort()", "killed by SIGABRT"),
        ("sys.exit(0)", "ended before it was done"),  # the task did not return
        ("note_error(Path('.'), 'no number'); sys.exit(1)", "no number"),
    ],
)
def test_why_a_job_failed(monkeypatch, tmp_path, code, error):
    imports = (
        "import os, sys; from pathlib import Path; from snnet_lightning.sweeps.record import note_error, note_value"
    )
    path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    monkeypatch.setenv("PYTHONPATH", path)
    monkeypatch.setattr(own_process, "command_of", lambda *_: [sys.executable, "-c", f"{imports}; {code}"])
    hydra = job_in(tmp_path)
    with pytest.raises(own_process.JobError, match=f"job 2 .seed=7. failed: {error}"):
        own_process.run_in_own_process("", hydra)
    (job,) = jobs_of(tmp_path)
    assert (job.succeeded, job.error) == (False, error)
    returning = [sys.executable, "-c", f"{imports}; note_value(Path('.'), 0.5)"]
    monkeypatch.setattr(own_process, "command_of", lambda *_: returning)
    assert own_process.run_in_own_process("", hydra) == 0.5


def test_a_job_that_is_interrupted_says_so(monkeypatch, tmp_path):
    code = "import os, signal, time; os.kill(os.getppid(), signal.SIGINT); time.sleep(60)"
    monkeypatch.setattr(own_process, "command_of", lambda *_: [sys.executable, "-c", code])
    with pytest.raises(SystemExit) as ended:
        own_process.run_in_own_process("", job_in(tmp_path))
    assert ended.value.code == 128 + signal.SIGINT
    (job,) = jobs_of(tmp_path)
    assert (job.succeeded, job.error) == (False, "interrupted")


@pytest.mark.parametrize(("command", "status"), [("exit 0", 0), ("exit 5", 5), ("kill -9 $$", -9)])
def test_exit_status(tmp_path, command, status):
    assert wait_for(["bash", "-c", command], str(tmp_path)) == status


def test_what_a_killed_process_leaves_behind_ends(tmp_path):
    assert wait_for(["bash", "-c", "sleep 60 & echo $! > second; kill -9 $$"], str(tmp_path)) == -9
    assert ends(int((tmp_path / "second").read_text()))


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_all_processes_of_the_job(tmp_path, signum):
    # As a terminal would start it, whatever started the tests may ignore.
    code = "import signal; signal.signal(signal.SIGHUP, signal.SIG_DFL); "
    code += f"from snnet_lightning.sweeps.own_process import wait_for; wait_for(['bash', '-c', {STUBBORN!r}], '.')"
    path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    waiting = subprocess.Popen([sys.executable, "-c", code], cwd=tmp_path, env=os.environ | {"PYTHONPATH": path})
    while not (tmp_path / "started").exists() or not (tmp_path / "second").exists():
        time.sleep(0.05)
    waiting.send_signal(signum)
    assert waiting.wait(timeout=10) == 128 + signum
    assert ends(int((tmp_path / "second").read_text()))


def ends(pid: int) -> bool:
    """Whether the process is gone within a moment; one that its new parent has not collected yet is."""
    for _ in range(40):
        try:
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        except (FileNotFoundError, ProcessLookupError):
            return True
        time.sleep(0.05)
    return False
