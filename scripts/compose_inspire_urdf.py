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
     scripts/compose_inspire_urdf.py. The hand's joints and their limits are the published ones (four fingers 0 to
     1.47 rad, thumb bend 0 to 0.6 and rotation 0 to 1.308); how outer joints follow, and its shapes, are our own. At 0 the
     fingers are stretched and the thumb lies beside the palm. Hand frame: z along the fingers, x out of the palm, y to the
     thumb. Metres, radians, kilograms. -->
<robot name="fr3_inspire">
"""
QUARTER = 1.570796326795
FINGERS = {"pinky": -0.0288, "ring": -0.0096, "middle": 0.0096, "index": 0.0288}  # y in the palm
PROXIMAL, TIP, RADIUS = 0.034, 0.042, 0.0078


def shapes(length: float, radius: float, tip: bool) -> str:
    """A finger bone along z from its joint, with a round end. One cylinder around all of it is what is felt."""
    paint = '<material name="dark"/>' if tip else '<material name="grey"/>'
    seen = "".join(
        f'    <visual><origin xyz="0 0 {at:g}" rpy="0 0 0"/><geometry>{shape}</geometry>{paint}</visual>\n'
        for at, shape in (
            (length / 2, f'<cylinder radius="{radius:g}" length="{length:g}"/>'),
            (length, f'<sphere radius="{radius:g}"/>'),
        )
    )
    whole = length + radius + 0.0005
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
    roll: float = 0.0,
) -> str:
    follow = f'\n    <mimic joint="{mimic[0]}" multiplier="{mimic[1]:g}"/>' if mimic else ""
    return (
        f'  <joint name="{name}" type="revolute">\n    <origin xyz="{xyz}" rpy="{roll:g} 0 0"/><parent link="{parent}"/>'
        f'<child link="{child}"/><axis xyz="{axis}"/>\n    <limit lower="0" upper="{upper:g}" velocity="4.5" effort="1"/>'
        f'<dynamics damping="0.01" friction="0"/>{follow}\n  </joint>\n'
    )


def fixed(name: str, parent: str, child: str, xyz: str, yaw: float) -> str:
    return (
        f'  <joint name="{name}" type="fixed">\n    <origin xyz="{xyz}" rpy="0 0 {yaw:.13g}"/>'
        f'<parent link="{parent}"/><child link="{child}"/>\n  </joint>\n'
    )


PALM = """  <link name="hand_base">
    <inertial><origin xyz="0 0 0.07" rpy="0 0 0"/><mass value="0.42"/>
      <inertia ixx="0.00062" ixy="0" ixz="0" iyy="0.00046" iyz="0" izz="0.00026"/></inertial>
    <visual><origin xyz="0 0 0.0115" rpy="0 0 0"/><geometry><cylinder radius="0.03" length="0.023"/></geometry><material name="dark"/></visual>
    <visual><origin xyz="0 0 0.08" rpy="0 0 0"/><geometry><box size="0.03 0.078 0.114"/></geometry><material name="grey"/></visual>
    <collision><origin xyz="0 0 0.012" rpy="0 0 0"/><geometry><cylinder radius="0.031" length="0.026"/></geometry></collision>
    <collision><origin xyz="0 0 0.08" rpy="0 0 0"/><geometry><box size="0.032 0.08 0.116"/></geometry></collision>
  </link>
"""
THUMB_BASE = """  <link name="thumb_proximal_base">
    <inertial><origin xyz="0 0.008 0" rpy="0 0 0"/><mass value="0.012"/>
      <inertia ixx="1.5e-06" ixy="0" ixz="0" iyy="1.5e-06" iyz="0" izz="1.5e-06"/></inertial>
    <visual><origin xyz="0 0.015 0" rpy="1.570796326795 0 0"/><geometry><cylinder radius="0.009" length="0.03"/></geometry><material name="grey"/></visual>
    <collision><origin xyz="0 0.015 0" rpy="1.570796326795 0 0"/><geometry><cylinder radius="0.0095" length="0.032"/></geometry></collision>
  </link>
"""


def hand() -> str:
    links, joints = [PALM, THUMB_BASE], []
    for name, y in FINGERS.items():
        links += [bone(f"{name}_proximal", PROXIMAL, 0.009), bone(f"{name}_intermediate", TIP, 0.008, tip=True)]
        joints += [
            joint(f"{name}_proximal_joint", "hand_base", f"{name}_proximal", f"0 {y:g} 0.147", "0 1 0", 1.47),
            joint(
                f"{name}_intermediate_joint",
                f"{name}_proximal",
                f"{name}_intermediate",
                f"0 0 {PROXIMAL:g}",
                "0 1 0",
                1.47,
                (f"{name}_proximal_joint", 1.0),
            ),
        ]
    for name, length, mass in (("proximal", 0.044, 0.012), ("intermediate", 0.022, 0.006), ("distal", 0.022, 0.006)):
        links.append(bone(f"thumb_{name}", length, mass, 0.0085, tip=name == "distal"))
    bend = "thumb_proximal_pitch_joint"
    joints += [
        joint("thumb_proximal_yaw_joint", "hand_base", "thumb_proximal_base", "0.024 0.0345 0.05", "0 0 -1", 1.308),
        joint(bend, "thumb_proximal_base", "thumb_proximal", "0 0.034 0", "1 0 0", 0.6, roll=-0.9),
        joint(
            "thumb_intermediate_joint",
            "thumb_proximal",
            "thumb_intermediate",
            "0 0 0.044",
            "1 0 0",
            0.8004,
            (bend, 1.334),
        ),
        joint("thumb_distal_joint", "thumb_intermediate", "thumb_distal", "0 0 0.022", "1 0 0", 0.4002, (bend, 0.667)),
    ]
    mount = fixed(
        "hand_joint", "fr3_link8", "hand_base", "0 0 0", QUARTER / 2
    )  # as the gripper: the grasp closes along tool y
    tool = fixed("hand_tcp_joint", "hand_base", "hand_tcp", "0.03 0.01 0.16", -QUARTER)
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
