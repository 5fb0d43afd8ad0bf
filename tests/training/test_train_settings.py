"""Settings: read from a file, printed as one, refused with their name and the mend; the command's own files."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from tocsin.orchestrator.cli import BAD_INPUT, main
from tocsin.training.jobs import CONFIG, TRAINING
from tocsin.training.settings import CENTRAL, TrainError, TrainSettings, parse_settings, read_settings, settings_yaml
from tocsin.training.submit import Job, entry
from tocsin.twin import TwinError


def _file(folder: Path, text: str) -> Path:
    path = folder / "train.yaml"
    path.write_text(text)
    return path


def test_every_setting_has_a_meaning() -> None:
    """Each field says in one line what it means, and each number its range."""
    for one in fields(TrainSettings):
        assert len(one.metadata["meaning"]) > 10, one.name
        assert ("low" in one.metadata) == (type(one.default) in (int, float)), one.name


@given(
    st.integers(1, 4096),
    st.floats(1e-9, 1.0),
    st.sampled_from(["decentralised", "central"]),
    st.text(st.characters(codec="ascii", categories=["L", "N", "P", "Zs"]), max_size=12),
)
def test_settings_printed_are_settings_read(
    tmp_path_factory: pytest.TempPathFactory, workers: int, rate: float, shape: str, run: str
) -> None:
    """What `settings_yaml` writes reads back to equal settings."""
    settings = TrainSettings(workers=workers, learning_rate=rate, shape=shape, run=run)
    path = _file(tmp_path_factory.mktemp("settings"), settings_yaml(settings))
    assert read_settings(path) == settings


def test_flags_go_before_the_file(tmp_path: Path) -> None:
    """A setting given beside the file wins; a scenario in the file is relative to the file."""
    path = _file(tmp_path, "workers: 3\nshape: central\nscenario: mine.yaml\n")
    settings = read_settings(path, workers=5, seed=None)
    assert (settings.workers, settings.shape, settings.seed) == (5, CENTRAL, 0)
    assert settings.scenario == str(tmp_path / "mine.yaml")


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("worker: 2\n", "'worker' is no setting; take one of .*workers"),
        ("workers: many\n", "workers 'many': give a whole number"),
        ("workers: 2.5\n", "workers 2.5: give a whole number"),
        ("workers: true\n", "workers True"),
        ("learning_rate: .nan\n", "learning_rate"),
        ("shape: ring\n", "shape 'ring': give one of decentralised, central"),
        ("seconds: 0\n", "never end"),
        ("minibatches: 1000\nworlds: 4\n", "worlds x steps of 2000"),
        ("tensorboard: true\n", "tensorboard"),
        ("- 1\n", "mapping"),
        ("", "mapping"),
    ],
)
def test_a_bad_file_is_refused_with_the_mend(tmp_path: Path, text: str, named: str) -> None:
    """Unknown fields, wrong kinds, values out of range and what could never run are named, with the file."""
    with pytest.raises(TrainError, match=named) as refused:
        read_settings(_file(tmp_path, text))
    assert str(refused.value).startswith(str(tmp_path))


def test_what_is_no_yaml_or_no_file_is_refused(tmp_path: Path) -> None:
    """Broken YAML names its line, a missing file its path."""
    with pytest.raises(TwinError, match="train.yaml:1"):
        read_settings(_file(tmp_path, "workers: [1\n"))
    with pytest.raises(TrainError, match="absent.yaml"):
        read_settings(tmp_path / "absent.yaml")


def test_the_command_shows_settings_and_refuses_bad_ones(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`--show` prints a file that reads back; a bad file is one line and exit code 2; so is --resume without a run."""
    main_leaves(["train", "--config", str(_file(tmp_path, "worlds: 7\n")), "--seed", "3", "--show"], 0)
    shown = capsys.readouterr().out
    assert read_settings(_file(tmp_path, shown)) == replace(TrainSettings(), worlds=7, seed=3)
    main_leaves(["train", "--config", str(_file(tmp_path, "wrolds: 7\n"))], BAD_INPUT)
    err = capsys.readouterr().err
    assert len(err.strip().splitlines()) == 1 and "wrolds" in err
    main_leaves(["train", "--resume"], BAD_INPUT)
    assert "--run" in capsys.readouterr().err
    main_leaves(["train", "--submit", "http://127.0.0.1:1", "--iterations", "2"], BAD_INPUT)
    assert "run" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("more", "named"),
    [
        (["--iterations", "2", "--out", "mine.tocsin"], "--out mine.tocsin"),
        (["--iterations", "2", "--chart", "mine.png"], "--chart mine.png"),
        ([], "--seconds or --iterations"),
    ],
)
@pytest.mark.parametrize("flag", ["--pack", "--submit"])
def test_a_job_ignores_no_flag(
    flag: str, more: list[str], named: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What a job would not do is refused in words: files of this machine, and a length that nobody said."""
    place = str(tmp_path / "job") if flag == "--pack" else "http://127.0.0.1:1"
    main_leaves(["train", flag, place, "--run", "s3://runs/first", *more], BAD_INPUT)
    err = capsys.readouterr().err
    assert named in err and len(err.strip().splitlines()) == 1 and not list(tmp_path.iterdir())


def main_leaves(arguments: list[str], code: int) -> None:
    """Run the command line and expect its exit code."""
    try:
        main(arguments)
    except SystemExit as left:
        assert (left.code or 0) == code
    else:
        assert code == 0


def test_the_page_tells_every_setting() -> None:
    """The table in the page has each setting with its default and meaning, and no other."""
    page = (Path(__file__).parents[2] / "docs" / "training.md").read_text()
    assert settings_yaml(TrainSettings()) in page


def test_the_manifest_runs_what_a_job_runs() -> None:
    """The RayJob's entry point is the command of submitted jobs, and its cluster has a head and workers."""
    path = Path(__file__).parents[2] / "docs" / "rayjob.yaml"
    (document,) = [one for one in yaml.safe_load_all(path.read_text()) if one["kind"] == "RayJob"]
    spec = document["spec"]
    assert document["apiVersion"] == "ray.io/v1"
    assert spec["entrypoint"].split() == entry(Job(TRAINING, {})).replace(CONFIG, "/config/train.yaml").split()
    cluster = spec["rayClusterSpec"]
    (workers,) = cluster["workerGroupSpecs"]
    assert workers["minReplicas"] <= workers["replicas"] <= workers["maxReplicas"]
    for pod in (cluster["headGroupSpec"]["template"], workers["template"]):
        (container,) = pod["spec"]["containers"]
        assert {"name", "image", "resources"} <= set(container)
    (settings,) = [one for one in yaml.safe_load_all(path.read_text()) if one["kind"] == "ConfigMap"]
    made = parse_settings(yaml.safe_load(settings["data"]["train.yaml"]), "rayjob.yaml")
    assert made.workers == workers["replicas"] and made.run.startswith("s3://")
