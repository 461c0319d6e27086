"""Opens a dataset with LeRobot itself: loads, batches with chunks, edits, visualises. See README.md beside it.

python lerobot_reads.py DATASET [--edit] [--vipa PATH_OF_VIPA]
"""

import argparse
import importlib.metadata
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch
from lerobot.datasets.lerobot_dataset import LeRobotDataset

VERSION = tuple(int(n) for n in importlib.metadata.version("lerobot").split(".")[:2])


def collate():
    """LeRobot's own function for batches: 0.6's leaves language columns out of the tensors."""
    if VERSION < (0, 6):
        return None
    from lerobot.utils.collate import lerobot_collate_fn

    return lerobot_collate_fn


def load(root: Path) -> None:
    info = json.loads((root / "meta/info.json").read_text(encoding="utf-8"))
    fps = info["fps"]
    chunk = {"action": [k / fps for k in range(8)]}
    dataset = LeRobotDataset("local/set", root=root, delta_timestamps=chunk, video_backend="pyav")
    assert len(dataset) == info["total_frames"], (len(dataset), info["total_frames"])
    item = dataset[0]
    assert item["action"].shape[0] == 8 and isinstance(item["task"], str)
    for key, feature in info["features"].items():
        if feature["dtype"] == "video":
            height, width, channels = feature["shape"]
            assert tuple(item[key].shape) == (channels, height, width), (key, item[key].shape)
    for key in dataset.meta.camera_keys:
        if key.endswith("_depth"):
            depth(dataset, root, key)
    if "language_persistent" in item:
        print("  language:", [(r["style"], r["content"]) for r in item["language_persistent"]][:3])
    for workers in (0, 2):
        loader = torch.utils.data.DataLoader(
            dataset, batch_size=8, shuffle=True, num_workers=workers, collate_fn=collate()
        )
        for batch, _ in zip(loader, range(3), strict=False):
            assert batch["action"].shape[:2] == (8, 8)
            for key, value in batch.items():
                if torch.is_tensor(value) and value.is_floating_point():
                    assert torch.isfinite(value).all(), key
    print(f"  loaded and batched: {len(dataset)} frames, {dataset.num_episodes} episodes")


def depth(dataset, root: Path, key: str) -> None:
    """LeRobot's millimetres against those without loss."""
    import av

    camera = key.removeprefix("observation.images.").removesuffix("_depth")
    with av.open(str(root / f"depth/{camera}/chunk-000/episode-000000.mkv")) as file:
        exact = next(file.decode(video=0)).to_ndarray(format="gray16le").astype(float)
    seen = dataset[0][key].numpy().squeeze()
    near = (exact > 10) & (exact < 10_000)
    error = np.abs(seen - exact)[near] / exact[near]
    print(f"  depth of {camera}: off by {np.abs(seen - exact)[near].max():.0f} mm, {100 * error.max():.2f} % at most")
    assert (np.abs(seen - exact)[near] <= 1 + 0.0045 * (exact[near] / 1000 + 3.5) * 1000 / 10).all()


def edit(root: Path, vipa: str | None) -> None:
    """Deletes an episode, splits, and merges with LeRobot's own functions; `vipa dataset check` takes what comes out."""
    try:
        from lerobot.datasets.dataset_tools import delete_episodes, merge_datasets, split_dataset
    except ImportError:
        print("  edits: this LeRobot has no dataset_tools")
        return
    with tempfile.TemporaryDirectory() as folder:
        dataset = LeRobotDataset("local/set", root=root, video_backend="pyav")
        if dataset.num_episodes < 2:
            print("  edits: need two episodes")
            return
        made = {"deleted": delete_episodes(dataset, [0], output_dir=f"{folder}/deleted", repo_id="local/deleted")}
        made |= split_dataset(
            dataset, {"a": [0], "b": list(range(1, dataset.num_episodes))}, output_dir=f"{folder}/split"
        )
        parts = [made["a"], made["b"]]
        made["merged"] = merge_datasets(parts, output_repo_id="local/merged", output_dir=f"{folder}/merged")
        for name, result in made.items():
            print(f"  {name}: {result.num_episodes} episodes, {len(result)} frames")
            LeRobotDataset("local/edited", root=result.root, video_backend="pyav")[0]
            if vipa:
                check(vipa, Path(result.root))


def check(vipa: str, root: Path) -> None:
    command = [vipa, "dataset", "check", str(root)]
    found = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", check=False)
    print("   ", found.stdout.strip().splitlines()[-1])
    assert found.returncode == 0, found.stdout + found.stderr


def visualise(root: Path) -> None:
    tool = Path(sys.executable).with_name("lerobot-dataset-viz")
    with tempfile.TemporaryDirectory() as folder:
        command = [tool, "--repo-id", "local/set", "--root", root, "--episode-index", "0", "--save", "1"]
        found = subprocess.run(
            [*map(str, command), "--output-dir", folder], capture_output=True, text=True, encoding="utf-8", check=False
        )
        made = list(Path(folder).glob("*.rrd"))
        print("  visualised:", f"{made[0].stat().st_size >> 10} kB" if made else found.stderr.strip().splitlines()[-1:])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("dataset", type=Path)
    parser.add_argument(
        "--edit", action="store_true", help="delete, split and merge too: minutes, as LeRobot encodes depth anew"
    )
    parser.add_argument("--vipa", help="path of `vipa`, to check what LeRobot wrote")
    args = parser.parse_args()
    print(f"LeRobot {importlib.metadata.version('lerobot')}: {args.dataset}")
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(shutil.copytree(args.dataset, Path(folder) / "set"))
        load(copy)
        if args.edit:
            edit(copy, args.vipa)
        visualise(copy)


if __name__ == "__main__":
    main()
