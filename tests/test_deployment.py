"""Files for clusters: each against what will read it, and all against the same rules of safety."""

from __future__ import annotations

import re
import shlex
import subprocess
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks import cluster_plan
from ressearch.cli import cli
from ressearch.deployment import KINDS, Cluster, template
from ressearch.errors import TemplateError
from tests.conftest import ROOT
from tests.deployed import CLUSTERS, PINNED, VERSIONS, manifests, ray_cluster

DEPLOY = ROOT / "deploy"

words = st.text("abcXYZ019_./:@+=-", min_size=1, max_size=20).filter(lambda word: word[0] not in ":@+=-")


def printed(*arguments: str) -> str:
    result = CliRunner().invoke(cli, ["cluster", "template", *arguments], catch_exceptions=False)
    assert result.exit_code == 0
    return result.stdout


def refused(*arguments: str) -> str:
    with pytest.raises(TemplateError) as caught:
        CliRunner().invoke(cli, ["cluster", "template", *arguments], catch_exceptions=False, standalone_mode=False)
    assert caught.value.exit_status == 2
    return str(caught.value)


def instructions(text: str) -> list[tuple[str, str]]:
    """Those of a Dockerfile, each on one line, without comments."""
    lines = "\n".join(line for line in text.splitlines() if not line.startswith("#"))
    joined = lines.replace("\\\n", " ")
    return [(word, rest.strip()) for word, _, rest in (line.partition(" ") for line in joined.splitlines() if line)]


# The verb


@pytest.mark.parametrize("kind", KINDS)
def test_what_lies_in_deploy_is_what_the_verb_prints(kind: str) -> None:
    lies = (DEPLOY / KINDS[kind].file).read_text(encoding="utf-8")
    assert lies == template(kind, versions=VERSIONS), f"ressearch cluster template {kind} > deploy/{KINDS[kind].file}"


def test_deploy_holds_nothing_else() -> None:
    assert {file.name for file in DEPLOY.iterdir()} == {"README.md", *(kind.file for kind in KINDS.values())}


@pytest.mark.parametrize("kind", KINDS)
def test_the_verb_prints_the_installed_version_and_nothing_unfilled(kind: str) -> None:
    text = printed(kind)
    assert version("ray") in text
    assert "@@" not in text
    assert text == template(kind)
    assert all(len(line) <= 120 for line in text.splitlines())


def test_flags_reach_the_file() -> None:
    text = printed("slurm", "--nodes", "3", "--cpus", "4", "--gpus", "2", "--storage", "gs://b/f", "--space", "a.yaml")
    assert "#SBATCH --nodes=3\n" in text
    assert "#SBATCH --cpus-per-task=5\n" in text
    assert "#SBATCH --gpus-per-node=2\n" in text
    assert "search a.yaml --cpus-per-trial 2 --gpus-per-trial 1 --storage gs://b/f " in text


def test_list_names_each_kind_on_a_line() -> None:
    lines = printed("--list").splitlines()
    assert [line.split()[0] for line in lines] == list(KINDS)
    assert [line.split(maxsplit=1)[1] for line in lines] == [kind.title for kind in KINDS.values()]


@pytest.mark.parametrize("arguments", [[], ["slurm", "--list"]])
def test_a_kind_or_the_list_is_asked_for(arguments: list[str]) -> None:
    result = CliRunner().invoke(cli, ["cluster", "template", *arguments])
    assert result.exit_code == 2
    assert result.output.endswith("Error: say either KIND or --list; kinds are docker, kuberay, ray-up, slurm\n")


@pytest.mark.parametrize(
    ("typed", "meant"),
    [("slrum", "slurm"), ("Kubernetes", "kuberay"), ("rayup", "ray-up"), ("dockerfile", "docker"), ("SLURM", "slurm")],
)
def test_an_unknown_kind_hears_which_is_near(typed: str, meant: str) -> None:
    assert refused(typed) == (
        f"error[E830]: {typed!r} is not a kind of cluster; use one of docker, kuberay, ray-up, slurm\n"
        f"  = help: did you mean {meant!r}?"
    )


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--nodes", "0"], "error[E830]: --nodes 0: expected 1 to 100000"),
        (["--gpus", "-1"], "error[E830]: --gpus -1: expected 0 to 100000"),
        (
            ["--gpus", "9"],
            "error[E830]: --gpus 9 with --cpus 8: expected at least one core for each GPU\n"
            "  = help: each trial has one GPU, and a core of its own that feeds it",
        ),
        (
            ["--space", "a.yaml; rm -rf ~"],
            "error[E830]: --space 'a.yaml; rm -rf ~': expected a name without spaces and quotes\n"
            "  = help: it is written into shell scripts and YAML: letters, digits and _ . / : @ + = - may stand in it",
        ),
        (
            ["--storage", "runs"],
            "error[E830]: --storage runs: expected a folder that begins with /, or a URL such as s3://bucket/folder\n"
            "  = help: all nodes have to find the checkpoints under the same name",
        ),
    ],
)
def test_a_value_that_does_not_fit_is_refused(flags: list[str], message: str) -> None:
    assert refused("slurm", *flags) == message


@settings(max_examples=40)
@given(words, words, words)
def test_a_word_that_is_taken_is_one_word_to_the_shell_and_text_to_yaml(space: str, folder: str, image: str) -> None:
    cluster = Cluster(space=space, storage=f"/{folder}", image=image)
    job = manifests(cluster)[-1]["spec"]
    found = shlex.split(job["entrypoint"])
    assert found[:3] == ["ressearch", "search", space]
    assert found[found.index("--storage") + 1] == f"/{folder}"
    (worker,) = job["rayClusterSpec"]["workerGroupSpecs"][0]["template"]["spec"]["containers"]
    assert (worker["image"], worker["volumeMounts"][0]["mountPath"]) == (image, f"/{folder}")


# What all have in common


@pytest.mark.parametrize("cluster", CLUSTERS, ids=["usual", "large"])
@pytest.mark.parametrize("kind", ["ray-up", "slurm"])
def test_each_ray_start_stands_behind_token_authentication(kind: str, cluster: Cluster) -> None:
    code = "\n".join(line for line in template(kind, cluster, VERSIONS).splitlines() if not line.startswith("#"))
    starts = [match.start() for match in re.finditer(r"ray start", code)]
    assert starts
    for start in starts:
        before = code[:start] if kind == "slurm" else code[code.rindex("- >-", 0, start) : start]
        assert "export RAY_AUTH_MODE=token" in before


@pytest.mark.parametrize("kind", KINDS)
def test_no_file_holds_a_token_or_opens_the_world(kind: str) -> None:
    text = template(kind, CLUSTERS[1], VERSIONS)
    assert not re.search(r"\b[0-9a-f]{24,}\b|RAY_AUTH_MODE=disabled|NodePort|LoadBalancer|hostNetwork|EXPOSE", text)
    hosts = re.findall(r"dashboard-host[=:] *\"?([\d.]+)", text)
    assert hosts == {"docker": [], "kuberay": ["0.0.0.0"]}.get(kind, ["127.0.0.1"])


def test_ray_start_knows_every_option() -> None:
    from ray.scripts.scripts import start

    config = yaml.safe_load(template("ray-up", versions=VERSIONS))
    script = template("slurm", versions=VERSIONS).replace("\\\n", " ").splitlines()
    commands = [*config["head_start_ray_commands"], *config["worker_start_ray_commands"]]
    commands += [line for line in script if re.match(r" *(start .*--|.* ray start )", line)]
    used = {flag for command in commands for flag in re.findall(r"--[a-z-]+", command.rpartition("start ")[2])}
    groups = [ray_cluster()["headGroupSpec"], *ray_cluster()["workerGroupSpecs"]]
    used |= {f"--{name}" for group in groups for name in group["rayStartParams"]}
    assert {"--head", "--address", "--num-cpus", "--temp-dir", "--autoscaling-config", "--block"} <= used
    assert used <= {option for parameter in start.params for option in parameter.opts}


def test_search_knows_every_flag() -> None:
    known = {option for parameter in cli.commands["search"].params for option in parameter.opts}
    for cluster in CLUSTERS:
        for kind in ("kuberay", "ray-up", "slurm"):
            command = template(kind, cluster, VERSIONS).partition("ressearch search")[2]
            flags = set(re.findall(r" (--[a-z-]+)", command.partition("--address")[0])) | {"--address"}
            assert len(flags) > 2
            assert flags <= known


# ray up


def prepared(config: dict[str, Any]) -> dict[str, Any]:
    """As `ray up` makes it ready and checks it, up to what needs the machines."""
    from ray.autoscaler._private.util import prepare_config, validate_config

    ready: dict[str, Any] = prepare_config(config)
    validate_config(ready)
    return ready


@pytest.mark.parametrize("cluster", CLUSTERS, ids=["usual", "large"])
def test_ray_takes_the_cluster(cluster: Cluster) -> None:
    config = yaml.safe_load(template("ray-up", cluster, VERSIONS))
    node = prepared(config)["available_node_types"]["local.cluster.node"]
    assert node["min_workers"] == node["max_workers"] == cluster.nodes
    assert len(set(config["provider"]["worker_ips"]) - {config["provider"]["head_ip"]}) == cluster.nodes


def test_ray_refuses_a_misspelt_key() -> None:
    config = yaml.safe_load(template("ray-up", versions=VERSIONS))
    with pytest.raises(jsonschema.ValidationError, match="setup_comands"):
        prepared(config | {"setup_comands": []})


def test_ray_takes_the_cloud_of_the_readme() -> None:
    block = re.search(r"```yaml\n(provider:.*?)```", (DEPLOY / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    assert block
    cloud = yaml.safe_load(block[1])
    config = yaml.safe_load(template("ray-up", versions=VERSIONS)) | cloud
    types = prepared(config)["available_node_types"]
    assert config["head_node_type"] in types
    assert all(node["max_workers"] >= node["min_workers"] for node in types.values())
    assert cloud["provider"]["use_internal_ips"]


# Docker


def test_the_image_is_pinned_slim_and_not_roots() -> None:
    found = instructions(template("docker", versions=VERSIONS))
    assert found[0] == ("FROM", "python:3.11-slim-bookworm")
    assert [rest for word, rest in found if word == "USER"] == ["1000"]
    assert [word for word, _ in found[-2:]] == ["USER", "CMD"]
    assert {word for word, _ in found} == {"FROM", "ARG", "ENV", "RUN", "WORKDIR", "COPY", "USER", "CMD"}


def test_all_that_pip_installs_is_constrained() -> None:
    found = instructions(template("docker", versions=VERSIONS))
    installs = [rest for word, rest in found if word == "RUN" and "pip install" in rest]
    assert installs
    assert all("--constraint constraints.txt" in rest for rest in installs)
    assert any(f'"ray[default,tune]=={PINNED["ray"]}"' in rest for rest in installs)


def test_what_the_image_copies_is_there_and_nothing_of_runs() -> None:
    found = instructions(template("docker", versions=VERSIONS))
    sources = [name for word, rest in found if word == "COPY" for name in rest.split()[:-1]]
    assert all((ROOT / name).exists() for name in sources)
    assert not {".", "runs", ".git"} & set(sources)
    assert "RAY_AUTH_MODE=token" in next(rest for word, rest in found if word == "ENV")


# On paper


def test_the_readme_reckons_as_the_benchmark_does(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", ["cluster_plan.py"])
    cluster_plan.print_load(cluster_plan.arguments())
    table = capsys.readouterr().out.strip()
    assert table.count("\n") == 4
    assert table in (DEPLOY / "README.md").read_text(encoding="utf-8")


def test_slots_are_busy_as_a_hand_would_reckon() -> None:
    assert cluster_plan.busy(2, 6, [3.0]) == 1  # two slots, three trainings each
    assert cluster_plan.busy(4, 6, [3.0]) == 6 / 8  # the second round has work for two of four


# The rest


@given(st.integers(1, 128), st.integers(0, 16))
def test_a_trial_with_a_gpu_has_its_share_of_the_cores(cpus: int, gpus: int) -> None:
    if gpus > cpus:
        with pytest.raises(TemplateError):
            Cluster(cpus=cpus, gpus=gpus)
        return
    share = int(re.findall(r"--cpus-per-trial (\d+) ", Cluster(cpus=cpus, gpus=gpus).flags)[0])
    assert share == (cpus // gpus if gpus else 1) >= 1


def test_the_defaults_that_help_names_are_those_of_the_cluster() -> None:
    help_text = " ".join(printed("--help").split())
    assert all(f"[default: {value}]" in help_text for value in asdict(Cluster()).values())


@pytest.mark.parametrize("cluster", CLUSTERS, ids=["usual", "large"])
def test_bash_reads_the_script(cluster: Cluster, tmp_path: Path) -> None:
    script = tmp_path / "job.sh"
    script.write_text(template("slurm", cluster, VERSIONS))
    result = subprocess.run(["bash", "-n", str(script)], capture_output=True, text=True)
    assert (result.returncode, result.stderr) == (0, "")
