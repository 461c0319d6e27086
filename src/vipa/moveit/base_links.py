"""Links that stand on what is around them: MoveIt, like motion's gate, does not check them against a task's fixtures."""

from pathlib import Path
from xml.etree import ElementTree


def standing_links(urdf: Path) -> set[str]:
    """Links of the URDF that no joint moves, or one only: bases, and what turns on a base."""
    root = ElementTree.parse(urdf).getroot()
    above = {
        j.find("child").get("link"): (j.find("parent").get("link"), j.get("type") != "fixed")
        for j in root.findall("joint")
    }

    def moving_joints(link: str) -> int:
        count = 0
        while link in above:
            link, moves = above[link]
            count += moves
        return count

    return {link.get("name") for link in root.findall("link") if moving_joints(link.get("name")) <= 1}
