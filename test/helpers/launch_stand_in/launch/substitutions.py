"""launch.substitutions."""


class LaunchConfiguration:
    def __init__(self, variable_name, *, default=None):
        self.name, self.default = variable_name, default

    def perform(self, context):
        return context.launch_configurations[self.name]
