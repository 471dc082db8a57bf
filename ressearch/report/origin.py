"""How to make a study again: command, space, recipe, fidelity, seeds, versions, data."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from ressearch import __version__
from ressearch.report.findings import Findings
from ressearch.report.markup import Child, element
from ressearch.report.told import details, pairs, paragraph
from ressearch.trial import Study


def origin(findings: Findings) -> list[Child]:
    """All that another person needs."""
    study = findings.study
    devices = sorted({trial.measurement.device for trial in findings.trials if trial.measurement is not None})
    known = [
        ("study", study.name),
        ("space", f"{study.space_name}, digest {study.space_digest}"),
        ("data", f"{study.data_source}, checksum {study.data_checksum}" if study.data_source else "of the evaluator"),
        ("evaluator", study.evaluator or "none: trained by ressearch"),
        ("recipe", f"{_settings(asdict(study.recipe))}; digest {study.recipe_digest}"),
        ("fidelity", _settings(asdict(study.fidelity))),
        ("seed", f"{study.seed}, of the proposals and of every training"),
        ("search", _settings(study.search or {}) or "not known: the study is older than such records"),
        ("measured on", ", ".join(devices) or "nothing yet"),
        ("versions", ", ".join(f"{name} {version}" for name, version in study.versions.items()) or "not known"),
        ("commit", study.commit or "not known"),
        ("page", f"ressearch {__version__}"),
    ]
    return [
        paragraph("Save the space below as ", element("code", "space.yaml"), " and run:"),
        element("pre", command(study), class_="command", tabindex="0"),
        pairs(known),
        details("The search space, as it was searched", element("pre", study.space_text, tabindex="0")),
    ]


FLAGS = ("trials", "workers", "proposer", "objective", "max_macs", "time_limit", "device")


def command(study: Study) -> str:
    """The line that runs such a search again; what is not known of it is left to the defaults."""
    search = {**(study.search or {}), "workers": study.workers}
    trained = ("--evaluator", study.evaluator.split("@")[0]) if study.evaluator else ("--data", study.data_source)
    words = ["ressearch", "search", "space.yaml", *trained, "--seed", str(study.seed), "--name", study.name]
    for name in FLAGS:
        if search.get(name) is not None:
            words += [f"--{name.replace('_', '-')}", str(search[name])]
    whole = ["--no-early-terminate"] if search.get("early_terminate") is False and _has_rungs(study) else []
    return shlex.join([*words, *whole])


def _has_rungs(study: Study) -> bool:
    return "early_terminate" in study.space_text


def _settings(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in values.items())
