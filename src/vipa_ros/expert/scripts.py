"""Scripts by task name: what the expert plays."""

from collections.abc import Callable

from vipa_ros.expert.goal import Skill, View
from vipa_ros.expert.put_three_obj import put_three_obj
from vipa_ros.expert.water_plant import water_plant

SCRIPTS: dict[str, Callable[[View], Skill]] = {"put_three_obj": put_three_obj, "water_plant": water_plant}
