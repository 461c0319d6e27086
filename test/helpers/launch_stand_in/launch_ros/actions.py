"""launch_ros.actions."""

from launch.actions import ExecuteProcess


class Node(ExecuteProcess):
    """A process whose command line launch_ros makes from package, executable and parameters when it starts."""

    def __init__(
        self, *, executable, package=None, name=None, namespace=None, exec_name=None, parameters=None, remappings=None,
        ros_arguments=None, arguments=None, **process,
    ):  # fmt: skip
        super().__init__(cmd=[executable, *(arguments or ())], name=exec_name, **process)
        self.package, self.node_name, self.namespace, self.parameters = package, name, namespace, list(parameters or [])
