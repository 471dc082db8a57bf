"""What optuna-dashboard shows beside a study or a trial: Markdown, in which texts of others are only text."""

from __future__ import annotations

import re

from ressearch.dashboard.snapshot import Snapshot
from ressearch.trial import Measurement, Trial, TrialState


def study_note(snapshot: Snapshot) -> str:
    """What was searched, and that this is a copy."""
    study, fidelity = snapshot.study, snapshot.study.fidelity
    counts = ", ".join(
        f"{count} {state.value}"
        for state in TrialState
        if (count := sum(trial.state is state for trial in snapshot.trials))
    )
    data = code(study.data_source or study.evaluator)
    lines = [
        f"Study {code(study.name)} over the space {code(study.space_name)}: {data}, "
        f"{fidelity.epochs} epochs on {fidelity.data_fraction:.0%} of the training images; trials: {counts or 'none'}.",
        "One MAC is one multiply and one add; a FLOP count is twice the MACs. Trials that were stopped at a rung are "
        "shown as pruned.",
        "This is a copy for reading. The results store is the only truth: nothing is read back from here.",
    ]
    return "\n\n".join(lines)


def trial_note(snapshot: Snapshot, trial: Trial, drawing: str) -> str:
    """The drawing of a trial's network, at a path of the dashboard's server; what it costs; what came of it."""
    network = snapshot.networks[trial.architecture_id]
    cost = network.cost
    title = f"architecture {code(network.id)}" + (f", baseline {code(trial.baseline)}" if trial.baseline else "")
    facts = (
        f"{cost.macs:,} MACs ({cost.flops:,} FLOPs), {cost.params:,} parameters, depth {cost.depth}, "
        f"nesting {network.nesting}, {network.skips} skips"
    )
    parts = [title, f"![wiring of {network.id}]({drawing})", facts, *_measured(snapshot, trial)]
    if trial.error is not None:
        parts += [f"failed: {trial.failure}", fenced(trial.error)]
    return "\n\n".join(parts)


def _measured(snapshot: Snapshot, trial: Trial) -> list[str]:
    lines = [_line(epochs, measured) for epochs, measured in snapshot.curve(trial)]
    return ["\n".join(lines)] if lines else []


def _line(epochs: int, measured: Measurement) -> str:
    loss = "" if measured.loss is None else f", loss {measured.loss:.4g}"
    where = f"in {measured.seconds:.1f} s on {code(measured.device)}"
    return f"- after {epochs} epochs: accuracy {100 * measured.accuracy:.2f} %{loss}, {where}"


def code(text: str) -> str:
    """A text in a line, of which nothing is Markdown or HTML."""
    plain = "".join(character if character.isprintable() else " " for character in text) or " "
    marks = "`" * (1 + max(map(len, re.findall("`+", plain)), default=0))
    return f"{marks}{plain}{marks}" if len(marks) == 1 else f"{marks} {plain} {marks}"


def fenced(text: str) -> str:
    """Lines, of which nothing is Markdown or HTML."""
    marks = "`" * max(3, 1 + max(map(len, re.findall("`+", text)), default=0))
    return f"{marks}text\n{text.rstrip()}\n{marks}"
