"""Questions and answers about still scenes, of the paper's four visual and three action types (Hand3D; section 3.2, supplement D).

Displacements and trajectories are in the robot's view (see vipa_model.processing.directions). Besides the answer a record has what
it says in numbers: `vector` (3,) m of visual ones, `goal` (4,) of instructed motions: the hand's way in metres and its turn about the
vertical in radians, and with it `target` and `tip`, where their bodies are in the base frame, and `others`: what else could be
instructed there, about something that is elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from vipa.geometry.camera_turn import turn_words
from vipa_model.processing.directions import direction_words, robot_view
from vipa_sim.alignment.things import HAND, Motion, Vocabulary

STEPS = 8  # points of a trajectory
SAFE_M = 0.10  # metres over the goal, at which a hand crosses to what it will take
ELSEWHERE_M = 0.05  # metres between the targets of two instructions that mean something else
LEAST_M = 0.02  # metres: less is no movement, and not asked about
COMPLETIONS, RELATIONS = 2, 3  # of each kind a scene, at most
MOVED_HAND, MOVED_CAMERA = 0.25, 0.02  # shares of pairs of pictures that are asked about
CONTEXTUAL, TRANSLATION = 0.27, 0.14  # shares of action records, as in the paper's table 7


@dataclass(frozen=True)
class Still:
    """A scene as it is on disk. tool: (7,) world. points: (P, 3) m of the things. bodies: name → (7,). held: words or "".
    extrinsics: (V, 4, 4), base from optical."""

    tool: np.ndarray
    points: np.ndarray
    bodies: dict[str, np.ndarray]
    held: str
    extrinsics: np.ndarray


def visual(words: Vocabulary, still: Still, rng: np.random.Generator) -> Iterator[dict]:
    """What is asked about one scene's pictures: relations and how to complete tasks."""
    motions = [m for m in words.motions if m.held == still.held]
    for i in rng.permutation(len(motions))[:COMPLETIONS]:
        position, _ = words.goal(motions[i], still.tool, still.bodies)
        question = f"How should the {HAND} move to {motions[i].words}?"
        yield _answered("task_completion", question, position - still.tool[:3])
    places = dict(zip((t.words for t in words.things), still.points, strict=True)) | {HAND: still.tool[:3]}
    pairs = [(thing, HAND) for thing in places if thing != HAND]
    pairs += [(a, b) for a in places for b in places if HAND not in (a, b) and a != b]
    weights = np.array([3.0 if b == HAND else 1.0 for _, b in pairs])
    for i in rng.choice(len(pairs), min(RELATIONS, len(pairs)), replace=False, p=weights / weights.sum()):
        thing, other = pairs[i]
        if np.linalg.norm(places[thing] - places[other]) < LEAST_M:  # what is in the hand has no direction from it
            continue
        question = f"Where is the {thing} in relation to the {other}, and how far away is it?"
        yield _answered("spatial_relationship", question, places[thing] - places[other])


def movement(before: Still, after: Still, rng: np.random.Generator) -> Iterator[dict]:
    """What is asked about two pictures of the same fixed camera's view: how hand or camera moved between them."""
    way = after.tool[:3] - before.tool[:3]
    if rng.random() < MOVED_HAND and np.linalg.norm(way) > LEAST_M:
        yield _answered("hand_movement", f"How did the {HAND} move from the first picture to the second?", way)
    if rng.random() < MOVED_CAMERA:
        question = "How did the camera turn from the first picture to the second?"
        answer = turn_words(before.extrinsics[0][:3, :3], after.extrinsics[0][:3, :3])
        yield {"type": "camera_movement", "question": question, "answer": answer}


def action(words: Vocabulary, still: Still, rng: np.random.Generator) -> Iterator[dict]:
    """An instructed motion of the hand in one scene, in one of the three forms."""
    motions = [m for m in words.motions if m.held == still.held]
    if not motions:
        return
    motion = motions[int(rng.integers(len(motions)))]
    way = trajectory(words, motion, still)
    if np.linalg.norm(way - way[0], axis=1).max() < LEAST_M:
        return
    position, turn = words.goal(motion, still.tool, still.bodies)
    goal = [*_rounded(robot_view(position) - robot_view(still.tool[:3])), round(turn, 4)]
    record = {"instruction": motion.words, "goal": goal} | _labels(words, motion, still)
    if others := list(_others(words, motion, motions, still)):
        record["others"] = others
    draw = rng.random()
    if draw < TRANSLATION:
        yield record | {"type": "motion_translation", "trajectory": _rounded(way)}
    elif draw < TRANSLATION + CONTEXTUAL:
        cut = int(rng.integers(1, STEPS - 2))
        parts = {"context": _rounded(way[:cut]), "trajectory": _rounded(way[cut:])}
        yield record | {"type": "contextual_motion_prediction"} | parts
    else:
        yield record | {"type": "instructional_motion_generation", "trajectory": _rounded(way)}


def trajectory(words: Vocabulary, motion: Motion, still: Still) -> np.ndarray:
    """The hand's way to the motion's goal: (STEPS, 3) m in the robot's view, equally far apart, without where it is. A hand that goes
    to take something rises, crosses and comes down."""
    start, (end, _) = still.tool[:3], words.goal(motion, still.tool, still.bodies)
    corners = [start, end]
    if not motion.held and np.linalg.norm((end - start)[:2]) > SAFE_M / 3:
        height = max(start[2], end[2] + SAFE_M)
        corners = [start, [*start[:2], height], [*end[:2], height], end]
    corners = np.asarray(corners, float)
    along = np.concatenate([[0.0], np.linalg.norm(np.diff(corners, axis=0), axis=1).cumsum()])
    at = np.linspace(0.0, along[-1], STEPS + 1)[1:]
    return robot_view(np.stack([np.interp(at, along, corners[:, i]) for i in range(3)], -1))


def _labels(words: Vocabulary, motion: Motion, still: Still) -> dict[str, list[float]]:
    """Where the motion's goal and the task's tip are, as demonstrations are labelled: bodies, metres in the base frame."""
    names = {"target": words.thing(motion.goal).body} | ({"tip": words.tip} if words.tip else {})
    return {key: _rounded(still.bodies[name][:3]) for key, name in names.items()}


def _others(words: Vocabulary, motion: Motion, motions: list[Motion], still: Still) -> Iterator[dict]:
    """Instruction and target of each motion whose target is elsewhere than the motion's own; of equal targets the first."""
    seen = [still.bodies[words.thing(motion.goal).body][:3]]
    for other in motions:
        target = still.bodies[words.thing(other.goal).body][:3]
        if min(np.linalg.norm(target - place) for place in seen) > ELSEWHERE_M:
            seen.append(target)
            yield {"instruction": other.words, "target": _rounded(target)}


def _answered(kind: str, question: str, displacement: np.ndarray) -> dict:
    vector = robot_view(displacement) - robot_view(np.zeros(3))
    return {"type": kind, "question": question, "answer": direction_words(vector), "vector": _rounded(vector)}


def _rounded(values: np.ndarray) -> list:
    return np.round(np.asarray(values, float), 4).tolist()
