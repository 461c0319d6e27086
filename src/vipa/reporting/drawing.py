"""One frame of the episode video: header, camera pictures, checklist, timeline bar. Pillow, with the font in its wheel."""

from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from vipa.motion.chunk import Mode
from vipa.recording.timeline import EpisodeState, SubTaskState, Timeline

WIDTH, HEADER, CAMERAS, BAR = 960, 46, 360, 22
ROW = 27  # pixels a row of the checklist
TIME = 84  # pixels beside a sub-task's name for the time it was done at, or its progress
CLOCK = 170  # pixels the clock is wide
CAPTION = 28  # pixels the line under checklist and clock is high
MARGIN = 16

BACKGROUND, PANEL, LINE = (13, 17, 23), (22, 27, 34), (48, 54, 61)
TEXT, MUTED = (230, 237, 243), (139, 148, 158)
GREEN, BLUE, AMBER, RED = (63, 185, 80), (88, 166, 255), (210, 153, 34), (248, 81, 73)
MODE_COLOURS = {Mode.HOLDING: (72, 79, 88), Mode.EXECUTING: (47, 104, 180), Mode.BRAKING: AMBER, Mode.STOPPED: RED}
OUTCOME_COLOURS = {"success": GREEN, "timeout": AMBER, "failure": RED, "stopped": RED, "error": RED}


@cache
def _font(size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.load_default(size)


@dataclass(frozen=True)
class Sizes:
    """Where things stand in a frame with `rows` rows of checklist in `columns` columns."""

    rows: int
    columns: int

    @property
    def panel(self) -> int:
        return max(self.rows, 3) * ROW + 14 + CAPTION

    @property
    def height(self) -> int:
        total = HEADER + CAMERAS + self.panel + BAR
        return total + total % 2  # H.264 in yuv420p wants even sides


def sizes(subtasks: int) -> Sizes:
    """One column for up to 5 sub-tasks, two for more."""
    columns = 1 if subtasks <= 5 else 2
    return Sizes(-(-subtasks // columns), columns)


def fit(text: str, size: int, width: float) -> str:
    """`text`, shortened with an ellipsis if it is wider than `width` pixels."""
    font = _font(size)
    if font.getlength(text) <= width:
        return text
    while text and font.getlength(text + "…") > width:
        text = text[:-1]
    return text.rstrip() + "…"


class Painter:
    """Paints frames of one episode. What does not change from frame to frame is painted once."""

    def __init__(self, timeline: Timeline, cameras: list[str], title: str, caption: str):
        """cameras: names, left to right. title: the instruction. caption: who, what, which seed."""
        self.timeline = timeline
        self.cameras = cameras
        longest = max((len(s.subtasks) for s in timeline.states), default=0)
        self.sizes = sizes(longest)
        self._slots = _slots(len(cameras))
        self._base = self._paint_base(title, caption)
        self._bar = self._paint_bar()
        self._checklist: tuple[tuple, Image.Image] | None = None

    @property
    def shape(self) -> tuple[int, int]:
        """(height, width) of the frames."""
        return self.sizes.height, WIDTH

    def frame(self, at_ns: int, pictures: dict[str, np.ndarray], outcome: str = "") -> np.ndarray:
        """(H, W, 3) uint8 RGB at `at_ns`. pictures: (h, w, 3) uint8 RGB by camera. outcome: shown if not empty."""
        image = self._base.copy()
        states = self.timeline.states
        state = self.timeline.state_at(at_ns) or (states[0] if states else None)
        panel_top = HEADER + CAMERAS
        if state is not None:
            image.paste(self._checklist_of(state), (0, panel_top))
        draw = ImageDraw.Draw(image)
        self._paint_clock(draw, at_ns, panel_top, outcome)
        self._paint_position(image, draw, at_ns)
        pixels = np.asarray(image).copy()
        for name, slot in zip(self.cameras, self._slots, strict=True):
            if name in pictures:
                _place(pixels, pictures[name], slot)
            else:
                _label(pixels, "no picture yet", (slot[0], slot[1] - slot[3] // 2, slot[2], slot[3]))
            _label(pixels, name, slot)
        return pixels

    def _paint_base(self, title: str, caption: str) -> Image.Image:
        image = Image.new("RGB", (WIDTH, self.sizes.height), BACKGROUND)
        draw = ImageDraw.Draw(image)
        draw.rectangle((0, 0, WIDTH, HEADER), fill=PANEL)
        draw.rectangle((0, HEADER + CAMERAS, WIDTH, self.sizes.height), fill=PANEL)
        room = WIDTH - 2 * MARGIN
        draw.text((MARGIN, HEADER / 2), fit(title, 19, room), TEXT, _font(19), anchor="lm")
        y = HEADER + CAMERAS + self.sizes.panel - CAPTION / 2
        draw.text((MARGIN, y), fit(caption, 13, room - CLOCK), MUTED, _font(13), anchor="lm")
        return image

    def _paint_clock(self, draw, at_ns: int, top: int, outcome: str) -> None:
        seconds = min(max(self.timeline.seconds(at_ns), 0.0), self.timeline.duration)
        draw.text((WIDTH - MARGIN, top + 10), f"{seconds:.1f} s", TEXT, _font(30), anchor="ra")
        y = top + self.sizes.panel - CAPTION / 2
        draw.text((WIDTH - MARGIN, y), f"ROS time {at_ns / 1e9:.2f}", MUTED, _font(13), anchor="rm")
        if outcome:
            _pill(draw, WIDTH - MARGIN, top + 62, outcome, OUTCOME_COLOURS.get(outcome, MUTED))
        else:
            mode = self.timeline.mode_at(at_ns)
            if mode is not None:
                _pill(draw, WIDTH - MARGIN, top + 62, mode.name.lower(), MODE_COLOURS[mode])

    def _checklist_of(self, state: EpisodeState) -> Image.Image:
        key = tuple((s.name, s.status, s.t_done, round(s.progress, 2), s.evidence) for s in state.subtasks)
        if self._checklist is None or self._checklist[0] != key:
            self._checklist = key, self._paint_checklist(state.subtasks)
        return self._checklist[1]

    def _paint_checklist(self, subtasks: tuple[SubTaskState, ...]) -> Image.Image:
        width = (WIDTH - CLOCK - 2 * MARGIN) // self.sizes.columns
        widest = max((_font(17).getlength(s.name) for s in subtasks), default=0)
        name_width = min(28 + round(widest) + TIME, 320, width - 12)
        image = Image.new("RGB", (WIDTH - CLOCK, self.sizes.rows * ROW + 14), PANEL)
        draw = ImageDraw.Draw(image)
        for number, subtask in enumerate(subtasks):
            column, row = divmod(number, self.sizes.rows)
            _paint_row(draw, MARGIN + column * width, 10 + row * ROW, width - 12, name_width, subtask)
        return image

    def _x(self, at_ns: int) -> float:
        span = max(self.timeline.end_ns - self.timeline.start_ns, 1)
        return MARGIN + min(max((at_ns - self.timeline.start_ns) / span, 0.0), 1.0) * (WIDTH - 2 * MARGIN)

    def _paint_bar(self) -> Image.Image:
        """The whole episode: modes as a coloured band, stops in red, sub-tasks done as ticks."""
        image = Image.new("RGB", (WIDTH, BAR), PANEL)
        draw = ImageDraw.Draw(image)
        for span in self.timeline.modes:
            draw.rectangle((self._x(span.start_ns), 8, self._x(span.end_ns), 13), fill=MODE_COLOURS[span.mode])
        for at, _ in self.timeline.stops:
            draw.rectangle((self._x(at) - 1, 3, self._x(at) + 1, 18), fill=RED)
        last = self.timeline.states[-1].subtasks if self.timeline.states else ()
        for subtask in last:
            if subtask.t_done is not None:
                x = self._x(self.timeline.start_ns + round(subtask.t_done * 1e9))
                draw.ellipse((x - 5, 5, x + 5, 15), fill=GREEN, outline=PANEL, width=1)
        return image

    def _paint_position(self, image, draw, at_ns: int) -> None:
        """The bar up to now in full colour, what is still to come dimmed, and a playhead."""
        top = self.sizes.height - BAR
        x = int(self._x(at_ns))
        image.paste(self._bar, (0, top))
        future = image.crop((x, top, WIDTH, self.sizes.height))
        if future.width:
            image.paste(Image.blend(future, Image.new("RGB", future.size, PANEL), 0.65), (x, top))
        draw.rectangle((x - 1, top + 2, x + 1, top + 18), fill=TEXT)


def _slots(count: int) -> list[tuple[int, int, int, int]]:
    """(x, y, width, height) of each camera's place."""
    width = min(WIDTH // max(count, 1), CAMERAS * 4 // 3)
    left = (WIDTH - count * width) // 2
    return [(left + i * width, HEADER, width, CAMERAS) for i in range(count)]


def _place(pixels: np.ndarray, picture: np.ndarray, slot) -> None:
    """Scales the picture into its slot, in the middle, its aspect kept."""
    x, y, width, height = slot
    scale = min(width / picture.shape[1], height / picture.shape[0])
    w, h = round(picture.shape[1] * scale), round(picture.shape[0] * scale)
    kind = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    x, y = x + (width - w) // 2, y + (height - h) // 2
    pixels[y : y + h, x : x + w] = cv2.resize(picture, (w, h), interpolation=kind)


@cache
def _label_mask(text: str) -> np.ndarray:
    """(h, w) float32 coverage of a label's text on its plate."""
    width = round(_font(14).getlength(text)) + 14
    image = Image.new("L", (width, 22), 0)
    ImageDraw.Draw(image).text((7, 11), text, 255, _font(14), anchor="lm")
    return np.asarray(image, np.float32)[..., None] / 255


def _label(pixels: np.ndarray, text: str, slot) -> None:
    """The camera's name in the lower left corner of its slot, on a darkened plate."""
    mask = _label_mask(text)
    x, y = slot[0] + 8, slot[1] + slot[3] - 30
    area = pixels[y : y + mask.shape[0], x : x + mask.shape[1]]
    dark = area * 0.35
    area[:] = (dark * (1 - mask) + np.array(TEXT, np.float32) * mask).astype(np.uint8)


def _pill(draw, right: float, y: float, text: str, colour) -> None:
    """Rounded plate with `text`, its right edge at `right`, centred on `y`."""
    width = _font(15).getlength(text) + 22
    draw.rounded_rectangle((right - width, y - 12, right, y + 12), 12, fill=colour)
    light = sum(colour) > 380
    draw.text((right - width / 2, y), text, (13, 17, 23) if light else TEXT, _font(15), anchor="mm")


def _paint_row(draw, x: int, y: int, width: int, name_width: int, subtask: SubTaskState) -> None:
    """One sub-task: name and time in `name_width` pixels, and its evidence where that leaves room for it."""
    middle = y + ROW / 2 - 2
    _icon(draw, x + 9, middle, subtask.status)
    when = f"{subtask.t_done:.1f} s" if subtask.t_done is not None else ""
    colour = {"pending": MUTED, "active": TEXT, "done": TEXT, "failed": RED}[subtask.status]
    right = x + name_width
    draw.text((x + 28, middle), fit(subtask.name, 17, name_width - 28 - TIME + 1), colour, _font(17), anchor="lm")
    draw.text((right, middle), when, TEXT, _font(15), anchor="rm")
    if width > 480 and subtask.status != "pending":
        room = x + width - right - 24
        size = next((size for size in (13, 12) if _font(size).getlength(subtask.evidence) <= room), 11)
        draw.text((right + 24, middle), fit(subtask.evidence, size, room), MUTED, _font(size), anchor="lm")
    if subtask.status == "active" and subtask.progress > 0:
        left = right - 60
        draw.rounded_rectangle((left, middle - 3, right, middle + 3), 3, fill=LINE)
        draw.rounded_rectangle((left, middle - 3, left + max(6, 60 * subtask.progress), middle + 3), 3, fill=BLUE)


def _icon(draw, x: float, y: float, status: str) -> None:
    circle = (x - 8, y - 8, x + 8, y + 8)
    if status == "pending":
        draw.ellipse(circle, outline=LINE, width=2)
    elif status == "active":
        draw.ellipse(circle, outline=BLUE, width=2)
        draw.ellipse((x - 4, y - 4, x + 4, y + 4), fill=BLUE)
    elif status == "done":
        draw.ellipse(circle, fill=GREEN)
        draw.line([(x - 4, y), (x - 1, y + 4), (x + 5, y - 4)], fill=PANEL, width=2, joint="curve")
    else:
        draw.ellipse(circle, fill=RED)
        draw.line((x - 3, y - 3, x + 3, y + 3), fill=PANEL, width=2)
        draw.line((x - 3, y + 3, x + 3, y - 3), fill=PANEL, width=2)
