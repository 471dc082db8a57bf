"""The books of a running study: what to try next, what came of it, and how far it is. Nothing here knows of Ray.

A trial is in the store before it starts, and its result before Optuna is told. So whatever dies, the next run with
the same name goes on: finished trials are kept, trials that were running are begun again.

Where the space asks for `early_terminate`, a trial is a job for each rung (see `rungs`): measured at one it is stopped,
and promoted it runs again. The proposals learn of a stopped trial what it is expected to reach at the last rung, and
hear again when others have shown how much is gained from there: told plainly, few epochs would look like bad networks.
"""

from __future__ import annotations

import logging
import platform
import subprocess
import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from typing import Any

from ressearch.architecture import Architecture
from ressearch.data import SearchData
from ressearch.errors import StudyError
from ressearch.search.fit import require_images_fit
from ressearch.search.propose import Aim, Proposal, Proposer
from ressearch.search.rungs import Ladder, Mark
from ressearch.search.tally import Tally
from ressearch.space import SearchSpace
from ressearch.store import Store
from ressearch.trial import Failure, Fidelity, Measurement, MeasurementKey, Origin, Recipe, Study, Trial, TrialState

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Job:
    """What a worker needs to know of a trial."""

    number: int
    architecture: Architecture
    recipe: Recipe
    fidelity: Fidelity
    seed: int


@dataclass(frozen=True)
class Ended:
    """A trial that ended in this run of its study, or was stopped at a rung.

    epochs, seconds: of its last training; seconds are None of one that failed. by: what proposed it, or the baseline
    that it is. on_front: whether no network of the study was better and as cheap, or cheaper and as good, by then.
    """

    number: int
    id: str
    macs: int
    state: TrialState
    epochs: int
    by: str
    accuracy: float | None = None
    seconds: float | None = None
    failure: Failure | None = None
    reused: bool = False
    on_front: bool = False


@dataclass(frozen=True)
class Progress:
    """How far a study is.

    best: the highest accuracy yet, and the id of the cheapest network that has it. exhausted: the space holds no
    further network. seconds_left: an estimate, None until a trial of this run is finished. stopped: trials that wait at
    a rung for their promotion, most of them in vain; done, front and best are of complete ones. ended: all that ended
    in this run, in their order.
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
    stopped: int = 0
    ended: Sequence[Ended] = ()


@dataclass(frozen=True)
class _Open:
    """A trial under way to a rung."""

    trial: Trial
    proposal: Proposal
    rung: int

    @property
    def macs(self) -> int:
        return self.proposal.candidate.cost.macs


class StudyBooks:
    """Keeps the store, the proposals and the tally of one study in step; a trial is known by its number.

    data: None if an evaluator brings its own. aim: who proposes and what for; a study may go on with another.
    early_terminate: whether trials go by the rungs that the space asks for; if not, each runs to the last at once.
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
        early_terminate: bool = True,
    ) -> None:
        if data is not None:
            require_images_fit(space, data)
        self.study, self.total = study, trials
        self.exhausted = False
        self._store = store
        self._id = _begun(store, study)
        if study.search is not None:
            store.ask(self._id, trials)
        store.unassign(self._id)
        past = store.trials(self._id)
        early = space.grammar.early_terminate
        self._ladder = Ladder(early.rungs(study.fidelity.epochs), early.eta) if early else Ladder([1], 1)
        self._climb(past)
        self._first = 0 if early_terminate else self._ladder.top
        self._gains, self._hopeless = self._ladder.gains(), set[int]()
        told = [trial for trial in past if trial.state is not TrialState.RUNNING]
        self._aim = aim or Aim()
        known = [(trial.decisions, self._worth(trial)) for trial in told]
        self._proposer = Proposer(space, study.seed, known, store.elsewhere(self._id), self._aim)
        self._stopped = {trial.number: trial for trial in past if trial.state is TrialState.STOPPED}
        self._tally = self._tallied(past)
        self._ended: list[Ended] = []
        self._open: dict[int, _Open] = {}
        self._interrupted = deque(trial for trial in past if trial.state is TrialState.RUNNING)
        begun = {trial.baseline for trial in past}
        self._baselines = deque(item for item in space.baselines.items() if item[0] not in begun)
        self._started, self._trained_before = time.monotonic(), len(told) - self._tally.reused

    @property
    def resumable(self) -> list[int]:
        """Trials that may go on from a checkpoint: those under way when the last driver ended, and the stopped ones."""
        return [*(trial.number for trial in self._interrupted), *self._stopped]

    def needless(self, number: int) -> list[int]:
        """The trials whose checkpoints are of no more use, now that this one is closed."""
        new = self._ladder.hopeless(self.total) - self._hopeless if number in self._stopped else {number}
        self._hopeless |= new
        return sorted(new)

    def next_job(self) -> Job | None:
        """The next trial to train, or None: all are done or under way, or the space is exhausted.

        A network that is measured already under this recipe takes its measurement from the store and is passed over.
        """
        while (job := self._begin_next()) is not None:
            known = self._known(job.number)
            if known is None:
                return job
            self.complete(job.number, known)
        return None

    def assigned(self, number: int, worker: str | None) -> None:
        """Record who trains a trial, or that nobody does any more."""
        if worker is None:
            self._store.unassign(self._id, number)
        else:
            self._store.assign(self._id, number, worker)

    def complete(self, number: int, measurement: Measurement, worker: str | None = None) -> None:
        """Record what a trial measured, and on which worker; where its key was measured before, that counts."""
        this, key = self._open[number], self._key(number)
        recipe = this.proposal.candidate.recipe
        state = TrialState.COMPLETE if this.rung == self._ladder.top else TrialState.STOPPED
        accepted = self._store.complete(self._id, number, key, measurement, recipe, worker=worker, state=state)
        mark = Mark(accepted.accuracy, this.macs, this.trial.baseline is not None)
        self._ladder.measured(number, this.rung, mark)
        self._end(this, state, accuracy=accepted.accuracy, seconds=accepted.seconds, reused=accepted is not measurement)
        if state is TrialState.COMPLETE:
            self._close(number, accepted.accuracy, reused=accepted is not measurement)
        else:
            self._stop(number)

    def fail(self, number: int, error: str, failure: Failure, worker: str | None = None) -> None:
        """Record that a trial failed, with its traceback or message, and of what kind the failure is."""
        self._store.fail(self._id, number, error, failure, worker)
        self._end(self._open[number], TrialState.FAILED, failure=failure)
        self._close(number, None, reused=False)

    def progress(self) -> Progress:
        """How far the study is."""
        return Progress(
            total=max(self.total, self._begun_so_far()),
            done=self._tally.done,
            running=len(self._open),
            stopped=len(self._stopped),
            failed=self._tally.failed,
            reused=self._tally.reused,
            front=len(self._tally.front),
            best=self._tally.best,
            exhausted=self.exhausted,
            seconds_left=self._seconds_left(),
            ended=tuple(self._ended),
        )

    def _end(self, this: _Open, state: TrialState, **outcome: Any) -> None:
        """Note that a trial ended, before it is among the finished."""
        trial, accuracy = this.trial, outcome.get("accuracy", 0.0)
        by = f"baseline {trial.baseline}" if trial.baseline else trial.proposer or ""
        on_front = state is TrialState.COMPLETE and not self._tally.front.beats((accuracy, this.macs))
        epochs = self._fidelity(this.rung).epochs
        ended = Ended(trial.number, trial.architecture_id, this.macs, state, epochs, by, on_front=on_front, **outcome)
        self._ended.append(ended)
        _LOG.info("trial %d, %s: %s", ended.number, ended.id, ended.failure or state)

    def _begin_next(self) -> Job | None:
        if self._interrupted:
            return self._again(self._interrupted.popleft())
        promoted = self._ladder.next() if self._first < self._ladder.top else None
        if promoted is not None:
            self._store.promote(self._id, promoted)
            self._ladder.promoted(promoted)
            return self._again(self._stopped.pop(promoted))
        return self._begin_new()

    def _again(self, trial: Trial) -> Job:
        """A trial on its way to the rung behind the last at which it was measured."""
        reached = self._ladder.reached(trial.number)
        rung = self._first if reached is None else max(self._first, reached + 1)
        return self._opened(_Open(trial, self._proposer.take(trial.decisions), rung))

    def _begun_so_far(self) -> int:
        return len(self._tally) + len(self._stopped) + len(self._open)

    def _begin_new(self) -> Job | None:
        number = self._begun_so_far()
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
        return self._opened(_Open(trial, proposal, self._first))

    def _next_proposal(self) -> tuple[Proposal | None, str | None]:
        """A proposal, and the baseline's name if it is one; a second name for one network is passed over."""
        while self._baselines:
            name, candidate = self._baselines.popleft()
            if not self._proposer.knows(candidate):
                return self._proposer.take(candidate.decisions), name
        gains = self._ladder.gains()
        if self._gains != gains:
            self._gains = gains
            self._proposer.revise([(t.decisions, self._ladder.expected(n)) for n, t in self._stopped.items()])
        return self._proposer.propose(), None

    def _opened(self, this: _Open) -> Job:
        self._open[this.trial.number] = this
        candidate = this.proposal.candidate
        begun = (this.trial.number, candidate.architecture.id, f"{this.macs:,}", self._fidelity(this.rung).epochs)
        _LOG.info("trial %d, %s, %s MACs: begins, up to epoch %d", *begun)
        return Job(
            this.trial.number, candidate.architecture, candidate.recipe, self._fidelity(this.rung), self.study.seed
        )

    def _fidelity(self, rung: int) -> Fidelity:
        """As far as a rung, under the learning rate of the whole training, so that a checkpoint can go on."""
        whole = self.study.fidelity
        return whole if rung == self._ladder.top else replace(whole, epochs=self._ladder.epochs[rung])

    def _stop(self, number: int) -> None:
        this = self._open.pop(number)
        self._proposer.tell(this.proposal, self._ladder.expected(number))
        self._stopped[number] = this.trial

    def _close(self, number: int, accuracy: float | None, reused: bool) -> None:
        proposal = self._open.pop(number).proposal
        self._proposer.tell(proposal, accuracy)
        candidate = proposal.candidate
        point = None if accuracy is None else (accuracy, candidate.cost.macs)
        self._tally.add(candidate.architecture.id, point, reused=reused)

    def _known(self, number: int) -> Measurement | None:
        """What is known of a trial under way; where that is of the last rung, those below are passed over."""
        this = self._open[number]
        for rung in dict.fromkeys((self._ladder.top, this.rung)):
            self._open[number] = replace(this, rung=rung)
            if (known := self._store.known(self._key(number))) is not None:
                return known
        return None

    def _key(self, number: int) -> MeasurementKey:
        this, study = self._open[number], self.study
        candidate = this.proposal.candidate
        recipe_digest = candidate.recipe.digest(study.data_checksum, study.evaluator)
        return MeasurementKey(candidate.architecture.id, recipe_digest, self._fidelity(this.rung), study.seed)

    def _climb(self, past: list[Trial]) -> None:
        """Put the past on the ladder."""
        macs, left = self._store.macs(self._id), self._store.rungs(self._id)
        for trial in past:
            baseline = trial.baseline is not None
            for rung, (_, known) in enumerate(left.get(trial.number, ())):
                self._ladder.measured(trial.number, rung, Mark(known.accuracy, macs[trial.number], baseline))
                self._ladder.promoted(trial.number)
            if trial.measurement is not None:
                last = trial.state is TrialState.COMPLETE
                rung = self._ladder.top if last else len(left.get(trial.number, ()))
                mark = Mark(trial.measurement.accuracy, macs[trial.number], baseline)
                self._ladder.measured(trial.number, rung, mark)

    def _tallied(self, past: list[Trial]) -> Tally:
        """What the finished trials of the past come to."""
        points = {result.number: (result.accuracy, result.macs) for result in self._store.results(self._id)}
        tally = Tally()
        for trial in past:
            if trial.state not in (TrialState.RUNNING, TrialState.STOPPED):
                tally.add(trial.architecture_id, points.get(trial.number), reused=trial.reused)
        return tally

    def _worth(self, trial: Trial) -> float | None:
        """The accuracy that the proposals are told of a trial; None of a failed one."""
        if trial.measurement is None:
            return None
        return self._ladder.expected(trial.number)

    def _seconds_left(self) -> float | None:
        settled = len(self._tally) + len(self._stopped)
        trained, left = settled - self._tally.reused - self._trained_before, self.total - settled
        if trained <= 0 or left <= 0 or self.exhausted:
            return None
        return (time.monotonic() - self._started) / trained * left


def describe_study(
    space: SearchSpace,
    data: SearchData | None,
    *,
    name: str,
    source: str,
    seed: int,
    evaluator: str = "",
    search: Mapping[str, Any] | None = None,
) -> Study:
    """The record of a study over a space and a data set, with the space file's recipe and fidelity.

    evaluator: identity of the training that is used in place of ours, which brings its own data. search: the settings
    under which it begins, for the record.
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
        search=search,
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
