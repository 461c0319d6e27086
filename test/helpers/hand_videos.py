"""Small datasets of hands in the layouts of DexYCB, EgoDex, FPHA and H2O, written after the sources that vipa.human names.

In each a wrist goes 0.3 m along the camera's x in three seconds at 30 pictures a second, 0.5 m in front of it; a thing stands still.
"""

from pathlib import Path

import av
import cv2
import numpy as np
import yaml

FRAMES, FPS = 91, 30
WAY_M = 0.3
SIZE = (48, 64)
K = np.array([[60.0, 0, 32], [0, 60.0, 24], [0, 0, 1]])
THING = np.array([0.1, 0.05, 0.6])


def wrist(k: int) -> np.ndarray:
    return np.array([-0.1 + WAY_M * k / (FRAMES - 1), 0.0, 0.5])


def joints(k: int) -> np.ndarray:
    """(21, 3), the wrist first."""
    return wrist(k) + np.concatenate([np.zeros((1, 3)), np.linspace([0.01, -0.02, 0], [0.05, 0.02, 0.04], 20)])


def image(k: int) -> np.ndarray:
    return np.full((*SIZE, 3), 2 * k, np.uint8)


def h2o(root: Path, turned: bool = False) -> None:
    """turned: the camera turns to the right by 10 degrees a second, and the points stay where they are in the world."""
    folder = root / "subject1" / "h1" / "0" / "cam4"
    for name in ("rgb", "cam_pose", "hand_pose", "obj_pose", "action_label"):
        (folder / name).mkdir(parents=True)
    (folder / "cam_intrinsics.txt").write_text("60 60 32 24 64 48", encoding="utf-8")
    for k in range(FRAMES):
        angle = np.radians(10 * k / FPS) if turned else 0.0
        camera = np.eye(4)
        camera[:3, :3] = [[np.cos(angle), 0, np.sin(angle)], [0, 1, 0], [-np.sin(angle), 0, np.cos(angle)]]
        right, thing = joints(k) @ camera[:3, :3], THING @ camera[:3, :3]  # world to camera
        _numbers(folder / f"cam_pose/{k:06d}.txt", camera)
        _numbers(folder / f"hand_pose/{k:06d}.txt", [0, *np.zeros(63), 1, *right.reshape(-1)])
        _numbers(folder / f"obj_pose/{k:06d}.txt", [5, *thing, *np.zeros(60)])
        _numbers(folder / f"action_label/{k:06d}.txt", [5 if k < FRAMES else 0])
        cv2.imwrite(str(folder / f"rgb/{k:06d}.png"), image(k))


def fpha(root: Path) -> None:
    from vipa.human.fpha import CAMERA

    place = Path("Subject_1") / "open_juice_bottle" / "1"
    back = np.linalg.inv(CAMERA)
    rows, poses = [], []
    for k in range(FRAMES):
        rows.append([k, *_there(joints(k), back).reshape(-1)])
        pose = np.eye(4)
        pose[:3, 3] = _there(THING[None], back)[0]
        poses.append([k, *pose.T.reshape(-1)])
    for name, table, file in (
        ("Hand_pose_annotation_v1", rows, "skeleton.txt"),
        ("Object_6D_pose_annotation_v1", poses, "object_pose.txt"),
    ):
        (root / name / place).mkdir(parents=True)
        np.savetxt(root / name / place / file, table)
    pictures = root / "Video_files" / place / "color"
    pictures.mkdir(parents=True)
    for k in range(FRAMES):
        cv2.imwrite(str(pictures / f"color_{k:04d}.jpeg"), image(k))


def dexycb(root: Path) -> None:
    folder, serial = root / "20200709-subject-01" / "20200709_141754", "836212060125"
    (folder / serial).mkdir(parents=True)
    meta = {
        "serials": [serial],
        "num_frames": FRAMES,
        "ycb_ids": [5, 14],
        "ycb_grasp_ind": 1,
        "mano_sides": ["right"],
        "mano_calib": ["x"],
    }
    (folder / "meta.yml").write_text(yaml.safe_dump(meta), encoding="utf-8")
    calibration = root / "calibration" / "intrinsics"
    calibration.mkdir(parents=True)
    color = {"fx": 60.0, "fy": 60.0, "ppx": 32.0, "ppy": 24.0}
    (calibration / f"{serial}_640x480.yml").write_text(
        yaml.safe_dump({"color": color, "depth": color}), encoding="utf-8"
    )
    for k in range(FRAMES):
        poses = np.zeros((2, 3, 4), np.float32)
        poses[:, :, :3] = np.eye(3)
        poses[0, :, 3], poses[1, :, 3] = THING, THING + [0.2, 0, 0]
        seen = joints(k)[None] if k < FRAMES - 1 else np.full((1, 21, 3), -1.0)
        np.savez(
            folder / serial / f"labels_{k:06d}.npz",
            joint_3d=seen.astype(np.float32),
            pose_y=poses,
            seg=np.zeros(SIZE, np.uint8),
        )
        cv2.imwrite(str(folder / serial / f"color_{k:06d}.jpg"), image(k))
        cv2.imwrite(str(folder / serial / f"aligned_depth_to_color_{k:06d}.png"), np.full(SIZE, 500, np.uint16))


def egodex(root: Path) -> None:
    import h5py

    (root / "open_bottle").mkdir(parents=True)
    with h5py.File(root / "open_bottle" / "0.hdf5", "w") as file:
        file.attrs["llm_description"], file.attrs["llm_description2"] = "Open the bottle.", "Close the bottle."
        file.attrs["which_llm_description"] = "2"
        file["camera/intrinsic"] = K
        camera = np.eye(4)
        camera[:3, 3] = [1.0, 2.0, 3.0]
        file["transforms/camera"] = np.tile(camera, (FRAMES, 1, 1))
        for side, shift in (("right", 0.0), ("left", -0.3)):
            for name, joint in ((f"{side}Hand", 0), (f"{side}ThumbTip", 1), (f"{side}IndexFingerTip", 2)):
                poses = np.tile(np.eye(4), (FRAMES, 1, 1))
                poses[:, :3, 3] = [joints(k)[joint] + [1.0 + shift, 2.0, 3.0] for k in range(FRAMES)]
                file[f"transforms/{name}"] = poses
                file[f"confidences/{name}"] = np.full(FRAMES, 0.0 if side == "left" else 1.0)
    with av.open(str(root / "open_bottle" / "0.mp4"), "w") as video:
        stream = video.add_stream("libx264", rate=FPS)
        stream.height, stream.width, stream.pix_fmt = *SIZE, "yuv420p"
        for k in range(FRAMES):
            video.mux(stream.encode(av.VideoFrame.from_ndarray(image(k), format="rgb24")))
        video.mux(stream.encode(None))


def _there(points: np.ndarray, back: np.ndarray) -> np.ndarray:
    """Points of the colour camera, metres, in the annotations' frame, millimetres."""
    return points * 1000 @ back[:3, :3].T + back[:3, 3]


def _numbers(path: Path, values) -> None:
    path.write_text(" ".join(f"{v:.9g}" for v in np.ravel(values)), encoding="utf-8")
