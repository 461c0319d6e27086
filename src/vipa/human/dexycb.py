"""DexYCB: a hand that grasps one of 21 objects, seen by eight cameras that stand still.

Layout after github.com/NVlabs/dex-ycb-toolkit, dex_ycb.py: SUBJECT/SEQUENCE/meta.yml, SUBJECT/SEQUENCE/SERIAL/{color_NNNNNN.jpg,
aligned_depth_to_color_NNNNNN.png,labels_NNNNNN.npz}, calibration/intrinsics/SERIAL_640x480.yml. Not verified: that a hand that is not
seen has -1 in joint_3d.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from vipa import documents
from vipa.errors import VipaError
from vipa.human.clip import LEFT, RIGHT, Clip, read_depth, read_picture

FPS = 30.0
OBJECTS = (
    "002_master_chef_can", "003_cracker_box", "004_sugar_box", "005_tomato_soup_can", "006_mustard_bottle", "007_tuna_fish_can",
    "008_pudding_box", "009_gelatin_box", "010_potted_meat_can", "011_banana", "019_pitcher_base", "021_bleach_cleanser", "024_bowl",
    "025_mug", "035_power_drill", "036_wood_block", "037_scissors", "040_large_marker", "051_large_clamp", "052_extra_large_clamp",
    "061_foam_brick",
)  # fmt: skip


def clips(root: Path) -> Iterator[Clip]:
    """A clip of every camera of every sequence. Raises VipaError for a file that is not as published."""
    for path in sorted(Path(root).glob("*/*/meta.yml")):
        meta = documents.read_yaml(path)
        try:
            names = [_words(n) for n in meta["ycb_ids"]]
            grasped, side, count = names[meta["ycb_grasp_ind"]], meta["mano_sides"][0], int(meta["num_frames"])
            serials = [str(s) for s in meta["serials"]]
        except (KeyError, IndexError, TypeError, ValueError) as error:
            raise VipaError(f"{path}: {error!r}; allowed: what DexYCB has there") from None
        for serial in serials:
            yield _clip(Path(root), path.parent / serial, names, grasped, LEFT if side == "left" else RIGHT, count)


def _clip(root: Path, folder: Path, names: list[str], grasped: str, hand: str, count: int) -> Clip:
    labels = [_labels(folder / f"labels_{k:06d}.npz", len(names)) for k in range(count)]
    joints = np.stack([label[0] for label in labels])
    joints[(joints == -1).all(axis=2)] = np.nan
    poses = np.stack([label[1] for label in labels])
    return Clip(
        "-".join(folder.relative_to(root).parts),
        f"pick up the {grasped}",
        FPS,
        {hand: joints},
        {name: poses[:, k, :, 3] for k, name in enumerate(names)},
        None,
        _intrinsics(root / "calibration" / "intrinsics" / f"{folder.name}_640x480.yml"),
        lambda k: read_picture(folder / f"color_{k:06d}.jpg"),
        lambda k: read_depth(folder / f"aligned_depth_to_color_{k:06d}.png"),
    )


def _labels(path: Path, objects: int) -> tuple[np.ndarray, np.ndarray]:
    """Joints (21, 3) and objects' poses (n, 3, 4), in the camera's frame, metres."""
    try:
        with np.load(path, allow_pickle=False) as file:
            joints, poses = file["joint_3d"].astype(float), file["pose_y"].astype(float)
    except (OSError, ValueError, KeyError) as error:
        raise VipaError(f"{path}: {error}") from None
    if joints.shape != (1, 21, 3) or poses.shape != (objects, 3, 4):
        raise VipaError(
            f"{path}: joint_3d {joints.shape}, pose_y {poses.shape}; allowed: (1, 21, 3), ({objects}, 3, 4)"
        )
    return joints[0], poses


def _intrinsics(path: Path) -> np.ndarray:
    data: Any = documents.read_yaml(path)
    try:
        color = data["color"]
        return np.array([[color["fx"], 0, color["ppx"]], [0, color["fy"], color["ppy"]], [0, 0, 1]], float)
    except (KeyError, TypeError, ValueError) as error:
        raise VipaError(f"{path}: {error!r}; allowed: color with fx, fy, ppx, ppy") from None


def _words(number: int) -> str:
    return re.sub(r"^\d+_", "", OBJECTS[number - 1]).replace("_", " ")
