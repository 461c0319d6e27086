"""Who drove when in an episode, read from its bag: for the dataset's columns `driver` and `intervention`."""

from bisect import bisect_right
from dataclasses import dataclass

from vipa.recording.reader import NOT_AS_EXPECTED, BagReader, stamp_ns
from vipa.recording.topic_names import EPISODE_STATUS, INTERVENTION


@dataclass(frozen=True)
class Drive:
    """From `start_ns` (ROS time) on `driver` had the authority, "": nobody, a pause. intervention: it was not the episode's
    commander. operator: who asked for it."""

    start_ns: int
    driver: str
    intervention: bool = False
    operator: str = ""


@dataclass(frozen=True)
class Drives:
    """In order of time. commander: of the episode."""

    commander: str
    drives: tuple[Drive, ...] = ()

    def at(self, stamp_ns: int) -> Drive:
        """Who drove at `stamp_ns`: the episode's commander where nothing else was said."""
        found = bisect_right([drive.start_ns for drive in self.drives], stamp_ns) - 1
        return self.drives[found] if found >= 0 else Drive(stamp_ns, self.commander)

    @property
    def interventions(self) -> int:
        """How often somebody took over, or paused the commander."""
        before = [False, *(drive.intervention for drive in self.drives)]
        return sum(now and not was for was, now in zip(before, before[1:]))


def read_drives(bag: BagReader) -> Drives:
    """Who drove in the bag's episode. Bags without the topic (older ones, and those of the in-process loop) have one driver: their
    commander."""
    episode_id, commander, found = bag.custom_data.get("episode_id", ""), "", []
    for message in bag.messages([t for t in (EPISODE_STATUS, INTERVENTION) if t in bag.topics]):
        try:
            data = message.data
            if episode_id and data.episode_id not in ("", episode_id):
                continue  # a latched one of the episode before
            if message.topic == EPISODE_STATUS:
                commander = commander or data.commander
                continue
            drive = Drive(stamp_ns(data), data.driver, bool(data.intervention), data.operator_id)
        except NOT_AS_EXPECTED as error:
            bag.skipped.add(message.topic, message.log_time_ns, f"not what this topic says ({error})")
            continue
        if not found or (drive.driver, drive.intervention) != (found[-1].driver, found[-1].intervention):
            found.append(drive)
    return Drives(commander, tuple(sorted(found, key=lambda drive: drive.start_ns)))
