"""How much memory this process uses: what the system has given it, and what of that holds objects at the moment.

CPython keeps what is freed for new objects, and so does the C library: after a million objects have gone the process is
as large as before. What matters for a limit is therefore what the two allocators have handed out: both can tell, by
looking at the heads of their pools and free pieces, in some milliseconds for each gigabyte.
"""

from __future__ import annotations

import os
import re
import sys
from functools import cache
from time import thread_time_ns
from typing import Any, Final

_PAGE: Final = os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 4096
_FIGURES: Final = re.compile(rb"# bytes (?:in allocated blocks|lost to pool headers|lost to quantization) += +([\d,]+)")
_MALLINFO: Final = (
    "arena",
    "ordblks",
    "smblks",
    "hblks",
    "hblkhd",
    "usmblks",
    "fsmblks",
    "uordblks",
    "fordblks",
    "top",
)
_M_TRIM_THRESHOLD: Final = -1
_M_MMAP_THRESHOLD: Final = -3
_LARGE: Final = 1 << 20


def system_memory() -> int:
    """Bytes of memory of the machine; 0 where the system does not tell."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * _PAGE
    except (AttributeError, OSError, ValueError):
        return 0


def give_back() -> None:
    """Give free memory back to the system where the C library can: a tenth of a second for a gigabyte."""
    trim = _malloc_trim()
    if trim is not None:
        trim(0)


@cache
def _malloc_trim() -> Any:
    """glibc's malloc_trim, None where there is none."""
    import ctypes  # takes milliseconds to load, and few servers ever need it

    try:
        return ctypes.CDLL(None).malloc_trim
    except (OSError, AttributeError, TypeError):
        return None


class Heap:
    """The memory of this process. Every figure is in bytes."""

    __slots__ = ("_c", "_python", "_statm", "cost_ns", "free")

    def __init__(self) -> None:
        self._statm = -1
        self._open()
        self._c = _CHeap.find()
        self._python = _python_statistics()
        self.cost_ns = 0
        """What the last :meth:`in_use` took of the processor: on a busy machine the clock would tell of the others."""
        self.free = 0
        """What the C library had free and had not given back then."""

    def _open(self) -> None:
        try:
            self._statm = os.open("/proc/self/statm", os.O_RDONLY | os.O_CLOEXEC)
        except (OSError, AttributeError):
            self._statm = -1

    def close(self) -> None:
        """Give the file back."""
        if self._statm >= 0:
            os.close(self._statm)
            self._statm = -1

    def resident(self) -> int:
        """What the system has given to the process: a microsecond. 0 where it does not tell."""
        return self._pages()[0] * _PAGE

    def private(self) -> int:
        """What of that is not a file's: the system takes pages of files away, and gives them back, as it likes."""
        resident, shared = self._pages()
        return (resident - shared) * _PAGE

    def _pages(self) -> tuple[int, int]:
        """How many are resident, and how many of those are of files."""
        if self._statm < 0:
            return 0, 0
        try:
            line = os.pread(self._statm, 64, 0)
        except ProcessLookupError:  # the file is that of a parent that has ended: daemonize
            self.close()
            self._open()
            return self._pages()
        figures = line.split(None, 3)
        return int(figures[1]), int(figures[2])

    def in_use(self) -> int:
        """What holds objects now. Where the allocators do not tell, all that is resident."""
        started = thread_time_ns()
        report = self._python()
        if report is None or self._c is None:
            return self.resident()
        used = sum(int(figure.replace(b",", b"")) for figure in _FIGURES.findall(report))
        mine, self.free = self._c.info()
        self.cost_ns = thread_time_ns() - started
        return used + mine

    def give_large_back(self) -> None:
        """Have the C library give pieces of a megabyte and more back to the system as soon as they are free.

        By itself it learns to keep pieces of up to 32 MB, such as the table of a dictionary that has grown.
        """
        if self._c is not None:
            self._c.option(_M_MMAP_THRESHOLD, _LARGE)
            self._c.option(_M_TRIM_THRESHOLD, 4 * _LARGE)


class _CHeap:
    """The C library's figures (glibc 2.33 and later have them)."""

    __slots__ = ("_mallinfo", "option")

    def __init__(self, mallinfo: Any, option: Any) -> None:
        self._mallinfo = mallinfo
        self.option = option

    @staticmethod
    def find() -> _CHeap | None:
        """None where the C library does not tell."""
        import ctypes  # takes milliseconds to load

        try:
            library = ctypes.CDLL(None)
            mallinfo, mallopt = library.mallinfo2, library.mallopt
        except (OSError, AttributeError, TypeError):
            return None
        fields = [(name, ctypes.c_size_t) for name in _MALLINFO]
        mallinfo.restype = type("mallinfo2", (ctypes.Structure,), {"_fields_": fields})
        return _CHeap(mallinfo, mallopt)

    def info(self) -> tuple[int, int]:
        """Bytes handed out, those with a mapping of their own included, and bytes free in its heap."""
        figures = self._mallinfo()
        return figures.uordblks + figures.hblkhd, figures.fordblks


def _python_statistics() -> Any:
    """A function that returns the report of CPython's allocator (None where it cannot be had)."""
    import ctypes  # takes milliseconds to load

    try:
        library = ctypes.CDLL(None)
        write = ctypes.pythonapi._PyObject_DebugMallocStats
        stream, close, free = library.open_memstream, library.fclose, library.free
    except (OSError, AttributeError, TypeError):
        return report_by_stderr
    stream.restype = ctypes.c_void_p
    for function in (write, close, free):
        function.argtypes = [ctypes.c_void_p]

    def report() -> bytes | None:
        text, size = ctypes.c_void_p(), ctypes.c_size_t()
        file = stream(ctypes.byref(text), ctypes.byref(size))
        if not file:
            return None
        write(file)
        close(file)
        try:
            return ctypes.string_at(text, size.value)
        finally:
            free(text)

    return report


def report_by_stderr() -> bytes | None:
    """The report of CPython's allocator; None where it cannot be had.

    This way it is written to the process's standard error, which is led into an anonymous file meanwhile.
    """
    debug_malloc_stats = getattr(sys, "_debugmallocstats", None)
    if debug_malloc_stats is None or not hasattr(os, "memfd_create"):
        return None
    sys.stderr.flush()
    report = os.memfd_create("malloc-stats")
    saved = os.dup(2)
    try:
        os.dup2(report, 2)
        try:
            debug_malloc_stats()
        finally:
            os.dup2(saved, 2)
        return os.pread(report, os.lseek(report, 0, os.SEEK_END), 0)
    finally:
        os.close(saved)
        os.close(report)
