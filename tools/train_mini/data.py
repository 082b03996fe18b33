"""Pictures and captions for the mini model, composed from emoji artwork.

There is no captioned photo set small enough and free enough to ship with the
recipe, so pictures are composed: one or two emoji over a background whose
colour has a name, and the caption says exactly what was composed.  Everything
is drawn from a numpy Generator, so a seed fixes a picture.

Three kinds of picture are made here:
  * Composer.captioned   - the (picture, caption) pairs the U-Net learns from
  * Composer.anything    - any emoji, letters, shapes, noise: what the VAE must
                           be able to code, since users bring their own pictures
  * edge_map             - the Canny map ControlNet is conditioned on

Held-out split: a (thing, colour, background) triple is held out when a hash of
its names says so (about 1 in 20).  Such triples are never composed for
training; sample_sheet.py prompts them to see whether the words combine.
"""
import json
import os
import zlib

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from things import BACKGROUNDS, EVERYDAY, HUES, SHAPES, STARTER, UNUSABLE

SIZE = 256

TEMPLATES_BG = ("{a} on {abg} background",) * 4 + (
    "{bare}, {bg} background", "a picture of {a} on {abg} background",
    "{abg} background with {a}")
TEMPLATES_BARE = ("{a}",) * 3 + ("{bare}", "a picture of {a}")


def an(words):
    """The noun phrase with its article."""
    return ("an " if words[0] in "aeiou" else "a ") + words


def held_out(word, colour, background):
    """True for the triples training never sees (a stable hash, about 5 %)."""
    return zlib.crc32(f"{word}|{colour}|{background}".encode()) % 20 == 7


def repaint(rgba, own, target):
    """RGBA picture with its main hue (the colour named `own`) turned to `target`.

    Only pixels near the own hue change, so a car keeps its windows and tyres.
    """
    a = np.asarray(rgba)
    hsv = cv2.cvtColor(a[..., :3], cv2.COLOR_RGB2HSV_FULL).astype(np.float32)
    solid = (a[..., 3] > 128) & (hsv[..., 1] > 50)
    near = _hue_distance(hsv[..., 0] * 360 / 256, HUES[own][0]) < 50
    hues = hsv[..., 0][solid & near] * 360 / 256
    base = HUES[own][0] if hues.size == 0 else _mean_hue(hues)
    near = _hue_distance(hsv[..., 0] * 360 / 256, base) < 40
    near &= hsv[..., 1] > 25
    hue, sat, val = HUES[target]
    _, own_sat, own_val = HUES[own]
    s, v = hsv[..., 1] / 255, hsv[..., 2] / 255
    if s[solid & near].size and s[solid & near].mean() < 0.5:
        sat *= 2.2                       # pale artwork would leave every colour pastel
    hsv[..., 0] = np.where(near, (hsv[..., 0] + (hue - base) * 256 / 360) % 256, hsv[..., 0])
    hsv[..., 1] = np.where(near, 255 * np.clip(s * sat / own_sat, 0, 1), hsv[..., 1])
    hsv[..., 2] = np.where(near, 255 * np.clip(v * val / own_val, 0, 1), hsv[..., 2])
    rgb = cv2.cvtColor(hsv.astype(np.uint8), cv2.COLOR_HSV2RGB_FULL)
    return Image.fromarray(np.dstack([rgb, a[..., 3]]), "RGBA")


def _hue_distance(h, ref):
    return np.abs((h - ref + 180) % 360 - 180)


def _mean_hue(h):
    r = np.deg2rad(h)
    return np.rad2deg(np.arctan2(np.sin(r).mean(), np.cos(r).mean())) % 360


def draw_shape(shape, colour, i):
    """An RGBA picture of a plain shape, or of letter number i."""
    picture = Image.new("RGBA", (SIZE, SIZE))
    draw = ImageDraw.Draw(picture)
    fill = BACKGROUNDS[colour] + (255,)
    if shape == "circle":
        draw.ellipse((16, 16, 240, 240), fill=fill)
    elif shape == "square":
        draw.rectangle((30, 30, 226, 226), fill=fill)
    elif shape == "triangle":
        draw.polygon(((128, 16), (244, 226), (12, 226)), fill=fill)
    else:
        font = ImageFont.load_default(260)
        draw.text((128, 128), chr(65 + i), fill=fill, font=font, anchor="mm", stroke_width=8,
                  stroke_fill=fill)
    return picture


class EmojiSet:
    """The artwork: `things` have captions, `everything` is for VAE pictures."""

    def __init__(self, folder, emoji_set="starter", limit=0, everything=False):
        with open(os.path.join(folder, "captions.json"), encoding="utf-8") as f:
            entries = json.load(f)
        pictures = os.path.join(folder, "emoji256")
        if not os.path.isdir(pictures):
            pictures = folder            # unpacked next to captions.json
        load = lambda e: Image.open(os.path.join(pictures, e["file"])).convert("RGBA")
        by_name = {e["name"]: e for e in entries}
        self.things = []                 # (words, {colour or None: RGBA picture})
        for name, (words, own, colours) in STARTER.items():
            art = load(by_name[name])
            looks = {c: art if c == own else repaint(art, own, c) for c in colours} or {None: art}
            self.things.append((words, looks))
        if emoji_set == "everyday":
            for entry in EVERYDAY:
                name, word = entry if isinstance(entry, tuple) else (entry, entry)
                self.things.append(((word,), {None: load(by_name[name])}))
        if emoji_set == "all":
            for e in entries:
                if e["name"] not in STARTER and not any(u in e["name"] + " " for u in UNUSABLE):
                    name = e["name"].removesuffix(" face").lower()
                    self.things.append(((name,), {None: load(e)}))
        if limit:
            self.things = self.things[:limit]
        for shape in SHAPES:
            n = 26 if shape == "letter" else 1
            looks = {c: [draw_shape(shape, c, i) for i in range(n)] for c in HUES}
            self.things.append(((shape,), looks))
        self.everything = [load(e) for e in entries] if everything else \
            [a for _, looks in self.things for art in looks.values()
             for a in (art if isinstance(art, list) else [art])]


class Composer:
    """Draws pictures from an EmojiSet with a numpy Generator."""

    def __init__(self, emoji, seed, two_share=0.12, variety=1.0):
        self.emoji = emoji
        self.rng = np.random.default_rng(seed)
        self.two_share = two_share
        self.variety = variety           # 0: every thing at one place and size

    # -- captioned pictures ------------------------------------------------

    def captioned(self):
        """(RGB array 256x256x3 uint8, caption)."""
        rng = self.rng
        background = str(rng.choice(list(BACKGROUNDS)))
        n = 2 if rng.random() < self.two_share else 1
        chosen = []
        while len(chosen) < n:
            words, looks = self.emoji.things[rng.integers(len(self.emoji.things))]
            colour = list(looks)[rng.integers(len(looks))]
            if held_out(words[0], colour, background) or any(words is c[0] for c in chosen):
                continue
            if colour == background and rng.random() < 0.8:
                continue                 # a red heart on red teaches little
            art = looks[colour]
            if isinstance(art, list):
                art = art[rng.integers(len(art))]
            chosen.append((words, colour, art))
        picture = self.background(background)
        if n == 1:
            size = (0.75 + self.variety * rng.uniform(-0.13, 0.11)) * SIZE
            centre = SIZE / 2 + rng.normal(0, self.variety * 0.035 * SIZE, 2)
            self.place(picture, chosen[0][2], size, centre, chosen[0][0][0] != "letter")
        else:
            for i, c in enumerate(chosen):
                size = rng.uniform(0.40, 0.48) * SIZE
                centre = np.array([SIZE * (0.27 + 0.46 * i), SIZE / 2]) + rng.normal(0, 0.02 * SIZE, 2)
                self.place(picture, c[2], size, centre, c[0][0] != "letter")
        return np.asarray(picture), self.caption(chosen, background)

    def caption(self, chosen, background):
        rng = self.rng
        phrases = []
        for words, colour, _ in chosen:
            word = words[rng.integers(len(words))] if rng.random() < 0.5 else words[0]
            # An uncoloured "a star" may be of any colour the star comes in.
            phrases.append(f"{colour} {word}" if colour and rng.random() < 0.85 else word)
        a, bare = " and ".join(map(an, phrases)), " and ".join(phrases)
        templates = TEMPLATES_BG if rng.random() < 0.75 else TEMPLATES_BARE
        return templates[rng.integers(len(templates))].format(
            a=a, bare=bare, bg=background, abg=an(background))

    def background(self, name):
        """A plain or softly graded RGB picture of the named colour."""
        rng = self.rng
        base = np.array(BACKGROUNDS[name], np.float32) + rng.normal(0, 5, 3)
        if rng.random() < 0.4:
            return Image.fromarray(_u8(np.broadcast_to(base, (SIZE, SIZE, 3))))
        y, x = np.mgrid[-1:1:SIZE * 1j, -1:1:SIZE * 1j].astype(np.float32)
        kind = rng.integers(3)
        ramp = (y, x * rng.choice((-1, 1)), 1 - 1.2 * np.hypot(x, y))[kind]
        return Image.fromarray(_u8(base + rng.uniform(8, 24) * ramp[..., None]))

    def place(self, picture, art, size, centre, mirror=True):
        """Pastes `art` scaled to `size` pixels, slightly turned, maybe mirrored."""
        rng = self.rng
        if mirror and rng.random() < 0.5 * self.variety:
            art = art.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        side = max(8, int(size))
        art = art.resize((side, side), Image.Resampling.BILINEAR, reducing_gap=2)
        if rng.random() < 0.5 * self.variety:
            art = art.rotate(rng.uniform(-1, 1) * 12 * self.variety, Image.Resampling.BILINEAR)
        picture.paste(art, (int(centre[0] - side / 2), int(centre[1] - side / 2)), art)

    # -- pictures of anything ----------------------------------------------

    def anything(self):
        """An RGB array without a caption: emoji crowds, letters, shapes, noise."""
        rng = self.rng
        r = rng.random()
        if r < 0.12:
            picture = Image.fromarray(self.noise())
        elif r < 0.45:
            picture = Image.fromarray(_u8(np.broadcast_to(rng.uniform(0, 255, 3), (SIZE, SIZE, 3))))
        else:
            picture = self.background(str(rng.choice(list(BACKGROUNDS))))
        r = rng.random()
        if r < 0.7:
            art = self.emoji.everything
            for _ in range(rng.integers(1, 5)):
                self.place(picture, art[rng.integers(len(art))], SIZE * rng.uniform(0.25, 0.95),
                           rng.uniform(0.1, 0.9, 2) * SIZE)
        if r > 0.6:
            self.scribble(picture, rng.integers(1, 7))
        return np.asarray(picture)

    def scribble(self, picture, n):
        """Letters and geometric shapes in random colours."""
        rng = self.rng
        draw = ImageDraw.Draw(picture)
        for _ in range(n):
            colour = tuple(int(v) for v in rng.integers(0, 256, 3))
            x, y = (int(v) for v in rng.uniform(0, 0.8, 2) * SIZE)
            s = int(rng.uniform(20, 130))
            kind = rng.integers(5)
            if kind == 0:
                text = "".join(rng.choice(list("ABCDEFGHKLMNOPRSTUVXYZabdefgkmnrstwyz0123456789?!&"),
                                          rng.integers(1, 4)))
                draw.text((x, y), text, fill=colour, font=ImageFont.load_default(s))
            elif kind == 1:
                draw.ellipse((x, y, x + s, y + int(s * rng.uniform(0.5, 1.5))), fill=colour)
            elif kind == 2:
                draw.rectangle((x, y, x + s, y + int(s * rng.uniform(0.5, 1.5))), fill=colour)
            elif kind == 3:
                points = [tuple(int(v) for v in rng.uniform(-1, 1, 2) * s + (x + 30, y + 30))
                          for _ in range(rng.integers(3, 6))]
                draw.polygon(points, fill=colour)
            else:
                points = [tuple(int(v) for v in rng.uniform(0, SIZE, 2)) for _ in range(3)]
                draw.line(points, fill=colour, width=int(rng.integers(1, 14)), joint="curve")

    def noise(self):
        """Coloured noise of several scales, which stands in for textures."""
        rng = self.rng
        total = np.zeros((SIZE, SIZE, 3), np.float32) + rng.uniform(40, 215, 3)
        for cells in (2, 4, 8, 16, 32, 64, 128):
            cell = rng.normal(0, 1, (cells, cells, 3)).astype(np.float32)
            if rng.random() < 0.5:
                cell = cell.mean(-1, keepdims=True).repeat(3, -1) * 1.6
            strength = rng.uniform(0, 60) * (2 / cells) ** rng.uniform(0.1, 0.9)
            total += strength * cv2.resize(cell, (SIZE, SIZE), interpolation=cv2.INTER_CUBIC)
        return _u8(total)

    # -- structure -----------------------------------------------------------

    def edges(self, picture):
        """A training edge map: Canny with random thresholds, at times degraded.

        At use the map may come from a photo, or be drawn by hand; broken,
        shifted and thick lines in training keep ControlNet from expecting the
        exact outline of the picture.
        """
        rng = self.rng
        low = rng.uniform(40, 130)
        e = edge_map(picture, low, low * rng.uniform(1.5, 2.5))
        r = rng.random()
        if r < 0.15:                     # broken lines
            holes = cv2.resize(rng.random((24, 24)).astype(np.float32), (SIZE, SIZE))
            e = np.where(holes < rng.uniform(0.6, 0.9), e, 0).astype(np.uint8)
        elif r < 0.30:                   # hand-drawn: a wobbly outline, thicker pen
            wobble = [cv2.resize(rng.normal(0, 2.0, (12, 12)).astype(np.float32), (SIZE, SIZE),
                                 interpolation=cv2.INTER_CUBIC) for _ in range(2)]
            y, x = np.mgrid[0:SIZE, 0:SIZE].astype(np.float32)
            e = cv2.dilate(e, np.ones((2, 2), np.uint8))
            e = cv2.remap(e, x + wobble[0], y + wobble[1], cv2.INTER_NEAREST)
        return e


def edge_map(picture, low=100, high=200):
    """Canny edges of an RGB array, uint8 0 or 255."""
    return cv2.Canny(np.ascontiguousarray(picture), float(low), float(high))


def _u8(a):
    return np.clip(a, 0, 255).astype(np.uint8)


def all_captions(emoji):
    """Every caption the templates can make for one thing, plus the joining words:
    the vocabulary that export.py keeps."""
    out = ["", "and"]
    for words, looks in emoji.things:
        for colour in looks:
            for w in words:
                p = f"{colour} {w}" if colour else w
                out += [t.format(a=an(p), bare=p, bg="white",
                                 abg=w) for t in set(TEMPLATES_BG + TEMPLATES_BARE)]
                out.append(an(w))
    return out + [f"{an(bg)} background" for bg in BACKGROUNDS]
