"""A sub-task that a person judges: the evidence source `operator`."""

from vipa.tasks.checks.base import Check, CheckResult, CheckState, CheckStatus


class OperatorCheck(Check):
    """Waits for the operator's answer to the sub-task. `subtask`: its name, the key in CheckState.operator."""

    name = "operator"

    def __init__(self, subtask: str, where: str):
        super().__init__(None, where)
        self.subtask = subtask

    def update(self, state: CheckState) -> CheckResult:
        return verdict(state, self.subtask) or CheckResult(CheckStatus.RUNNING, 0.0, "waits for the operator")


def verdict(state: CheckState, subtask: str) -> CheckResult | None:
    """What the operator said of `subtask`; None: nothing."""
    answer = state.operator.get(subtask)
    if answer is None:
        return None
    if answer:
        return CheckResult(CheckStatus.MET, 1.0, "operator: done")
    return CheckResult(CheckStatus.FAILED, 0.0, "operator: failed")
