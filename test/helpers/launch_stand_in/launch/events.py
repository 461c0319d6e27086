"""launch.events, its process events at launch.events.process."""

import sys
import types


class Shutdown:
    def __init__(self, *, reason="reason not given", due_to_sigint=False):
        self.reason = reason


class ShutdownProcess:
    def __init__(self, *, process_matcher):
        self.process_matcher = process_matcher


def matches_action(target_action):
    return lambda action: action is target_action


process = types.ModuleType("launch.events.process")
process.ShutdownProcess = ShutdownProcess
sys.modules[process.__name__] = process
