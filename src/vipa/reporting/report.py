"""The report of an episode: one HTML page that carries everything it shows. Made from the run folder alone.

`python -m vipa.reporting.report RUN_FOLDER` makes video and report anew.
"""

import argparse
import base64
import math
import sys
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import av
import cv2
import jinja2
from markupsafe import Markup

from vipa import config, documents, files
from vipa.errors import VipaError
from vipa.recording.reader import NOT_AS_EXPECTED, BagReader, TopicInfo, image_array
from vipa.recording.signals import ArmSignals, read_signals
from vipa.recording.timeline import Timeline, read_timeline
from vipa.recording.topic_names import camera_topics
from vipa.reporting.bars import axis, timeline_rows
from vipa.reporting.plots import Line, line_plot
from vipa.reporting.video import NoPictures, render_video
from vipa.robot.description import Robot, load_robot
from vipa.tasks.scorecard import commander_name

EMBED_BYTES = 30_000_000  # a larger video is linked: a page of 40 MB opens badly on a phone

# What the page asks a scorecard for; None is left out. (A report of an older scorecard is better than none.)
SCORECARD_KEYS = (
    "task instruction episode_id outcome subtasks failure duration_s wall_s commander robot cell policy seed variant "
    "timing provenance"
).split()
TIMING_ROWS = (
    ("policy step", "ms", "policy_ms_p50", "policy_ms_p99"),
    ("observation age", "ms", "observation_age_ms_p50", "observation_age_ms_p99"),
    ("chunk delay", "steps", "chunk_delay_steps_p50", "chunk_delay_steps_p99"),
    ("control jitter", "ms", None, "control_jitter_ms_p99"),
)


def rebuild(run_folder: Path, progress: Callable[[float], None] | None = None) -> Path:
    """Makes video.mp4 and report.html of `run_folder` anew from bag/ and scorecard.json; returns the report.

    `progress` is called with 0..1. Raises VipaError if there is no bag to read; a bag without pictures gives no video.
    """
    run_folder = Path(run_folder)
    card = _read_json(run_folder / "scorecard.json")
    with BagReader(run_folder / "bag") as bag:
        has_pictures = bool(bag.camera_names())
    if has_pictures:
        try:
            render_video(run_folder / "bag", card, run_folder / "video.mp4", progress)
        except NoPictures:
            pass  # the report says why
    return write_report(run_folder)


def write_report(run_folder: Path) -> Path:
    """Writes report.html from what the run folder holds; what is missing (bag, video, scorecard, scene) is left out.

    Raises VipaError if the folder has neither a bag nor a scorecard, or one of its files is damaged.
    """
    run_folder = Path(run_folder)
    card = _read_json(run_folder / "scorecard.json")
    scene = _read_json(run_folder / "scene.json")
    timeline, arms, topics, custom, remarks = None, [], [], {}, []
    robot = _robot(run_folder, card)
    if (run_folder / "bag" / "metadata.yaml").is_file():
        with BagReader(run_folder / "bag") as bag:
            timeline = read_timeline(bag)
            topics = sorted((t for t in bag.topics.values() if not t.compressed), key=lambda t: t.name)
            custom = bag.custom_data
            robot = robot or _robot_named(timeline.states[-1].robot if timeline.states else "")
            arms = read_signals(bag, robot) if robot else []
            remarks = _remarks(bag)
    elif card is None:
        raise VipaError(f"{run_folder}: neither scorecard.json nor a bag in bag/; name a run folder")
    page = _render(run_folder, card or _card_of(timeline, custom), scene, timeline, arms, robot, topics, remarks)
    files.write_bytes(run_folder / "report.html", page.encode())
    return run_folder / "report.html"


def _read_json(path: Path) -> dict | None:
    return config.build(documents.read_json(path), dict[str, Any], str(path)) if path.exists() else None


def _robot(run_folder: Path, card: dict | None) -> Robot | None:
    """The robot as it was in the run (config.yaml), else as its file is now."""
    path = run_folder / "config.yaml"
    if path.is_file():
        data = documents.read_yaml(path, finite=False)
        if isinstance(data, dict) and isinstance(data.get("robot"), dict):
            return config.build(data["robot"], Robot, f"{path}: robot")
    return _robot_named((card or {}).get("robot", ""))


def _robot_named(name: str) -> Robot | None:
    try:
        return load_robot(name) if name else None
    except VipaError:
        return None  # a bag from elsewhere: everything but the tool's plots can be shown


def _card_of(timeline: Timeline | None, custom: dict) -> dict:
    """What a scorecard would say, as far as the bag's last EpisodeStatus tells."""
    state = timeline.states[-1] if timeline and timeline.states else None
    if state is None:
        return {"task": custom.get("task", "episode"), "episode_id": custom.get("episode_id", ""), "subtasks": []}
    subtasks = [
        {
            "name": s.name,
            "status": s.status if s.status in ("done", "failed") else "pending",
            "t_done_s": s.t_done,
            "evidence": s.evidence,
        }
        for s in state.subtasks
    ]
    return {
        "episode_id": custom.get("episode_id", ""),
        "task": state.task,
        "instruction": state.instruction,
        "robot": state.robot,
        "cell": state.cell,
        "commander": state.commander,
        "seed": state.seed,
        "variant": state.variant,
        "subtasks": subtasks,
        "outcome": state.outcome or "error",
        "duration_s": state.elapsed,
        "failure": {"type": "unfinished", "subtask": "", "detail": "the bag ends before the episode does"}
        if not state.outcome
        else None,
    }


def _remarks(bag: BagReader) -> list[str]:
    """What a person should know of how the bag was read."""
    if not any(topic.count for topic in bag.topics.values()):
        return ["the bag holds no messages"]
    for camera in bag.camera_names():  # pictures are looked at only for the video
        topic = camera_topics(camera)["color"]
        for message in bag.messages([topic]):
            try:
                image_array(message.data)
                break
            except NOT_AS_EXPECTED as error:
                bag.skipped.add(topic, message.log_time_ns, str(error))
    jump = bag.jump
    ends = ["the bag is read to there: " if jump.back else ""] if jump else []
    return [*(f"{end}{jump}" for end in ends), *bag.skipped.lines()]


def _render(run_folder, card, scene, timeline, arms, robot, topics: list[TopicInfo], remarks: list[str]) -> str:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters["number"] = _number
    environment.filters["plain"] = _plain
    card = dict.fromkeys(SCORECARD_KEYS) | card
    subtasks = card["subtasks"] = [
        {"t_done_s": None, "evidence": "", "failure_class": None} | s for s in card["subtasks"] or []
    ]
    done = sum(s.get("status") == "done" for s in subtasks)
    timing = card["timing"] or {}
    return environment.get_template("report.html.j2").render(
        card=card,
        done=done,
        commander=commander_name(card),
        remarks=remarks,
        title=str(card["task"] or "episode").replace("_", " "),
        made=datetime.now().strftime("%Y-%m-%d %H:%M"),
        video=_video(run_folder),
        rows=timeline_rows(timeline) if timeline else [],
        ticks=axis(timeline.duration) if timeline else [],
        plots=[Markup(p) for arm in arms for p in _plots(arm, timeline, robot)],  # noqa: S704
        timing=[(n, unit, timing.get(a) if a else None, timing.get(b)) for n, unit, a, b in TIMING_ROWS],
        dropped=timing.get("dropped_frames"),
        scene=scene,
        topics=topics,
        duration=timeline.duration if timeline else None,
        paths=[
            p for p in ("bag", "scorecard.json", "scene.json", "config.yaml", "video.mp4") if (run_folder / p).exists()
        ],
        folder=run_folder.resolve().name,
    )


def _video(run_folder: Path) -> dict | None:
    """Source of the <video>: a data URI, or a link for a large one."""
    path = run_folder / "video.mp4"
    if not path.is_file():
        return None
    if path.stat().st_size > EMBED_BYTES:
        return {"source": "video.mp4", "linked": True, "poster": _poster(path)}
    return {"source": _data_uri("video/mp4", path.read_bytes()), "linked": False, "poster": _poster(path)}


def _poster(path: Path) -> str:
    """A picture from the first half of the video as a data URI: what stands there until it plays."""
    with av.open(str(path)) as file:
        stream = file.streams.video[0]
        wanted = stream.frames * 2 // 5  # seeking would lead to the key frame before it, which is the first one
        frame = next(f for number, f in enumerate(file.decode(stream)) if number >= wanted)
        _, jpeg = cv2.imencode(".jpg", frame.to_ndarray(format="bgr24"), [cv2.IMWRITE_JPEG_QUALITY, 80])
    return _data_uri("image/jpeg", jpeg.tobytes())


def _data_uri(kind: str, data: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"


def _plots(arm: ArmSignals, timeline: Timeline, robot: Robot) -> list[str]:
    group = robot.group(arm.name)
    span = (0.0, max(timeline.duration, 0.1))
    final = timeline.states[-1].subtasks if timeline.states else ()
    marks = [s.t_done for s in final if s.t_done is not None]
    seconds = (arm.times - timeline.start_ns) / 1e9
    force_seconds = (arm.force_times - timeline.start_ns) / 1e9
    name = "" if len(robot.arms) == 1 else f"{arm.name}: "
    hand = [Line(f"joint {i + 1}", seconds, arm.opening[:, i]) for i in range(arm.opening.shape[1])]
    plots = [
        line_plot(
            f"{name}tool position",
            "m",
            [Line(a, seconds, arm.position[:, i]) for i, a in enumerate("xyz")],
            span,
            marks,
        ),
        line_plot(f"{name}tool speed", "m/s", [Line("speed", seconds, arm.speed, True)], span, marks, group.tool_speed),
        line_plot(
            f"{name}wrist force", "N", [Line("force", force_seconds, arm.force, True)], span, marks, group.force_cap
        ),
    ]
    return [*plots, line_plot(f"{name}opening", "0 closed, 1 open", hand, span, marks)] if hand else plots


def _number(value, digits: int = 1) -> str:
    """A number for a table; a dash for none."""
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return "–"
    return f"{value:.{digits}f}"


def _plain(value) -> str:
    """A JSON value in one line: short floats, lists with commas."""
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, list):
        return ", ".join(_plain(v) for v in value)
    if isinstance(value, dict):
        return "; ".join(f"{k} {_plain(v)}" for k, v in value.items())
    return "–" if value is None else str(value)


def main() -> int:
    """`python -m vipa.reporting.report RUN`."""
    parser = argparse.ArgumentParser(prog="python -m vipa.reporting.report", description=__doc__.splitlines()[0])
    parser.add_argument("run_folder", type=Path, help="folder with bag/ and scorecard.json")
    args = parser.parse_args()

    def progress(part: float) -> None:
        if sys.stderr.isatty():
            print(f"\rvideo {100 * part:3.0f} %", end="\n" if part >= 1 else "", file=sys.stderr, flush=True)

    try:
        print(rebuild(args.run_folder, progress))
    except VipaError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
