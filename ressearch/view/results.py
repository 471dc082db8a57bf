"""Results and networks as things that `rich` can print."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from ressearch.agreements import mean_accuracies
from ressearch.analysis import analyse
from ressearch.architecture import Architecture
from ressearch.cost import Cost
from ressearch.ranking import accuracy_per_mflop, summary
from ressearch.store import Asked, By, Event, Result, Standing, What
from ressearch.store.best import said
from ressearch.trial import PARAMETERS, Latency, Proxies, Recipe, Retraining, Study, Trial, TrialState
from ressearch.view.tables import cell, moment, percent, plain_table, whole_line

if TYPE_CHECKING:
    from ressearch.correlation import Agreement, Coefficient


def record_of(result: Result, **more: Any) -> dict[str, Any]:
    """One network as plain values; accuracy in [0, 1], FLOPs are twice the MACs."""
    return {
        "id": result.id,
        "accuracy": result.accuracy,
        "macs": result.macs,
        "flops": 2 * result.macs,
        "params": result.params,
        "depth": result.depth,
        "accuracy_per_mflop": round(accuracy_per_mflop((result.accuracy, result.macs)), 6),
        "baseline": result.baseline,
        "trial": result.number,
        **more,
    }


def standing_page(asked: Asked, standing: Standing, agreements: Mapping[str, Agreement]) -> RenderableType:
    """Front and ranking for people, and how far cheaper accuracies agree with those of more training."""
    floor = f"accuracy >= {percent(asked.floor.accuracy)} ({asked.floor.source})"
    return Group(
        whole_line(_headline(asked)),
        whole_line("\nPareto front: no network here is both more accurate and cheaper than another"),
        _results_table(standing.front, asked.all_studies),
        whole_line(f"Accuracy per FLOP, among the {standing.able} networks with {floor}"),
        _results_table(standing.ranking, asked.all_studies),
        *(whole_line(f"{name}: {agreement_line(found)}") for name, found in agreements.items()),
    )


def chosen_page(asked: Asked, by: By, chosen: Sequence[Result]) -> RenderableType:
    """What was chosen as best, for people."""
    floor = f", from accuracy >= {percent(asked.floor.accuracy)} ({asked.floor.source})" if by is By.EFFICIENCY else ""
    lines = [whole_line(_headline(asked)), whole_line(f"\n{_CHOSEN[by]}{floor}")]
    return Group(*lines, _results_table(chosen, asked.all_studies))


_CHOSEN = {
    By.PARETO: "Pareto front: no network here is both more accurate and cheaper than another",
    By.EFFICIENCY: "Accuracy per FLOP",
    By.KNEE: "Knee of the Pareto front: from here on accuracy is expensive",
    By.ACCURACY: "Accuracy",
}


def _headline(asked: Asked) -> str:
    study, counts, names = asked.study, asked.counts, asked.studies.values()
    several = f"studies {', '.join(names)}" if asked.all_studies else f"study {study.name}"
    within = f"; within {said(asked.limits)}" if said(asked.limits) else ""
    stopped = f"{counts[TrialState.STOPPED]} stopped, " if counts[TrialState.STOPPED] else ""
    return (
        f"{several}: {study.data_source or study.evaluator}, {study.fidelity.epochs} epochs on "
        f"{study.fidelity.data_fraction:.0%} of the training images; {counts[TrialState.COMPLETE]} trials complete, "
        f"{stopped}{counts[TrialState.FAILED]} failed, {counts[TrialState.RUNNING]} open{within}"
    )


def _results_table(results: Sequence[Result], all_studies: bool) -> RenderableType:
    if not results:
        return whole_line("\n none\n")
    of = ("study",) if all_studies else ()
    table = plain_table("id", "accuracy", "MFLOPs", "params", "depth", "acc/MFLOP", *of, left=("id", "study"))
    table.add_column("", no_wrap=True)
    for result in results:
        table.add_row(
            result.id,
            percent(result.accuracy),
            f"{2 * result.macs / 1e6:.3f}",
            f"{result.params:,}",
            str(result.depth),
            f"{accuracy_per_mflop((result.accuracy, result.macs)):.3f}",
            *([result.study] if all_studies else []),
            f"baseline {result.baseline}" if result.baseline else "",
        )
    return table


@dataclass(frozen=True)
class Comparison:
    """Scores of untrained networks beside what a study measured of them, and how far each orders them alike.

    networks: plain values, one record each. agreements: by the name of the score.
    """

    study: Study
    batch: int
    seed: int
    networks: list[dict[str, Any]]
    agreements: dict[str, Agreement]


SCORES = ("params", "macs", "naswot", "synflow", "grad_norm", "zen")
"""What a network is scored by without training; the first two are known from its wiring."""


def comparison(study: Study, results: Sequence[Result], scored: Sequence[Proxies]) -> Comparison:
    """Scores, all of one batch size and seed, against accuracies: of a network that is their mean over its trials."""
    from ressearch.correlation import agreement  # numpy is a tenth of a second that other verbs can spare

    known, means = {result.id: result for result in results}, mean_accuracies(results)
    networks = [_scored_record(known[one.architecture_id], means[one.architecture_id], one) for one in scored]
    accuracies, seed = [network["accuracy"] for network in networks], scored[0].seed
    agreements = {name: agreement([network[name] for network in networks], accuracies, seed) for name in SCORES}
    return Comparison(study, scored[0].batch, seed, networks, agreements)


def _scored_record(result: Result, accuracy: float, proxies: Proxies) -> dict[str, Any]:
    known = {"params": result.params, "macs": result.macs}
    scores = {name: known[name] if name in known else getattr(proxies, name) for name in SCORES}
    return {"id": result.id, "accuracy": accuracy, **scores, "seconds": proxies.seconds}


def comparison_page(found: Comparison) -> RenderableType:
    """How well each score orders the networks, for people."""
    table = plain_table("score", "n", "Spearman", "", "Kendall", "", left=("score", ""))
    for name, one in found.agreements.items():
        table.add_row(name, str(one.n), *_coefficient_cells(one.spearman), *_coefficient_cells(one.kendall))
    return Group(
        whole_line(
            f"study {found.study.name}: rank correlation with the accuracy of {len(found.networks)} networks, "
            "95 % bootstrap intervals"
        ),
        whole_line(f"scores without training: of {found.batch} training images, seed {found.seed}"),
        table,
    )


def _coefficient_cells(found: Coefficient) -> tuple[str, str]:
    value = "" if found.value is None else f"{found.value:.2f}"
    return value, "" if found.low is None else f"{found.low:.2f} to {found.high:.2f}"


def agreement_line(found: Agreement) -> str:
    """Spearman's rank correlation with its 95 % interval."""
    value, interval = _coefficient_cells(found.spearman)
    return f"Spearman {value or 'not defined'} ({f'{interval}, ' if interval else ''}n = {found.n})"


def proxies_line(found: Proxies) -> str:
    """The scores of one network without training."""
    scores = ((name, getattr(found, name)) for name in SCORES if hasattr(found, name))
    told = ", ".join(f"{name} {'not defined' if score is None else f'{score:.4g}'}" for name, score in scores)
    return f"untrained, batch {found.batch}, seed {found.seed}: {told}"


def architecture_page(
    architecture: Architecture,
    cost: Cost,
    history: Sequence[tuple[str, Trial]],
    retrainings: Sequence[Retraining],
    latencies: Sequence[Latency],
    scored: Sequence[Proxies],
) -> RenderableType:
    """One network for people: its cost, wiring and trials, what it was retrained to, its latencies and proxies."""
    wiring = analyse(architecture)
    facts = (
        f"architecture {architecture.id}: {len(architecture)} nodes, depth {cost.depth}\n"
        f"{cost.flops:,} FLOPs ({cost.macs:,} MACs), {cost.params:,} parameters, "
        f"{cost.activations:,} activations, {cost.peak:,} at once\n"
        f"nesting {wiring.nesting}, {wiring.skips} skips, {wiring.paths:,} paths of {wiring.shortest} to "
        f"{wiring.longest} layers ({wiring.mean_length:.1f} on average), "
        f"receptive field {wiring.receptive_field} pixels\n"
        f"blocks: {_shares(wiring.kinds)}\n"
    )
    known = [f"retrained, {line}" for line in _retrained(retrainings)]
    known += [*map(latency_line, latencies), *map(proxies_line, scored)]
    return Group(Text(facts), _history_table(history), *map(whole_line, known))


def _retrained(retrainings: Sequence[Retraining]) -> list[str]:
    """A line for each recipe, data set and number of epochs."""
    alike: dict[tuple[Recipe, str, int], list[float]] = {}
    for one in retrainings:
        key = (one.recipe, one.data_checksum, one.fidelity.epochs)
        alike.setdefault(key, []).append(one.measurement.accuracy)
    return [f"{epochs} epochs: test accuracy {summary_line(found)}" for (_, _, epochs), found in alike.items()]


def summary_line(accuracies: Sequence[float]) -> str:
    """Mean and spread of accuracies over seeds."""
    over = summary(accuracies)
    spread = "" if over.deviation is None else f", standard deviation {100 * over.deviation:.2f}"
    range_ = f"{percent(over.least)} to {percent(over.most)}"
    return f"mean {percent(over.mean)} over {over.seeds} seed(s){spread}, {range_}"


def latency_line(found: Latency) -> str:
    """The time of a forward pass, and on what it was taken."""
    median, low, high = (1e3 * s for s in (found.median_seconds, found.low_seconds, found.high_seconds))
    where = f"{found.threads} thread(s)" if found.threads else "GPU"
    return (
        f"{found.device}, {where}, {found.precision}, batch {found.batch}: median {median:.3f} ms "
        f"(quartiles {low:.3f} to {high:.3f}, n = {found.repeats})"
    )


def _shares(kinds: Mapping[str, int]) -> str:
    total = sum(kinds.values())
    return ", ".join(f"{count} {kind} ({count / total:.0%})" for kind, count in kinds.items()) or "none"


def costs_table(records: Sequence[dict[str, Any]]) -> Table:
    """What networks cost, by name."""
    table = plain_table("name", "id", "MFLOPs", "params", "activations", "peak", "depth", left=("name", "id"))
    for record in records:
        counts = (f"{record[key]:,}" for key in ("params", "activations", "peak", "depth"))
        table.add_row(record["name"], record["id"], f"{record['flops'] / 1e6:,.3f}", *counts)
    return table


def query_table(records: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> Table:
    """What a query found."""
    texts = [name for name in columns if any(isinstance(record[name], str) for record in records)]
    table = plain_table(*columns, left=texts)
    for record in records:
        table.add_row(*(cell(name, record[name]) for name in columns))
    return table


def events_table(events: Sequence[Event]) -> Table:
    """All that became known of a network, line by line."""
    table = plain_table("time (UTC)", "what", "study", "trial", "seed", left=("time (UTC)", "what", "study"))
    table.add_column("", no_wrap=True)
    for event in events:
        seed = event.facts.get("seed")
        number = "" if event.number is None else str(event.number)
        when = moment(event.at).replace("T", " ").removesuffix("Z")
        table.add_row(
            when, event.what.value, event.study or "", number, "" if seed is None else str(seed), _told(event)
        )
    return table


def _told(event: Event) -> str:
    facts = event.facts
    match event.what:
        case What.TRIAL:
            return _of_trial(facts)
        case What.RUNG:
            return f"stopped after {facts['fidelity']['epochs']} epochs, {_of_measurement(facts['measurement'])}"
        case What.RETRAINING:
            return f"{facts['fidelity']['epochs']} epochs, test {_of_measurement(facts['measurement'])}"
        case What.LATENCY:
            where, median = cell("device", facts["device"]), 1e3 * facts["median_seconds"]
            return f"{where}, {facts['precision']}, batch {facts['batch']}: median {median:.3f} ms"
        case What.PROXIES:
            scores = ("naswot", "synflow", "grad_norm", "zen")
            return ", ".join(f"{name} {facts[name]:.4g}" for name in scores if facts[name] is not None)
    return f"{facts['name']}, {facts['bytes']:,} bytes, sha256 {facts['sha256'][:16]}"


def _of_trial(facts: Mapping[str, Any]) -> str:
    parts = [str(facts["state"])]
    if facts["measurement"] is not None:
        parts.append(_of_measurement(facts["measurement"]))
    if facts["error"] is not None:
        lines = str(facts["error"]).strip().splitlines() or [""]
        parts.append(f"{facts['failure']}: {cell('error', lines[-1].strip())}")
    if facts["baseline"] is not None:
        parts.append(f"baseline {cell('baseline', facts['baseline'])}")
    return ", ".join([*parts, *(["known from the store"] if facts["reused"] else [])])


def _of_measurement(measured: Mapping[str, Any]) -> str:
    return f"accuracy {percent(measured['accuracy'])} in {measured['seconds']:.1f} s"


def _history_table(history: Sequence[tuple[str, Trial]]) -> Table:
    table = plain_table("study", "trial", "state", "seed", "accuracy", "loss", "seconds", left=("study", "state"))
    table.add_column("", overflow="fold")
    for study, trial in history:
        m = trial.measurement
        loss = "" if m is None or m.loss is None else f"{m.loss:.3f}"
        measured = (percent(m.accuracy), loss, f"{m.seconds:.1f}") if m else ("", "", "")
        table.add_row(study, str(trial.number), trial.state.value, str(trial.seed), *measured, _remark(trial))
    return table


def _remark(trial: Trial) -> str:
    if trial.error:
        last = trial.error.strip().rsplit("\n", 1)[-1].strip()
        return f"{trial.failure}: {last}" if trial.failure else last
    parameters = [
        f"{path.removeprefix(PARAMETERS)} {_short(value)}"
        for path, value in trial.decisions.items()
        if path.startswith(PARAMETERS)
    ]
    told = [f"baseline {trial.baseline}"] if trial.baseline else ["known from the store"] if trial.reused else []
    return ", ".join(told + parameters)


def _short(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else f"{value:g}"
