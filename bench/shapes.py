#!/usr/bin/env python3
"""Writes bench/shapes/*.json: every operation of a pass of the networks, as src/nn calls them, from
the networks' published configurations. `--check` compares products and convolutions with the
operation counts that the literature has, and the files with what would be written.

  bench/shapes.py            # writes the files beside it
  bench/shapes.py --check
"""

import argparse
import json
import os
import sys

FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "shapes")

# Channels by level, transformer layers by level (and in the middle), heads, width of text states.
UNETS = {
    "sd15": dict(channels=(320, 640, 1280, 1280), depth=(1, 1, 1, 0), heads=(8, 8, 8, 8), text=768),
    "sdxl": dict(channels=(320, 640, 1280), depth=(0, 2, 10), heads=(5, 10, 20), text=2048),
}
VAE = (128, 256, 512, 512)
TEXT_TOKENS = 77

# 10^9 multiply-adds of one picture (batch 1), products and convolutions with attention. SD 1.5 at
# 512 pixels and SDXL at 1024: 16.93 T and 149.4 T for 50 passes without attention (T-GATE,
# arXiv:2404.02747, tables of SD 1.5 and SDXL).
LITERATURE = {("sd15", 512): 338.6, ("sdxl", 1024): 2988.7}


class Pass:
    """`batch` rows; with `shared` they are one until the first cross-attention tells them apart."""

    def __init__(self, batch, shared=False):
        self.batch, self.all_rows, self.ops = 1 if shared else batch, batch, {}

    def add(self, op, family, **fields):
        fields = {k: v for k, v in fields.items() if v not in (0, False)}
        key = json.dumps({"op": op, "family": family, **fields})
        self.ops[key] = self.ops.get(key, 0) + 1

    def conv(self, n_in, n_out, h, w, kernel=3, stride=1, asymmetric=False, **more):
        pad = kernel // 2
        family = f"conv{kernel}x{kernel}"
        family += " stride 2" if stride == 2 else " after 2x" if more.get("upsample") else ""
        if min(n_in, n_out) < 16:
            family += " thin"
        self.add("conv2d", family, batch=self.batch, height=h, width=w, **{"in": n_in}, out=n_out,
                 kernel=kernel, stride=stride, pad_before=0 if asymmetric else pad, pad_after=pad,
                 **more)

    def linear(self, family, rows, n_in, n_out, batch=None, **more):
        self.add("linear", family, batch=self.batch if batch is None else batch, height=rows,
                 width=1, **{"in": n_in}, out=n_out, **more)

    def attention(self, family, width, heads, queries, keys):
        self.add("attention", f"attention {family} d {width // heads}", batch=self.batch,
                 **{"in": width}, heads=heads, queries=queries, keys=keys)

    def rows(self, op, family, h, w, channels, **more):
        self.add(op, family, batch=self.batch, height=h, width=w, **{"in": channels}, **more)

    def resnet(self, n_in, n_out, h, w, time_width=0):
        if time_width:
            self.linear("linear time", 1, time_width, n_out, batch=1)
        self.conv(n_in, n_out, h, w, norm=True, row_bias=bool(time_width))
        if n_in != n_out:
            self.conv(n_in, n_out, h, w, kernel=1)
        self.conv(n_out, n_out, h, w, norm=True, residual=True)

    def transformer(self, c, heads, layers, text, h, w):
        t = h * w
        self.rows("group_norm", "group norm", h, w, c)
        self.linear("linear", t, c, c)
        for _ in range(layers):
            for _ in range(3):
                self.rows("layer_norm", "layer norm", t, 1, c)
            self.linear("linear", t, c, 3 * c)
            self.attention("self", c, heads, t, t)
            self.linear("linear", t, c, c, residual=True)
            self.batch = self.all_rows
            self.linear("linear", t, c, c)
            self.linear("linear text k, v", TEXT_TOKENS, text, 2 * c)
            self.attention("cross", c, heads, t, TEXT_TOKENS)
            self.linear("linear", t, c, c, residual=True)
            self.linear("feed-forward in", t, c, 8 * c, geglu=True)
            self.linear("feed-forward out", t, 4 * c, c, residual=True)
        self.linear("linear", t, c, c, residual=True)

    def list(self):
        return [{**json.loads(key), "count": n} for key, n in self.ops.items()]

    def giga_macs(self, with_attention):
        total = 0
        for op in self.list():
            scale = 2 if op.get("upsample") else 1
            stride = op.get("stride", 1)
            pixels = op["batch"] * op.get("height", 1) * op.get("width", 1) * scale**2 / stride**2
            if op["op"] == "conv2d":
                macs = pixels * op["in"] * op["out"] * op["kernel"] ** 2
            elif op["op"] == "linear":
                macs = pixels * op["in"] * op["out"]
            elif op["op"] == "attention" and with_attention:
                macs = 2 * op["batch"] * op["queries"] * op["keys"] * op["in"]
            else:
                continue
            total += macs * op["count"]
        return total / 1e9 / self.batch


def encoder(p, net, side):
    """-> skips as (channels, side), the last side"""
    channels, time = net["channels"], 4 * net["channels"][0]
    p.linear("linear time", 1, channels[0], time, batch=1)
    p.linear("linear time", 1, time, time, batch=1)
    p.conv(4, channels[0], side, side)
    skips, c = [(channels[0], side)], channels[0]
    for level, n_out in enumerate(channels):
        for _ in range(2):
            p.resnet(c, n_out, side, side, time)
            if net["depth"][level]:
                p.transformer(n_out, net["heads"][level], net["depth"][level], net["text"], side,
                              side)
            c = n_out
            skips.append((c, side))
        if level + 1 < len(channels):
            p.conv(c, c, side, side, stride=2)
            side //= 2
            skips.append((c, side))
    p.resnet(c, c, side, side, time)
    p.transformer(c, net["heads"][-1], max(net["depth"][-1], 1), net["text"], side, side)
    p.resnet(c, c, side, side, time)
    return skips, side


def unet(name, pixels, rows=2):
    net, p = UNETS[name], Pass(batch=rows, shared=True)
    skips, side = encoder(p, net, pixels // 8)
    c, time = net["channels"][-1], 4 * net["channels"][0]
    for level in reversed(range(len(net["channels"]))):
        n_out = net["channels"][level]
        for _ in range(3):
            skip, _ = skips.pop()
            p.rows("concat", "concat", side, side, c, out=skip)
            p.resnet(c + skip, n_out, side, side, time)
            if net["depth"][level]:
                p.transformer(n_out, net["heads"][level], net["depth"][level], net["text"], side,
                              side)
            c = n_out
        if level > 0:
            p.conv(c, c, side, side, upsample=True)
            side *= 2
    p.conv(c, 4, side, side, norm=True)
    return p


def controlnet(name, pixels):
    """A pass; its residuals scaled and added to the U-Net's are its too."""
    p = Pass(batch=2, shared=True)
    skips, side = encoder(p, UNETS[name], pixels // 8)
    for c, s in [*skips, (UNETS[name]["channels"][-1], side)]:
        p.linear("linear", s * s, c, c)
        p.rows("lincomb", "sum of residuals", s, s, c)
    return p


def hint(name, pixels):
    """The hint network, once a map."""
    p, side = Pass(batch=1), pixels
    p.conv(3, 16, side, side)
    for a, b in ((16, 32), (32, 96), (96, 256)):
        p.conv(a, a, side, side)
        p.conv(a, b, side, side, stride=2)
        side //= 2
    p.conv(256, UNETS[name]["channels"][0], side, side)
    return p


def vae_middle(p, side):
    c = VAE[-1]
    p.resnet(c, c, side, side)
    p.rows("group_norm", "group norm", side, side, c)
    p.linear("linear", side * side, c, 3 * c)
    p.attention("self", c, 1, side * side, side * side)
    p.linear("linear", side * side, c, c, residual=True)
    p.resnet(c, c, side, side)


def vae_decoder(pixels):
    p, side, c = Pass(batch=1), pixels // 8, VAE[-1]
    p.conv(4, 4, side, side, kernel=1)
    p.conv(4, c, side, side)
    vae_middle(p, side)
    for level in reversed(range(len(VAE))):
        for _ in range(3):
            p.resnet(c, VAE[level], side, side)
            c = VAE[level]
        if level > 0:
            p.conv(c, c, side, side, upsample=True)
            side *= 2
    p.conv(c, 3, side, side, norm=True)
    return p


def vae_encoder(pixels):
    p, side, c = Pass(batch=1), pixels, VAE[0]
    p.conv(3, c, side, side)
    for level, n_out in enumerate(VAE):
        for _ in range(2):
            p.resnet(c, n_out, side, side)
            c = n_out
        if level + 1 < len(VAE):
            p.conv(c, c, side, side, stride=2, asymmetric=True)
            side //= 2
    vae_middle(p, side)
    p.conv(c, 8, side, side, norm=True)
    p.conv(8, 8, side, side, kernel=1)
    return p


def passes(name, pixels):
    made = {"unet": unet(name, pixels), "vae_decoder": vae_decoder(pixels),
            "vae_encoder": vae_encoder(pixels)}
    if name == "sd15":
        made |= {"controlnet": controlnet(name, pixels), "hint": hint(name, pixels)}
    return made


def text_of(name, pixels, made):
    lines = [f'{{"network": "{name}", "pixels": {pixels}, "script": "bench/shapes.py", "passes": {{']
    for i, (key, p) in enumerate(made.items()):
        ops = ",\n".join("    " + json.dumps(op) for op in p.list())
        lines.append(f'  "{key}": [\n{ops}\n  ]' + ("," if i + 1 < len(made) else ""))
    return "\n".join(lines) + "\n}}\n"


def main():
    p = argparse.ArgumentParser(description=__doc__,
                                formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--check", action="store_true")
    args = p.parse_args()
    is_wrong = False
    for (name, pixels), published in LITERATURE.items():
        made = passes(name, pixels)
        path = os.path.join(FOLDER, f"{name}_{pixels}.json")
        text = text_of(name, pixels, made)
        if not args.check:
            os.makedirs(FOLDER, exist_ok=True)
            with open(path, "w", encoding="utf-8") as f:
                f.write(text)
            continue
        counted = unet(name, pixels, rows=1).giga_macs(with_attention=False)
        print(f"{name} U-Net: {counted:.1f} G multiply-adds a row, published {published}")
        is_wrong |= abs(counted / published - 1) > 0.002
        with open(path, encoding="utf-8") as f:
            if f.read() != text:
                print(f"{path} is not what this script writes")
                is_wrong = True
    return 1 if is_wrong else 0


if __name__ == "__main__":
    sys.exit(main())
