#!/usr/bin/env python3
"""The sheets in examples/mini/README.md: what the shipped model draws, nothing picked by hand.

  bench/mini_sheet.py --emoji FOLDER --dedit build/release/dedit

FOLDER as for bench/mini_quality.py, which says what a held-out composition is. Writes sheet-prompts.jpg
(48 prompts: names in the order of their SHA-1; alone, on a background, in a colour and in pairs in turn) and
sheet-control.jpg (six held-out compositions and, in two more rows, examples/pictures: source, map, the
control scales 0, 0.5, 1 and 1.5, then another prompt) into examples/mini and prints the prompts as the
README lists them. Default options and seed 0.
"""

import argparse
import hashlib
import os
import tempfile

import cv2
import numpy as np

from mini_quality import BACKGROUNDS, ROOT, Bench, an

SIDE = 128
OUT = os.path.join(ROOT, "examples", "mini")


def prompts(bench):
    names = sorted((w[0] for w, _ in bench.recogniser.things), key=lambda n: hashlib.sha1(n.encode()).digest())
    coloured = {w[0]: [c for c in looks if c] for w, looks in bench.emoji.things}
    colourful = [n for n in names if coloured[n]]
    background = list(BACKGROUNDS)
    for i in range(12):
        yield an(names[i])
        yield f"{an(names[12 + i])} on {an(background[i])} background"
        name = colourful[i]
        yield an(f"{coloured[name][i % len(coloured[name])]} {name}")
        yield f"{an(names[24 + i])} and {an(names[36 + i])}"


def small(rgb):
    return cv2.resize(rgb, (SIDE, SIDE), interpolation=cv2.INTER_AREA)


def save(name, rows):
    sheet = cv2.cvtColor(np.vstack([np.hstack(row) for row in rows]), cv2.COLOR_RGB2BGR)
    cv2.imwrite(os.path.join(OUT, name), sheet, [cv2.IMWRITE_JPEG_QUALITY, 85])


def prompt_sheet(bench):
    asked = list(prompts(bench))
    made = [small(bench.dedit("generate", "--prompt", p)) for p in asked]
    save("sheet-prompts.jpg", [made[i:i + 8] for i in range(0, 48, 8)])
    for i in range(0, 48, 8):
        print(f"{i // 8 + 1}. {'; '.join(asked[i:i + 8])}")


def control_row(bench, source, prompt, other):
    edges = bench.path("map.png")
    bench.run("annotate", "canny", source, "-q", "-o", edges)
    row = [small(cv2.cvtColor(cv2.imread(f), cv2.COLOR_BGR2RGB)) for f in (source, edges)]
    for scale in (0, 0.5, 1, 1.5):
        row.append(small(bench.dedit("canny", "--image", source, "--prompt", prompt, "--control-scale", scale)))
    row.append(small(bench.dedit("canny", "--image", source, "--prompt", other)))
    return row


def control_sheet(bench):
    other = "a purple heart on a yellow background"
    rows = []
    for picture, caption, *_ in bench.held_out(6):
        rows.append(control_row(bench, bench.write("source.png", picture), caption, other))
        print(f"- {caption}")
    for name, caption in (("chelsea", "an orange cat on a blue background"),
                          ("coffee", "a red balloon on a blue background")):
        rows.append(control_row(bench, os.path.join(ROOT, "examples", "pictures", name + ".png"), caption, other))
        print(f"- {caption} ({name})")
    save("sheet-control.jpg", rows)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    p.add_argument("--dedit", default="dedit")
    p.add_argument("--emoji", required=True)
    p.add_argument("--emoji-set", default="everyday")
    p.set_defaults(share=1.0)
    args = p.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(args, folder)
        prompt_sheet(bench)
        control_sheet(bench)


if __name__ == "__main__":
    main()
