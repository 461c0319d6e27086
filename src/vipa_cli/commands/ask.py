"""Asks a VIPA checkpoint about pictures: it answers in words, and draws a motion that it gives onto the first picture (needs the train
extra)."""

import json
from pathlib import Path

from vipa_cli import exit_status, json_document

EXAMPLES = """examples:
  vipa ask models/align2 scene.png "Where is the mug in relation to the gripper?"
  vipa ask models/align2 scene.png "Task: water the plant. Give the wrist motion." --camera scene.json --depth depth.png"""


def arguments(parser):
    parser.epilog = EXAMPLES
    parser.add_argument("checkpoint", type=Path, help="folder of `vipa train`")
    parser.add_argument(
        "image", type=Path, nargs="+", help="pictures, one or more, or rows of alignment data (color.npy#17,0)"
    )
    parser.add_argument("question", help="what to ask, in the words of the training data")
    parser.add_argument(
        "--depth",
        type=Path,
        action="append",
        default=[],
        help="16-bit picture of millimetres, aligned; one an image, in order",
    )
    parser.add_argument(
        "--camera",
        type=Path,
        action="append",
        default=[],
        help='JSON with "intrinsics", 3 x 3 pixels, and "extrinsics", 4 x 4 base from optical; one an image, in order',
    )
    parser.add_argument("--out", type=Path, default=Path("answer.png"), help="where a motion is drawn, if there is one")
    parser.add_argument("--longest", type=int, default=64, help="most tokens of the answer")
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    json_document.add(parser)


def run(args) -> int:
    from vipa_cli.commands.train import model_verb

    return model_verb(ask, args)


def ask(args) -> int:
    """Carries it out. Raises ValueError or FileNotFoundError with the reason."""
    import cv2
    import numpy as np

    from vipa_model.runtime.ask import Asker, draw

    for name in ("depth", "camera"):
        if len(getattr(args, name)) not in (0, len(args.image)):
            raise ValueError(
                f"{len(getattr(args, name))} --{name} for {len(args.image)} pictures; allowed: one each, or none"
            )
    asker = Asker(args.checkpoint, args.device)
    pictures = [picture(args, i) for i in range(len(args.image))]
    answer = asker.ask(pictures, args.question, args.longest)
    print(answer.text or "(no words)")
    args.document = {
        "text": answer.text,
        "motion": answer.motion.tolist(),
        "motion_frame": "robot view" if asker.robot_view else "camera",
    }
    if answer.displacement is not None:
        x, y, z = answer.displacement
        print(f"displacement: right {x:.3f} m, down {y:.3f} m, forward {z:.3f} m")
        args.document["displacement"] = np.asarray(answer.displacement, float).tolist()
    if len(answer.motion):
        drawn = draw(pictures[0], answer.motion, asker.robot_view)
        args.out.parent.mkdir(parents=True, exist_ok=True)
        if not cv2.imwrite(str(args.out), drawn[..., ::-1]):
            raise ValueError(f"{args.out} cannot be written; allowed: a name that ends in .png or .jpg")
        print(f"a motion of {len(answer.motion)} points, drawn in {args.out}")
        args.document["drawing"] = str(args.out)
    return exit_status.DONE


def picture(args, i: int):
    """The i-th picture with what is known of it."""
    import cv2
    import numpy as np

    from vipa_model.data.alignment import read_row
    from vipa_model.runtime.ask import Picture

    def read(path: Path, flags: int) -> np.ndarray:
        if "#" in path.name:
            return np.array(read_row(str(path)))
        if not path.is_file():
            raise FileNotFoundError(f"{path} is missing; allowed: a picture")
        image = cv2.imread(str(path), flags)
        if image is None:
            raise ValueError(f"{path} cannot be read; allowed: a picture that OpenCV knows")
        return cv2.cvtColor(image, cv2.COLOR_BGR2RGB) if flags == cv2.IMREAD_COLOR else image

    camera = {}
    if args.camera:
        camera = json.loads(args.camera[i].read_text("utf-8"))
        for key, shape in (("intrinsics", (3, 3)), ("extrinsics", (4, 4))):
            value = np.asarray(camera.get(key, np.eye(shape[0])), np.float64)
            if value.shape != shape or not np.isfinite(value).all():
                raise ValueError(f"{args.camera[i]}: {key} has shape {value.shape}; allowed: {shape}, finite")
    depth = read(args.depth[i], cv2.IMREAD_UNCHANGED) if args.depth else None
    known = {key: np.asarray(camera[key], np.float64) for key in ("intrinsics", "extrinsics") if key in camera}
    return Picture(read(args.image[i], cv2.IMREAD_COLOR), depth, **known)
