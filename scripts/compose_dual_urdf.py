#!/usr/bin/env python3
"""Writes urdf/fr3_dual/fr3_dual.urdf: two arms of urdf/fr3_single/fr3_single.urdf on a torso with a pan-tilt head.

Run it after fr3_single.urdf has changed; a test compares the file with what this makes. `--check` only compares.
"""

import re
import sys
from pathlib import Path

URDF = Path(__file__).resolve().parents[1] / "urdf"
SINGLE, DUAL = URDF / "fr3_single" / "fr3_single.urdf", URDF / "fr3_dual" / "fr3_dual.urdf"

HEADER = """<?xml version="1.0"?>
<!-- Two FR3-like arms on a torso with a moving head: written by scripts/compose_dual_urdf.py from fr3_single.urdf, whose arms
     these are, link by link. The torso's frame is on the table's height, behind it; x forward, z up. Metres, radians, kilograms. -->
<robot name="fr3_dual">
"""
TORSO = """
  <link name="torso">
    <inertial><origin xyz="0 0 0" rpy="0 0 0"/><mass value="60"/>
      <inertia ixx="8" ixy="0" ixz="0" iyy="8" iyz="0" izz="1.5"/></inertial>
    <visual><origin xyz="-0.04 0 -0.06" rpy="0 0 0"/><geometry><box size="0.2 0.18 1.2"/></geometry><material name="grey"/></visual>
    <visual><origin xyz="-0.04 0 -0.69" rpy="0 0 0"/><geometry><box size="0.6 0.6 0.06"/></geometry><material name="dark"/></visual>
    <visual><origin xyz="-0.04 0 0.62" rpy="0 0 0"/><geometry><cylinder radius="0.05" length="0.16"/></geometry><material name="dark"/></visual>
    <collision><origin xyz="-0.04 0 -0.06" rpy="0 0 0"/><geometry><box size="0.2 0.18 1.2"/></geometry></collision>
    <collision><origin xyz="-0.04 0 -0.69" rpy="0 0 0"/><geometry><box size="0.6 0.6 0.06"/></geometry></collision>
    <collision><origin xyz="-0.04 0 0.62" rpy="0 0 0"/><geometry><cylinder radius="0.05" length="0.16"/></geometry></collision>
  </link>
  <link name="head_pan_link">
    <inertial><origin xyz="0 0 0.02" rpy="0 0 0"/><mass value="0.4"/>
      <inertia ixx="0.0006" ixy="0" ixz="0" iyy="0.0006" iyz="0" izz="0.0005"/></inertial>
    <visual><origin xyz="0 0 0.02" rpy="0 0 0"/><geometry><cylinder radius="0.04" length="0.04"/></geometry><material name="grey"/></visual>
    <collision><origin xyz="0 0 0.02" rpy="0 0 0"/><geometry><cylinder radius="0.04" length="0.04"/></geometry></collision>
  </link>
  <link name="head_tilt_link">
    <inertial><origin xyz="0.02 0 0" rpy="0 0 0"/><mass value="0.5"/>
      <inertia ixx="0.001" ixy="0" ixz="0" iyy="0.0007" iyz="0" izz="0.0012"/></inertial>
    <visual><origin xyz="0.02 0 0" rpy="0 0 0"/><geometry><box size="0.05 0.13 0.05"/></geometry><material name="white"/></visual>
    <collision><origin xyz="0.02 0 0" rpy="0 0 0"/><geometry><box size="0.06 0.14 0.06"/></geometry></collision>
  </link>
  <link name="head_camera"/>
  <joint name="head_pan" type="revolute">
    <origin xyz="-0.04 0 0.7" rpy="0 0 0"/><parent link="torso"/><child link="head_pan_link"/><axis xyz="0 0 1"/>
    <limit lower="-1.57" upper="1.57" velocity="3" effort="10"/><dynamics damping="0.1" friction="0"/>
  </joint>
  <joint name="head_tilt" type="revolute">
    <origin xyz="0 0 0.1" rpy="0 0 0"/><parent link="head_pan_link"/><child link="head_tilt_link"/><axis xyz="0 1 0"/>
    <limit lower="-0.6" upper="1.3" velocity="3" effort="10"/><dynamics damping="0.1" friction="0"/>
  </joint>
  <joint name="head_camera_joint" type="fixed">
    <origin xyz="0.045 0 0" rpy="0 0 0"/><parent link="head_tilt_link"/><child link="head_camera"/>
  </joint>
"""
# shoulders: half a metre above the table, the arms' bases turned outwards by 60 degrees
SHOULDER = """
  <joint name="{side}_shoulder" type="fixed">
    <origin xyz="-0.04 {y} 0.44" rpy="{roll} 0 0"/><parent link="torso"/><child link="{side}_fr3_link0"/>
  </joint>
"""
SIDES = {"left": (0.09, -1.0471975511966), "right": (-0.09, 1.0471975511966)}


def compose() -> str:
    """The text of the dual robot's URDF."""
    single = SINGLE.read_text(encoding="utf-8")
    body = single[single.index("<robot") :]
    body = body[body.index("\n") + 1 : body.index("</robot>")]
    first_link = body.index("  <link")
    materials, arm = body[:first_link], body[first_link:]
    parts = [HEADER, materials.rstrip() + "\n", TORSO]
    for side, (y, roll) in SIDES.items():
        parts.append(SHOULDER.format(side=side, y=y, roll=roll))
        parts.append("\n" + re.sub(r'"fr3_', f'"{side}_fr3_', arm).strip("\n") + "\n")
    return "".join(parts) + "</robot>\n"


if __name__ == "__main__":
    text = compose()
    if "--check" in sys.argv[1:]:
        sys.exit(
            0
            if DUAL.is_file() and DUAL.read_text(encoding="utf-8") == text
            else f"{DUAL} is not what {Path(__file__).name} makes"
        )
    DUAL.parent.mkdir(parents=True, exist_ok=True)
    DUAL.write_text(text, encoding="utf-8")
