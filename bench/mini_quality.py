#!/usr/bin/env python3
"""Every figure that says how good examples/mini is, from the shipped weights, through the tool.

  bench/mini_quality.py --emoji FOLDER --dedit build/release/dedit [--share 0.25] [--only control ...]

FOLDER holds the artwork the model was trained on (see tools/train_mini/README.md). --share runs only
part of each set. Needs opencv-python-headless, numpy and pillow. Default options of the tool and seed
0 throughout, so that a figure moves only with the engine or the weights.

The nearest-emoji rule, fixed before anything was measured: the background is the median colour of the
picture's rim; what differs from it by more than 20 in Lab is cut out as a square and scaled to 48x48;
its feature is the 12x12 Lab picture (in units of 300) and the gradient directions of the
48x48 grey one (unit length). Every
trained emoji, in each of its colours, mirrored or not, is laid over the background nearest of the
twelve named ones and described the same way; the order is by Euclidean distance, the best look of a
thing counting for it.
"""

import argparse
import functools
import hashlib
import os
import subprocess
import sys
import tempfile

import cv2
import numpy as np

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
sys.path.insert(0, os.path.join(ROOT, "tools", "train_mini"))
from data import BACKGROUNDS, HUES, SIZE, Composer, EmojiSet, an, held_out  # noqa: E402


def hog(grey):
    """Histogram of gradient directions: 9 of them in each of 6x6 cells, weighted by the root of the size."""
    dx, dy = cv2.Sobel(grey, cv2.CV_32F, 1, 0), cv2.Sobel(grey, cv2.CV_32F, 0, 1)
    direction = (np.arctan2(dy, dx) % np.pi / np.pi * 9).astype(int) % 9
    weight = np.sqrt(np.hypot(dx, dy))
    cells = [cv2.resize(weight * (direction == k), (6, 6), interpolation=cv2.INTER_AREA) for k in range(9)]
    values = np.concatenate(cells).ravel()
    return values / max(np.linalg.norm(values), 1e-6)


def lab(rgb):
    return cv2.cvtColor(rgb.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)


def rim_colour(rgb):
    return np.median(np.concatenate([rgb[:6].reshape(-1, 3), rgb[-6:].reshape(-1, 3),
                                     rgb[:, :6].reshape(-1, 3), rgb[:, -6:].reshape(-1, 3)]), 0)


def foreground(rgb):
    far = np.linalg.norm(lab(rgb) - lab(rim_colour(rgb)[None, None]), axis=2) > 20
    return cv2.morphologyEx(far.astype(np.uint8), cv2.MORPH_OPEN, np.ones((5, 5))) > 0


def feature(rgb):
    mask = foreground(rgb)
    ys, xs = np.nonzero(mask) if mask.any() else (np.array([0, rgb.shape[0] - 1]),) * 2
    side = max(np.ptp(ys), np.ptp(xs)) + 5
    y, x = (ys.min() + ys.max() - side) // 2, (xs.min() + xs.max() - side) // 2
    canvas = np.empty((side, side, 3), np.uint8)
    canvas[:] = rim_colour(rgb)
    y0, x0, y1, x1 = max(y, 0), max(x, 0), min(y + side, rgb.shape[0]), min(x + side, rgb.shape[1])
    canvas[y0 - y:y1 - y, x0 - x:x1 - x] = rgb[y0:y1, x0:x1]
    square = cv2.resize(canvas, (48, 48), interpolation=cv2.INTER_AREA)
    colour = lab(cv2.resize(square, (12, 12), interpolation=cv2.INTER_AREA)).ravel() / 25
    return np.concatenate([colour / 12, hog(cv2.cvtColor(square, cv2.COLOR_RGB2GRAY))])


class Recogniser:
    def __init__(self, things):
        self.things = [t for t in things if t[0][0] != "letter"]

    @functools.lru_cache(maxsize=None)
    def looks(self, background):
        rows, owners = [], []
        for owner, (_, looks) in enumerate(self.things):
            for art in looks.values():
                rgba = np.asarray((art[0] if isinstance(art, list) else art).resize((192, 192)), np.float32)
                alpha = rgba[..., 3:] / 255
                picture = np.empty((SIZE, SIZE, 3), np.float32)
                picture[:] = BACKGROUNDS[background]
                picture[32:224, 32:224] = rgba[..., :3] * alpha + picture[32:224, 32:224] * (1 - alpha)
                for view in (picture, picture[:, ::-1]):
                    rows.append(feature(np.ascontiguousarray(view.astype(np.uint8))))
                    owners.append(owner)
        return np.array(rows), np.array(owners)

    def order(self, rgb):
        """First words of all things, nearest first."""
        rim = lab(rim_colour(rgb)[None, None])[0, 0]
        background = min(BACKGROUNDS, key=lambda b: np.linalg.norm(
            lab(np.array(BACKGROUNDS[b])[None, None])[0, 0] - rim))
        rows, owners = self.looks(background)
        distance = np.linalg.norm(rows - feature(rgb), axis=1)
        best = [distance[owners == i].min() for i in range(len(self.things))]
        return [self.things[i][0][0] for i in np.argsort(best)]


def colour_of(rgb):
    """The colour word that most of the coloured foreground is nearest to in hue."""
    hsv = cv2.cvtColor(rgb, cv2.COLOR_RGB2HSV_FULL)
    hue = hsv[..., 0][foreground(rgb) & (hsv[..., 1] > 60)] * (360.0 / 256)
    if not hue.size:
        return ""
    names = list(HUES)
    away = np.abs((hue[:, None] - np.array([HUES[n][0] for n in names]) + 180) % 360 - 180)
    return names[np.bincount(away.argmin(1), minlength=len(names)).argmax()]


def canny(rgb):
    return cv2.Canny(np.ascontiguousarray(rgb), 100, 200) > 0


def f1(made, asked, tolerance=2):
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * tolerance + 1,) * 2)
    near = lambda m: cv2.dilate(m.astype(np.uint8), kernel) > 0
    precision = (made & near(asked)).sum() / max(made.sum(), 1)
    recall = (asked & near(made)).sum() / max(asked.sum(), 1)
    return 2 * precision * recall / max(precision + recall, 1e-9)


class Bench:
    def __init__(self, args, folder):
        self.args, self.folder = args, folder
        self.emoji = EmojiSet(args.emoji, args.emoji_set)
        self.recogniser = Recogniser(self.emoji.things)

    def path(self, name):
        return os.path.join(self.folder, name)

    def write(self, name, rgb):
        cv2.imwrite(self.path(name), cv2.cvtColor(np.ascontiguousarray(rgb), cv2.COLOR_RGB2BGR))
        return self.path(name)

    def run(self, *words):
        subprocess.run([self.args.dedit, *map(str, words)], check=True)

    def dedit(self, *words):
        out = self.path("out.png")
        self.run(*words, "-q", "-o", out)
        return cv2.cvtColor(cv2.imread(out), cv2.COLOR_BGR2RGB)

    def share(self, n):
        return max(1, round(n * self.args.share))

    def held_out(self, n):
        """Compositions of held-out triples, as (picture, caption, word, background)."""
        rng = np.random.default_rng(11)
        triples = [(words[0], c, b, looks[c]) for words, looks in self.emoji.things for c in looks
                   for b in BACKGROUNDS if held_out(words[0], c, b) and c != b and words[0] != "letter"]
        composer = Composer(self.emoji, 12, variety=1)
        for i in rng.permutation(len(triples))[:n]:
            word, colour, background, art = triples[i]
            picture = composer.background(background)
            composer.place(picture, art[0] if isinstance(art, list) else art, 0.75 * SIZE,
                           np.full(2, SIZE / 2))
            phrase = an(f"{colour} {word}" if colour else word)
            yield np.asarray(picture), f"{phrase} on {an(background)} background", word, background

    # -- one method a figure -------------------------------------------------

    def prompts(self):
        """nearest trained emoji of "a NAME"."""
        names = sorted((w[0] for w, _ in self.recogniser.things), key=lambda n: hashlib.sha1(n.encode()).digest())
        top1 = top5 = 0
        names = names[:self.share(200)]
        for name in names:
            order = self.recogniser.order(self.dedit("generate", "--prompt", an(name), "--seed", 0))
            top1 += order[0] == name
            top5 += name in order[:5]
        return f"top 1 {top1 / len(names):.0%}, top 5 {top5 / len(names):.0%} of {len(names)}"

    def colours(self):
        """the asked hue in "a COLOUR NAME"."""
        asked = [(c, w[0]) for w, looks in self.emoji.things for c in looks if c and w[0] != "letter"]
        asked = [asked[i] for i in np.random.default_rng(3).permutation(len(asked))[:self.share(100)]]
        right = sum(colour_of(self.dedit("generate", "--prompt", an(f"{c} {w}"))) == c for c, w in asked)
        return f"{right / len(asked):.0%} of {len(asked)}"

    def pairs(self):
        """both of two things among the five nearest of their halves."""
        rng = np.random.default_rng(4)
        things = self.recogniser.things
        n = self.share(100)
        right = 0
        for _ in range(n):
            a, b = (things[i][0][0] for i in rng.choice(len(things), 2, replace=False))
            made = self.dedit("generate", "--prompt", f"{an(a)} and {an(b)}")
            left, half = (self.recogniser.order(np.ascontiguousarray(h))[:5]
                          for h in (made[:, :SIZE // 2], made[:, SIZE // 2:]))
            right += (a in left and b in half) or (b in left and a in half)
        return f"{right / n:.0%} of {n}"

    def control(self):
        """edge F1 against the map asked for, by control scale, and with another prompt."""
        scores = {}
        colour_right = colour_asked = 0
        samples = list(self.held_out(self.share(50)))
        coloured = [(w[0], c) for w, looks in self.emoji.things for c in looks if c and w[0] != "letter"]
        rng = np.random.default_rng(5)
        for picture, caption, word, _ in samples:
            source, asked = self.write("source.png", picture), canny(picture)
            for scale in (0, 0.5, 1, 1.5):
                made = self.dedit("canny", "--image", source, "--prompt", caption, "--control-scale", scale)
                scores.setdefault(f"scale {scale}", []).append(f1(canny(made), asked))
            other, colour = coloured[rng.integers(len(coloured))]
            made = self.dedit("canny", "--image", source, "--prompt", an(f"{colour} {other}"))
            scores.setdefault("another prompt", []).append(f1(canny(made), asked))
            colour_asked += 1
            colour_right += colour_of(made) == colour
        text = ", ".join(f"{k} F1 {np.mean(v):.2f}" for k, v in scores.items())
        return f"{text}, its colour {colour_right / colour_asked:.0%}; {len(samples)} maps"

    def img2img(self):
        """mean distance to the source by strength (RMS of 0..255)."""
        rms = {s: [] for s in (0.2, 0.4, 0.6, 0.8)}
        for picture, caption, _, _ in self.held_out(self.share(20)):
            source = self.write("source.png", picture)
            for strength, values in rms.items():
                made = self.dedit("img2img", "--image", source, "--prompt", caption, "--strength", strength)
                values.append(np.sqrt(np.mean((made.astype(float) - picture) ** 2)))
        means = [np.mean(v) for v in rms.values()]
        grows = all(a < b for a, b in zip(means, means[1:]))
        return ", ".join(f"{s}: {m:.1f}" for s, m in zip(rms, means)) + (", grows" if grows else ", does NOT grow")

    def inpaint(self):
        """the asked thing in a hole of a plain picture, nearest-emoji rule on the crop."""
        rng = np.random.default_rng(6)
        composer = Composer(self.emoji, 7)
        things = self.recogniser.things
        n = self.share(50)
        top1 = top5 = 0
        hole = (32, 32, 192, 192)
        for _ in range(n):
            word = things[rng.integers(len(things))][0][0]
            background = str(rng.choice(list(BACKGROUNDS)))
            source = self.write("source.png", np.asarray(composer.background(background)))
            mask = np.zeros((SIZE, SIZE, 3), np.uint8)
            x, y, w, h = hole
            mask[y:y + h, x:x + w] = 255
            made = self.dedit("inpaint", "--image", source, "--mask", self.write("mask.png", mask), "--prompt",
                              f"{an(word)} on {an(background)} background")
            order = self.recogniser.order(made)
            top1 += order[0] == word
            top5 += word in order[:5]
        return f"top 1 {top1 / n:.0%}, top 5 {top5 / n:.0%} of {n}"

    def vae(self):
        """PSNR of held-out compositions through encoder and decoder (img2img's copy of latents)."""
        values = []
        for picture, *_ in self.held_out(self.share(50)):
            source = self.write("source.png", picture)
            latents = self.path("latents.safetensors")
            self.run("encode", source, "-q", "-o", latents)
            made = self.dedit("decode", latents)
            values.append(-10 * np.log10(np.mean((made / 255.0 - picture / 255.0) ** 2)))
        return f"{np.mean(values):.2f} dB, lowest {min(values):.2f}, {len(values)} pictures"


FIGURES = ("prompts", "colours", "pairs", "control", "img2img", "inpaint", "vae")


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    p.add_argument("--dedit", default="dedit")
    p.add_argument("--emoji", required=True)
    p.add_argument("--emoji-set", default="everyday")
    p.add_argument("--share", type=float, default=1.0)
    p.add_argument("--only", nargs="+", choices=FIGURES, default=FIGURES)
    args = p.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(args, folder)
        for name in args.only:
            method = getattr(bench, name)
            print(f"{name:8} {method.__doc__.strip().rstrip('.')}: {method()}", flush=True)


if __name__ == "__main__":
    main()
