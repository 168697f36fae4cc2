"""Choosing a strategy while the labels are bought: forecasts, successive halving, early stop.

Every strategy runs on a branch of its own. After each round the learning curve of every branch is
forecast to the number of labels that it would have with all that is left of the budget; by and by
the half with the lower forecasts is dropped, until one is left. The idea is the *predictive-based
successive halving early-stop* (PSHEA) of ALaaS (Huang et al., arXiv 2207.09109v2), the schedule
that of successive halving (Jamieson and Talwalkar, AISTATS 2016, figure 2). The forecast with its
doubt (:mod:`~querist.strategies.choosing.forecast`), dropping between rungs, and how labels are
shared are our own, so that numbers are not to be read as those of ALaaS:

- a label is paid once. Another branch that picks the same row has it for free;
- within a rung a branch's model learns from its own picks, and from what all had when the rung
  began, so that its curve is that of its strategy and of nothing else;
- at the end of a rung, and when one is chosen, those that are left go on from the labels of all.

The object is pure: no model, no data, no clock, no randomness.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from querist.strategies.checks import whole_budget
from querist.strategies.choosing.branch import Branch, Decision, Share, check_version, told
from querist.strategies.choosing.forecast import Forecast
from querist.strategies.errors import BudgetError, NeedError

VERSION = 1


@dataclass(frozen=True, slots=True)
class Rules:
    """When to drop and when to stop.

    Attributes:
        target: The metric that is wanted; reaching it ends the campaign.
        worth: The campaign ends when no branch is likely to gain more than this with all that is
            left of the budget; None: never.
        explore: Share of the budget by whose end one strategy is left.
        doubt: A branch is dropped between rungs when its chance to end above the best is lower.
        points: Measurements of a branch before it may be dropped between rungs, or the campaign
            ended, for what a forecast says.
        bounds: Lowest and highest value of the metric.
    """

    target: float | None = None
    worth: float | None = None
    explore: float = 0.5
    doubt: float = 0.05
    points: int = 4
    bounds: tuple[float, float] = (0.0, 1.0)

    def __post_init__(self) -> None:
        shares = {"explore": self.explore, "doubt": self.doubt}
        wrong = [f"{name}={value}" for name, value in shares.items() if not 0 <= value <= 1]
        if wrong:
            raise NeedError(f"a share lies between 0 and 1, but got {', '.join(wrong)}.")


class Auto:
    """Decides which strategies buy the labels of the next round. Ask with ``propose``, then tell.

    Args:
        strategies: Names, each once; of equal forecasts the one named earlier is kept.
        budget: Labels to be bought in all, beyond those that there are at the start.
        batch: Labels a branch buys in a round.
        rules: When to drop and when to stop.

    Raises:
        BudgetError: If the budget or the batch is no whole number above zero, or the budget less
            than the number of strategies.
        NeedError: If there is no strategy, or one is named twice.
    """

    def __init__(
        self, strategies: Sequence[str], budget: int, batch: int, rules: Rules | None = None
    ) -> None:
        self.budget, self.batch = whole_budget(budget), whole_budget(batch)
        self.rules = rules or Rules()
        self._branches = {name: Branch(name) for name in strategies}
        if not strategies or len(self._branches) != len(strategies):
            raise NeedError(f"auto wants strategies, each once, but got {list(strategies)}.")
        if self.budget < len(strategies):
            raise BudgetError(
                f"a budget of {budget} labels does not pay for one of each of {len(strategies)} "
                "strategies; raise it or name fewer."
            )
        self.decisions: list[Decision] = []
        self.paid = self.round = 0
        self.stopped = False
        self.due = True
        self._rung = 0
        self._open: dict[str, Share] = {}
        if len(self._branches) == 1:
            self._choose("It is the only strategy.")

    # -- what can be asked ----------------------------------------------------------------------

    @property
    def alive(self) -> list[str]:
        """Strategies that are still in the race."""
        return [name for name, branch in self._branches.items() if branch.alive]

    @property
    def chosen(self) -> str | None:
        """The strategy that is left, once one is."""
        return self.alive[0] if len(self.alive) == 1 else None

    @property
    def left(self) -> int:
        """Labels that may still be bought."""
        return self.budget - self.paid

    def propose(self) -> list[Share]:
        """What is to be bought, one share a branch; the same ones until all have been told.

        Empty once the campaign is over.
        """
        if not self._open and not self.stopped:
            if self.left < len(self.alive):
                self._keep_best("the budget pays for one branch only")
            count = min(self.batch, self.left // len(self.alive))
            self._open = {name: Share(name, count) for name in self.alive}
        return list(self._open.values())

    def forecasts(self) -> dict[str, Forecast]:
        """Where each living branch would end with all that is left of the budget."""
        found = {}
        for name in self.alive:
            branch = self._branches[name]
            if branch.labels:
                end = branch.labels[-1] + self.left
                found[name] = branch.curve(self.rules.bounds).at(end)
        return found

    # -- what is told ---------------------------------------------------------------------------

    def begin(self, labels: int, metric: float, error: float = 0.0) -> None:
        """All labels bought so far are shared: every living branch goes on from them.

        To be told whenever ``due`` is true: at the start, and after branches were dropped.

        Args:
            labels: How many labels there are in all.
            metric: Of the model that learned from all of them; higher is better.
            error: Standard error of the metric.
        """
        for name in self.alive:
            self._branches[name].begin(int(labels), float(metric), float(error))
        self.due = False

    def observe(
        self, strategy: str, labels: int, metric: float, *, paid: int, error: float = 0.0
    ) -> None:
        """What became of a share.

        Args:
            strategy: Whose share it was.
            labels: How many its model is now fitted to.
            metric: Measured on labels that no branch learns from; higher is better.
            paid: How many labels were bought: those of its picks that nobody had bought before.
            error: Standard error of the metric.

        Raises:
            NeedError: If it has no open share, or the metric is not finite.
            BudgetError: If more was paid than its share.
        """
        share = self._open.get(strategy)
        if share is None or not math.isfinite(metric):
            raise NeedError(
                f"a finite metric of one of the open shares is wanted ({', '.join(self._open)}), "
                f"but got {metric!r} of {strategy!r}."
            )
        if not 0 <= paid <= share.count:
            raise BudgetError(f"{strategy} had a share of {share.count} labels, but paid {paid}.")
        branch = self._branches[strategy]
        if branch.points > 0 and labels <= branch.labels[-1]:
            self._drop(branch, f"{strategy} was dropped: it found no further row to ask for.", {})
        branch.add(int(labels), float(metric), float(error))
        self.paid += paid
        del self._open[strategy]
        if not self._open:
            self.round += 1
            self._decide()

    # -- decisions ------------------------------------------------------------------------------

    def _decide(self) -> None:
        if not self.alive:
            self._stop("No branch has a row left to ask for.", {})
        elif self.left == 0 and not self.chosen:
            self._keep_best("the budget is spent")
        self._choose_if_one()
        self._stop_early()
        if self.stopped:
            return
        if self.chosen is None:
            self._drop_hopeless()
        while self.chosen is None and self.paid >= self._rung_end():
            self._halve()

    def _rung_end(self) -> float:
        """Labels paid by the end of this rung; rungs share the exploration equally."""
        rungs = math.ceil(math.log2(len(self._branches)))
        return self.rules.explore * self.budget * (self._rung + 1) / rungs

    def _ranked(self) -> list[tuple[str, Forecast]]:
        """Living branches, the best forecast first; ``sorted`` keeps the order of equals."""
        return sorted(self.forecasts().items(), key=lambda item: -item[1].mean)

    def _halve(self) -> None:
        ranked = self._ranked()
        self._rung += 1
        self.due = True
        kept = math.ceil(len(ranked) / 2)
        for name, forecast in ranked[kept:]:
            why = f"end of rung {self._rung}, {kept} of {len(ranked)} go on"
            self._drop_against(ranked[kept - 1], (name, forecast), why)
        self._choose_if_one()

    def _drop_hopeless(self) -> None:
        ranked = self._ranked()
        for name, forecast in ranked[1:]:
            known = self._branches[name].points >= self.rules.points
            if known and forecast.beats(ranked[0][1]) < self.rules.doubt:
                self._drop_against(ranked[0], (name, forecast), "hardly a chance left")
        self._choose_if_one()

    def _drop_against(
        self, kept: tuple[str, Forecast], lost: tuple[str, Forecast], why: str
    ) -> None:
        sure = kept[1].beats(lost[1])
        sentence = (
            f"{lost[0]} was dropped ({why}): it is forecast to end at {told(lost[1])}, and "
            f"{kept[0]} at {told(kept[1])} with {kept[1].labels:g} labels; {100 * sure:.0f} % sure."
        )
        numbers = {lost[0]: asdict(lost[1]), kept[0]: asdict(kept[1]), "sure": sure}
        self._drop(self._branches[lost[0]], sentence, numbers)

    def _drop(self, branch: Branch, sentence: str, numbers: Mapping[str, Any]) -> None:
        branch.alive = False
        self._note("dropped", sentence, numbers)

    def _keep_best(self, why: str) -> None:
        ranked = self._ranked()
        for lost in ranked[1:]:
            self._drop_against(ranked[0], lost, why)
        self._choose_if_one()

    def _choose_if_one(self) -> None:
        if self.chosen and not any(one.kind == "chosen" for one in self.decisions):
            self._choose(f"It goes on from the labels of all branches, with {self.left} to buy.")

    def _choose(self, why: str) -> None:
        self.due = True
        self._note("chosen", f"{self.alive[0]} was chosen. {why}", {})

    def _stop_early(self) -> None:
        if self.stopped:
            return
        if self.left == 0:
            self._stop("The budget is spent.", {})
        elif self.rules.target is not None or self.rules.worth is not None:
            now, end = self._now(), self.forecasts()
            self._stop_at_target(now, end)
            self._stop_if_worthless(now, end)

    def _stop_if_worthless(self, now: Mapping[str, Forecast], end: Mapping[str, Forecast]) -> None:
        worth = self.rules.worth
        if self.stopped or worth is None or not self._known():
            return
        chances = {name: end[name].above(now[name].mean + worth) for name in end}
        if max(chances.values()) < self.rules.doubt:
            self._stop(
                f"The {self.left} labels that are left are not worth buying: no strategy is likely "
                f"to gain {worth:g} with them.",
                chances,
            )

    def _stop_at_target(self, now: Mapping[str, Forecast], end: Mapping[str, Forecast]) -> None:
        target = self.rules.target
        if target is None:
            return
        best = max(now, key=lambda name: now[name].mean)
        reached = self._branches[best].metric[-1] >= target
        if reached and now[best].above(target) >= 0.5:
            self._stop(
                f"The target {target:g} is reached by {best}: {told(now[best])} after "
                f"{self._branches[best].labels[-1]} labels.",
                {name: asdict(one) for name, one in now.items()},
            )
            return
        chances = {name: one.above(target) for name, one in end.items()}
        if self._known() and max(chances.values()) < self.rules.doubt / 5:
            top = max(end, key=lambda name: end[name].mean)
            self._stop(
                f"The target {target:g} is out of reach: with the whole budget {top}, the best, is "
                f"forecast to end at {told(end[top])}.",
                chances,
            )

    def _now(self) -> dict[str, Forecast]:
        """The smoothed curves at their last measurement."""
        branches = (self._branches[name] for name in self.alive)
        return {b.strategy: b.curve(self.rules.bounds).at(b.labels[-1]) for b in branches}

    def _known(self) -> bool:
        """Whether every living branch has enough measurements for a forecast to end things."""
        return all(self._branches[name].points >= self.rules.points for name in self.alive)

    def _stop(self, sentence: str, numbers: Mapping[str, Any]) -> None:
        self.stopped = True
        self._note("stopped", sentence, numbers)

    def _note(self, kind: str, sentence: str, numbers: Mapping[str, Any]) -> None:
        self.decisions.append(Decision(self.round, self.paid, kind, sentence, dict(numbers)))

    # -- what is written ------------------------------------------------------------------------

    def state(self) -> dict[str, Any]:
        """Everything, as plain JSON data; :meth:`restore` makes the same object of it."""
        return {
            "version": VERSION,
            "budget": self.budget,
            "batch": self.batch,
            "rules": asdict(self.rules) | {"bounds": list(self.rules.bounds)},
            "paid": self.paid,
            "round": self.round,
            "rung": self._rung,
            "due": self.due,
            "stopped": self.stopped,
            "open": [asdict(share) for share in self._open.values()],
            "branches": [branch.as_json() for branch in self._branches.values()],
            "decisions": [asdict(decision) for decision in self.decisions],
        }

    @classmethod
    def restore(cls, state: Mapping[str, Any]) -> Auto:
        """The object whose :meth:`state` this is.

        Raises:
            NeedError: If it was written by another version.
        """
        check_version(state, VERSION)
        rules = Rules(**{**state["rules"], "bounds": tuple(state["rules"]["bounds"])})
        names = [branch["strategy"] for branch in state["branches"]]
        made = cls(names, state["budget"], state["batch"], rules)
        made._branches = {one["strategy"]: _branch(one) for one in state["branches"]}
        made.decisions = [Decision(**one) for one in state["decisions"]]
        made._open = {one["strategy"]: Share(**one) for one in state["open"]}
        made.paid, made.round, made._rung = state["paid"], state["round"], state["rung"]
        made.stopped, made.due = state["stopped"], state["due"]
        return made

    def record(self) -> dict[str, Any]:
        """What a report shows: measured curves, forecasts along the way, and the log."""
        return {
            "kind": "auto",
            "budget": self.budget,
            "paid": self.paid,
            "target": self.rules.target,
            "chosen": self.chosen,
            "stopped": self.stopped,
            "branches": [self._drawn(branch) for branch in self._branches.values()],
            "decisions": [asdict(decision) for decision in self.decisions],
        }

    def _drawn(self, branch: Branch) -> dict[str, Any]:
        shown = {**branch.as_json(), "forecast": None}
        if not branch.labels:
            return shown
        end = max(branch.labels[-1] + self.left, branch.labels[-1] + 1)
        grid = [branch.labels[-1] + (end - branch.labels[-1]) * k / 24 for k in range(25)]
        found = branch.curve(self.rules.bounds).along(grid)
        lowest, highest = self.rules.bounds
        shown["forecast"] = {
            "labels": grid,
            "mean": [one.mean for one in found],
            "low": [max(one.quantile(0.025), lowest) for one in found],
            "high": [min(one.quantile(0.975), highest) for one in found],
        }
        return shown


def _branch(state: Mapping[str, Any]) -> Branch:
    lists = {key: list(state[key]) for key in ("labels", "metric", "error")}
    return Branch(state["strategy"], **lists, alive=state["alive"], start=state["start"])
