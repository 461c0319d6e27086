"""Whether cameras see a scene's bodies: they draw geoms of the group `robot_model.VISUAL` alone."""

from collections.abc import Collection, Iterable

import mujoco

from vipa.errors import VipaError, unknown
from vipa_sim.robot_model import VISUAL


def check(spec: mujoco.MjSpec, bodies: Iterable[str], fixtures: Collection[str], where: str) -> None:
    """Refuses a body that the scene lists and does not build, or that no camera would see. where: the scene, for messages.

    A fixture may be drawn by geoms of the world, and a place that stands still may have no geoms at all. Raises VipaError.
    """
    for name in bodies:
        body = spec.body(name)
        if body is None:
            raise VipaError(f"{where}: bodies: {unknown('body', name, [b.name for b in spec.bodies])}")
        if name in fixtures or _place(body) or _drawn(_root(body)):
            continue
        raise VipaError(
            f"{where}: no camera sees body '{name}': none of its geoms is drawn; allowed: add_geom(…, group=VISUAL), "
            "from vipa_sim.robot_model"
        )


def _place(body: mujoco.MjsBody) -> bool:
    """A name for a spot in the world: no shape, and nothing moves it."""
    return body.parent.name == "world" and not (len(body.geoms) or len(body.joints) or len(body.bodies))


def _root(body: mujoco.MjsBody) -> mujoco.MjsBody:
    """What the body is a part of: its ancestor that stands in the world."""
    while body.parent.name != "world":
        body = body.parent
    return body


def _drawn(body: mujoco.MjsBody) -> bool:
    return any(geom.group == VISUAL for geom in body.geoms) or any(_drawn(child) for child in body.bodies)
