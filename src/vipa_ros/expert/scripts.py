"""Scripts by task name: what the expert plays."""

from collections.abc import Callable

from vipa_ros.expert.goal import Skill, View
from vipa_ros.expert.put_three_obj import put_three_obj

SCRIPTS: dict[str, Callable[[View], Skill]] = {"put_three_obj": put_three_obj}
