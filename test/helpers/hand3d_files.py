"""Hand3D-style files with pictures of noise."""

import json
from pathlib import Path

import cv2
import numpy as np

from vipa_model.data.hand3d import ACTION, VISUAL

K = [[50, 0, 30], [0, 50, 20], [0, 0, 1]]


def write_hand3d(folder: Path, visual: int = 8, action: int = 6) -> tuple[Path, Path]:
    """(visual file, action file) with so many records; the last action record is one more, of a hand that rests."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    for name in "abcd":
        cv2.imwrite(str(folder / f"{name}.png"), rng.integers(0, 255, (40, 60, 3), np.uint8))
    cv2.imwrite(str(folder / "d.png"), np.full((40, 60), 800, np.uint16))
    asked = [
        {"id": f"v{i}", "type": VISUAL[i % 4], "images": ["abc"[i % 3] + ".png"] * (1 if i % 4 < 2 else 2), "question": "Where?",
         "answer": "left, 0.20m"} for i in range(visual)
    ]  # fmt: skip
    asked[0] |= {"depths": ["d.png"], "intrinsics": [K]}
    path = np.linspace([0, 0, 0.4], [0.1, 0.05, 0.5], 4).tolist()
    done = [
        {"id": f"a{i}", "type": ACTION[i % 3], "images": ["a.png"], "instruction": "cut the paper", "trajectory": path}
        | ({"context": path[:2]} if i % 3 == 2 else {})
        for i in range(action)
    ]
    done.append(done[0] | {"trajectory": [path[0], path[0]]})
    files = folder / "visual.jsonl", folder / "action.jsonl"
    for file, rows in zip(files, (asked, done), strict=True):
        file.write_text("".join(json.dumps(r) + "\n" for r in rows), encoding="utf-8")
    return files
