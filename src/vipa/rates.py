"""Rates in simulated time."""


class Every:
    """True once a period of simulated time, at the first tick on or after it is due. Never drifts."""

    def __init__(self, rate: float, start_ns: int = 0):
        self.period, self.start, self.count = 1e9 / rate, start_ns, 0

    def __call__(self, now_ns: int) -> bool:
        if now_ns < self.start + round(self.count * self.period):
            return False
        self.count += 1
        return True
