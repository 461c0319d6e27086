"""A trial in-process: what is charged, whose a crash is, what it leaves."""

import json
from typing import ClassVar

import cv2
import numpy as np
import pytest

from vipa.evaluation.verdicts import verdict_of
from vipa_sim import trials
from vipa_sim.trials import Charge, Trial, measure_latency, run_trial


def test_what_is_charged_has_the_measured_distribution_and_is_the_same_again():
    measured = np.random.default_rng(0).gamma(2, 0.02, 500)
    charge, again, other = Charge(measured, 7), Charge(measured[::-1], 7), Charge(measured, 8)
    first = [charge() for _ in range(400)]
    assert first == [again() for _ in range(400)] == charge.drawn != [other() for _ in range(400)]
    assert np.quantile(first, (0.5, 0.9)) == pytest.approx(np.quantile(measured, (0.5, 0.9)), rel=0.15)


def test_the_commanders_that_meet_a_scene_are_charged_the_same_share():
    fast, slow = Charge([0.01, 0.02], 7), Charge([0.1, 0.2], 7)
    assert [10 * fast() for _ in range(9)] == pytest.approx([slow() for _ in range(9)])


def test_a_commander_that_thinks_too_long_is_charged_for_it():
    """The shipped policy with its own latency, and with one that costs it steps."""
    made = {}
    for name, latencies in (("quick", (0.02,)), ("slow", (1.5,))):
        outcome = run_trial(Trial("water_plant", 1, policy="water_plant", latencies=latencies, fixed_cameras=True))
        assert outcome.fault == "" and set(outcome.charged) == set(latencies)
        made[name] = outcome
    assert made["quick"].scorecard.duration_s < made["slow"].scorecard.duration_s
    per_second = {n: len(o.charged) / o.scorecard.duration_s for n, o in made.items()}
    assert per_second["slow"] < 0.7 < 1.1 < per_second["quick"]  # one answer at a time


def test_a_policys_latency_is_measured_and_the_experts_is_none():
    times = measure_latency(Trial("water_plant", 1, policy="water_plant", fixed_cameras=True), count=3, warm_up=1)
    assert len(times) == 3 and all(0 < t < 10 for t in times)
    assert measure_latency(Trial("water_plant", 1)) == ()


def test_a_crash_of_the_commander_is_its_own_and_the_next_trial_is_well(monkeypatch, tmp_path):
    real = trials.commander_for

    def broken(trial, loop):
        commander = real(trial, loop)
        if trial.seed == 3:
            commander.step = lambda seen: [][0]
        return commander

    monkeypatch.setattr(trials, "commander_for", broken)
    first = run_trial(Trial("water_plant", 3, folder=str(tmp_path / "t")))
    assert first.scorecard.failure.type == "commander" and "crashed: IndexError" in first.scorecard.failure.detail
    assert verdict_of(first.scorecard) == "failure"
    assert run_trial(Trial("water_plant", 1)).scorecard.success


def test_what_breaks_the_cell_is_nobodys_trial(monkeypatch):
    monkeypatch.setattr(trials.Loop, "tick", lambda self: 1 / 0)
    outcome = run_trial(Trial("water_plant", 1))
    assert outcome.scorecard is None and outcome.fault == "ZeroDivisionError: division by zero"


def test_what_a_trial_leaves(tmp_path):
    outcome = run_trial(Trial("water_plant", 2, folder=str(tmp_path), pictures=True))
    card = json.loads((tmp_path / "scorecard.json").read_text(encoding="utf-8"))
    assert card["success"] is outcome.scorecard.success is True
    assert json.loads((tmp_path / "scene.json").read_text(encoding="utf-8"))["seed"] == 2
    strip = cv2.imread(str(tmp_path / "strip.jpg"))
    assert strip.shape == (120, 6 * 160, 3)
    first, last = strip[:, :160].astype(float), strip[:, -160:].astype(float)
    assert np.abs(first - last).mean() > 1  # something has moved


def test_a_bag_is_begun_watched_and_closed_and_its_loss_is_a_fault(tmp_path):
    class Bag:
        made: ClassVar[list] = []

        def __init__(self, loop, folder, episode_id):
            self.folder, self.ticks = folder, 0
            Bag.made.append(self)

        def on_tick(self, tick):
            self.ticks += 1

        def close(self):
            return "disk full"

    outcome = run_trial(Trial("water_plant", 2, folder=str(tmp_path), bag=Bag))
    assert outcome.scorecard is None and "disk full" in outcome.fault
    assert Bag.made[0].folder == tmp_path / "bag" and Bag.made[0].ticks > 100
