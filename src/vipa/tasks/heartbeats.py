"""Who of several parts has fallen silent, by a local clock that the caller reads."""

# seconds between two calls of `silent`: it was the caller that stood still, and it knows nothing of the others
ASLEEP_S = 1.0
SILENCE_S = {"motion": 4.0, "cell": 6.0}  # wall seconds after which one of them counts as dead


class Heartbeats:
    """The last word of each part.

    Args:
        limits: name → seconds after which it counts as dead.
        now: seconds of the local monotonic clock, as everywhere here.
    """

    def __init__(self, limits: dict[str, float], now: float):
        self.limits, self._looked = limits, now
        self.restart(now)

    def restart(self, now: float) -> None:
        """Everybody's silence counts from `now`."""
        self.last = dict.fromkeys(self.limits, now)

    def heard(self, name: str, now: float) -> None:
        """`name` said something."""
        self.last[name] = now

    def silent(self, now: float) -> list[str]:
        """Names of those that count as dead. To be asked regularly: after a gap of more than ASLEEP_S nobody does."""
        if now - self._looked > ASLEEP_S:
            self.restart(now)
        self._looked = now
        return [name for name, limit in self.limits.items() if now - self.last[name] > limit]
