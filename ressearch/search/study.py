"""The books of a running study: what to try next, what came of it, and how far it is. Nothing here knows of Ray.

A trial is in the store before it starts, and its result before Optuna is told. So whatever dies, the next run with
the same name goes on: finished trials are kept, trials that were running are begun again.
"""

from __future__ import annotations

import platform
import subprocess
import time
from collections import deque
from dataclasses import dataclass
from importlib.metadata import version

from ressearch.architecture import Architecture
from ressearch.data import SearchData
from ressearch.errors import StudyError
from ressearch.ranking import Point, pareto_front
from ressearch.search.propose import Aim, Proposal, Proposer
from ressearch.space import SearchSpace
from ressearch.store import Store
from ressearch.trial import Failure, Fidelity, Measurement, MeasurementKey, Origin, Recipe, Study, Trial, TrialState


@dataclass(frozen=True)
class Job:
    """What a worker needs to know of a trial."""

    number: int
    architecture: Architecture
    recipe: Recipe
    fidelity: Fidelity
    seed: int


@dataclass(frozen=True)
class Progress:
    """How far a study is.

    best: the highest accuracy yet, and the id of the cheapest network that has it. exhausted: the space holds no
    further network. seconds_left: an estimate, None until a trial of this run is finished.
    """

    total: int
    done: int
    running: int
    failed: int
    reused: int
    front: int
    best: tuple[float, str] | None
    exhausted: bool
    seconds_left: float | None


@dataclass(frozen=True)
class _Finished:
    """A closed trial: its network's id, and (accuracy, MACs), which a failed one lacks."""

    id: str
    point: Point | None
    reused: bool


class StudyBooks:
    """Keeps the store, the proposals and the tally of one study in step; a trial is known by its number.

    data: None if an evaluator brings its own. aim: who proposes and what for; a study may go on with another.
    Raises StudyError if the images do not fit the space, or if a study of this name exists with another space,
    evaluator, data set, recipe, fidelity or seed.
    """

    def __init__(
        self,
        space: SearchSpace,
        data: SearchData | None,
        store: Store,
        study: Study,
        trials: int,
        aim: Aim | None = None,
    ) -> None:
        if data is not None:
            _require_images_fit(space, data)
        self.study, self.total = study, trials
        self.exhausted = False
        self._store = store
        self._id = _begun(store, study)
        past = store.trials(self._id)
        finished = [trial for trial in past if trial.state is not TrialState.RUNNING]
        known = [(t.decisions, _accuracy(t)) for t in finished]
        self._aim = aim or Aim()
        self._proposer = Proposer(space, study.seed, known, aim=self._aim)
        points = {result.number: (result.accuracy, result.macs) for result in store.results(self._id)}
        self._finished = [_Finished(t.architecture_id, points.get(t.number), t.reused) for t in finished]
        self._open: dict[int, Proposal] = {}
        self._interrupted = deque(trial for trial in past if trial.state is TrialState.RUNNING)
        begun = {trial.baseline for trial in past}
        self._baselines = deque(item for item in space.baselines.items() if item[0] not in begun)
        self._started, self._before = time.monotonic(), len(finished)

    @property
    def interrupted(self) -> list[int]:
        """Trials that were under way when the last driver of this study ended, and have not been begun again."""
        return [trial.number for trial in self._interrupted]

    def next_job(self) -> Job | None:
        """The next trial to train, or None: all are done or under way, or the space is exhausted.

        A network that is measured already under this recipe takes its measurement from the store and is passed over.
        """
        while (job := self._begin_next()) is not None:
            known = self._store.known(self._key(job.number))
            if known is None:
                return job
            self.complete(job.number, known)
        return None

    def complete(self, number: int, measurement: Measurement) -> None:
        """Record what a trial measured; where its key was measured before, that measurement counts."""
        recipe = self._open[number].candidate.recipe
        accepted = self._store.complete(self._id, number, self._key(number), measurement, recipe)
        self._close(number, accepted.accuracy, reused=accepted is not measurement)

    def fail(self, number: int, error: str, failure: Failure) -> None:
        """Record that a trial failed, with its traceback or message, and of what kind the failure is."""
        self._store.fail(self._id, number, error, failure)
        self._close(number, None, reused=False)

    def progress(self) -> Progress:
        """How far the study is."""
        measured = [(f.point, f.id) for f in self._finished if f.point is not None]
        best = max(measured, key=lambda item: (item[0][0], -item[0][1]), default=None)
        return Progress(
            total=max(self.total, len(self._finished) + len(self._open)),
            done=len(measured),
            running=len(self._open),
            failed=len(self._finished) - len(measured),
            reused=sum(f.reused for f in self._finished),
            front=len(pareto_front([point for point, _ in measured])),
            best=None if best is None else (best[0][0], best[1]),
            exhausted=self.exhausted,
            seconds_left=self._seconds_left(),
        )

    def _begin_next(self) -> Job | None:
        if self._interrupted:
            trial = self._interrupted.popleft()
            return self._opened(trial.number, self._proposer.take(trial.decisions))
        number = len(self._finished) + len(self._open)
        if number >= self.total or self.exhausted:
            return None
        proposal, baseline = self._next_proposal()
        if proposal is None:
            self.exhausted = True
            return None
        candidate = proposal.candidate
        trial = Trial(
            number=number,
            architecture_id=candidate.architecture.id,
            decisions=candidate.decisions,
            seed=self.study.seed,
            origin=Origin.PROPOSED if baseline is None else Origin.BASELINE,
            baseline=baseline,
            proposer=self._aim.proposer if baseline is None else None,
        )
        self._store.begin(self._id, trial, candidate.architecture, candidate.cost)
        return self._opened(number, proposal)

    def _next_proposal(self) -> tuple[Proposal | None, str | None]:
        """A proposal, and the baseline's name if it is one; a second name for one network is passed over."""
        while self._baselines:
            name, candidate = self._baselines.popleft()
            if not self._proposer.knows(candidate):
                return self._proposer.take(candidate.decisions), name
        return self._proposer.propose(), None

    def _opened(self, number: int, proposal: Proposal) -> Job:
        self._open[number] = proposal
        candidate, study = proposal.candidate, self.study
        return Job(number, candidate.architecture, candidate.recipe, study.fidelity, study.seed)

    def _close(self, number: int, accuracy: float | None, reused: bool) -> None:
        proposal = self._open.pop(number)
        self._proposer.tell(proposal, accuracy)
        candidate = proposal.candidate
        point = None if accuracy is None else (accuracy, candidate.cost.macs)
        self._finished.append(_Finished(candidate.architecture.id, point, reused))

    def _key(self, number: int) -> MeasurementKey:
        candidate, study = self._open[number].candidate, self.study
        recipe_digest = candidate.recipe.digest(study.data_checksum, study.evaluator)
        return MeasurementKey(candidate.architecture.id, recipe_digest, study.fidelity, study.seed)

    def _seconds_left(self) -> float | None:
        trained = sum(not finished.reused for finished in self._finished[self._before :])
        left = self.total - len(self._finished)
        if not trained or left <= 0 or self.exhausted:
            return None
        return (time.monotonic() - self._started) / trained * left


def describe_study(
    space: SearchSpace, data: SearchData | None, *, name: str, source: str, seed: int, evaluator: str = ""
) -> Study:
    """The record of a study over a space and a data set, with the space file's recipe and fidelity.

    evaluator: identity of the training that is used in place of ours, which brings its own data.
    """
    recipe, checksum = space.grammar.recipe, "" if data is None else data.checksum
    return Study(
        name=name,
        space_name=space.name,
        space_text=space.text,
        space_digest=space.digest,
        data_source=source,
        data_checksum=checksum,
        recipe=recipe,
        recipe_digest=recipe.digest(checksum, evaluator),
        fidelity=space.grammar.fidelity,
        seed=seed,
        versions=_versions(),
        evaluator=evaluator,
        commit=_commit(),
    )


def _versions() -> dict[str, str]:
    packages = ("ressearch", "torch", "ray", "optuna", "numpy")
    return {"python": platform.python_version()} | {package: version(package) for package in packages}


def _commit() -> str | None:
    """Of the git repository that holds the working directory, if one does and git is there to ask."""
    command = ["git", "--no-optional-locks", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        asked = subprocess.run(command, capture_output=True, text=True, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return asked.stdout.strip() or None if asked.returncode == 0 else None


def _accuracy(trial: Trial) -> float | None:
    return None if trial.measurement is None else trial.measurement.accuracy


def _begun(store: Store, study: Study) -> int:
    """The row id of the study in the store, which is new or the very same study."""
    found = store.find_study(study.name)
    if found is None:
        return store.create_study(study)
    for field in ("space_digest", "evaluator", "data_checksum", "recipe_digest", "fidelity", "seed"):
        if getattr(found[1], field) != getattr(study, field):
            raise StudyError(
                f"the study {study.name!r} was begun with {_other(field, found[1], study)}",
                hint="give this one another --name, or go on with what it was begun with",
            )
    return found[0]


def _other(field: str, begun: Study, study: Study) -> str:
    """What a study was begun with, in which another differs."""
    if field == "evaluator":
        name = begun.evaluator.partition("@")[0]
        changed = name == study.evaluator.partition("@")[0]
        return f"other code in {name}" if changed else f"the evaluator {name}" if name else "no evaluator"
    what = {"space_digest": "search space file", "data_checksum": "data", "recipe_digest": "recipe"}
    return f"another {what.get(field, field)}"


def _require_images_fit(space: SearchSpace, data: SearchData) -> None:
    shape, classes = space.grammar.input_shape, space.grammar.classes
    if (shape, classes) != (data.image_shape, data.classes):
        wanted, given = "x".join(map(str, shape)), "x".join(map(str, data.image_shape))
        raise StudyError(
            f"the space {space.name!r} is for images of {wanted} in {classes} classes, "
            f"{data.name} has {given} in {data.classes}",
            hint=f"write input: {{shape: {list(data.image_shape)}, classes: {data.classes}}}, or give other data",
        )
