"""The SRDF of a robot: what MoveIt calls its groups, hands, named poses, and the link pairs that it need not check."""

from xml.sax.saxutils import quoteattr

from vipa.moveit.base_links import standing_links
from vipa.moveit.names import ALL_ARMS, WORLD, hand_group
from vipa.moveit.self_collision import disabled_pairs, shaped_links
from vipa.robot.description import Group, Robot
from vipa.robot.kinematics import Kinematics


def srdf(robot: Robot) -> str:
    """The text of the SRDF. Raises VipaError for a robot that does not fit its URDF."""
    kinematics = Kinematics(robot)
    lines = [
        '<?xml version="1.0"?>',
        "<!-- Written by `vipa robot moveit` from the robot file and its URDF. -->",
        f"<robot name={quoteattr(kinematics.model.name)}>",
    ]
    # fixed: a floating joint makes MoveIt wait for a moving transform to the world, which a static one does not satisfy
    lines.append(
        f'  <virtual_joint name="world_joint" type="fixed" parent_frame="{WORLD}" '
        f"child_link={quoteattr(root_link(kinematics))}/>"
    )
    for group in robot.groups:
        lines += _group(group)
    if len(robot.arms) > 1:
        lines += [
            f'  <group name="{ALL_ARMS}">',
            *(f"    <group name={quoteattr(g.name)}/>" for g in robot.arms),
            "  </group>",
        ]
    for group in robot.groups:
        lines += _states(group)
    disabled = disabled_pairs(robot)
    lines += _standing(kinematics, {frozenset(pair[:2]) for pair in disabled})
    for first, second, reason in disabled:
        lines.append(
            f"  <disable_collisions link1={quoteattr(first)} link2={quoteattr(second)} reason={quoteattr(reason)}/>"
        )
    return "\n".join([*lines, "</robot>", ""])


def _standing(kinematics: Kinematics, disabled: set[frozenset]) -> list[str]:
    """By default links that stand on fixtures may touch anything; their pairs with other links stay checked."""
    links = shaped_links(kinematics)
    standing = sorted(standing_links(kinematics.robot.urdf_path) & set(links))
    lines = [f"  <disable_default_collisions link={quoteattr(link)}/>" for link in standing]
    pairs = {frozenset((a, b)) for a in standing for b in links if a != b} - disabled
    for first, second in sorted(tuple(sorted(pair)) for pair in pairs):
        lines.append(f"  <enable_collisions link1={quoteattr(first)} link2={quoteattr(second)}/>")
    return lines


def root_link(kinematics: Kinematics) -> str:
    """The URDF's root link."""
    return kinematics.model.frames[1].name


def _group(group: Group) -> list[str]:
    if group.kind != "arm":
        joints = [f"    <joint name={quoteattr(j)}/>" for j in group.joints]
        return [f"  <group name={quoteattr(group.name)}>", *joints, "  </group>"]
    chain = f"    <chain base_link={quoteattr(group.base_frame)} tip_link={quoteattr(group.tool_frame)}/>"
    lines = [f"  <group name={quoteattr(group.name)}>", chain, "  </group>"]
    if group.hand:
        joints = [f"    <joint name={quoteattr(j)}/>" for j in group.hand.joints]
        lines += [f"  <group name={quoteattr(hand_group(group))}>", *joints, "  </group>"]
        lines.append(
            f"  <end_effector name={quoteattr(hand_group(group))} group={quoteattr(hand_group(group))} "
            f"parent_group={quoteattr(group.name)} parent_link={quoteattr(group.tool_frame)}/>"
        )
    return lines


def _states(group: Group) -> list[str]:
    lines = _state("home", group.name, group.joints, group.home)
    if group.hand:
        for name in ("open", "closed"):
            lines += _state(name, hand_group(group), group.hand.joints, getattr(group.hand, name))
    return lines


def _state(name: str, group: str, joints: list[str], values: list[float]) -> list[str]:
    rows = [f'    <joint name={quoteattr(j)} value="{v:g}"/>' for j, v in zip(joints, values, strict=True)]
    return [f'  <group_state name="{name}" group={quoteattr(group)}>', *rows, "  </group_state>"]
