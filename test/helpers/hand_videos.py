"""Small datasets of hands in the layouts that vipa.human reads, written after the sources that it names.

In each a wrist goes 0.3 m along the camera's x in three seconds at 30 pictures a second, 0.5 m in front of it; a thing stands still.
"""

import json
import pickle
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
    _video(root / "open_bottle" / "0.mp4")


MANO_OFFSET = np.array([0.0957, 0.0064, 0.0062])  # about what a mean hand's wrist is off MANO's origin


def hoi4d(root: Path) -> None:
    """A mug that is carried after a rest; the pixels of keypoints are whole, as published."""
    place = Path("ZY20210800001/H1/C2/N01/S50/s01/T1")
    annotations, hand = root / "HOI4D_annotations" / place, root / "handpose" / "refinehandpose_right" / place
    for folder in (annotations / "action", annotations / "objpose", annotations / "3Dseg", hand):
        folder.mkdir(parents=True)
    (root / "camera_params" / "ZY20210800001").mkdir(parents=True)
    np.save(root / "camera_params" / "ZY20210800001" / "intrin.npy", K)
    marks = [
        {"event": "rest", "hdTimeStart": 0, "hdTimeEnd": 1.5},
        {"event": "Carry ", "hdTimeStart": 0, "hdTimeEnd": FRAMES / FPS},
    ]
    action = {"info": {"Duration": FRAMES / FPS}, "markResult": {"marks": marks}}
    (annotations / "action" / "color.json").write_text(json.dumps(action), encoding="utf-8")
    pose = "\n".join(" ".join(map(str, row)) for row in np.eye(4))
    log = "".join(f"{k} {k} {k + 1}\n{pose}\n" for k in range(FRAMES))
    (annotations / "3Dseg" / "output.log").write_text(log, encoding="utf-8")
    centre = dict(zip("xyz", THING, strict=True))
    for k in range(FRAMES):
        seen = joints(k) @ K.T
        pixels = seen[:, :2] / seen[:, 2:]
        found = {"poseCoeff": np.zeros(48), "beta": np.zeros(10), "trans": wrist(k) - MANO_OFFSET, "kps2D": pixels}
        (hand / f"{k}.pickle").write_bytes(pickle.dumps(found, protocol=2))
        objects = {"dataList": [{"center": centre, "rotation": dict.fromkeys("xyz", 0.0), "dimensions": {}}]}
        (annotations / "objpose" / f"{k}.json").write_text(json.dumps(objects), encoding="utf-8")
    _video(root / "HOI4D_release" / place / "align_rgb" / "image.mp4")
    _video(root / "HOI4D_release" / place / "align_depth" / "depth_video.avi", depth=500)


def arctic(root: Path) -> None:
    """Twenty frames more, ten black ones at either end; the pictures' numbers are three ahead of the frames'."""
    before, offset, count = 10, 3, FRAMES + 20
    at = [min(max(k - before + offset, 0), FRAMES - 1) for k in range(count)]
    views = 10
    right = np.repeat(np.stack([joints(k) for k in at])[:, None], views, axis=1)
    corners = THING + 0.05 * np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)] * 2)
    seen = {
        "joints.right": right.astype(np.float32),
        "joints.left": np.ones((count, views, 21, 3), np.float32),
        "bbox3d": np.tile(corners, (count, views, 1, 1)),
        "right_valid": np.ones((count, 9), np.int64),
        "left_valid": np.zeros((count, 9), np.int64),
    }
    params = {"world2ego": np.tile(TO_CAMERA, (count, 1, 1)), "K_ego": np.tile(K, (count, 1, 1))}
    for folder in ("processed_seqs/s05", "meta", "images/s05/box_grab_01/0"):
        (root / folder).mkdir(parents=True)
    np.save(root / "processed_seqs/s05/box_grab_01.npy", {"cam_coord": seen, "params": params})
    (root / "meta/misc.json").write_text(json.dumps({"s05": {"ioi_offset": offset}}), encoding="utf-8")
    for k in range(count):
        cv2.imwrite(str(root / f"images/s05/box_grab_01/0/{k:05d}.jpg"), image(max(0, min(k - before, FRAMES - 1))))


TO_CAMERA = np.array([[0, -1.0, 0, 0.1], [0, 0, -1.0, 1.2], [1.0, 0, 0, 0.3], [0, 0, 0, 1]])  # camera ← world


def _world(points: np.ndarray) -> np.ndarray:
    """Points (N, 3) of the camera in a world that lies elsewhere."""
    return (points - TO_CAMERA[:3, 3]) @ TO_CAMERA[:3, :3]


def _pose(point: np.ndarray) -> np.ndarray:
    pose = np.eye(4)
    pose[:3, 3] = _world(point[None])[0]
    return pose


def taco(root: Path) -> None:
    import torch

    place = Path("(stir, spoon, bowl)") / "20231105_019"
    for name in ("Hand_Poses", "Object_Poses", "Egocentric_Camera_Parameters"):
        (root / name / place).mkdir(parents=True)
    for side, shift in (("right", 0.0), ("left", -0.3)):
        places = _world(np.stack([wrist(k) for k in range(FRAMES)]) + [shift, 0, 0])
        hand = {
            f"{k + 1:05d}": {"hand_pose": torch.zeros(48), "hand_trans": torch.tensor(p)} for k, p in enumerate(places)
        }
        (root / "Hand_Poses" / place / f"{side}_hand.pkl").write_bytes(pickle.dumps(hand))
    for name, where in (("tool_024", THING + [0.2, 0, 0]), ("target_101", THING)):
        np.save(root / "Object_Poses" / place / f"{name}.npy", np.tile(_pose(where), (FRAMES, 1, 1)))
    camera = root / "Egocentric_Camera_Parameters" / place
    np.savetxt(camera / "egocentric_intrinsic.txt", K)
    np.save(camera / "egocentric_frame_extrinsic.npy", np.tile(TO_CAMERA, (FRAMES, 1, 1)))
    _video(root / "Egocentric_RGB_Videos" / place / "color.mp4")
    _video(root / "Egocentric_Depth_Videos" / place / "egocentric_depth.avi", depth=2000)


def oakink2(root: Path) -> None:
    """Two primitive tasks: one with pictures, one after them; frames count at 120 a second, every fourth has a picture."""
    import torch

    name, frames = "scene_01__A001++seq__0f__2023-04-27-19-48-27", range(4, 4 * FRAMES + 4, 4)
    for folder in ("anno_preview", "object_raw", "program/desc_info", f"data/{name}/serial"):
        (root / folder).mkdir(parents=True)
    places = _world(np.stack([wrist(k) for k in range(FRAMES)]))
    data = {
        "cam_def": {"other": "allocentric_top", "serial": "egocentric"},
        "frame_id_list": list(frames),
        "cam_intr": {"egocentric": dict.fromkeys(frames, K)},
        "cam_extr": {"egocentric": dict.fromkeys(frames, TO_CAMERA)},
        "obj_list": ["O02@0015@00019"],
        "obj_transf": {"O02@0015@00019": dict.fromkeys(frames, _pose(THING))},
        "raw_mano": {
            f: {"rh__tsl": torch.tensor(p[None]), "lh__tsl": torch.zeros(1, 3)}
            for f, p in zip(frames, places, strict=True)
        },
    }
    (root / "anno_preview" / f"{name}.pkl").write_bytes(pickle.dumps(data))
    names = {"O02@0015@00019": {"obj_id": "O02@0015@00019", "obj_name": "sugar_box"}}
    (root / "object_raw" / "obj_desc.json").write_text(json.dumps(names), encoding="utf-8")
    tasks = {
        f"(None, (4, {4 * FRAMES + 4}))": {"seg_desc": "Open the sugar box."},
        "((900, 990), None)": {"seg_desc": "Hold it."},
    }
    (root / "program/desc_info" / f"{name}.json").write_text(json.dumps(tasks), encoding="utf-8")
    for k, frame in enumerate(frames):
        cv2.imwrite(str(root / f"data/{name}/serial/{frame:06d}.png"), image(k))


def _video(path: Path, depth: int | None = None) -> None:
    """image(k) as H.264, or `depth` everywhere without loss."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as video:
        stream = video.add_stream("libx264" if depth is None else "ffv1", rate=FPS)
        stream.height, stream.width = SIZE
        stream.pix_fmt = "yuv420p" if depth is None else "gray16le"
        for k in range(FRAMES):
            if depth is None:
                frame = av.VideoFrame.from_ndarray(image(k), format="rgb24")
            else:
                frame = av.VideoFrame.from_ndarray(np.full(SIZE, depth, np.uint16), format="gray16le")
            video.mux(stream.encode(frame))
        video.mux(stream.encode(None))


def _there(points: np.ndarray, back: np.ndarray) -> np.ndarray:
    """Points of the colour camera, metres, in the annotations' frame, millimetres."""
    return points * 1000 @ back[:3, :3].T + back[:3, 3]


def _numbers(path: Path, values) -> None:
    path.write_text(" ".join(f"{v:.9g}" for v in np.ravel(values)), encoding="utf-8")
