"""A first robot file from a URDF: groups, hands, limits, a bent home that touches nothing, meshes as convex pieces."""

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pinocchio as pin

from vipa import documents, files
from vipa.errors import VipaError
from vipa.preflight import meshes, robot_home

MARGIN_M = 0.01  # metres between links
POSITION_MARGIN_RAD = 0.02  # radians from the limits
ACCELERATION, JERK = 5.0, 200.0  # a radian a second less than any arm that is sold
MAX_SPEED_RAD_S = 2.0  # rad/s, of a first file
SAMPLES = 300  # configurations in which links are looked at
HOMES = 400  # configurations in which the search for a home begins
MOVING = ("revolute", "continuous", "prismatic")


@dataclass(frozen=True)
class Added:
    """file: the robot file. notes: what a person has to look at."""

    file: Path
    notes: list[str]


def add(source: Path, name: str, out: Path, packages: Callable[[str], Path | None] | None = None) -> Added:
    """Writes `out`/NAME.yaml, NAME.urdf and meshes/ from the URDF `source`. packages: folder of a ROS package by its name.

    Raises VipaError for what is no URDF, has no arm, or lacks what the gate needs; then nothing is left behind.
    """
    if out.exists() and any(out.iterdir()):
        raise VipaError(f"{out}: holds files already; name another --out")
    tree = ElementTree.ElementTree(_parsed(source))
    root, notes = tree.getroot(), []
    chain = _Chain(root, source)
    staged = out.with_name(f".{out.name}.{os.getpid()}")
    staged.mkdir(parents=True)
    try:
        _massless(root)
        _convert_meshes(root, source, staged, packages or (lambda _: None), notes)
        (staged / f"{name}.urdf").write_bytes(ElementTree.tostring(root, encoding="utf-8", xml_declaration=True))
        robot = _described(name, chain, staged / f"{name}.urdf", notes)
        files.write_yaml(staged / f"{name}.yaml", robot)
        out.parent.mkdir(parents=True, exist_ok=True)
        if out.exists():
            out.rmdir()
        staged.rename(out)
    except BaseException:
        for path in sorted(staged.rglob("*"), reverse=True) if staged.exists() else ():
            path.rmdir() if path.is_dir() else path.unlink()
        if staged.exists():
            staged.rmdir()
        raise
    return Added(out / f"{name}.yaml", notes)


def _parsed(source: Path) -> ElementTree.Element:
    try:
        root = ElementTree.fromstring(documents.read_text(source))
    except (ElementTree.ParseError, ValueError) as error:
        raise VipaError(
            f"{source}: not a readable URDF: {error}; of a xacro file: xacro {source} > robot.urdf"
        ) from None
    if root.tag != "robot" or "xacro" in "".join(root.attrib):
        raise VipaError(
            f"{source}: not a URDF: its root is <{root.tag}>; allowed: <robot>, xacro expanded: xacro FILE > robot.urdf"
        )
    return root


class _Chain:
    """The tree of a URDF: which joints make an arm, which its hand."""

    def __init__(self, root: ElementTree.Element, source: Path):
        self.joints = {j.get("name", ""): j for j in root.iter("joint") if j.find("parent") is not None}
        self.parent = {j.find("child").get("link"): (n, j.find("parent").get("link")) for n, j in self.joints.items()}
        self.links = [link.get("name", "") for link in root.iter("link")]
        leaves = [link for link in self.links if link not in {p for _, p in self.parent.values()}]
        ways = sorted((self._way(leaf) for leaf in leaves), key=lambda way: -len(self._turning(way)))
        if not ways or len(self._turning(ways[0])) < 4:
            raise VipaError(f"{source}: no chain of four turning joints or more that could be an arm")
        self.arms: list[list[str]] = []
        for way in ways:
            turning = self._turning(way)
            if len(turning) >= 4 and not any(set(turning) & set(arm) for arm in self.arms):
                self.arms.append(turning)
        self.arms.sort(key=lambda arm: self.links.index(self.joints[arm[0]].find("child").get("link")))

    def _way(self, link: str) -> list[str]:
        way = []
        while link in self.parent:
            joint, link = self.parent[link]
            way.insert(0, joint)
        return way

    def _turning(self, way: list[str]) -> list[str]:
        """The serial turning joints of a way, up to the first that is shared with fingers or slides."""
        found = []
        for name in way:
            kind = self.joints[name].get("type")
            if kind == "prismatic" or self.joints[name].find("mimic") is not None:
                break
            if kind in ("revolute", "continuous"):
                found.append(name)
        fingers = self._branching(way)
        return [n for n in found if n not in fingers]

    def _branching(self, way: list[str]) -> set[str]:
        """Turning joints beyond a link from which several moving ones go on: fingers, not an arm; before the fourth joint it is a torso."""
        moving: dict[str, int] = {}
        for joint in self.joints.values():
            if joint.get("type") in MOVING:
                moving[joint.find("parent").get("link")] = moving.get(joint.find("parent").get("link"), 0) + 1
        beyond, count, fingers = False, 0, set()
        for name in way:
            joint = self.joints[name]
            beyond = beyond or (moving.get(joint.find("parent").get("link"), 0) > 1 and count >= 4)
            if joint.get("type") in ("revolute", "continuous"):
                count += 1
                if beyond:
                    fingers.add(name)
        return fingers

    def below(self, joint: str) -> list[str]:
        """Links that hang on `joint` and on no other moving joint beyond it."""
        reached, found = [self.joints[joint].find("child").get("link")], []
        while reached:
            link = reached.pop(0)
            found.append(link)
            reached += [
                j.find("child").get("link")
                for j in self.joints.values()
                if j.find("parent").get("link") == link and j.get("type") == "fixed"
            ]
        return found

    def hand(self, arm: list[str]) -> list[str]:
        """Driven joints that hang on the arm's last link: not those that mimic others."""
        held = set(self.below(arm[-1]))
        return [
            n
            for n, j in self.joints.items()
            if j.get("type") in MOVING and j.find("mimic") is None and j.find("parent").get("link") in held
        ]


def _convert_meshes(root, source: Path, out: Path, packages, notes: list[str]) -> None:
    """Collision meshes become convex pieces; visual ones are copied where MuJoCo reads them, else stand-ins of the collision shapes."""
    folder, count, left, unread = out / "meshes", 0, 0, []
    for link in root.iter("link"):
        for collision in list(link.findall("collision")):
            mesh = collision.find("geometry/mesh")
            if mesh is None:
                continue
            path = _found(mesh.get("filename", ""), source, packages)
            scale = np.array([float(v) for v in mesh.get("scale", "1 1 1").split()])
            hulls = meshes.pieces(meshes.read(path) * scale)
            if not hulls:
                raise VipaError(f"{path}: has no volume")
            link.remove(collision)
            folder.mkdir(exist_ok=True)
            for number, hull in enumerate(hulls):
                file = folder / f"{link.get('name')}_{count}_{number}.obj"
                meshes.write(file, hull)
                link.append(_shape("collision", collision.find("origin"), f"meshes/{file.name}"))
            count += 1
        for visual in list(link.findall("visual")):
            mesh = visual.find("geometry/mesh")
            if mesh is None:
                continue
            try:
                path = _found(mesh.get("filename", ""), source, packages)
                scale = np.array([float(v) for v in mesh.get("scale", "1 1 1").split()])
                triangles = meshes.read(path) * scale
                folder.mkdir(exist_ok=True)
                file = folder / f"{link.get('name')}_look_{left}.obj"
                corners, index = np.unique(triangles.reshape(-1, 3).round(6), axis=0, return_inverse=True)
                meshes.write(file, (corners, index.reshape(-1, 3)))
                link.append(_shape("visual", visual.find("origin"), f"meshes/{file.name}", visual.find("material")))
                left += 1
            except VipaError as error:
                unread.append(str(error))
                for collision in link.findall("collision"):
                    twin = ElementTree.fromstring(ElementTree.tostring(collision))
                    twin.tag = "visual"
                    link.append(twin)
            link.remove(visual)
    if unread:
        notes.append(f"looks: {len(unread)} meshes are not shown, their collision shapes are: {unread[0]}")


def _massless(root) -> None:
    """Links without mass lose their inertial: a frame has none."""
    for link in root.iter("link"):
        mass = link.find("inertial/mass")
        if mass is not None and float(mass.get("value", 0)) <= 0:
            link.remove(link.find("inertial"))


def _shape(tag: str, origin, file: str, material=None) -> ElementTree.Element:
    made = ElementTree.Element(tag)
    made.extend([e for e in (origin, material) if e is not None])
    ElementTree.SubElement(ElementTree.SubElement(made, "geometry"), "mesh", filename=file)
    return made


def _found(name: str, source: Path, packages) -> Path:
    """Where the mesh `name` of a URDF is. Raises VipaError."""
    if match := re.fullmatch(r"package://([^/]+)/(.+)", name):
        package, rest = match.groups()
        candidates = [folder / rest for folder in (packages(package),) if folder]
        for parent in source.resolve().parents:  # a checkout: …/PACKAGE/urdf/x.urdf, or PACKAGE beside
            candidates += [parent / rest] if parent.name == package else [parent / package / rest]
    else:
        candidates = [source.parent / name.removeprefix("file://")]
    found = next((path for path in candidates if path.is_file()), None)
    if found is None:
        raise VipaError(f"{source}: mesh {name} is not found; name its package's folder: --package NAME=FOLDER")
    return found


def _described(name: str, chain: _Chain, path: Path, notes: list[str]) -> dict:
    """The robot file as plain values."""
    model = pin.buildModelFromXML(path.read_text(encoding="utf-8"))
    groups = [
        _group(chain, arm, f"arm{i + 1}" if len(chain.arms) > 1 else "arm", notes) for i, arm in enumerate(chain.arms)
    ]
    ignore, free, clear = _sampled(model, path, [j for g in groups for j in g["joints"]])
    if not free:
        raise VipaError(
            f"{path.name}: no configuration of {HOMES} keeps all links {MARGIN_M} m apart; are its collision shapes right?"
        )
    home = robot_home.best(model, groups, free, clear)
    at = {joint: float(q) for joint, q in zip([j for g in groups for j in g["joints"]], home, strict=True)}
    for group in groups:
        group["home"] = [round(at[j], 4) for j in group["joints"]]
    notes += [
        "home, limits and hand are first guesses: look at them",
        "cameras: none yet; docs/tutorials/add-a-robot.md",
    ]
    notes += [f"ignore_pairs: {len(ignore)} pairs of links touch in every configuration"] if ignore else []
    return {
        "name": name,
        "urdf": f"{name}.urdf",
        "margin": MARGIN_M,
        "ignore_pairs": [list(p) for p in ignore],
        "groups": groups,
        "cameras": [],
    }


def _group(chain: _Chain, arm: list[str], name: str, notes: list[str]) -> dict:
    tips = chain.below(arm[-1])
    tool = next((link for link in reversed(tips) if re.search(r"tcp|tool|grasp", link)), tips[-1])
    base = chain.joints[arm[0]].find("parent").get("link")
    speeds = []
    for joint in arm:
        limit = chain.joints[joint].find("limit")
        speed = float(limit.get("velocity", 0)) if limit is not None else 0.0
        if chain.joints[joint].get("type") == "continuous":
            raise VipaError(f"joint '{joint}' is continuous; allowed: revolute with limits (its cables have some)")
        speeds.append(round(min(speed or 1.0, MAX_SPEED_RAD_S), 4))
    group = {
        "name": name, "kind": "arm", "base_frame": base, "tool_frame": tool, "joints": arm, "controller": f"{name}_controller", "home": [],
        "max_velocity": speeds, "max_acceleration": [ACCELERATION] * len(arm), "max_jerk": [JERK] * len(arm), "position_margin": POSITION_MARGIN_RAD,
    }  # fmt: skip
    hand = chain.hand(arm)
    if len(hand) in (1, 6):
        limits = [chain.joints[j].find("limit") for j in hand]
        fingers = [link for j in chain.joints.values() if (j.get("name") in hand or (j.find("mimic") is not None and j.find("mimic").get("joint") in hand))
                   for link in [j.find("child").get("link")]]  # fmt: skip
        group["hand"] = {
            "kind": "parallel" if len(hand) == 1 else "six_joint", "joints": hand, "closed": [float(lim.get("lower", 0)) for lim in limits],
            "open": [float(lim.get("upper", 0)) for lim in limits], "controller": f"{name}_hand_controller", "max_velocity": 1.0, "force": 20.0, "fingers": fingers,
        }  # fmt: skip
        notes.append(f"{name}: hand {', '.join(hand)}: is the lower limit closed? force and speed are guesses")
    elif hand:
        notes.append(f"{name}: {len(hand)} joints of a hand were left out; allowed: 1 (the others mimic it) or 6")
    return group


def _sampled(
    model: pin.Model, path: Path, joints: list[str]
) -> tuple[list[tuple[str, str]], list[np.ndarray], Callable[[np.ndarray], bool]]:
    """Pairs of links that touch in every sample, the samples in which no others do, and whether none do in a configuration."""
    shapes = pin.buildGeomFromUrdf(model, str(path), pin.GeometryType.COLLISION, package_dirs=[str(path.parent)])
    if not shapes.ngeoms:
        raise VipaError(f"{path.name}: no collision shapes; the gate needs one a link at least")
    links = [model.frames[s.parentFrame].name for s in shapes.geometryObjects]
    parents = model.parents
    pairs = []
    for i, j in combinations(range(shapes.ngeoms), 2):
        a, b = shapes.geometryObjects[i].parentJoint, shapes.geometryObjects[j].parentJoint
        if a != b and parents[a] != b and parents[b] != a:
            pairs.append((i, j))
            shapes.addCollisionPair(pin.CollisionPair(i, j))
    data, answer, index = (
        model.createData(),
        pin.GeometryData(shapes),
        [model.joints[model.getJointId(j)].idx_q for j in joints],
    )
    for request in answer.collisionRequests:
        request.security_margin = MARGIN_M
    low, high = (
        model.lowerPositionLimit[index] + 2 * POSITION_MARGIN_RAD,
        model.upperPositionLimit[index] - 2 * POSITION_MARGIN_RAD,
    )
    rng, seen = np.random.default_rng(0), []
    always = {frozenset((links[i], links[j])) for i, j in pairs}
    middle = np.clip(np.zeros(len(index)), low, high)

    def touching(here: np.ndarray) -> set[frozenset[str]]:
        q = pin.neutral(model)
        q[index] = here
        pin.computeCollisions(model, data, shapes, answer, q, False)
        return {
            frozenset((links[i], links[j]))
            for k, (i, j) in enumerate(pairs)
            if answer.collisionResults[k].isCollision()
        }

    for sample in range(HOMES):
        spread = min(1.0, sample / 60)
        here = (
            middle
            if not sample
            else np.clip(rng.uniform(low, high) * spread + (low + high) / 2 * (1 - spread), low, high)
        )
        touches = touching(here)
        if sample < SAMPLES:
            always &= touches
        seen.append((here, touches))
    free = [here for here, touches in seen if not touches - always]
    return sorted(tuple(sorted(p)) for p in always), free, lambda here: not touching(here) - always
