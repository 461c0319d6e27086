"""launch.actions."""

from launch import Action


class DeclareLaunchArgument(Action):
    def __init__(self, name, *, default_value=None, description=None, choices=None):
        self.name, self.default_value, self.description, self.choices = name, default_value, description, choices

    def execute(self, context):
        context.launch_configurations.setdefault(self.name, self.default_value)


class OpaqueFunction(Action):
    def __init__(self, *, function, args=None, kwargs=None):
        self.function, self.args, self.kwargs = function, args or (), kwargs or {}

    def execute(self, context):
        return self.function(context, *self.args, **self.kwargs)


class ExecuteProcess(Action):
    """Keywords of launch.actions.ExecuteProcess and ExecuteLocal, by name alone."""

    def __init__(
        self, *, cmd, prefix=None, name=None, cwd=None, env=None, additional_env=None, shell=False, sigterm_timeout="5",
        sigkill_timeout="5", emulate_tty=False, output="log", output_format="", cached_output=False, log_cmd=False, on_exit=None,
        respawn=False, respawn_delay=None, respawn_max_retries=-1,
    ):  # fmt: skip
        self.cmd, self.name, self.additional_env, self.respawn = list(cmd), name, dict(additional_env or {}), respawn
        self.process_details, self.return_code = None, None  # of a process that has started, has ended


class EmitEvent(Action):
    def __init__(self, *, event):
        self.event = event


class RegisterEventHandler(Action):
    def __init__(self, event_handler):
        self.event_handler = event_handler


class TimerAction(Action):
    def __init__(self, *, period, actions, cancel_on_shutdown=True):
        self.period, self.actions = period, list(actions)
