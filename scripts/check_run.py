"""Checks the run folder of a successful episode from outside: by the file formats alone, with none of our own readers.

usage: check_run.py RUN_FOLDER
"""

import json
import sys
from pathlib import Path

import av
import yaml
from mcap.reader import make_reader
from rosbags.highlevel import AnyReader

# a topic that every episode records, and how many messages a second of ROS time it has at least
TOPICS = {"/clock": 1, "/joint_states": 50, "/tf": 5, "/vipa/action_chunk": 1, "/vipa/motion_status": 15}


def check(run: Path):
    """Yields what is wrong, a line each."""
    for name in ("scorecard.json", "scene.json", "config.yaml", "video.mp4", "report.html", "bag/metadata.yaml"):
        if not (run / name).is_file() or not (run / name).stat().st_size:
            yield f"{name} is missing or empty"
            return

    card = json.loads((run / "scorecard.json").read_text(encoding="utf-8"))
    if card["schema"] != "vipa/scorecard/1":
        yield f"scorecard.json: schema {card['schema']!r}"
    if card["timing"]["dropped_frames"] != 0:
        yield f"scorecard.json: dropped_frames {card['timing']['dropped_frames']}; 0 expected"
    undone = [sub["name"] for sub in card["subtasks"] if sub["status"] != "done"]
    if undone or not card["success"] or card["outcome"] != "success" or card["subtask_score"] != 1.0:
        yield f"scorecard.json: outcome {card['outcome']}, score {card['subtask_score']}, not done: {undone}"

    bag = yaml.safe_load((run / "bag/metadata.yaml").read_text(encoding="utf-8"))["rosbag2_bagfile_information"]
    if bag["custom_data"].get("episode_id") != card["episode_id"]:
        yield f"bag: custom_data {bag['custom_data']} has not the scorecard's episode_id {card['episode_id']}"
    with AnyReader([run / "bag"]) as reader:
        seconds = (reader.end_time - reader.start_time) / 1e9
        counts = {name: topic.msgcount for name, topic in reader.topics.items()}
        newest = {}
        for connection, _, raw in reader.messages():
            newest[connection.topic] = connection, raw
        for connection, raw in newest.values():
            reader.deserialize(raw, connection.msgtype)
    for topic, rate in TOPICS.items():
        if counts.get(topic, 0) < rate * seconds:
            yield f"bag: {counts.get(topic, 0)} messages on {topic} in {seconds:.1f} s; at least {rate} a second expected"

    cameras = [
        counts[name] / seconds
        for name in counts
        if name.endswith(("/color/image_raw", "/aligned_depth_to_color/image_raw"))
    ]
    if len(cameras) < 4 or min(cameras) < 10:
        yield f"bag: images a second by topic {[round(rate, 1) for rate in cameras]}; colour and depth of two cameras at 10 expected"

    total = 0
    for name in bag["relative_file_paths"]:
        with (run / "bag" / name).open("rb") as stream:
            total += make_reader(stream).get_summary().statistics.message_count
    if not total == bag["message_count"] == sum(counts.values()):
        yield f"bag: {total} messages by its summary, {bag['message_count']} by metadata.yaml, {sum(counts.values())} read"

    with av.open(run / "video.mp4") as video:
        frames = sum(1 for _ in video.decode(video=0))
    if frames < 10:
        yield f"video.mp4: {frames} frames"
    print(
        f"{run.resolve().name}: {total} messages on {len(counts)} topics in {seconds:.1f} s, {frames} frames of video"
    )


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    wrong = list(check(Path(sys.argv[1])))
    for line in wrong:
        print(f"wrong: {line}", file=sys.stderr)
    sys.exit(1 if wrong else 0)
