#!/usr/bin/env python3
"""Writes urdf/fr3_inspire/fr3_inspire.urdf: the arm of urdf/fr3_single/fr3_single.urdf with a six-joint hand instead of its gripper.

Run it after fr3_single.urdf has changed; a test compares the file with what this makes. `--check` only compares.
"""

import re
import sys
from pathlib import Path

URDF = Path(__file__).resolve().parents[1] / "urdf"
SINGLE, OURS = URDF / "fr3_single" / "fr3_single.urdf", URDF / "fr3_inspire" / "fr3_inspire.urdf"

HEADER = """<?xml version="1.0"?>
<!-- The FR3-like arm of fr3_single.urdf with a six-joint hand like the Inspire RH56DFX (right): written by
     scripts/compose_inspire_urdf.py. Where the hand's joints sit, their limits and how outer joints follow are the published
     figures, to the millimetre (four fingers 0 to 1.47 rad, thumb bend 0 to 0.6 and rotation 0 to 1.308); its shapes are our
     own. At 0 the fingers are stretched and the thumb lies beside the palm. Hand frame: z along the fingers, x out of the palm,
     y to the thumb. Tool frame: where fingertips and thumb meet, z on the way in, y from the fingertips to the thumb,
     whose ends are then level. Metres, radians, kilograms. -->
<robot name="fr3_inspire">
"""
QUARTER = 1.570796326795
# of each finger: y and z of its joint in the palm, how it is splayed (radians about x), length of its outer bone
FINGERS = {
    "pinky": (-0.0315, 0.1357, 0.105, 0.037),
    "ring": (-0.0123, 0.1369, 0.052, 0.045),
    "middle": (0.0069, 0.1371, 0.0, 0.048),
    "index": (0.0263, 0.1365, -0.035, 0.045),
}
PROXIMAL, FOLLOWS, RADIUS = 0.032, 1.064, 0.0078
# the thumb's three bones, and the angles between each and the one before, the first against the plane of the palm's edge
THUMB = {"proximal": (0.056, 0.014), "intermediate": (0.0227, 0.005), "distal": (0.0246, 0.005)}  # length, mass
RISES = {"proximal": -0.906, "intermediate": -0.200, "distal": 0.141}
PINCH, LEAN = (
    "0.0763 0.0075 0.1637",
    0.892,
)  # of the tool frame in the palm's: position, and how z leans from the fingers to the palm's front


def shapes(length: float, radius: float, tip: bool) -> str:
    """A finger bone along z from its joint, with a round end: at the next joint, or within the length. One cylinder around all of it
    is what is felt."""
    paint = '<material name="dark"/>' if tip else '<material name="grey"/>'
    straight = length - radius if tip else length
    seen = "".join(
        f'    <visual><origin xyz="0 0 {at:g}" rpy="0 0 0"/><geometry>{shape}</geometry>{paint}</visual>\n'
        for at, shape in (
            (straight / 2, f'<cylinder radius="{radius:g}" length="{straight:g}"/>'),
            (straight, f'<sphere radius="{radius:g}"/>'),
        )
    )
    whole = straight + radius + 0.0005
    felt = f'<cylinder radius="{radius + 0.0005:g}" length="{whole:g}"/>'
    return (
        f'{seen}    <collision><origin xyz="0 0 {whole / 2:g}" rpy="0 0 0"/><geometry>{felt}</geometry></collision>\n'
    )


def bone(name: str, length: float, mass: float, radius: float = RADIUS, tip: bool = False) -> str:
    side, axis = mass * (3 * radius**2 + length**2) / 12, mass * radius**2 / 2
    return (
        f'  <link name="{name}">\n    <inertial><origin xyz="0 0 {length / 2:g}" rpy="0 0 0"/><mass value="{mass:g}"/>\n'
        f'      <inertia ixx="{side:.3g}" ixy="0" ixz="0" iyy="{side:.3g}" iyz="0" izz="{axis:.3g}"/></inertial>\n'
        f"{shapes(length, radius, tip)}  </link>\n"
    )


def joint(
    name: str,
    parent: str,
    child: str,
    xyz: str,
    axis: str,
    upper: float,
    mimic: tuple[str, float] | None = None,
    rpy: tuple[float, float, float] = (0, 0, 0),
) -> str:
    follow = f'\n    <mimic joint="{mimic[0]}" multiplier="{mimic[1]:g}"/>' if mimic else ""
    turn = " ".join(f"{angle:g}" for angle in rpy)
    return (
        f'  <joint name="{name}" type="revolute">\n    <origin xyz="{xyz}" rpy="{turn}"/><parent link="{parent}"/>'
        f'<child link="{child}"/><axis xyz="{axis}"/>\n    <limit lower="0" upper="{upper:g}" velocity="4.5" effort="1"/>'
        f'<dynamics damping="0.01" friction="0"/>{follow}\n  </joint>\n'
    )


def fixed(name: str, parent: str, child: str, xyz: str, rpy: tuple[float, float, float]) -> str:
    turn = " ".join(f"{angle:.13g}" for angle in rpy)
    return (
        f'  <joint name="{name}" type="fixed">\n    <origin xyz="{xyz}" rpy="{turn}"/>'
        f'<parent link="{parent}"/><child link="{child}"/>\n  </joint>\n'
    )


PALM = """  <link name="hand_base">
    <inertial><origin xyz="0 0 0.07" rpy="0 0 0"/><mass value="0.42"/>
      <inertia ixx="0.00062" ixy="0" ixz="0" iyy="0.00046" iyz="0" izz="0.00026"/></inertial>
    <visual><origin xyz="0 0 0.0115" rpy="0 0 0"/><geometry><cylinder radius="0.03" length="0.023"/></geometry><material name="dark"/></visual>
    <visual><origin xyz="0 0 0.076" rpy="0 0 0"/><geometry><box size="0.03 0.08 0.108"/></geometry><material name="grey"/></visual>
    <collision><origin xyz="0 0 0.012" rpy="0 0 0"/><geometry><cylinder radius="0.031" length="0.026"/></geometry></collision>
    <collision><origin xyz="0 0 0.076" rpy="0 0 0"/><geometry><box size="0.032 0.082 0.11"/></geometry></collision>
  </link>
"""
THUMB_BASE = """  <link name="thumb_proximal_base">
    <inertial><origin xyz="0.005 0.004 -0.004" rpy="0 0 0"/><mass value="0.012"/>
      <inertia ixx="1.5e-06" ixy="0" ixz="0" iyy="1.5e-06" iyz="0" izz="1.5e-06"/></inertial>
    <visual><origin xyz="0.005 0.004 -0.004" rpy="0 0 0"/><geometry><sphere radius="0.012"/></geometry><material name="grey"/></visual>
    <collision><origin xyz="0.005 0.004 -0.004" rpy="0 0 0"/><geometry><sphere radius="0.0125"/></geometry></collision>
  </link>
"""


def hand() -> str:
    links, joints = [PALM, THUMB_BASE], []
    for name, (y, z, splay, tip) in FINGERS.items():
        inner, outer = f"{name}_proximal", f"{name}_intermediate"
        leader = f"{inner}_joint"
        links += [bone(inner, PROXIMAL, 0.009), bone(outer, tip, 0.008, tip=True)]
        joints += [
            joint(leader, "hand_base", inner, f"0 {y:g} {z:g}", "0 1 0", 1.47, rpy=(splay, 0, 0)),
            joint(f"{outer}_joint", inner, outer, f"0 0 {PROXIMAL:g}", "0 1 0", 1.57, (leader, FOLLOWS)),
        ]
    for name, (length, mass) in THUMB.items():
        links.append(bone(f"thumb_{name}", length, mass, 0.0085, tip=name == "distal"))
    base, bend = "thumb_proximal_base", "thumb_proximal_pitch_joint"
    turned = {name: (rise, 0, -0.283 if name == "proximal" else 0) for name, rise in RISES.items()}
    knuckles = [f"0 0 {length:g}" for length, _ in THUMB.values()]
    joints += [
        joint("thumb_proximal_yaw_joint", "hand_base", base, "0.017 0.0204 0.0691", "0 0 -1", 1.308),
        joint(bend, base, "thumb_proximal", "0.011 0.0089 -0.0092", "1 0 0", 0.6, rpy=turned["proximal"]),
        joint("thumb_intermediate_joint", "thumb_proximal", "thumb_intermediate", knuckles[0], "1 0 0", 0.8004,
              (bend, 1.334), turned["intermediate"]),
        joint("thumb_distal_joint", "thumb_intermediate", "thumb_distal", knuckles[1], "1 0 0", 0.4002,
              (bend, 0.667), turned["distal"]),
    ]  # fmt: skip
    mount = fixed("hand_joint", "fr3_link8", "hand_base", "0 0 0", (0, 0, QUARTER / 2))
    tool = fixed("hand_tcp_joint", "hand_base", "hand_tcp", PINCH, (-LEAN, 0, -QUARTER))
    return "".join([*links, '  <link name="hand_tcp"/>\n', "\n", mount, tool, *joints])


def compose(single: str) -> str:
    body = re.sub(r'  <link name="fr3_(?:hand|leftfinger|rightfinger)">.*?</link>\n', "", single, flags=re.DOTALL)
    body = body.replace('  <link name="fr3_hand_tcp"/>\n', "")
    body = re.sub(r'  <joint name="fr3_(?:hand|finger)_\w+" type="\w+">.*?</joint>\n', "", body, flags=re.DOTALL)
    start, end = body.index('  <material name="white">'), body.index("</robot>")
    return HEADER + body[start:end] + "\n" + hand() + "</robot>\n"


def main() -> int:
    text = compose(SINGLE.read_text(encoding="utf-8"))
    if "--check" in sys.argv[1:]:
        return 0 if OURS.is_file() and OURS.read_text(encoding="utf-8") == text else 1
    OURS.parent.mkdir(parents=True, exist_ok=True)
    OURS.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
