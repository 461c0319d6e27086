"""Cells are built once a module: they are reset, not shared across tests in unknown states."""

import pytest

from vipa.robot.description import load_robot
from vipa.tasks.task import load_task
from vipa_sim.cell import SimCell


@pytest.fixture(scope="module")
def cell():
    """Put-Three-Obj without cameras."""
    return SimCell(load_robot("fr3_single"), load_task("put_three_obj"), cameras=())


@pytest.fixture(scope="module")
def seeing():
    """Put-Three-Obj with its cameras and a renderer."""
    from vipa_sim.render import Renderer

    made = SimCell(load_robot("fr3_single"), load_task("put_three_obj"))
    renderer = Renderer(made)
    yield made, renderer
    renderer.close()
