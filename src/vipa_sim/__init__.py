"""The simulated cell: robot, scene, cameras and ground truth in MuJoCo. Knows no ROS; nodes and the in-process loop drive it."""

import os

# With MUJOCO_GL set, `import mujoco` loads OpenGL at once and dies with a traceback where there is none, even if nothing is
# to be drawn. vipa_sim.gl honours the wish when a camera needs it.
if "MUJOCO_GL" in os.environ:
    os.environ["VIPA_MUJOCO_GL"] = os.environ.pop("MUJOCO_GL")
