"""Two arms streamed to at once."""

import numpy as np

from vipa.motion.chunk import ActionChunk, GroupAction
from vipa.robot.description import load_robot
from vipa.robot.fixture import Fixture

DUAL = load_robot("fr3_dual")
TABLE = Fixture("table", [0.6, 0.0, -0.02], [0.9, 1.6, 0.04])


def both(motion, paths, step=0.05, horizon=20):
    """A source at 10 Hz; paths: group name to pose at seconds since the first call."""
    state = {"seq": 0, "first": None}

    def source(now, now_ns):
        state["first"] = now if state["first"] is None else state["first"]
        if round((now - state["first"]) / motion.dt) % 10:
            return []
        state["seq"] += 1
        t = now - state["first"]
        actions = tuple(
            GroupAction(
                name,
                DUAL.group(name).base_frame,
                DUAL.group(name).tool_frame,
                np.array([path(t + k * step) for k in range(horizon)]),
            )
            for name, path in paths.items()
        )
        return [ActionChunk("commander", motion.epoch, state["seq"], now_ns, now_ns, step, actions)]

    return source
