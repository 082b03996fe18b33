"""Runs one program of a measurement: its lines with the moments they came, its peak memory."""

import contextlib
import json
import os
import signal
import subprocess
import threading
import time

# Caps of every engine's choice of instructions; each program knows some of them.
CAPS = {
    "avx2": {"DEDIT_MAX_ISA": "avx2", "ONEDNN_MAX_CPU_ISA": "AVX2", "DNNL_MAX_CPU_ISA": "AVX2",
             "ATEN_CPU_CAPABILITY": "avx2", "MKL_ENABLE_INSTRUCTIONS": "AVX2"},
    "avx512": {"DEDIT_MAX_ISA": "avx512", "ONEDNN_MAX_CPU_ISA": "AVX512_CORE",
               "DNNL_MAX_CPU_ISA": "AVX512_CORE", "MKL_ENABLE_INSTRUCTIONS": "AVX512"},
}


class Failed(Exception):
    """A program that is missing, cannot do what was asked, or ended with an error."""


class Run:
    """`lines` are (seconds since the start, text); carriage returns end lines too. After
    `limit_seconds` the program and those it started are ended, and `was_cut_off`: what it said so
    far counts."""

    def __init__(self, command, cap="", threads=0, limit_seconds=None, **env):
        limits = dict(CAPS.get(cap, {}))
        if threads:
            limits.update(OMP_NUM_THREADS=str(threads), MKL_NUM_THREADS=str(threads))
        self.began = time.time()
        try:
            child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                     env={**os.environ, **limits, **env}, text=True,
                                     errors="replace", start_new_session=bool(limit_seconds))
        except OSError as e:
            raise Failed(f"{command[0]}: {e.strerror}") from e
        self.was_cut_off = False
        timer = threading.Timer(limit_seconds or 0, self.cut_off, [child.pid])
        if limit_seconds:
            timer.start()
        self.lines = [(time.time() - self.began, line.rstrip("\n")) for line in child.stdout]
        _, status, usage = os.wait4(child.pid, 0)
        timer.cancel()
        child.returncode = os.waitstatus_to_exitcode(status)
        self.seconds = time.time() - self.began
        self.peak = usage.ru_maxrss / 2**20  # GiB; Linux counts in KiB
        if child.returncode != 0 and not self.was_cut_off:
            last = [text for _, text in self.lines if text.strip()][-3:]
            raise Failed(f"{os.path.basename(command[0])} ended with {child.returncode}: "
                         + " | ".join(last))

    def cut_off(self, group):
        self.was_cut_off = True
        with contextlib.suppress(ProcessLookupError):  # it ended just now
            os.killpg(group, signal.SIGKILL)

    def text(self):
        return "\n".join(text for _, text in self.lines)

    def objects(self):
        """(seconds, value) of the lines that are JSON objects."""
        found = []
        for at, text in self.lines:
            if text.startswith("{"):
                with contextlib.suppress(json.JSONDecodeError):  # the last one, cut off
                    found.append((at, json.loads(text)))
        return found
