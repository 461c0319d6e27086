"""What a person at a device sees: keys, who drives, the gate's interventions, the force on the tool, the demonstration."""

from dataclasses import dataclass, field

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

BAR = 20  # characters of a force at its cap
REASONS = 3  # newest interventions of the gate that are shown


@dataclass(frozen=True)
class Picture:
    """device: its name. mode, authority: motion's. forces: arm → (newtons, cap). gate: newest clamps and refusals. notes: why
    nothing moves. stops: reasons of a latched stop. episode: the checklist, None: no episode. last: (done, words) of the last wish."""

    device: str
    keys: tuple[tuple[str, str], ...]
    selected: tuple[str, ...]
    frame: str
    gain: float
    locked: tuple[str, ...] = ()
    clutch: bool = False
    mode: str = ""
    authority: str = ""
    forces: dict[str, tuple[float, float]] = field(default_factory=dict)
    gate: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    stops: tuple[str, ...] = ()
    driver: str = ""
    demonstrations: str = ""
    episode: RenderableType | None = None
    last: tuple[bool, str] | None = None


def render(picture: Picture) -> Group:
    """The picture as rich draws it."""
    p = picture
    lines: list[RenderableType] = [
        Text.assemble(
            "motion  ",
            (p.mode or "nothing heard", "bold red" if p.stops or not p.mode else "bold green"),
            f"; {p.authority or 'nobody'} has the robot",
        ),
        Text(f"device  {p.device}: {', '.join(p.selected)} in frame {p.frame}, speed {p.gain:g}{_locks(p)}"),
    ]
    lines += [Text.assemble(f"force   {arm} ", _bar(*force)) for arm, force in p.forces.items()]
    lines += [Text(f"stopped {reason}", "red") for reason in p.stops]
    lines += [Text(f"gate    {reason}", "yellow") for reason in p.gate[:REASONS]]
    lines += [Text(f"note    {note}", "yellow") for note in p.notes]
    if p.driver:
        lines.append(Text(f"drives  {p.driver}", "bold magenta"))
    if p.demonstrations:
        lines.append(Text(f"demos   {p.demonstrations}"))
    if p.episode is not None:
        lines.append(p.episode)
    if p.last is not None:
        lines.append(Text(p.last[1], "green" if p.last[0] else "red"))
    return Group(*lines, _keys(p.keys))


def _locks(p: Picture) -> str:
    held = "; clutch closed" if p.clutch else ""
    return f"; locked: {', '.join(p.locked)}{held}" if p.locked else held


def _bar(newtons: float, cap: float) -> Text:
    share = min(max(newtons / cap, 0.0), 1.0)
    style = "red" if share > 0.8 else "yellow" if share > 0.5 else "green"
    return Text.assemble(("━" * round(BAR * share)).ljust(BAR, "·"), (f" {newtons:5.1f} N of {cap:g}", style))


def _keys(keys: tuple[tuple[str, str], ...]) -> Table:
    table = Table.grid(padding=(0, 2))
    for start in range(0, len(keys), 4):
        table.add_row(*(Text.assemble((key, "bold"), f" {text}", style="dim") for key, text in keys[start : start + 4]))
    return table
