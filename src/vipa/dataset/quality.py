"""Is a dataset worth training on? What cameras, actions and episodes show, each finding with its episode; see `vipa.dataset.check`
for whether the files are what they say."""

from collections import Counter
from collections.abc import Callable

import numpy as np

from vipa.dataset.check import Finding, stamp_names
from vipa.dataset.excerpt import relabelled
from vipa.dataset.reader import Dataset, DatasetEpisode
from vipa.errors import VipaError
from vipa.robot.camera_watch import MAX_MOVED_PX, coarse_shift
from vipa.robot.captures import MIN_BRIGHTNESS
from vipa.tasks.task import load_task

MAX_GAP_PERIODS = 2.0  # between the joint states of two frames
MAX_SKEW_PERIODS = 1.0  # between the captures of one frame
FROZEN_FRAMES = 10  # pictures in a row that come from one capture, or do not change while the robot moves
STILL_LEVEL = (
    4.0  # of 255: two decoded pictures that differ by less in 99 % of their pixels show the same; video adds that much
)
MIN_DEPTH_SHARE = 0.05  # of the pixels of an episode's depth
MAX_CLIPPED = 0.25  # share of an episode's frames in which an action stands at its greatest or least
MAX_TOOL_STEP_M_S = 1.5  # of an action from one frame to the next
MAX_LAG_FRAMES = 3  # between what the joints do and what the video shows
MIN_MATCH = 0.5  # correlation that says so
SHORT = 0.3  # of the median length
STRIDE = 4  # pixels; pictures are judged at a quarter of their size


def quality(dataset: Dataset, progress: Callable[[float], None] | None = None) -> list[Finding]:
    """All findings, as warnings; `where` of one that concerns an episode is "episode N". Raises VipaError for a damaged file."""
    findings: list[Finding] = []
    first: dict[str, np.ndarray] = {}
    seen: dict[bytes, int] = {}
    for number in range(len(dataset)):
        episode = dataset.episode(number)

        def say(what, where=f"episode {number}"):
            findings.append(Finding("warning", where, what))

        _times(dataset, episode, say)
        _actions(dataset, episode, say)
        _instruction(episode, say)
        _pictures(dataset, episode, first, say)
        content = episode["action"].tobytes() + episode["observation.state"].tobytes()
        if content in seen:
            say(f"is the same as episode {seen[content]}")
        seen.setdefault(content, number)
        if progress:
            progress((number + 1) / len(dataset))
    return findings + _balance(dataset)


def verdicts(dataset: Dataset, findings: list[Finding]) -> list[str]:
    """Of each episode: "bad" (an error), "look" (a warning) or "good"."""
    levels: dict[str, set[str]] = {}
    for finding in findings:
        levels.setdefault(finding.where, set()).add(finding.level)
    found = [levels.get(f"episode {n}", set()) for n in range(len(dataset))]
    return ["bad" if "error" in f else "look" if f else "good" for f in found]


def _times(dataset: Dataset, episode: DatasetEpisode, say) -> None:
    stamps, names, period = episode.stamps, stamp_names(dataset), 1e9 / episode.fps
    if stamps is None or len(episode) < 2:
        return
    gap = np.diff(stamps[:, 0]).max()
    if gap > MAX_GAP_PERIODS * period:
        say(f"gap: {gap / 1e9:.2f} s between two frames; allowed: {MAX_GAP_PERIODS * period / 1e9:.2f} s")
    if stamps.shape[1] > 2:
        skew = (stamps[:, 1:].max(axis=1) - stamps[:, 1:].min(axis=1)).max()
        if skew > MAX_SKEW_PERIODS * period:
            say(f"skew: cameras up to {skew / 1e9:.2f} s apart; allowed: {MAX_SKEW_PERIODS * period / 1e9:.2f} s")
    for column, name in list(enumerate(names))[1:]:
        same = _longest(np.diff(stamps[:, column]) == 0)
        if same >= FROZEN_FRAMES:
            say(f"camera {name} frozen: one capture in {same + 1} frames")


def _actions(dataset: Dataset, episode: DatasetEpisode, say) -> None:
    feature = dataset.spec.features.get("action")
    if feature is None or len(episode) < 2:
        return
    values = episode["action"].reshape(len(episode), -1).astype(float)
    for start in [i for i, n in enumerate(feature.names) if n.endswith(".x") or n == "x"]:
        step = np.linalg.norm(np.diff(values[:, start : start + 3], axis=0), axis=1)
        worst = int(step.argmax())
        if step[worst] > MAX_TOOL_STEP_M_S / episode.fps:
            allowed = MAX_TOOL_STEP_M_S / episode.fps
            say(f"action leaps {step[worst]:.3f} m at frame {worst}; allowed: {allowed:.3f} m")
    for column, name in enumerate(feature.names):
        low, high = values[:, column].min(), values[:, column].max()
        part = name.rpartition(".")[2]
        if part not in ("x", "y", "z") or high - low < 0.02:
            continue  # hands stand at their ends
        share = max((values[:, column] == edge).mean() for edge in (low, high))
        if share > MAX_CLIPPED:
            say(f"action {name} clipped: at its limit in {100 * share:.0f} % of the frames")


def _instruction(episode: DatasetEpisode, say) -> None:
    name = episode.meta.get("task")
    try:
        wanted = load_task(name).instruction if name else None
    except VipaError:
        return  # a task from elsewhere
    if wanted and wanted != episode.instruction and not relabelled(episode.meta):
        say(f"instruction '{episode.instruction}'; task {name} says '{wanted}'")


def _pictures(dataset: Dataset, episode: DatasetEpisode, first: dict[str, np.ndarray], say) -> None:
    speed = _speed(episode)
    for camera in dataset.spec.cameras:
        grey, before, energy, changes, levels = None, None, [], [], []
        for begin in range(0, len(episode), 64):  # memory stays flat
            images = episode.images(camera.name, begin, min(64, len(episode) - begin))
            for image in images:
                small = image[::STRIDE, ::STRIDE].mean(axis=-1)
                levels.append(small.mean())
                if before is not None:
                    difference = np.abs(small - before)
                    energy.append(difference.mean())
                    changes.append(np.percentile(difference, 99))
                before, grey = small, image
            if begin == 0:
                opening = _grey(images[0])
        if np.median(levels) < MIN_BRIGHTNESS:
            say(f"camera {camera.name} dark: brightness {np.median(levels):.0f} of 255; allowed: {MIN_BRIGHTNESS:g}")
        energy, changes = np.array(energy), np.array(changes)
        still = _longest((changes < STILL_LEVEL) & (speed > np.median(speed) / 2 + 1e-4)) if len(energy) else 0
        # a simulated camera has no noise, and an arm may rest while the other one works
        if still >= FROZEN_FRAMES and episode.meta.get("cell") != "sim":
            say(f"camera {camera.name} frozen: the same picture in {still + 1} frames while the robot moves")
        lag = _lag(energy, speed)
        if lag is not None:
            say(f"camera {camera.name}: video and joints are {abs(lag)} frames apart")
        if f"camera_pose.{camera.name}" not in dataset.spec.features:
            _moved(camera.name, first.setdefault(camera.name, opening), opening, _grey(grey), say)
        _depth(camera, episode, say)


def _moved(name: str, reference: np.ndarray, opening: np.ndarray, end: np.ndarray, say) -> None:
    allowed = MAX_MOVED_PX * reference.shape[1] / 320
    for before, now, since in ((reference, opening, "the first episode"), (opening, end, "its beginning")):
        shift = coarse_shift(before, now) if before is not now else None
        if shift is not None and shift > allowed:
            say(f"camera {name} has moved by {shift:.0f} pixels since {since}; allowed: {allowed:.0f}")


def _depth(camera, episode: DatasetEpisode, say) -> None:
    if not camera.depth:
        return
    chosen = np.linspace(0, len(episode) - 1, min(8, len(episode))).astype(int)
    shares = [np.count_nonzero(episode.depth(camera.name, int(k), 1)) / (camera.height * camera.width) for k in chosen]
    if np.median(shares) < MIN_DEPTH_SHARE:
        say(f"camera {camera.name}: {100 * np.median(shares):.1f} % of depth; allowed: {100 * MIN_DEPTH_SHARE:g} %")


def _balance(dataset: Dataset) -> list[Finding]:
    rows, found = dataset.rows, []
    if len(rows) < 4:
        return found
    lengths = np.array([row["length"] for row in rows])
    for number in np.flatnonzero(lengths < SHORT * np.median(lengths)):
        text = f"short: {lengths[number] / dataset.spec.fps:.1f} s; half of the episodes have {np.median(lengths) / dataset.spec.fps:.1f} s"
        found.append(Finding("warning", f"episode {number}", text))
    counts = Counter(row["tasks"][0] for row in rows).most_common()
    if len(counts) > 1 and counts[0][1] > 10 * counts[-1][1]:
        text = f"balance: '{counts[0][0]}' {counts[0][1]} times, '{counts[-1][0]}' {counts[-1][1]}"
        found.append(Finding("warning", "dataset", text))
    return found


def _speed(episode: DatasetEpisode) -> np.ndarray:
    """(T - 1,) what the joints do from frame to frame, radians."""
    state = episode["observation.state"].reshape(len(episode), -1).astype(float)
    return np.linalg.norm(np.diff(state, axis=0), axis=1)


def _lag(energy: np.ndarray, speed: np.ndarray) -> int | None:
    """Frames by which what the pictures show is apart from what the joints do; None where neither says so clearly."""
    if len(energy) < 30 or energy.std() < 1e-6 or speed.std() < 1e-6:
        return None
    a, b = (energy - energy.mean()) / energy.std(), (speed - speed.mean()) / speed.std()

    def match(shift):
        x, y = (a[shift:], b[: len(b) - shift]) if shift >= 0 else (a[:shift], b[-shift:])
        return float((x * y).mean())

    matches = {shift: match(shift) for shift in range(-10, 11)}
    best = max(matches, key=lambda shift: matches[shift])
    clear = matches[best] > MIN_MATCH and matches[best] > matches[0] + 0.2
    return best if clear and abs(best) >= MAX_LAG_FRAMES else None


def _longest(flags: np.ndarray) -> int:
    """The most True in a row."""
    longest = count = 0
    for flag in flags:
        count = count + 1 if flag else 0
        longest = max(longest, count)
    return longest


def _grey(image: np.ndarray) -> np.ndarray:
    return (image @ np.array([0.299, 0.587, 0.114])).astype(np.uint8)
