"""What the task manager says of an episode in which a person took over."""

from helpers.synthetic_bag import EPISODE_ID, START_NS, Messages
from vipa.recording.topic_names import INTERVENTION

DRIVES = [  # seconds, who, intervention: a pause, a person, a pause, given back
    (0.0, "expert", False),
    (0.5, "", True),
    (0.7, "teleop", True),
    (1.2, "", True),
    (1.4, "expert", False),
]


def interventions():
    m = Messages()
    for count, (at, driver, flag) in enumerate(DRIVES):
        ns = START_NS + round(at * 1e9)
        said = m(
            "vipa_msgs/msg/Intervention",
            header=m.header(ns),
            episode_id=EPISODE_ID,
            commander="expert",
            driver=driver,
            intervention=flag,
            operator_id="person" if flag else "",
            count=int(count > 0),
        )
        for late in (0, 40_000_000):  # it is said again, as the task manager does
            yield INTERVENTION, "vipa_msgs/msg/Intervention", ns + late, m.serialize(said)
