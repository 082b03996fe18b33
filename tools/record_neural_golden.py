"""Makes tiny ONNX networks of every neural annotator's design, and records what the reference
Python code makes with them, for tests/annotators/neural_golden_test.cpp.

    python3 tools/record_neural_golden.py tests/data/neural

Needs what tools/record_annotator_golden.py needs, and torch, torchvision, timm, einops, onnx. The
networks have random weights of a seed, few channels, and the operators of the real ones: they are
made of controlnet_aux's own modules, and exported as users export them. Their detectors run on the
picture whose edges are repeated up to multiples of 64 (the web extension's rule), with
controlnet_aux's resizing taken out, and the map is cut afterwards. MiDaS small and Depth Anything
are written below from their published transforms. Versions stand in cases.json.
"""
import json
import os
import sys

import cv2
import numpy as np
import onnx
import torch
from torch import nn
from torch.nn import functional as F

import record_annotator_golden as golden
from controlnet_aux import hed, lineart, lineart_anime, pidi, teed  # noqa: E402
from controlnet_aux import mlsd, midas  # noqa: E402
from controlnet_aux.midas.midas.blocks import FeatureFusionBlock_custom  # noqa: E402
from controlnet_aux.midas.midas.transforms import NormalizeImage, PrepareForNet, Resize  # noqa: E402
from controlnet_aux.mlsd.models import mbv2_mlsd_large as mlsd_net  # noqa: E402
from controlnet_aux.pidi.model import PiDiNet, nets as pidi_layers  # noqa: E402
from controlnet_aux.teed import ted  # noqa: E402

for module in (hed, lineart, lineart_anime, pidi, teed, mlsd, midas):
    module.resize_image = lambda image, resolution: image

PICTURES = [0, 3, 7, 11, 14, 16]  # of record_annotator_golden.py


# --- networks -------------------------------------------------------------------------------------

def hed_net():
    net = hed.ControlNetHED_Apache2.__new__(hed.ControlNetHED_Apache2)
    nn.Module.__init__(net)
    net.norm = nn.Parameter(torch.full((1, 3, 1, 1), 120.0))
    widths = (3, 4, 4, 6, 6, 6)
    for k, layers in enumerate((2, 2, 3, 3, 3)):
        setattr(net, f"block{k + 1}", hed.DoubleConvBlock(widths[k], widths[k + 1], layers))
    # nn.Module's __call__ is overridden by the module's own: exporters want forward.
    net.__class__ = type("HED", (hed.ControlNetHED_Apache2,), {"forward": hed.ControlNetHED_Apache2.__call__})
    hed.DoubleConvBlock.forward = hed.DoubleConvBlock.__call__
    return net


class Ted(ted.TED):
    """TED with a few channels."""

    def __init__(self):
        nn.Module.__init__(self)
        self.block_1 = ted.DoubleConvBlock(3, 4, 4, stride=2)
        self.block_2 = ted.DoubleConvBlock(4, 6, use_act=False)
        self.dblock_3 = ted._DenseBlock(1, 6, 8)
        self.maxpool = nn.MaxPool2d(kernel_size=3, stride=2, padding=1)
        self.side_1 = ted.SingleConvBlock(4, 6, 2)
        self.pre_dense_3 = ted.SingleConvBlock(6, 8, 1)
        self.up_block_1 = ted.UpConvBlock(4, 1)
        self.up_block_2 = ted.UpConvBlock(6, 1)
        self.up_block_3 = ted.UpConvBlock(8, 2)
        self.block_cat = ted.DoubleFusion(3, 3)


class Generator(lineart.Generator):
    """lineart.Generator with few channels and one residual block."""

    def __init__(self, width):
        nn.Module.__init__(self)
        norm = lineart.norm_layer

        def down(a, b):
            return [nn.Conv2d(a, b, 3, stride=2, padding=1), norm(b), nn.ReLU(inplace=True)]

        def up(a, b):
            return [nn.ConvTranspose2d(a, b, 3, stride=2, padding=1, output_padding=1), norm(b), nn.ReLU(inplace=True)]
        self.model0 = nn.Sequential(nn.ReflectionPad2d(3), nn.Conv2d(3, width, 7), norm(width), nn.ReLU(inplace=True))
        self.model1 = nn.Sequential(*down(width, 2 * width), *down(2 * width, 4 * width))
        self.model2 = nn.Sequential(lineart.ResidualBlock(4 * width))
        self.model3 = nn.Sequential(*up(4 * width, 2 * width), *up(2 * width, width))
        self.model4 = nn.Sequential(nn.ReflectionPad2d(3), nn.Conv2d(width, 1, 7), nn.Sigmoid())


def pidi_net():
    """As its authors' own script converts it: plain convolutions."""
    layers = [pidi_layers["carv4"][f"layer{i}"] for i in range(16)]
    return PiDiNet(3, layers, dil=3, sa=True, convert=True)


def anime_net():
    norm = __import__("functools").partial(nn.InstanceNorm2d, affine=False, track_running_stats=False)
    return lineart_anime.UnetGenerator(3, 1, 5, 1, norm_layer=norm, use_dropout=False)


class Mlsd(mlsd_net.MobileV2_MLSD_Large):
    """M-LSD with a few channels and its blocks A, B and C."""

    def __init__(self):
        nn.Module.__init__(self)
        block = mlsd_net.InvertedResidual
        self.c1 = nn.Sequential(mlsd_net.ConvBNReLU(4, 4, stride=2), block(4, 4, 1, 1))
        self.c2 = nn.Sequential(block(4, 6, 2, 2), block(6, 6, 1, 2))
        self.a = mlsd_net.BlockTypeA(in_c1=4, in_c2=6, out_c1=4, out_c2=4)
        self.b = mlsd_net.BlockTypeB(8, 4)
        self.c = mlsd_net.BlockTypeC(4, 16)

    def forward(self, x):
        first = self.c1(x)
        return self.c(self.b(self.a(first, self.c2(first))))[:, 7:, :, :]


class Midas(nn.Module):
    """An encoder of mobile blocks and MiDaS small's decoder."""

    def __init__(self):
        super().__init__()

        def block(a, b):
            return nn.Sequential(nn.Conv2d(a, b, 1, bias=False), nn.BatchNorm2d(b), nn.ReLU6(),
                                 nn.Conv2d(b, b, 3, 2, 1, groups=b, bias=False), nn.BatchNorm2d(b), nn.ReLU6())
        self.down1, self.down2 = block(3, 4), block(4, 8)
        activation = nn.ReLU(False)
        self.fuse2 = FeatureFusionBlock_custom(8, activation, expand=True)
        self.fuse1 = FeatureFusionBlock_custom(4, activation)
        self.out = nn.Sequential(nn.Conv2d(4, 2, 3, padding=1), activation, nn.Conv2d(2, 1, 1), nn.ReLU())

    def forward(self, x):
        first = self.down1(x)
        return torch.squeeze(self.out(self.fuse1(self.fuse2(self.down2(first)), first)), dim=1)


class Transformer(nn.Module):
    """A patch embedding, layer normalisation and attention: what OpenCV 4.6 cannot run."""

    def __init__(self, patch):
        super().__init__()
        self.embed = nn.Conv2d(3, 8, patch, patch)
        self.norm, self.qkv, self.head = nn.LayerNorm(8), nn.Linear(8, 24), nn.Conv2d(8, 1, 1)

    def forward(self, x):
        tokens = self.embed(x)
        shape = tokens.shape
        q, k, v = self.qkv(self.norm(tokens.flatten(2).transpose(1, 2))).chunk(3, dim=2)
        tokens = torch.softmax(q @ k.transpose(1, 2) * 8 ** -0.5, dim=2) @ v
        tokens = tokens.transpose(1, 2).reshape(shape)
        return F.interpolate(self.head(tokens), x.shape[2:], mode="bilinear", align_corners=True)[:, 0]


def seeded(net, seed, last=(), gain=1.0, lift=0.0):
    """Weights of a seed; those of `last` times `gain`, their biases plus `lift`, so that maps have contrast."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, value in net.state_dict().items():
            if name.endswith("num_batches_tracked") or name == "norm":  # HED's mean colour
                continue
            fan = max(1, value[0].numel()) if value.ndim > 1 else 1
            noise = torch.randn(value.shape, generator=generator)
            if name.endswith("running_var"):
                value.copy_(1 + 0.1 * noise.abs())
            elif value.ndim > 1:
                value.copy_(noise * (2 / fan) ** 0.5)
            else:
                value.copy_(0.1 * noise + (1 if name.endswith("weight") else 0))
            if any(part in name for part in last):
                value.mul_(gain).add_(lift if name.endswith("bias") else 0)
    return net.float().eval()


def export(net, path, channels, outputs, size=None, opset=11):
    h, w = size or (64, 64)
    free = {} if size else {"picture": {2: "h", 3: "w"}}
    torch.onnx.export(net, torch.rand(1, channels, h, w) * 2 - 1, path, dynamo=False, opset_version=opset,
                      input_names=["picture"], output_names=outputs, dynamic_axes=free)
    onnx.checker.check_model(path)


# --- references -----------------------------------------------------------------------------------

def padded(img):
    h, w = img.shape[:2]
    return np.pad(img, ((0, -h % 64), (0, -w % 64), (0, 0)), mode="edge")


def by(detector, **options):
    """What the detector makes of the padded picture, cut."""
    def make(img):
        return detector(padded(img), output_type="np", **options)[:img.shape[0], :img.shape[1]]
    return make


def white(x):
    """As MidasDetector: from the least to the largest value, truncated to 8 bit."""
    x = x - np.min(x)
    x = x / np.max(x) if np.max(x) > 0 else x
    return (x * 255.0).clip(0, 255).astype(np.uint8)


def transformed(img, side, multiple, method):
    sample = {"image": img / 255.0}
    sample = Resize(side, side, resize_target=None, keep_aspect_ratio=True, ensure_multiple_of=multiple,
                    resize_method=method, image_interpolation_method=cv2.INTER_CUBIC)(sample)
    sample = NormalizeImage(mean=[0.485, 0.456, 0.406], std=[0.229, 0.224, 0.225])(sample)
    return torch.from_numpy(PrepareForNet()(sample)["image"])[None]


def raw_depth(net, img, side, multiple, method, mode):
    with torch.no_grad():
        depth = net(transformed(img, side, multiple, method))
        return F.interpolate(depth[:, None], img.shape[:2], mode=mode, align_corners=False)[0, 0].numpy()


def raw_fixed(net, img, side):
    """A network of fixed size: the picture is stretched."""
    square = cv2.resize(img / 255.0, (side, side), interpolation=cv2.INTER_CUBIC)
    square = (square - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
    with torch.no_grad():
        depth = net(torch.from_numpy(square.transpose(2, 0, 1)[None].astype(np.float32)))
        return F.interpolate(depth[:, None], img.shape[:2], mode="bilinear", align_corners=False)[0, 0].numpy()


def main():
    torch.set_num_threads(1)
    folder = sys.argv[1]
    os.makedirs(folder, exist_ok=True)
    nets = {"hed": (seeded(hed_net(), 1, ["projection"], 0.2), 3, ["d1", "d2", "d3", "d4", "d5"], None),
            "pidinet": (seeded(pidi_net(), 2, ["conv_reduces"], 0.3), 3,
                        ["e1", "e2", "e3", "e4", "fused"], None),
            "teed": (seeded(Ted(), 3), 3, ["o1", "o2", "o3", "cat"], None),
            "lineart": (seeded(Generator(3), 4), 3, ["line"], None),
            "lineart-anime": (seeded(anime_net(), 15, ["model.model.3."], 0.3), 3, ["line"], (256, 256)),
            "mlsd": (seeded(Mlsd(), 6), 4, ["tp"], None),
            "midas": (seeded(Midas(), 7, ["out.2"], 1, 2), 3, ["depth"], None),
            "dpt": (seeded(Midas(), 8, ["out.2"], 1, 2), 3, ["depth"], None),
            "depth-anything": (seeded(Transformer(14), 9), 3, ["depth"], (518, 518))}
    for name, (net, channels, outputs, size) in nets.items():
        export(net, os.path.join(folder, name + ".onnx"), channels, outputs, size,
               17 if name == "depth-anything" else 11)
    net = {name: row[0] for name, row in nets.items()}
    small = lambda img: raw_depth(net["midas"], img, 256, 32, "upper_bound", "bicubic")  # noqa: E731
    cases = {
        "hed": ("hed", {}, by(hed.HEDdetector(net["hed"]))),
        "hed_safe": ("hed", {"safe-steps": 2}, by(hed.HEDdetector(net["hed"]), safe=True)),
        "scribble_hed": ("scribble-hed", {}, by(hed.HEDdetector(net["hed"]), scribble=True)),
        "pidinet": ("pidinet", {}, by(pidi.PidiNetDetector(net["pidinet"]))),
        "scribble_pidinet": ("scribble-pidinet", {}, by(pidi.PidiNetDetector(net["pidinet"]), scribble=True)),
        "teed": ("teed", {}, by(teed.TEEDdetector(net["teed"]))),
        "lineart": ("lineart", {}, by(lineart.LineartDetector(net["lineart"], None))),
        "lineart_anime": ("lineart-anime", {},
                          lambda i: lineart_anime.LineartAnimeDetector(net["lineart-anime"])(i, output_type="np")),
        "mlsd": ("mlsd", {}, by(mlsd.MLSDdetector(net["mlsd"]))),
        "mlsd_few": ("mlsd", {"value": 0.55, "distance": 0.5}, by(mlsd.MLSDdetector(net["mlsd"]), thr_v=0.55, thr_d=0.5)),
        "dpt": ("dpt", {"resolution": 0}, by(midas.MidasDetector(net["dpt"]))),
        "midas": ("midas", {}, lambda i: white(small(i))),
        "midas_normal": ("midas-normal", {"flatness": 0.5}, lambda i: golden.normal(small(i)[:, :, None], 0.4, 0.5)),
        "depth_anything": ("depth-anything", {}, lambda i: white(raw_fixed(net["depth-anything"], i, 518))),
    }
    rows = {}
    for name, (kind, values, make) in cases.items():
        # Of one colour, instance normalisation divides by its epsilon, and engines differ in that.
        # Of a few pixels, depth has hardly a range, and stretching it shows the last bits.
        few = 1 if name.startswith("lineart") else 2 if name == "depth_anything" else 0
        inputs = PICTURES[few:]
        maps = [make(golden.rgb8(golden.picture(i))) for i in inputs]
        golden.write_png(os.path.join(folder, name + ".png"), golden.sheet(maps))
        rows[name] = {"kind": kind, "values": values, "inputs": [f"picture{i:02}.png" for i in inputs]}
    versions = f"torch {torch.__version__}, OpenCV {cv2.__version__}, onnx {onnx.__version__}, controlnet_aux 0.0.10"
    with open(os.path.join(folder, "cases.json"), "w") as f:
        lines = ",\n".join(f"  {json.dumps(name)}: {json.dumps(row)}" for name, row in sorted(rows.items()))
        f.write(f'{{"script": "tools/record_neural_golden.py", "versions": "{versions}", "cases": {{\n{lines}\n}}}}\n')


if __name__ == "__main__":
    main()
