"""The text of the file: a class for each kind of region, the network, and how its weights are loaded."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ressearch.architecture import Architecture
from ressearch.export.python.classes import Class, classes_of
from ressearch.export.python.forward import ClassText
from ressearch.export.python.layers import LAYERS
from ressearch.export.python.regions import Region
from ressearch.export.python.statements import Statement
from ressearch.ops import Conv, DropPath, Linear

CONV = '''
def conv(
    source: int, width: int, kernel: int, stride: int = 1, groups: int = 1, bias: bool = False
) -> nn.Conv2d:
    """A convolution that keeps the resolution at stride 1, with weights drawn He-normal."""
    layer = nn.Conv2d(source, width, kernel, stride, padding=(kernel - 1) // 2, groups=groups, bias=bias)
    nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
    if bias:
        nn.init.zeros_(layer.bias)
    return layer
'''

DROP_PATH = '''
class DropPath(nn.Module):
    """Stochastic depth: in training, a whole map becomes 0 with probability `rate`."""

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.keep = 1 - rate

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return x
        return x * (x.new_empty(len(x), 1, 1, 1).bernoulli_(self.keep) / self.keep)
'''

LOAD = '''
def load(weights: str | Path = Path(__file__).with_name("{weights}")) -> Network:
    """The network with the weights of a file, ready for inference. Nothing that stands in the file is run."""
    network = Network()
    network.load_state_dict({reader})
    return network.eval()


if __name__ == "__main__":
    network = load()
    scores = network(torch.rand(1, {shape}))
    print(f"{{sum(p.numel() for p in network.parameters()):,}} parameters")
    print(f"scores of a random image: {{scores[0].tolist()}}")
'''

READERS = {
    ".pt": 'torch.load(weights, map_location="cpu", weights_only=True)',
    ".safetensors": "read_safetensors(Path(weights))",
}

SAFETENSORS = '''
def read_safetensors(file: Path) -> dict[str, Tensor]:
    """The tensors of a .safetensors file, by name: the length of a header, the header as JSON, the numbers."""
    data = bytearray(file.read_bytes())
    start = 8 + int.from_bytes(data[:8], "little")
    header = json.loads(data[8:start])
    header.pop("__metadata__", None)
    types = {"F32": torch.float32, "I64": torch.int64}
    return {
        name: torch.frombuffer(data[start + first : start + last], dtype=types[one["dtype"]]).reshape(one["shape"])
        for name, one in header.items()
        for first, last in [one["data_offsets"]]
    }
'''


@dataclass(frozen=True)
class Source:
    """A file that makes the network with plain torch.

    names: of each parameter and buffer, in our state dictionary and in that of its class `Network`.
    """

    text: str
    names: dict[str, str]


def source_of(architecture: Architecture, title: str, weights: str) -> Source:
    """The file for an architecture. title: its docstring. weights: a `.pt` or `.safetensors` file beside it."""
    classes = classes_of(architecture)
    texts = {made: ClassText(architecture, made) for made in classes}
    ops = {type(node.op) for node in architecture.nodes}
    suffix = weights[weights.rindex(".") :]
    parts = [
        _imports(title, suffix == ".safetensors", texts),
        *([CONV] if Conv in ops else []),
        *([DROP_PATH] if DropPath in ops else []),
        *("\n".join(_class(texts[made], architecture)) for made in classes),
        *([SAFETENSORS] if suffix == ".safetensors" else []),
        LOAD.format(weights=weights, reader=READERS[suffix], shape=", ".join(map(str, architecture.input_shape))),
    ]
    whole = classes[-1].regions[0]
    text = "\n\n\n".join(part.strip("\n") for part in parts) + "\n"
    return Source(text, dict(_names(texts, whole, "", architecture)))


def _imports(title: str, json: bool, texts: dict[Class, ClassText]) -> str:
    lines = [f'"""{title}"""', "", "from __future__ import annotations", "", *(["import json"] if json else [])]
    lines += ["from pathlib import Path", "", "import torch", "from torch import Tensor, nn"]
    functional = any("F." in line for text in texts.values() for line in text.forward())
    return "\n".join([*lines, *(["from torch.nn import functional as F"] if functional else []), ""])


def _class(text: ClassText, architecture: Architecture) -> Iterator[str]:
    made = text.made
    network = not made.regions[0].name
    if network and isinstance(architecture.nodes[-1].op, Linear):
        made.texts[-1][1] = "num_classes"
    yield f"class {made.name}(nn.Module):"
    yield f'    """{_docstring(made, architecture)}"""'
    yield ""
    yield from (f"    {line}" for line in _signed("def __init__(", list(_signature(made, architecture)), ") -> None:"))
    yield "        super().__init__()"
    yield from (f"        {line}" for line in text.init())
    yield ""
    yield "    def forward(self, x: Tensor) -> Tensor:"
    yield from (f"        {line}" for line in text.forward())


def _signature(made: Class, architecture: Architecture) -> Iterator[str]:
    yield "self"
    if not made.regions[0].name and isinstance(architecture.nodes[-1].op, Linear):
        yield f"num_classes: int = {architecture.output_shape[0]}"
    for one in made.parameters:
        kind = "float" if one.kind == "number" else "int"
        yield f"{one.name}: {kind}" + ("" if one.default is None else f" = {one.default}")


def _signed(head: str, parameters: Sequence[str], tail: str) -> list[str]:
    line = f"{head}{', '.join(parameters)}{tail}"
    return [line] if len(line) < 96 else [head, *(f"    {one}," for one in parameters), tail]


def _docstring(made: Class, architecture: Architecture) -> str:
    shapes = architecture.shapes
    if not made.regions[0].name:
        return f"Images (N, {', '.join(map(str, shapes[0]))}) to scores (N, {shapes[-1][0]})."
    pairs = list(dict.fromkeys((shapes[one.source], shapes[one.output]) for one in made.regions))
    shown = [f"{_shape(source)} to {_shape(output)}" for source, output in pairs]
    return f"{', '.join(shown if len(shown) < 4 else [shown[0], '...', shown[-1]])}."


def _shape(shape: Sequence[int]) -> str:
    return " x ".join(map(str, shape))


def _names(
    texts: dict[Class, ClassText], region: Region, prefix: str, architecture: Architecture
) -> Iterator[tuple[str, str]]:
    for name, module in texts[region.made].modules(region):
        if isinstance(module, Statement):
            assert module.node is not None
            node = architecture.nodes[module.node]
            for ours, theirs in LAYERS[type(node.op)].parameters(node.op).items():
                yield f"{node.name}.{ours}", f"{prefix}{name}{theirs}"
        else:
            yield from _names(texts, module, f"{prefix}{name}.", architecture)
