"""A sub-task that a person judges: the evidence source `operator`."""

from vipa.tasks.checks.base import Check, CheckResult, CheckState, CheckStatus


class OperatorCheck(Check):
    """Waits for the operator's answer to the sub-task. `subtask`: its name, the key in CheckState.operator."""

    name = "operator"

    def __init__(self, subtask: str, where: str):
        super().__init__(None, where)
        self.subtask = subtask

    def update(self, state: CheckState) -> CheckResult:
        answer = state.operator.get(self.subtask)
        if answer is None:
            return CheckResult(CheckStatus.RUNNING, 0.0, "waits for the operator")
        if answer:
            return CheckResult(CheckStatus.MET, 1.0, "operator: done")
        return CheckResult(CheckStatus.FAILED, 0.0, "operator: failed")
