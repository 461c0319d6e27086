"""A stand-in for ROS 2's `launch` (branch jazzy) where it is not installed: what our launch files use of it, with the signatures of
its source. It describes and runs handlers; it starts nothing."""


class LaunchContext:
    """What a launch is under way with: arguments by name, and the command line's name:=value words."""

    def __init__(self, *, argv=None):
        self.argv = list(argv or [])
        self.launch_configurations: dict[str, str] = {}
        self.is_shutdown = False


class Action:
    """Anything that a launch description holds."""

    def visit(self, context):
        """The entities that it stands for."""
        return self.execute(context)

    def execute(self, context):
        """Nothing, unless a subclass says so."""


class LaunchDescription:
    """A list of entities."""

    def __init__(self, initial_entities=None):
        self.entities = list(initial_entities or [])
