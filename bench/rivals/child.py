"""Runs one program of a measurement: its lines with the moments they came, its peak memory."""

import json
import os
import subprocess
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
    """`lines` are (seconds since the start, text); carriage returns end lines too."""

    def __init__(self, command, cap="", threads=0, **env):
        limits = dict(CAPS.get(cap, {}))
        if threads:
            limits.update(OMP_NUM_THREADS=str(threads), MKL_NUM_THREADS=str(threads))
        self.began = time.time()
        try:
            child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                     env={**os.environ, **limits, **env}, text=True,
                                     errors="replace")
        except OSError as e:
            raise Failed(f"{command[0]}: {e.strerror}") from e
        self.lines = [(time.time() - self.began, line.rstrip("\n")) for line in child.stdout]
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        self.seconds = time.time() - self.began
        self.peak = usage.ru_maxrss / 2**20  # GiB; Linux counts in KiB
        if child.returncode != 0:
            last = [text for _, text in self.lines if text.strip()][-3:]
            raise Failed(f"{os.path.basename(command[0])} ended with {child.returncode}: "
                         + " | ".join(last))

    def text(self):
        return "\n".join(text for _, text in self.lines)

    def objects(self):
        """(seconds, value) of the lines that are JSON objects."""
        return [(at, json.loads(text)) for at, text in self.lines if text.startswith("{")]
