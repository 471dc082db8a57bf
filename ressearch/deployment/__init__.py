"""Files that start a search on a cluster, filled in for one: `template("slurm", Cluster(nodes=8))`.

The templates in `templates/` are the one truth. `deploy/` holds what they give for the usual cluster; a test keeps both
equal. In a template, `@@{name}` stands for a value: `$` belongs to the shells, `%` to Slurm, braces to Go and YAML.
"""

from __future__ import annotations

import difflib
import re
import string
from collections.abc import Mapping
from dataclasses import dataclass, fields
from platform import python_version_tuple
from types import MappingProxyType

from ressearch import __version__
from ressearch.errors import TemplateError

MOST = 100_000

_WORD = re.compile(r"[A-Za-z0-9_./][A-Za-z0-9_./:@+=-]*")
"""What neither a shell nor YAML takes for anything but itself."""

_EVERYWHERE = re.compile(r"/|[a-z][a-z0-9+.-]*://.")


@dataclass(frozen=True)
class Kind:
    """A template: its file, and what it is for, in a line."""

    file: str
    title: str


KINDS: Mapping[str, Kind] = MappingProxyType(
    {
        "docker": Kind("Dockerfile", "the image for kuberay, and for whatever else runs containers"),
        "kuberay": Kind("kuberay.yaml", "Kubernetes: a RayJob, its volumes and its network policy"),
        "ray-up": Kind("ray-up.yaml", "machines that SSH reaches, or a cloud: the cluster of `ray up`"),
        "slurm": Kind("slurm.sh", "Slurm: a batch script that goes back into the queue when its time is over"),
    }
)


@dataclass(frozen=True)
class Versions:
    """What head, workers and driver must agree on; Python by major and minor version."""

    ray: str
    python: str

    @classmethod
    def installed(cls) -> Versions:
        """Those of this interpreter; ray itself is not imported."""
        from importlib.metadata import version

        return cls(version("ray"), ".".join(python_version_tuple()[:2]))


@dataclass(frozen=True)
class Cluster:
    """What a template is filled in with. `cpus`, `gpus` and `memory` (GiB) are those of each of `nodes` that train."""

    nodes: int = 2
    cpus: int = 8
    gpus: int = 0
    memory: int = 32
    space: str = "search_spaces/demo.yaml"
    storage: str = "/shared/ressearch"
    image: str = f"registry.example.com/ressearch:{__version__}"

    def __post_init__(self) -> None:
        for name in ("nodes", "cpus", "gpus", "memory"):
            least, number = int(name != "gpus"), getattr(self, name)
            if not least <= number <= MOST:
                raise TemplateError(f"--{name} {number}: expected {least} to {MOST}")
        for name in ("space", "storage", "image"):
            _check_word(name, getattr(self, name))
        if self.gpus > self.cpus:
            raise TemplateError(
                f"--gpus {self.gpus} with --cpus {self.cpus}: expected at least one core for each GPU",
                hint="each trial has one GPU, and a core of its own that feeds it",
            )
        if not _EVERYWHERE.match(self.storage):
            raise TemplateError(
                f"--storage {self.storage}: expected a folder that begins with /, or a URL such as s3://bucket/folder",
                hint="all nodes have to find the checkpoints under the same name",
            )

    def values(self) -> dict[str, str]:
        """By the names that stand in the templates."""
        given = {field.name: str(getattr(self, field.name)) for field in fields(self)}
        return given | {
            "flags": self.flags,
            "cpus_and_one": str(self.cpus + 1),
            "slurm_gpus": f"#SBATCH --gpus-per-node={self.gpus}" if self.gpus else "##SBATCH --gpus-per-node=1",
            "shared_folder": self.storage if self.storage.startswith("/") else "/shared/ressearch",
            "worker_ips": ", ".join(_address(node) for node in range(self.nodes)),
        }

    @property
    def flags(self) -> str:
        """What follows `ressearch search`, but for the address: a GPU for each trial, or a core where there are none.

        Not how many trials at once: as many as the nodes hold, also those that join later.
        """
        share = f"--cpus-per-trial {self.cpus // self.gpus} --gpus-per-trial 1" if self.gpus else "--cpus-per-trial 1"
        return f"{self.space} {share} --storage {self.storage}"


def template(kind: str, cluster: Cluster | None = None, versions: Versions | None = None) -> str:
    """The text of a template, filled in. Raises TemplateError if there is no such kind."""
    if kind not in KINDS:
        near = difflib.get_close_matches(kind.lower(), KINDS, n=1, cutoff=0.5)
        raise TemplateError(
            f"{kind!r} is not a kind of cluster; use one of {', '.join(KINDS)}",
            hint=f"did you mean {near[0]!r}?" if near else "ressearch cluster template --list",
        )
    from importlib.resources import files

    versions = versions or Versions.installed()
    values = (cluster or Cluster()).values() | {"ray": versions.ray, "python": versions.python}
    text = files(__name__).joinpath("templates", KINDS[kind].file).read_text(encoding="utf-8")
    return _Template(text).substitute(values)


def _check_word(name: str, text: str) -> None:
    if not _WORD.fullmatch(text):
        raise TemplateError(
            f"--{name} {text!r}: expected a name without spaces and quotes",
            hint="it is written into shell scripts and YAML: letters, digits and _ . / : @ + = - may stand in it",
        )


class _Template(string.Template):
    delimiter = "@@"


def _address(node: int) -> str:
    """An address to be replaced, of the network that is set aside for examples of this kind."""
    return f"192.168.{1 + node // 200}.{2 + node % 200}"
