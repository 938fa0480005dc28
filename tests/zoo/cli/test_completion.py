"""What TAB offers, through the script of each shell."""

import shutil
import subprocess
import sys

import pytest
from checkout import ROOT, child_environment
from command_line import in_a_process, run

from tfrec_fusion import zoo
from tfrec_fusion.zoo.cli.names import completed, prebuilt_names, run_folders

PREBUILT = zoo.list_models(pretrained=True)["name"].tolist()


def offered(line, **variables):
    """Values that complete a line, whose last word may be empty, with their kinds."""
    words = line.split(" ")
    typed = {"COMP_WORDS": line, "COMP_CWORD": str(len(words) - 1)}
    done = in_a_process(_TFREC_ZOO_COMPLETE="bash_complete", **typed, **variables)
    assert done.stderr == ""
    return [tuple(one.split(",", 1)) for one in done.stdout.split()]


def values(line, kind="plain", **variables):
    return [value for found, value in offered(line, **variables) if found == kind]


def test_commands_models_options_and_choices_are_completed():
    assert values("tfrec-zoo re") == ["recommend", "reproduce"]
    assert values("tfrec-zoo train two") == ["two_tower"]
    assert set(values("tfrec-zoo train ")) == set(zoo.specs())
    assert values("tfrec-zoo train two_tower --enc") == ["--encoding", "--encoder"]
    assert values("tfrec-zoo train two_tower --encoder ") == ["attention", "gru"]
    assert values("tfrec-zoo train multi_task --tasks ra") == ["rating"]
    assert values("tfrec-zoo completion ") == ["bash", "zsh", "fish"]
    assert values("tfrec-zoo train no_model --") == ["--help"]


def test_data_sets_and_prebuilt_models_are_completed():
    line = "tfrec-zoo train ease --data movielens-1"
    assert offered(line) == [("dir", "movielens-1"), ("plain", "movielens-100k")]
    assert values("tfrec-zoo reproduce ease") == [one for one in PREBUILT if one[:4] == "ease"]
    assert set(PREBUILT) <= set(values("tfrec-zoo recommend "))
    assert prebuilt_names() == sorted(PREBUILT)


def test_run_folders_are_completed(tmp_path, monkeypatch):
    for name in ("runs/a", "runs/b", "runs/.part", "deep/er/c", "deep/er/est/d"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "run.json").touch()
    (tmp_path / "runs" / "unfinished").mkdir()
    monkeypatch.chdir(tmp_path)
    assert run_folders("") == ["runs/a", "runs/b"]
    assert run_folders("deep/") == ["deep/er/c"]
    assert run_folders(f"{tmp_path}/ru") == [f"{tmp_path}/runs/a", f"{tmp_path}/runs/b"]
    found = completed([*run_folders("runs/b"), "runs.model"], "runs/b", "dir")
    assert [(one.type, one.value) for one in found] == [("dir", "runs/b"), ("plain", "runs/b")]
    assert run_folders("nowhere/x") == []


def test_a_plugin_on_the_line_or_in_the_environment_is_completed(tmp_path):
    plugin = tmp_path / "shop.py"
    plugin.write_text(
        "from dataclasses import replace\nfrom tfrec_fusion import zoo\n"
        "zoo.register(replace(zoo.get_spec('popularity'), name='shop', former_names=()))\n"
    )
    assert values(f"tfrec-zoo --plugin {plugin} train sh") == ["shop"]
    assert values("tfrec-zoo train sh", TFREC_ZOO_PLUGINS=str(plugin)) == ["shop"]
    assert values("tfrec-zoo train sh") == []
    # A file that cannot be read completes nothing, rather than to fill the terminal.
    assert values("tfrec-zoo train two", TFREC_ZOO_PLUGINS=str(tmp_path / "none.py")) == [
        "two_tower"
    ]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_of_a_shell_is_printed(shell):
    script = run("completion", shell).stdout
    assert f"_TFREC_ZOO_COMPLETE={shell}_complete" in script and "tfrec-zoo" in script
    if program := shutil.which(shell):
        subprocess.run([program, "-n"], input=script, text=True, check=True)


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash")
def test_bash_completes_by_the_script(tmp_path):
    program = tmp_path / "tfrec-zoo"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m tfrec_fusion.zoo "$@"\n')
    program.chmod(0o755)
    script = (
        f"{run('completion', 'bash').stdout}\n"
        "COMP_WORDS=(tfrec-zoo train two); COMP_CWORD=2\n"
        f"_tfrec_zoo_completion {program}; echo ${{COMPREPLY[@]}}"
    )
    done = subprocess.run(
        ["bash", "-c", script], cwd=ROOT, env=child_environment(), capture_output=True, text=True
    )
    assert done.stdout.strip() == "two_tower", done.stderr
