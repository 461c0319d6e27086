"""launch.event_handlers."""


class OnProcessExit:
    """on_exit: entities, or a function of event and context that gives them."""

    def __init__(self, *, target_action=None, on_exit, handle_once=False):
        self.target_action, self.on_exit = target_action, on_exit

    def handle(self, event, context):
        return self.on_exit(event, context) if callable(self.on_exit) else self.on_exit
