"""Which pairs of links MoveIt need not check against each other, and why: found by sampling, as its setup assistant does."""

from itertools import combinations

import numpy as np
import pinocchio as pin

from vipa.motion.collision import CollisionModel
from vipa.robot.description import Robot
from vipa.robot.kinematics import Kinematics

SAMPLES = 10_000  # configurations, the setup assistant's default; drawn from a fixed seed, so that files repeat
# reasons, as the setup assistant names them
ADJACENT, NEVER, ALWAYS, USER = "Adjacent", "Never", "Always", "User"


def disabled_pairs(robot: Robot, samples: int = SAMPLES) -> list[tuple[str, str, str]]:
    """Pairs of link names and the reason why they are not checked, sorted.

    Adjacent: joined by one joint, or by links without a shape. User: the robot file's ignore_pairs, and the links of one hand,
    which touch when it closes. Always: in collision in every sample. Never: in none nearer than the robot's margin, with hands
    at any opening. Raises VipaError for a robot that does not fit its URDF.
    """
    kinematics = Kinematics(robot)
    model, shapes = kinematics.model, CollisionModel(kinematics).geometry.copy()
    shapes.removeAllCollisionPairs()
    links = _links(model, shapes)
    found = {frozenset(pair): USER for pair in (*robot.ignore_pairs, *_hands(robot, set(links)))}
    found |= dict.fromkeys(_adjacent(model, set(links)), ADJACENT)
    shape_pairs = [
        (i, j)
        for i, j in combinations(range(len(links)), 2)
        if links[i] != links[j] and frozenset((links[i], links[j])) not in found
    ]
    for i, j in shape_pairs:
        shapes.addCollisionPair(pin.CollisionPair(i, j))
    names = [frozenset((links[i], links[j])) for i, j in shape_pairs]
    touched, near = _sample(kinematics, shapes, robot, samples, names)
    for pair in dict.fromkeys(names):
        if touched[pair] == samples:
            found[pair] = ALWAYS
        elif not near[pair]:
            found[pair] = NEVER
    return sorted((*sorted(pair), reason) for pair, reason in found.items())


def shaped_links(kinematics: Kinematics) -> list[str]:
    """Links with a collision shape, in the URDF's order."""
    return list(dict.fromkeys(_links(kinematics.model, CollisionModel(kinematics).geometry)))


def _links(model: pin.Model, shapes: pin.GeometryModel) -> list[str]:
    """The link of every shape."""
    return [model.frames[shape.parentFrame].name for shape in shapes.geometryObjects]


def _adjacent(model: pin.Model, shaped: set[str]) -> set[frozenset]:
    """Pairs of links with a shape that one joint joins, counting through links without one."""
    bodies = [frame for frame in model.frames if frame.type == pin.FrameType.BODY]
    above: dict[str, str] = {}
    for body in bodies:
        frame = model.frames[body.parentFrame]
        while frame.type != pin.FrameType.BODY and frame.parentFrame != 0:
            frame = model.frames[frame.parentFrame]
        above[body.name] = frame.name if frame.type == pin.FrameType.BODY else ""
    pairs = set()
    for name in shaped:
        parent = above[name]
        while parent and parent not in shaped:
            parent = above[parent]
        if parent:
            pairs.add(frozenset((name, parent)))
    return pairs


def _hands(robot: Robot, shaped: set[str]) -> list[tuple[str, str]]:
    return [
        pair for g in robot.groups if g.hand for pair in combinations([f for f in g.hand.fingers if f in shaped], 2)
    ]


def _sample(kinematics: Kinematics, shapes: pin.GeometryModel, robot: Robot, samples: int, names: list[frozenset]):
    """How often each pair of links touched, and whether it ever came within the robot's margin."""
    model, data, answer = kinematics.model, kinematics.model.createData(), pin.GeometryData(shapes)
    for request in answer.collisionRequests:
        request.security_margin = robot.margin
    random = np.random.default_rng(0)
    hands = {g.name: len(g.hand.joints) for g in robot.groups if g.hand is not None}
    touched, near = dict.fromkeys(names, 0), dict.fromkeys(names, False)
    open_questions = list(range(len(names)))
    for sample in range(samples):
        q = kinematics.configuration(
            random.uniform(kinematics.lower, kinematics.upper),
            {name: random.uniform(size=size) for name, size in hands.items()},
        )
        pin.updateGeometryPlacements(model, data, shapes, answer, q)
        now = set()
        for k in open_questions:
            if pin.computeCollision(shapes, answer, k):
                near[names[k]] = True
                if answer.collisionResults[k].distance_lower_bound <= -robot.margin:  # it counts from the margin
                    now.add(names[k])
        for pair in now:
            touched[pair] += 1
        # neither always nor never any more: nothing is left to learn of the pair
        open_questions = [k for k in open_questions if not (near[names[k]] and touched[names[k]] <= sample)]
    return touched, near
