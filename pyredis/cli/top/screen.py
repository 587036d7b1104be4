"""What ``pyredis top`` draws, and the loop that draws it."""

from __future__ import annotations

import os
import select
import sys
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from rich.console import Console, Group
from rich.layout import Layout
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from pyredis.cli.top.figures import Figures, Reader, number_of

if sys.platform != "win32":
    import termios
    import tty

_BARS: Final = "▁▂▃▄▅▆▇█"
_KEPT: Final = 300
_STEPS: Final = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
_SLOW_LINES: Final = 7
_PRINTED_COMMANDS: Final = 12


def short(value: float) -> str:
    """12345 as 12.3k.

    >>> short(12345), short(7), short(0.25), short(2_500_000)
    ('12.3k', '7', '0.25', '2.5M')
    """
    for limit, size, unit in ((1e9, 1e9, "G"), (1e6, 1e6, "M"), (1e4, 1e3, "k")):
        if value >= limit:
            return f"{value / size:.1f}".removesuffix(".0") + unit
    if value >= 100 or value == int(value):
        return f"{value:,.0f}"
    return f"{value:.2f}"


def size_of(value: float) -> str:
    """Bytes.

    >>> size_of(512), size_of(40_000_000)
    ('512 B', '38.1 MB')
    """
    for unit in ("B", "KB", "MB", "GB"):
        if value < 1000:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1024
    return f"{value:.1f} TB"


def time_of(usec: float | None) -> str:
    """Microseconds.

    >>> time_of(None), time_of(12.5), time_of(2500), time_of(3e6)
    ('–', '12.5 µs', '2.5 ms', '3 s')
    """
    if usec is None:
        return "–"
    for limit, size, unit in ((1e3, 1, "µs"), (1e6, 1e3, "ms"), (float("inf"), 1e6, "s")):
        if usec < limit:
            return f"{usec / size:.3g} {unit}"
    raise AssertionError


def duration_of(seconds: float) -> str:
    """Seconds in two units.

    >>> duration_of(90061), duration_of(59)
    ('1 d 1 h', '59 s')
    """
    parts = ((86400, "d"), (3600, "h"), (60, "min"), (1, "s"))
    rest = int(seconds)
    found = []
    for size, unit in parts:
        if rest >= size:
            found.append(f"{rest // size} {unit}")
            rest %= size
    return " ".join(found[:2]) or "0 s"


def spark(values: deque[float], width: int) -> str:
    """The last values as bars.

    >>> spark(deque([0, 1, 2, 4]), 3)
    '▃▅█'
    """
    shown = list(values)[-width:]
    most = max(shown, default=0) or 1
    return "".join(_BARS[min(int(value / most * (len(_BARS) - 1) + 0.5), len(_BARS) - 1)] for value in shown)


class History:
    """The last figures of what is drawn as bars."""

    def __init__(self) -> None:
        self.ops: deque[float] = deque(maxlen=_KEPT)
        self.latency: deque[float] = deque(maxlen=_KEPT)
        self.memory: deque[float] = deque(maxlen=_KEPT)
        self.ratio: deque[float] = deque(maxlen=_KEPT)

    def add(self, figures: Figures) -> None:
        """Keep them."""
        looked = figures.hits + figures.misses
        self.ops.append(figures.ops)
        self.latency.append(figures.percentiles[1] or 0.0)
        self.memory.append(figures.number("used_memory"))
        self.ratio.append(figures.hits / looked if looked else 0.0)


# --- parts ------------------------------------------------------------------------------------------------------------


def heading(figures: Figures) -> Text:
    """Which server this is."""
    info = figures.info
    text = Text()
    text.append(f" {figures.title} ", "bold reverse")
    text.append(f"  {info.get('role', info.get('redis_mode', ''))}", "bold")
    text.append(f"  Redis {info.get('redis_version', '?')}  up {duration_of(figures.number('uptime_in_seconds'))}")
    text.append(f"  pid {info.get('process_id', '?')}  CPU {figures.cpu * 100:.0f} %")
    if info.get("loading") == "1":
        text.append("  loading", "bold yellow")
    if info.get("master_link_status") == "down":
        text.append("  the link to the master is down", "bold red")
    return text


def _tile(title: str, value: str, detail: str, bars: str, style: str) -> Panel:
    body = Text(no_wrap=True, overflow="ellipsis")
    body.append(value, "bold")
    body.append(f"  {detail}\n", "dim")
    body.append(bars, style)
    return Panel(body, title=title, title_align="left", border_style="dim", height=4)


def tiles(figures: Figures, history: History, width: int) -> Table:
    """The four figures that matter most, with their last minutes."""
    p50, p99, p999 = figures.percentiles
    looked = figures.hits + figures.misses
    ratio = f"{figures.hits / looked * 100:.1f} %" if looked else "–"
    bars = max(width // 4 - 4, 4)
    limit = figures.number("maxmemory")
    grid = Table.grid(expand=True)
    for _ in range(4):
        grid.add_column(ratio=1)
    detail = f"rss {size_of(figures.number('used_memory_rss'))}" + (f", of {size_of(limit)}" if limit else "")
    grid.add_row(
        _tile("Commands/s", short(figures.ops), f"{short(figures.errors)} errors", spark(history.ops, bars), "blue"),
        _tile("Latency p99", time_of(p99), f"{time_of(p50)} – {time_of(p999)}", spark(history.latency, bars), "yellow"),
        _tile("Memory", size_of(figures.number("used_memory")), detail, spark(history.memory, bars), "magenta"),
        _tile("Hit ratio", ratio, f"{short(looked)} lookups/s", spark(history.ratio, bars), "green"),
    )
    return grid


def facts(figures: Figures) -> Table:
    """Clients, network, keys, replication."""
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(no_wrap=True)

    def add(name: str, text: str) -> None:
        grid.add_row(name, text)

    blocked = short(figures.number("blocked_clients"))
    add("Clients", f"{short(figures.number('connected_clients'))} connected, {blocked} blocked")
    add("Network", f"{size_of(figures.bytes_in)}/s in, {size_of(figures.bytes_out)}/s out")
    add("Removed", f"{short(figures.expired)} expired/s, {short(figures.evicted)} evicted/s")
    for name, keys, expire in figures.databases:
        add(name, f"{keys:,} keys, {expire:,} expire")
    if figures.info.get("role") == "slave":
        host = f"{figures.info.get('master_host')}:{figures.info.get('master_port')}"
        heard = figures.info.get("master_last_io_seconds_ago", "?")
        add("Master", f"{host}, link {figures.info.get('master_link_status')}, heard {heard} s ago")
    offset = figures.number("master_repl_offset")
    for one in figures.replicas:
        behind = max(offset - number_of(one, "offset"), 0)
        address = f"{one.get('ip')}:{one.get('port')}"
        add("Replica", f"{address} {one.get('state')}, lag {one.get('lag', '?')} s, {size_of(behind)} behind")
    if figures.info.get("aof_enabled") == "1":
        add("AOF", f"{size_of(figures.number('aof_current_size'))}, {figures.info.get('aof_last_write_status')}")
    return grid


def commands(figures: Figures, rows: int) -> Table:
    """What takes the time."""
    table = Table(box=None, expand=True, pad_edge=False, header_style="dim")
    table.add_column("Command", no_wrap=True)
    for title in ("calls/s", "µs/call", "time", "calls"):
        table.add_column(title, justify="right", no_wrap=True)
    for call in figures.calls[:rows]:
        style = "" if call.per_second else "dim"
        cells = (short(call.per_second), f"{call.usec:,.1f}", f"{call.share * 100:.0f} %", f"{call.total:,}")
        table.add_row(Text(call.name), *cells, style=style)
    return table


def slow_log(figures: Figures, rows: int) -> Table:
    """The newest entries of the slow log."""
    grid = Table.grid(padding=(0, 2), expand=True)
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(justify="right", no_wrap=True)
    grid.add_column(ratio=1, no_wrap=True, overflow="ellipsis")
    for seconds, usec, words in figures.slow[:rows]:
        grid.add_row(time.strftime("%H:%M:%S", time.localtime(seconds)), time_of(float(usec)), Text(words))
    if not figures.slow:
        grid.add_row("", "", Text("nothing was slow", "dim"))
    return grid


def whole(figures: Figures, history: History, console: Console, foot: str) -> Layout:
    """All of it, as high and wide as the terminal."""
    width, height = console.size
    layout = Layout()
    body = Layout(name="body")
    left = Layout(name="left", ratio=3)
    right = Layout(name="right", ratio=2)
    rows = max(height - 6 - 3, 1)
    slow_rows = min(_SLOW_LINES, max(rows // 2 - 2, 1))
    left.update(Panel(commands(figures, rows), title="Commands", title_align="left", border_style="dim"))
    right.split_column(
        Layout(Panel(facts(figures), title="Server", title_align="left", border_style="dim")),
        Layout(
            Panel(slow_log(figures, slow_rows), title="Slow log", title_align="left", border_style="dim"),
            size=slow_rows + 2,
        ),
    )
    if width < 100:
        body.update(left.renderable)
    else:
        body.split_row(left, right)
    layout.split_column(
        Layout(heading(figures), size=1),
        Layout(tiles(figures, history, width), size=4),
        body,
        Layout(Text(f" {foot}", "dim", no_wrap=True), size=1),
    )
    return layout


# --- loops ------------------------------------------------------------------------------------------------------------


def print_once(reader: Reader, interval: float) -> None:
    """Look after ``interval`` seconds, print, and that is all."""
    time.sleep(interval)
    figures = reader.read()
    history = History()
    history.add(figures)
    console = Console(highlight=False)
    parts = (commands(figures, _PRINTED_COMMANDS), facts(figures), slow_log(figures, _SLOW_LINES))
    console.print(Group(heading(figures), tiles(figures, history, console.width), *parts))


@contextmanager
def _keyboard() -> Iterator[int]:
    """Keys come at once and unseen; gives the number of the file to read them from, -1 without a terminal."""
    if sys.platform == "win32" or not sys.stdin.isatty():
        yield -1
        return
    number = sys.stdin.fileno()
    before = termios.tcgetattr(number)
    try:
        tty.setcbreak(number)
        yield number
    finally:
        termios.tcsetattr(number, termios.TCSADRAIN, before)


def _key(number: int, seconds: float) -> str:
    """The key that is pressed within so many seconds; empty if none is."""
    if number < 0:
        time.sleep(seconds)
        return ""
    ready, _, _ = select.select([number], [], [], seconds)
    if not ready:
        return ""
    data = os.read(number, 1)
    return data.decode("latin-1") if data else "q"


def _step(interval: float, by: int) -> float:
    """The next longer or shorter interval."""
    nearest = min(range(len(_STEPS)), key=lambda at: abs(_STEPS[at] - interval))
    return _STEPS[min(max(nearest + by, 0), len(_STEPS) - 1)]


def watch(reader: Reader, interval: float) -> None:
    """Look and draw until q is pressed."""
    console = Console(highlight=False)
    history = History()
    held = False
    due = time.monotonic() + min(interval, 0.3)
    figures: Figures | None = None
    with _keyboard() as keyboard, Live(console=console, screen=True, auto_refresh=False) as live:
        live.update(Text(f" {reader.title}: looking …"), refresh=True)
        while True:
            key = _key(keyboard, max(due - time.monotonic(), 0.0))
            if key in ("q", "Q", "\x1b"):
                return
            if key == "p":
                held = not held
            elif key in ("+", "-"):
                interval = _step(interval, 1 if key == "-" else -1)
                due = min(due, time.monotonic() + interval)
            if time.monotonic() >= due:
                due = time.monotonic() + interval
                if not held:
                    figures = reader.read()
                    history.add(figures)
            if figures is not None:
                foot = f"q quit  p {'go on' if held else 'hold'}  + - every {interval:g} s"
                live.update(whole(figures, history, console, foot), refresh=True)
