"""How each engine is asked for its figures. A row is ENGINE-CLASS[:LIMIT...], as
"dedit-exact:t1:avx2"; its figures are seconds (peak: GiB), absent where there are none."""

import os
import re
import statistics
import sys
import tempfile
import time

from child import Failed, Run

HERE = os.path.dirname(os.path.abspath(__file__))
FIGURES = ("step", "control", "decode", "decode_first", "encode", "edit_step", "edit", "start", "peak")
PROMPT = "a watercolour of a living room"


class Row:
    def __init__(self, name):
        head, *limits = name.split(":")
        self.name, (self.engine, _, self.variant) = name, head.partition("-")
        self.threads, self.cap, self.low_memory = 0, "", False
        for limit in limits:
            if re.fullmatch(r"t\d+", limit):
                self.threads = int(limit[1:])
            elif limit in ("avx2", "avx512"):
                self.cap = limit
            elif limit == "lowmem":
                self.low_memory = True
            else:
                raise SystemExit(f"row {name}: limit {limit} is none of tN, avx2, avx512, lowmem")
        if self.engine not in ENGINES:
            raise SystemExit(f"row {name}: engine {self.engine} is none of {', '.join(ENGINES)}")


def median_step(ends):
    """Median of the steps after the first; the first counts as start-up."""
    return statistics.median(b - a for a, b in zip(ends, ends[1:]))


def logged_seconds(run, pattern, what):
    found = re.search(pattern, run.text())
    if not found:
        raise Failed(f"no time for {what} in the output")
    return float(found[1])


# --- dedit ---------------------------------------------------------------------------------------

def dedit_command(args, row, command):
    out = [args.dedit, command, "--model", args.model, "-v"]
    if row.threads:
        out += ["--threads", str(row.threads)]
    return out


def dedit_job(args, row, command, picture, steps, *more):
    """A job of several steps -> the run and the ends of its steps since the process began."""
    classes = ("exact", "auto", "fast")
    kind = "--precision" if row.variant in classes else "--dtype"
    line = dedit_command(args, row, command)
    line += [kind, row.variant, "--prompt", PROMPT, "--scheduler", "ddim", "--steps", str(steps),
             "--seed", "1", "--progress", "json", "-o", picture, *more]
    if row.low_memory:
        line.append("--low-memory")
    run = Run(line, row.cap, row.threads)
    return run, [at for at, event in run.objects() if event.get("event") == "step"]


DECODE = r"([0-9.]+) s to decode"


def dedit(args, row):
    if not args.networks:
        raise Failed("no --networks PROGRAM (bench_networks)")
    figures = {}
    with tempfile.TemporaryDirectory() as folder:
        run, ends = dedit_job(args, row, "canny", os.path.join(folder, "x.png"), args.edit_steps,
                              "--image", args.image, "--control-model", args.control)
    figures["decode_first"] = logged_seconds(run, DECODE, "the decoding")
    figures["edit_step"] = median_step(ends)
    figures["edit"], figures["peak"] = run.seconds, run.peak
    figures["start"] = ends[0] - figures["edit_step"]
    dtype = {"exact": "f32", "auto": None, "fast": None}.get(row.variant, row.variant)
    alone = Run([args.networks, "--model", args.model, "--control", args.control, "--size",
                 str(args.size), "--threads", str(row.threads), "--repeats", str(args.part_steps),
                 *(["--dtype", dtype] if dtype else []),
                 *(["--low-memory"] if row.low_memory else [])], row.cap, row.threads).objects()[-1][1]
    return figures | {f: alone[f] for f in ("step", "control", "decode", "encode")}


def mini(args, row):
    """The model that ships: a canny edit at 256x256 in 20 steps, process start to file."""
    picture = os.path.join(HERE, "..", "..", "examples", "pictures", "apple.png")
    with tempfile.TemporaryDirectory() as folder:
        runs = [Run([args.dedit, "canny", "--image", picture, "--prompt", "a green apple", "--steps",
                     "20", "--precision", row.variant, "-q", "-o", os.path.join(folder, "x.png")],
                    row.cap, row.threads) for _ in range(5)]
    return {"edit": statistics.median(r.seconds for r in runs), "peak": max(r.peak for r in runs)}


# --- programs in Python ---------------------------------------------------------------------------

def worker(args, row, python, script, *more, steps=None):
    command = [python or sys.executable, os.path.join(HERE, script), "--model", args.model,
               "--control", args.control, "--image", args.image, "--size", str(args.size),
               "--batch", str(args.batch), "--repeats", str(args.part_steps), "--parts", args.parts,
               "--steps", str(args.edit_steps if steps is None else steps), "--dtype", row.variant,
               "--began", str(time.time()), *more]
    if row.threads:
        command += ["--threads", str(row.threads)]
    with tempfile.TemporaryDirectory() as folder:
        run = Run([*command, "--out", os.path.join(folder, "x.png")], row.cap, row.threads)
    if not run.objects():
        raise Failed(f"{script} printed no figures")
    return run.objects()[-1][1]


def diffusers(args, row):
    return worker(args, row, args.python_torch, "torch_worker.py")


def compiled(args, row):
    return worker(args, row, args.python_torch, "torch_worker.py", "--compile")


def openvino(args, row):
    if not args.ir:
        raise Failed("no --ir FOLDER with converted networks")
    if not os.path.exists(os.path.join(args.ir, "text.xml")):
        Run([args.python_openvino or sys.executable, os.path.join(HERE, "openvino_worker.py"),
             "--convert", "--model", args.model, "--control", args.control, "--ir", args.ir])
    return worker(args, row, args.python_openvino, "openvino_worker.py", "--ir", args.ir)


# --- stable-diffusion.cpp -------------------------------------------------------------------------

def sdcpp_run(args, row, *more):
    for path in (args.sdcpp, args.ldm, args.ldm_control):
        if not path:
            raise Failed("needs --sdcpp BINARY, --ldm FILE and --ldm-control FILE")
    with tempfile.TemporaryDirectory() as folder:
        line = [args.sdcpp, "-m", args.ldm, "-p", PROMPT, "--cfg-scale", "7.5", "-W",
                str(args.size), "-H", str(args.size), "-s", "1", "-v", "--type", row.variant,
                "--sampling-method", "euler", "-o", os.path.join(folder, "x.png"), *more]
        if row.threads:
            line += ["-t", str(row.threads)]
        return Run(line, row.cap, row.threads)


def sdcpp_seconds(run, what):
    """Its log says "WHAT completed, taking 1.23s"."""
    return logged_seconds(run, what + r".*?taking ([0-9.]+)\s*s", what)


def sdcpp_steps(run, steps):
    """Seconds of each step, from its progress bar ("2/3 - 65.10s/it")."""
    found = re.findall(rf"\d+/{steps} - ([0-9.]+)(s/it|it/s)", run.text())
    if len(found) < steps:
        raise Failed(f"{len(found)} of {steps} steps in the output")
    return [float(v) if unit == "s/it" else 1 / float(v) for v, unit in found[-steps:]]


def sdcpp(args, row):
    """A few steps; the time of the whole edit is extended by the steady one."""
    figures, n = {}, args.slow_steps + 1
    plain = sdcpp_run(args, row, "--steps", str(n))
    figures["step"] = statistics.median(sdcpp_steps(plain, n)[1:])
    figures["decode"] = sdcpp_seconds(plain, "decode_first_stage")
    edit = sdcpp_run(args, row, "--steps", str(n), "--control-net", args.ldm_control,
                     "--control-image", args.image, "--canny")
    later = sdcpp_steps(edit, n)[1:]
    figures["edit_step"] = statistics.median(later)
    figures["control"] = figures["edit_step"] - figures["step"]
    figures["edit"] = edit.seconds + (args.edit_steps - n) * figures["edit_step"]
    figures["start"] = (edit.seconds - sdcpp_seconds(edit, "decode_first_stage") - sum(later)
                        - figures["edit_step"])
    figures["peak"] = edit.peak
    return figures


ENGINES = {"dedit": dedit, "mini": mini, "diffusers": diffusers, "compile": compiled,
           "openvino": openvino, "sdcpp": sdcpp}
