"""Cameras see every body that a scene lists; one that they would not see is refused by name."""

import mujoco
import numpy as np
import pytest

from vipa import resources
from vipa.errors import VipaError
from vipa.robot.description import load_robot
from vipa.tasks.task import load_task
from vipa_sim import drawn
from vipa_sim.cell import SimCell
from vipa_sim.render import Renderer
from vipa_sim.robot_model import HIDDEN, VISUAL
from vipa_sim.scenes import put_three_obj


@pytest.mark.parametrize("name", resources.names("tasks"))
def test_every_movable_body_shows_in_a_picture(name):
    """Without its geoms some picture is another."""
    task = load_task(name)
    cell = SimCell(load_robot(task.robot), task, image_size=(320, 240), fixed_cameras=True)
    cell.reset(0)
    snapshot, renderer = cell.snapshot(), Renderer(cell)
    try:
        model, every = renderer._model, renderer._seen.copy()
        whole = {camera: renderer.frame(snapshot, camera).color.astype(int) for camera in cell.cameras}
        for body in cell.scene.bodies:
            root = model.body_rootid[model.body(body).id]
            if not model.body_dofnum[root]:
                continue  # stands in the world: a fixture, or the drawer's cabinet
            renderer._seen = every & (model.body_rootid[model.geom_bodyid] != root)
            changed = [
                (np.abs(renderer.frame(snapshot, camera).color - picture).max(axis=2) > 20).sum()
                for camera, picture in whole.items()
            ]
            assert max(changed) > 30, body
    finally:
        renderer.close()


def test_a_body_that_is_not_drawn_is_refused_wherever_a_cell_is_made(monkeypatch):
    build = put_three_obj.Scene.build

    def undrawn(self, spec):
        build(self, spec)
        for geom in spec.body("plum").geoms:
            geom.group = HIDDEN

    monkeypatch.setattr(put_three_obj.Scene, "build", undrawn)
    task = load_task("put_three_obj")
    with pytest.raises(VipaError, match="scene 'put_three_obj': no camera sees body 'plum'.*group=VISUAL"):
        SimCell(load_robot(task.robot), task, cameras=())


def test_what_belongs_to_a_drawn_thing_and_what_only_names_a_place_passes():
    spec = mujoco.MjSpec()
    thing = spec.worldbody.add_body(name="thing")
    thing.add_freejoint()
    thing.add_body(name="handle").add_geom(size=[0.01, 0, 0], group=VISUAL)
    thing.add_body(name="tip")
    spec.worldbody.add_body(name="mark")
    spec.worldbody.add_body(name="board").add_geom(size=[0.01, 0, 0], group=HIDDEN)
    drawn.check(spec, ("thing", "handle", "tip", "mark", "board"), {"board"}, "scene 'x'")
    with pytest.raises(VipaError, match="no camera sees body 'board'"):
        drawn.check(spec, ("board",), (), "scene 'x'")
    with pytest.raises(VipaError, match="unknown body 'lid'; allowed: .*handle"):
        drawn.check(spec, ("lid",), (), "scene 'x'")
