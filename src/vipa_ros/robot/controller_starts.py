"""Asks trajectory controllers where they begin a new trajectory: JointTrajectoryController's own parameters."""

from collections.abc import Collection, Mapping

from rcl_interfaces.msg import ParameterType
from rcl_interfaces.srv import GetParameters

from vipa.drivers.driver import ACTIVE
from vipa_ros.common.services import Services

# either is enough; the elder one is the only one up to ros2_controllers 4.21. A node that lacks one answers nothing
PARAMETERS = ("interpolate_from_desired_state", "open_loop_control")
RETRY_S = 20  # rounds without an answer after which a controller is asked again


class ControllerStarts:
    """desired: controller name to whether it begins at the desired state; absent: it has not said. Parameters are read-only while a
    controller is active, so each is asked once for as long as it is."""

    def __init__(self, services: Services, wanted: Collection[str]):
        self.desired: dict[str, bool] = {}
        self._asked: dict[str, list] = {}
        self._age: dict[str, int] = {}
        self._clients = services.clients
        services.add({_service(name): GetParameters for name in wanted})

    def look(self, controllers: Mapping[str, str]) -> None:
        """One round. controllers: name to ros2_control's state."""
        for name in [n for n in self._names() if controllers.get(n) != ACTIVE]:
            for known in (self.desired, self._asked, self._age):
                known.pop(name, None)
        for name, state in controllers.items():
            client = self._clients.get(_service(name))
            if client is None or state != ACTIVE or name in self.desired:
                continue
            asked = self._asked.get(name)
            self._age[name] = self._age.get(name, 0) + 1
            if asked is not None and all(future.done() for future in asked):
                self.desired[name] = any(_true(future.result()) for future in asked)
            elif (asked is None or self._age[name] > RETRY_S) and client.service_is_ready():
                self._asked[name], self._age[name] = (
                    [client.call_async(GetParameters.Request(names=[p])) for p in PARAMETERS],
                    0,
                )

    def _names(self) -> set[str]:
        return set(self.desired) | set(self._asked)


def _service(controller: str) -> str:
    return f"/{controller}/get_parameters"


def _true(answer) -> bool:
    values = answer.values if answer is not None else []
    return bool(values) and values[0].type == ParameterType.PARAMETER_BOOL and values[0].bool_value
