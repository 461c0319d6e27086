"""Asks ros2_control's controllers for what motion has to know of them: which they are, and their own parameters."""

from collections.abc import Mapping, Sequence

from controller_manager_msgs.srv import ListControllers
from rcl_interfaces.msg import ParameterType
from rcl_interfaces.srv import GetParameters

from vipa.drivers.controllers import ACTIVE, Controller, parameter_names
from vipa_ros.common.services import Services

RETRY_ROUNDS = 20  # without an answer, after which a controller is asked again
FIELDS = {ParameterType.PARAMETER_BOOL: "bool_value", ParameterType.PARAMETER_INTEGER: "integer_value",
          ParameterType.PARAMETER_DOUBLE: "double_value", ParameterType.PARAMETER_STRING: "string_value"}  # fmt: skip


def listed(answer: ListControllers.Response) -> dict[str, Controller]:
    """What /controller_manager/list_controllers answers, by name. A command interface is called JOINT/KIND."""
    return {
        c.name: Controller(
            c.state, c.type, tuple(dict.fromkeys(i.rpartition("/")[0] for i in c.required_command_interfaces))
        )
        for c in answer.controller
    }


class ControllerParameters:
    """known: controller name to its parameters by name; absent: it has not said. Most are read-only while a controller is active, so
    each is asked once for as long as it is. wanted: the controllers' joints, by name."""

    def __init__(self, services: Services, wanted: Mapping[str, Sequence[str]]):
        self.known: dict[str, dict[str, object]] = {}
        self._names = {name: parameter_names(joints) for name, joints in wanted.items()}
        self._questions: dict[str, Questions] = {}
        self._clients = services.clients
        services.add({_service(name): GetParameters for name in wanted})

    def asking(self, controllers: Mapping[str, Controller]) -> bool:
        """Whether one that is active has not said its parameters."""
        return any(n in controllers and controllers[n].state == ACTIVE for n in self._names if n not in self.known)

    def look(self, controllers: Mapping[str, Controller]) -> None:
        """One round. controllers: as ros2_control lists them now."""
        for name, parameters in self._names.items():
            if name not in controllers or controllers[name].state != ACTIVE:
                self.known.pop(name, None)
                self._questions.pop(name, None)
            elif name not in self.known:
                questions = self._questions.setdefault(name, Questions(self._clients[_service(name)], parameters))
                if questions.done():
                    self.known[name] = questions.said


class Questions:
    """All of a node's `parameters` in one request; one after the other where it answers nothing, which is what one that lacks any of
    them may do. A service keeps ten requests: not all at once. said: the values of those that there are."""

    def __init__(self, client, parameters: Sequence[str]):
        self.said: dict[str, object] = {}
        self._client, self._left = client, [tuple(parameters)]
        self._asked, self._age = None, 0

    def done(self) -> bool:
        """One round: whether all has been said."""
        self._age += 1
        if self._asked is not None and self._asked.done():
            self._take(self._left.pop(0), self._asked.result())
            self._asked = None
        if self._left and (self._asked is None or self._age > RETRY_ROUNDS) and self._client.service_is_ready():
            self._asked, self._age = self._client.call_async(GetParameters.Request(names=self._left[0])), 0
        return not self._left

    def _take(self, names: tuple[str, ...], answer: GetParameters.Response | None) -> None:
        values = answer.values if answer is not None else []
        if len(values) == len(names):
            self.said |= {n: getattr(v, FIELDS[v.type]) for n, v in zip(names, values) if v.type in FIELDS}
        elif len(names) > 1:
            self._left += [(name,) for name in names]


def _service(controller: str) -> str:
    return f"/{controller}/get_parameters"
