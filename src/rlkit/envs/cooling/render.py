"""A data center as a picture: racks in the colours of their inlets, air, water, machines, and where the power goes."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
from numpy.typing import NDArray

from rlkit.envs.canvas import Canvas
from rlkit.envs.cooling.view import MODES, PlantView, ZoneView

WIDTH, HEIGHT = 960, 600
GROUND, CARD, LINE, FAINT, TEXT = "#f4f3ef", "#ffffff", "#dddad2", "#7d7c78", "#2b2b2b"
GOOD, BAD, OFF = "#3c8a4e", "#c8322b", "#c9c6be"
COLD_WATER, WARM_WATER, TOWER_WATER = "#2f6fb5", "#c0663f", "#3d8f8a"
COLD_AIR, HOT_AIR = "#8fbbe3", "#eda58f"
POWERS = (
    ("IT", "#4a5568"),
    ("UPS, lights", "#9aa3b2"),
    ("CRAH fans", "#5b8fd0"),
    ("pumps", "#3d8f8a"),
    ("chillers", "#d9822b"),
    ("tower fans", "#8a63b5"),
)
# Inlet colours: K below the low limit or above the high one at the ends, the limits and their middle between.
INLET_STOPS = ("#2b5fa8", "#5fb3d0", "#74bf7f", "#f2b632", "#c22f2a")
BEYOND_K = 5.0
LEFT, TOP, RIGHT, BOTTOM = 16.0, 62.0, 600.0, 474.0  # of the zones' panel


def render_plant(view: PlantView) -> NDArray[np.uint8]:
    """A hall as a picture.

    Left: each zone with its air handlers, the air they move, and its racks coloured by inlet temperature. Right: the
    chilled-water and condenser loops with chillers, economizer and towers. Below: where the power goes, and PUE.

    Args:
        view: What to show.

    Returns:
        Pixels, shape ``(600, 960, 3)``.

    Raises:
        ImportError: If Pillow is not installed.
    """
    canvas = Canvas(WIDTH, HEIGHT, GROUND)
    _draw_header(canvas, view)
    height = (BOTTOM - TOP + 6.0) / len(view.zones) - 6.0
    for number, zone in enumerate(view.zones):
        top = TOP + number * (height + 6.0)
        draw = _draw_zone if height >= 120.0 else _draw_zone_strip
        draw(canvas, view, zone, top, top + height)
    _draw_plant(canvas, view)
    _draw_powers(canvas, view)
    return canvas.pixels()


def inlet_color(inlet_c: float, limits_c: tuple[float, float]) -> str:
    """Colour of a rack inlet: green in the middle of the limits, yellow at the high one, red beyond."""
    low, high = limits_c
    stops = (low - BEYOND_K, low, 0.5 * (low + high), high, high + BEYOND_K)
    channels = np.array([[int(color[k : k + 2], 16) for k in (1, 3, 5)] for color in INLET_STOPS])
    mixed = [round(float(np.interp(inlet_c, stops, channels[:, k]))) for k in range(3)]
    return "#{:02x}{:02x}{:02x}".format(*mixed)


def _draw_header(canvas: Canvas, view: PlantView) -> None:
    canvas.text(16, 28, view.name, 22, TEXT)
    x = 28 + canvas.text_width(view.name, 22)
    low, high = view.limits_c
    hot, cold = view.hottest_c > high, min(min(zone.inlets_c) for zone in view.zones) < low
    label = f"hottest inlet {view.hottest_c:.1f} °C"
    width = canvas.text_width(label, 13) + 22
    canvas.rectangle((x, 16, x + width, 40), BAD if hot else COLD_WATER if cold else GOOD, radius=12)
    canvas.text(x + width / 2, 28, label, 13, "white", "mm")
    if view.faults:
        shown = ", ".join(view.faults[:3]) + (f" and {len(view.faults) - 3} more" if len(view.faults) > 3 else "")
        canvas.text(x + width + 12, 28, f"broken: {shown}", 13, BAD)
    minutes = int(view.time_s // 60)
    when = date(2023, 1, 1) + timedelta(days=view.day - 1)  # any year without a leap day
    clock = f"{minutes // 60:02}:{minutes % 60:02}"
    canvas.text(944, 28, clock, 22, TEXT, "rm")
    right = 944 - canvas.text_width(clock, 22) - 12
    weather = f"outdoors {view.dry_bulb_c:.1f} °C, wet bulb {view.wet_bulb_c:.1f} °C"
    canvas.text(right, 21, f"{when.day} {when:%B}", 12, FAINT, "rm")
    canvas.text(right, 36, weather, 12, FAINT, "rm")


def _draw_zone(canvas: Canvas, view: PlantView, zone: ZoneView, top: float, bottom: float) -> None:
    """A zone with room: air handlers at the left, supply air below, racks, return air above."""
    canvas.rectangle((LEFT, top, RIGHT, bottom), CARD, radius=8, outline=LINE)
    canvas.text(LEFT + 14, top + 18, zone.name, 14, TEXT)
    canvas.text(RIGHT - 14, top + 18, f"{len(zone.inlets_c)} {_plural('rack', len(zone.inlets_c))}", 12, FAINT, "rm")
    spare = max(0.0, 0.5 * (bottom - top - 240.0))
    unit = (LEFT + 14, top + 40 + spare, LEFT + 128, bottom - 26 - spare)
    racks = (LEFT + 250, top + 46, RIGHT - 14, bottom - 48)
    _draw_handler(canvas, zone, unit)
    middle = 0.5 * (unit[1] + unit[3])
    upper, lower = middle - 24, middle + 24
    _arrow(canvas, racks[0] - 6, unit[2] + 4, upper, HOT_AIR)
    _arrow(canvas, unit[2] + 4, racks[0] - 6, lower, COLD_AIR)
    x = 0.5 * (unit[2] + racks[0])
    canvas.text(x, upper - 17, f"{zone.return_c:.1f} °C", 14, TEXT, "mm")
    asked = "" if zone.supply_setpoint_c is None else f" (asked {zone.supply_setpoint_c:.1f})"
    canvas.text(x, lower + 17, f"{zone.supply_c:.1f} °C", 14, TEXT, "mm")
    canvas.text(x, lower + 33, asked.strip(), 11, FAINT, "mm")
    canvas.text(x, middle, f"{zone.airflow_kg_s:.1f} kg/s", 11, FAINT, "mm")
    _draw_racks(canvas, view, zone, racks)
    shown = f"inlets {min(zone.inlets_c):.1f} to {max(zone.inlets_c):.1f} °C"
    canvas.text(racks[0], bottom - 32, shown, 12, TEXT)
    canvas.text(racks[2], bottom - 32, f"{_kw(zone.it_kw)} IT", 12, TEXT, "rm")
    share = zone.airflow_kg_s / max(zone.server_airflow_kg_s, 1e-9)
    balance = "bypass" if share >= 1.0 else "recirculation"
    drawn = f"servers draw {zone.server_airflow_kg_s:.1f} kg/s: {balance} of {abs(share - 1.0):.0%}"
    canvas.text(racks[0], bottom - 15, drawn, 11, FAINT if share >= 0.98 else BAD)
    if zone.outdoor_share >= 0.0:
        canvas.text(racks[2], bottom - 15, f"outdoor air {zone.outdoor_share:.0%}", 11, FAINT, "rm")


def _draw_handler(canvas: Canvas, zone: ZoneView, box: tuple[float, float, float, float]) -> None:
    """The air handlers of a zone: fan, coil valve, power."""
    x0, y0, x1, y1 = box
    canvas.rectangle(box, "#eef3f8", radius=6, outline=LINE)
    canvas.text(0.5 * (x0 + x1), y0 + 14, "air handlers", 12, TEXT, "mm")
    middle = y0 + 0.33 * (y1 - y0)
    _fan(canvas, 0.5 * (x0 + x1), middle, 19, zone.fan_speed)
    canvas.text(0.5 * (x0 + x1), middle + 30, f"fans {zone.fan_speed:.0%}, {_kw(zone.fan_kw)}", 11, TEXT, "mm")
    _bar(canvas, (x0 + 12, y1 - 17, x1 - 12, y1 - 11), zone.valve, COLD_WATER)
    canvas.text(0.5 * (x0 + x1), y1 - 27, f"coil valve {zone.valve:.0%}", 11, TEXT, "mm")


def _draw_racks(
    canvas: Canvas, view: PlantView, zone: ZoneView, box: tuple[float, float, float, float], rows: int = 0
) -> None:
    """Racks as cells in the colours of their inlets."""
    x0, y0, x1, y1 = box
    count = len(zone.inlets_c)
    if rows == 0:
        rows = 1 if count <= 12 else max(1, round((count * (y1 - y0) / (x1 - x0)) ** 0.5))
    columns = -(-count // rows)
    wide, high = (x1 - x0) / columns, (y1 - y0) / rows
    gap = min(4.0, 0.12 * wide)
    for number, inlet in enumerate(zone.inlets_c):
        x, y = x0 + (number % columns) * wide, y0 + (number // columns) * high
        cell = (x, y, x + wide - gap, y + high - gap)
        canvas.rectangle(cell, inlet_color(inlet, view.limits_c), radius=min(4.0, 0.1 * wide + 1))
        if wide >= 30 and high >= 18:
            size = 16 if wide >= 80 else 11
            canvas.text(0.5 * (cell[0] + cell[2]), 0.5 * (cell[1] + cell[3]), f"{inlet:.1f}", size, "white", "mm")


def _draw_zone_strip(canvas: Canvas, view: PlantView, zone: ZoneView, top: float, bottom: float) -> None:
    """A zone in little room: one line of figures, and its racks."""
    canvas.rectangle((LEFT, top, RIGHT, bottom), CARD, radius=6, outline=LINE)
    middle = 0.5 * (top + bottom)
    canvas.text(LEFT + 10, middle - 8, zone.name, 12, TEXT)
    canvas.text(LEFT + 10, middle + 8, f"{_kw(zone.it_kw)} IT", 11, FAINT)
    _fan(canvas, LEFT + 98, middle, min(13.0, 0.36 * (bottom - top)), zone.fan_speed)
    canvas.text(LEFT + 116, middle - 8, f"{zone.fan_speed:.0%}", 11, TEXT)
    canvas.text(LEFT + 116, middle + 8, f"{_kw(zone.fan_kw)}", 11, FAINT)
    _arrow(canvas, LEFT + 222, LEFT + 176, middle - 9, HOT_AIR, thick=5)
    _arrow(canvas, LEFT + 176, LEFT + 222, middle + 9, COLD_AIR, thick=5)
    canvas.text(LEFT + 230, middle - 9, f"{zone.return_c:.1f} °C", 11, TEXT)
    canvas.text(LEFT + 230, middle + 9, f"{zone.supply_c:.1f} °C", 11, TEXT)
    racks = (LEFT + 288, top + 6, RIGHT - 66, bottom - 5)
    _draw_racks(canvas, view, zone, racks, rows=2 if len(zone.inlets_c) > 24 else 1)
    low, high = min(zone.inlets_c), max(zone.inlets_c)
    canvas.text(RIGHT - 10, middle - 8, f"{high:.1f} °C", 11, BAD if high > view.limits_c[1] else TEXT, "rm")
    canvas.text(RIGHT - 10, middle + 8, f"{low:.1f} °C", 11, FAINT, "rm")


def _draw_plant(canvas: Canvas, view: PlantView) -> None:
    """The water side: towers above, chillers and economizer in the middle, coils below."""
    x0, x1 = 612.0, 944.0
    canvas.rectangle((x0, TOP, x1, BOTTOM), CARD, radius=8, outline=LINE)
    left, right = x0 + 76, x1 - 76
    machines = (TOP + 170, TOP + 262)
    _draw_rejection(canvas, view, (x0 + 14, TOP + 12, x1 - 14, TOP + 92))
    rejection = (view.condenser_supply_c, view.condenser_return_c, TOP + 92, machines[0])
    if view.cells:
        _pipes(canvas, left, right, rejection, (TOWER_WATER, WARM_WATER))
        asked = None if view.mode >= 1 else view.condenser_setpoint_c
        _flow_label(canvas, 0.5 * (left + right), TOP + 131, view.condenser_flow_kg_s, asked)
    else:
        _arrow_up(canvas, 0.5 * (left + right), machines[0] - 4, TOP + 96, HOT_AIR)
        canvas.text(0.5 * (left + right) + 18, TOP + 131, "heat to the air", 11, FAINT)
    _draw_chillers(canvas, view, (x0 + 14, machines[0], x1 - 14, machines[1]))
    chilled = (view.chilled_supply_c, view.chilled_return_c, machines[1], TOP + 344)
    _pipes(canvas, left, right, chilled, (COLD_WATER, WARM_WATER))
    _flow_label(canvas, 0.5 * (left + right), TOP + 303, view.chilled_flow_kg_s, view.chilled_setpoint_c)
    box = (x0 + 14, TOP + 344, x1 - 14, BOTTOM - 12)
    canvas.rectangle(box, "#eef3f8", radius=6, outline=LINE)
    heat = view.chiller_heat_kw + view.economizer_heat_kw
    canvas.text(0.5 * (x0 + x1), 0.5 * (box[1] + box[3]) - 9, f"coils: {_kw(heat)} of heat", 13, TEXT, "mm")
    canvas.text(0.5 * (x0 + x1), 0.5 * (box[1] + box[3]) + 9, f"pumps {_kw(view.pumps_kw)}", 11, FAINT, "mm")


def _draw_rejection(canvas: Canvas, view: PlantView, box: tuple[float, float, float, float]) -> None:
    x0, y0, x1, y1 = box
    canvas.rectangle(box, "#eaf4f2" if view.cells else "#f7efe6", radius=6, outline=LINE)
    if not view.cells:
        canvas.text(0.5 * (x0 + x1), y0 + 30, "air-cooled condensers", 13, TEXT, "mm")
        canvas.text(0.5 * (x0 + x1), y0 + 52, f"air of {view.dry_bulb_c:.1f} °C", 12, FAINT, "mm")
        return
    shown = min(view.cells, 9)
    for cell in range(shown):
        _fan(canvas, x0 + 26 + cell * min(32.0, 290.0 / shown), y0 + 24, 13, view.tower_speed, TOWER_WATER)
    words = f"{view.cells} tower {_plural('cell', view.cells)}"
    canvas.text(x0 + 12, y1 - 28, words, 12, TEXT)
    canvas.text(x0 + 12, y1 - 12, f"fans {view.tower_speed:.0%}, {_kw(view.towers_kw)}", 11, FAINT)
    canvas.text(x1 - 12, y1 - 28, f"water {view.water_l_h:,.0f} L/h", 12, TEXT, "rm")
    canvas.text(x1 - 12, y1 - 12, f"{view.condenser_supply_c - view.wet_bulb_c:.1f} K above wet bulb", 11, FAINT, "rm")


def _draw_chillers(canvas: Canvas, view: PlantView, box: tuple[float, float, float, float]) -> None:
    """Chillers as lamps, their load and power; the economizer's mode."""
    x0, y0, x1, y1 = box
    canvas.rectangle(box, "#f7efe6", radius=6, outline=LINE)
    for number in range(view.chillers):
        on = number < view.chillers_on
        canvas.dot(x0 + 22 + number * min(24.0, 150.0 / view.chillers), y0 + 20, 7, "#d9822b" if on else OFF)
    canvas.text(
        x0 + 12, y0 + 44, f"{view.chillers_on} of {view.chillers} {_plural('chiller', view.chillers)} on", 12, TEXT
    )
    canvas.text(x0 + 12, y0 + 61, f"{_kw(view.chillers_kw)}, load {view.part_load:.0%}", 11, FAINT)
    _bar(canvas, (x0 + 12, y1 - 16, x0 + 150, y1 - 10), view.part_load if view.chillers_on else 0.0, "#d9822b")
    if view.chillers_kw > 0.5e-3 * view.facility_kw and view.chiller_heat_kw > 0.0:
        canvas.text(x0 + 160, y1 - 13, f"COP {view.chiller_heat_kw / view.chillers_kw:.1f}", 11, FAINT)
    if not view.has_economizer:
        return
    label = MODES[view.mode]
    width = canvas.text_width(label, 12) + 18
    canvas.rectangle((x1 - 12 - width, y0 + 9, x1 - 12, y0 + 31), GOOD if view.mode else OFF, radius=11)
    canvas.text(x1 - 12 - width / 2, y0 + 20, label, 12, "white" if view.mode else TEXT, "mm")
    canvas.text(x1 - 12, y0 + 44, "economizer", 12, TEXT, "rm")
    canvas.text(x1 - 12, y0 + 61, _kw(view.economizer_heat_kw), 11, FAINT, "rm")


def _draw_powers(canvas: Canvas, view: PlantView) -> None:
    """A bar of the facility's power by its parts, their names, and PUE."""
    canvas.rectangle((16, 484, 944, 586), CARD, radius=8, outline=LINE)
    rest = view.facility_kw - view.it_kw - view.cooling_kw
    parts = (view.it_kw, rest, view.fans_kw, view.pumps_kw, view.chillers_kw, view.towers_kw)
    canvas.text(30, 504, f"facility {_kw(view.facility_kw)}", 14, TEXT)
    canvas.text(786, 504, f"cooling {_kw(view.cooling_kw)}", 14, TEXT, "rm")
    left, right = 30.0, 786.0
    x = left
    for (_, color), part in zip(POWERS, parts, strict=True):
        width = (right - left) * max(part, 0.0) / max(view.facility_kw, 1e-9)
        if width > 0.3:
            canvas.rectangle((x, 518, x + width, 540), color)
        x += width
    column = (right - left) / len(POWERS)
    for number, ((name, color), part) in enumerate(zip(POWERS, parts, strict=True)):
        x = left + number * column
        canvas.rectangle((x, 554, x + 10, 564), color, radius=2)
        canvas.text(x + 16, 559, name, 11, TEXT)
        canvas.text(x + 16, 574, _kw(part), 11, FAINT)
    canvas.text(865, 520, f"{view.pue:.3f}", 30, TEXT, "mm")
    canvas.text(865, 546, "PUE of this step", 11, FAINT, "mm")
    low, high = view.limits_c
    canvas.text(865, 566, f"inlets {low:.0f} to {high:.0f} °C", 11, FAINT, "mm")


def _pipes(
    canvas: Canvas, left: float, right: float, run: tuple[float, float, float, float], colors: tuple[str, str]
) -> None:
    """Supply at the left going down (to the coils or chillers), return at the right, with their temperatures."""
    supply_c, return_c, top, bottom = run
    canvas.rectangle((left - 4, top, left + 4, bottom), colors[0])
    canvas.rectangle((right - 4, top, right + 4, bottom), colors[1])
    middle = 0.5 * (top + bottom)
    _head(canvas, left, middle + 8, 1.0, colors[0])
    _head(canvas, right, middle - 8, -1.0, colors[1])
    canvas.text(left - 12, middle, f"{supply_c:.1f} °C", 13, TEXT, "rm")
    canvas.text(right + 12, middle, f"{return_c:.1f} °C", 13, TEXT, "lm")


def _flow_label(canvas: Canvas, x: float, y: float, flow_kg_s: float, setpoint_c: float | None) -> None:
    canvas.text(x, y - 8, f"{flow_kg_s:.1f} kg/s", 12, TEXT, "mm")
    if setpoint_c is not None:
        canvas.text(x, y + 8, f"asked {setpoint_c:.1f} °C", 11, FAINT, "mm")


def _head(canvas: Canvas, x: float, y: float, down: float, color: str) -> None:
    canvas.polygon([(x - 10, y - 8 * down), (x + 10, y - 8 * down), (x, y + 8 * down)], color)


def _arrow(canvas: Canvas, start: float, end: float, y: float, color: str, thick: float = 9) -> None:
    """Air that moves from one side to the other."""
    way = 1.0 if end > start else -1.0
    neck = end - way * 1.6 * thick
    canvas.polygon(
        [(start, y - thick / 2), (neck, y - thick / 2), (neck, y + thick / 2), (start, y + thick / 2)], color
    )
    canvas.polygon([(neck, y - thick), (end, y), (neck, y + thick)], color)


def _arrow_up(canvas: Canvas, x: float, start: float, end: float, color: str) -> None:
    canvas.polygon([(x - 5, start), (x + 5, start), (x + 5, end + 14), (x - 5, end + 14)], color)
    canvas.polygon([(x - 11, end + 14), (x + 11, end + 14), (x, end)], color)


def _fan(canvas: Canvas, x: float, y: float, radius: float, speed: float, color: str = COLD_WATER) -> None:
    """A fan whose ring fills with its speed."""
    canvas.dot(x, y, radius, CARD, LINE)
    on = speed > 0.005
    for blade in range(3):
        angle = 2 * np.pi * blade / 3 + 0.4
        tip = (x + 0.84 * radius * np.cos(angle), y + 0.84 * radius * np.sin(angle))
        side = (x + 0.62 * radius * np.cos(angle + 0.75), y + 0.62 * radius * np.sin(angle + 0.75))
        canvas.polygon([(x, y), tip, side], color if on else OFF)
    turns = np.linspace(-np.pi / 2, -np.pi / 2 + 2 * np.pi * min(max(speed, 0.0), 1.0), 40)
    if on:
        canvas.line([(x + radius * np.cos(a), y + radius * np.sin(a)) for a in turns], color, 2.5)


def _bar(canvas: Canvas, box: tuple[float, float, float, float], share: float, color: str) -> None:
    """How much of something is used."""
    x0, y0, x1, y1 = box
    canvas.rectangle(box, LINE, radius=3)
    filled = x0 + min(max(share, 0.0), 1.0) * (x1 - x0)
    if filled - x0 >= 1.0:
        canvas.rectangle((x0, y0, filled, y1), color, radius=min(3.0, 0.5 * (filled - x0)))


def _kw(power_kw: float) -> str:
    """A power with three figures."""
    if abs(power_kw) >= 1000.0:
        return f"{power_kw / 1000.0:.2f} MW"
    return f"{power_kw:.0f} kW" if abs(power_kw) >= 100.0 else f"{power_kw:.1f} kW"


def _plural(word: str, count: int) -> str:
    return word if count == 1 else f"{word}s"
