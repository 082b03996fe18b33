"""Records what the reference Python code makes of 20 small pictures, for tests/annotators/golden_test.cpp.

    python3 tools/record_annotator_golden.py tests/data/annotators

Needs opencv-python, numpy, scipy, torch, matplotlib, Pillow and controlnet_aux (installed with
--no-deps). canny, shuffle, lineart-standard and pose run the code of controlnet_aux, with its
resizing to multiples of 64 taken out: hints are made at the picture's own size here. The others
are written below from the published algorithms: the ControlNet web extension's annotators, the
ControlNet 1.0/1.1 demos, the T2I-Adapter's colour grid and Fooocus' PyraCanny.

Recorded with the versions that stand in cases.json. Pictures have odd sizes, grey, alpha and 16
bits; they are made by seeded rules.
"""
import importlib.util
import json
import os
import struct
import sys
import types
import zlib

import cv2
import numpy as np


def load_aux():
    """controlnet_aux without its package's own imports, which want every model's libraries."""
    spec = importlib.util.find_spec("controlnet_aux")
    root = spec.submodule_search_locations[0]
    for name in ("controlnet_aux", "controlnet_aux.open_pose"):
        stub = types.ModuleType(name)
        stub.__path__ = [os.path.join(root, *name.split(".")[1:])]
        sys.modules[name] = stub
    filters = types.ModuleType("scipy.ndimage.filters")  # gone from new SciPy; not called here
    filters.gaussian_filter = None
    sys.modules.setdefault("scipy.ndimage.filters", filters)
    from controlnet_aux import canny, lineart_standard, shuffle
    from controlnet_aux.open_pose import util as pose
    for module in (canny, lineart_standard, shuffle):
        module.resize_image = lambda image, resolution: image
    return canny.CannyDetector(), lineart_standard.LineartStandardDetector(), \
        shuffle.ContentShuffleDetector(), pose


CANNY, LINEART, SHUFFLE, POSE = load_aux()
from controlnet_aux.open_pose.body import Keypoint  # noqa: E402
from controlnet_aux.util import HWC3, safe_step  # noqa: E402

# --- pictures -------------------------------------------------------------------------------------

PICTURES = [  # width, height, channels, bits, content
    (1, 1, 3, 8, "shapes"), (1, 37, 1, 8, "shapes"), (41, 1, 3, 8, "shapes"),
    (2, 3, 4, 8, "shapes"), (5, 5, 1, 16, "shapes"), (17, 23, 3, 16, "shapes"),
    (33, 9, 4, 16, "shapes"), (31, 47, 3, 8, "shapes"), (64, 64, 3, 8, "shapes"),
    (65, 63, 1, 8, "shapes"), (29, 71, 4, 8, "shapes"), (97, 61, 3, 8, "shapes"),
    (50, 50, 2, 8, "shapes"), (61, 33, 1, 16, "shapes"), (45, 37, 3, 16, "shapes"),
    (23, 89, 3, 8, "drawing"), (77, 19, 4, 8, "drawing"), (39, 39, 1, 8, "drawing"),
    (53, 41, 3, 8, "drawing"), (70, 30, 3, 8, "flat"),
]


def picture(index):
    w, h, channels, bits, content = PICTURES[index]
    random = np.random.RandomState(100 + index)
    y, x = np.mgrid[0:h, 0:w]
    rgb = np.stack([40 + x * 2, 30 + y * 3, 200 - x - y], axis=2).clip(0, 255).astype(np.uint8)
    if content == "flat":
        rgb[:] = (120, 130, 140)
    elif content == "drawing":
        rgb[:] = 255
        for k in range(6):
            a, b = random.randint(0, w, 2), random.randint(0, h, 2)
            cv2.line(rgb, (int(a[0]), int(b[0])), (int(a[1]), int(b[1])), (k * 20,) * 3, 1 + k % 3, cv2.LINE_AA)
    else:
        cv2.circle(rgb, (w // 3, h // 2), max(1, min(w, h) // 4), (220, 40, 60), -1, cv2.LINE_AA)
        cv2.rectangle(rgb, (w // 2, h // 5), (w - 2, h // 2), (10, 120, 40), 2)
        rgb = np.clip(rgb.astype(int) + random.randint(-6, 7, rgb.shape), 0, 255).astype(np.uint8)
    alpha = np.clip(x * 9 + y * 5, 0, 255).astype(np.uint8)[:, :, None]
    grey = rgb[:, :, 1:2]
    colour = grey if channels < 3 else rgb
    out = np.concatenate([colour, alpha], axis=2) if channels in (2, 4) else colour
    if bits == 16:
        out = (out.astype(np.uint16) * 257 + random.randint(-128, 128, out.shape)).clip(0, 65535).astype(np.uint16)
    return out


def rgb8(image):
    """16 to 8 bit by rounding, then HWC3, as every annotator of dedit begins."""
    if image.dtype == np.uint16:
        image = ((image.astype(np.uint32) + 128) // 257).astype(np.uint8)
    if image.shape[2] == 2:
        image = np.concatenate([image[:, :, :1]] * 3 + [image[:, :, 1:]], axis=2)
    return HWC3(image)


# --- references -----------------------------------------------------------------------------------

def blur(x, sigma):
    return cv2.GaussianBlur(x, (0, 0), sigma)


def scribble(img, threshold=32, compat="dedit"):
    x = img.astype(np.float32)
    dog = (255 - np.min(blur(x, 5.0) - blur(x, 0.5), axis=2)).clip(0, 255).astype(np.uint8)
    v = 255 - dog
    doubled = (2 * v).astype(np.uint8) if compat == "webui" else 2 * v.astype(int)
    return np.where(doubled > threshold, 255, 0).astype(np.uint8)


def binary(img, threshold=100):
    grey = cv2.cvtColor(img, cv2.COLOR_RGB2GRAY)
    flags = cv2.THRESH_BINARY_INV + (cv2.THRESH_OTSU if threshold in (0, 255) else 0)
    _, dark = cv2.threshold(grey, 0 if threshold in (0, 255) else threshold, 255, flags)
    return 255 - dark


def softedge(img, scales=3, safe_steps=0):
    x = img.astype(np.float32)
    total = np.zeros(x.shape[:2], np.float32)
    for k in range(scales):
        sigma = float(2 ** k)
        soft = blur(x, sigma)
        dx = cv2.Sobel(soft, cv2.CV_32F, 1, 0, ksize=3)
        dy = cv2.Sobel(soft, cv2.CV_32F, 0, 1, ksize=3)
        dx, dy = (d.reshape(x.shape) for d in (dx, dy))
        total += np.float32(sigma) * np.sqrt(np.max(dx * dx + dy * dy, axis=2))
    white = max(np.float32(np.percentile(total, 99)), np.float32(64 * scales))
    v = np.minimum(total / white, np.float32(1))
    if safe_steps:
        v = np.minimum(safe_step(v, safe_steps), 1)
    return (v * 255).astype(np.uint8)


def tile(img, rate=1.0, pyramid=0):
    h, w = img.shape[:2]
    if pyramid:
        padded = np.pad(img, ((0, -h % 64), (0, -w % 64), (0, 0)), mode="edge")
        m = cv2.resize(padded, (padded.shape[1] >> pyramid, padded.shape[0] >> pyramid),
                       interpolation=cv2.INTER_AREA)
        for _ in range(pyramid):
            m = cv2.pyrUp(m)
        return m[:h, :w]
    if rate < 1.1:
        return img
    small = cv2.resize(img, (max(1, int(w / rate)), max(1, int(h / rate))), interpolation=cv2.INTER_AREA)
    return cv2.resize(small, (w, h), interpolation=cv2.INTER_CUBIC)


def color_grid(img, cell=64, resolution=0):
    h, w = img.shape[:2]
    m = img
    if resolution:
        k = resolution / min(h, w)
        m = cv2.resize(m, (int(round(w * k)), int(round(h * k))), interpolation=cv2.INTER_AREA)
    mh, mw = m.shape[:2]
    m = cv2.resize(m, (max(1, mw // cell), max(1, mh // cell)), interpolation=cv2.INTER_CUBIC)
    m = cv2.resize(m, (mw, mh), interpolation=cv2.INTER_NEAREST)
    return cv2.resize(m, (w, h), interpolation=cv2.INTER_NEAREST)


def gamma_grey(grey, gamma):
    v = grey.astype(np.float32) / 255.0
    return ((v ** gamma) * 255).clip(0, 255).astype(np.uint8)


def recolor_luminance(img, gamma=1.0, compat="dedit"):
    code = cv2.COLOR_BGR2LAB if compat == "webui" else cv2.COLOR_RGB2LAB
    return gamma_grey(cv2.cvtColor(img, code)[:, :, 0], gamma)


def recolor_intensity(img, gamma=1.0):
    return gamma_grey(cv2.cvtColor(img, cv2.COLOR_BGR2HSV)[:, :, 2], gamma)


def shuffle(img, seed=0, field=256):
    np.random.seed(seed)
    return SHUFFLE(img, f=field, output_type="np")


def normal(raw, background=0.4, flatness=np.pi * 2.0):
    """ControlNet 1.0's midas/__init__.py from the depth on; 8-bit and 16-bit depths as 0..255."""
    depth = raw[:, :, 0].astype(np.float32)
    if raw.dtype == np.uint16:
        depth = depth * np.float32(1 / 257)
    share = depth - np.min(depth)
    share = share / np.max(share) if np.max(share) > 0 else share
    x = cv2.Sobel(depth, cv2.CV_32F, 1, 0, ksize=3)
    y = cv2.Sobel(depth, cv2.CV_32F, 0, 1, ksize=3)
    z = np.ones_like(x) * flatness
    x[share < background] = 0
    y[share < background] = 0
    n = np.stack([x, y, z], axis=2)
    n /= np.sum(n ** 2.0, axis=2, keepdims=True) ** 0.5
    return (n * 127.5 + 127.5).clip(0, 255).astype(np.uint8)[:, :, ::-1]


def pyracanny(img, low=64, high=128):
    mixed = None
    for k in (0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0):
        size = (max(1, int(img.shape[1] * k)), max(1, int(img.shape[0] * k)))
        small = cv2.resize(img, size, interpolation=cv2.INTER_AREA)
        edge = np.stack([cv2.Canny(np.ascontiguousarray(small[:, :, c]), low, high) for c in range(3)], axis=2)
        edge = edge.astype(np.float32) / 255.0
        if mixed is not None:
            mixed = cv2.resize(mixed, size, interpolation=cv2.INTER_LINEAR).reshape(edge.shape)
        mixed = edge if mixed is None else mixed * 0.75 + edge * 0.25
    x = np.sum(mixed, axis=2)
    least, most = np.percentile(x, 1), np.percentile(x, 99)
    if most <= least:  # the reference divides by 0
        return np.zeros(x.shape, np.uint8)
    return ((x - least) / (most - least) * 255.0).clip(0, 255).astype(np.uint8)


def segmentation(raw, first=0):
    from controlnet_aux.util import ade_palette
    labels = raw[:, :, 0].astype(int) - first
    palette = np.array(ade_palette() + [[0, 0, 0]], np.uint8)
    return palette[np.where((labels >= 0) & (labels < 150), labels, 150)]


def pose(people, canvas, size):
    (cw, ch), (w, h) = canvas, size
    image = np.zeros((h, w, 3), np.uint8)

    def points(flat):
        return [Keypoint(flat[i] / cw, flat[i + 1] / ch) if flat[i + 2] > 0 else None
                for i in range(0, len(flat), 3)] if flat else None
    for person in people:
        body = points(person["pose_keypoints_2d"])
        if len(body) == 25:
            body = [body[k] for k in (0, 1, 2, 3, 4, 5, 6, 7, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18)]
        image = POSE.draw_bodypose(image, body)
        for hand in ("hand_left_keypoints_2d", "hand_right_keypoints_2d"):
            image = POSE.draw_handpose(image, points(person.get(hand)))
        image = POSE.draw_facepose(image, points(person.get("face_keypoints_2d")))
    return image


# --- cases ----------------------------------------------------------------------------------------

ALL = list(range(len(PICTURES)))
SOME = [0, 3, 7, 11, 14, 18]
GREYS = [i for i in ALL if PICTURES[i][2] == 1]
EXACT, FLOAT = 0, 1  # tolerance in levels; where floats decide, a different build may round otherwise

CASES = [  # name, kind, values, inputs, tolerance, reference on 8-bit RGB
    ("canny", "canny", {}, ALL, EXACT, lambda i: CANNY(i)),
    ("canny_l2", "canny", {"low": 40, "high": 90, "l2": 1}, SOME, EXACT,
     lambda i: cv2.Canny(i, 40, 90, L2gradient=True)),
    ("scribble", "scribble", {}, ALL, EXACT, scribble),
    ("scribble_8", "scribble", {"threshold": 8}, SOME, EXACT, lambda i: scribble(i, 8)),
    ("scribble_webui", "scribble", {"compat": 1}, ALL, EXACT, lambda i: scribble(i, compat="webui")),
    ("scribble_drawing", "scribble-drawing", {}, ALL, EXACT,
     lambda i: np.where(np.min(i, axis=2) < 127, 255, 0).astype(np.uint8)),
    ("threshold", "threshold", {}, ALL, EXACT,
     lambda i: np.where(np.min(i, axis=2) > 127, 255, 0).astype(np.uint8)),
    ("binary", "binary", {}, ALL, EXACT, binary),
    ("binary_otsu", "binary", {"threshold": 255}, ALL, EXACT, lambda i: binary(i, 255)),
    ("invert", "invert", {}, SOME, EXACT, lambda i: 255 - i),
    ("none", "none", {}, SOME, EXACT, lambda i: i),
    ("lineart_standard", "lineart-standard", {}, ALL, FLOAT, lambda i: LINEART(i, output_type="np")),
    ("lineart_standard_3", "lineart-standard", {"sigma": 3, "intensity": 2}, SOME, FLOAT,
     lambda i: LINEART(i, guassian_sigma=3.0, intensity_threshold=2, output_type="np")),
    ("softedge", "softedge", {}, ALL, FLOAT, softedge),
    ("softedge_safe", "softedge", {"scales": 2, "safe-steps": 2}, SOME, EXACT, lambda i: softedge(i, 2, 2)),
    ("tile", "tile", {}, SOME, EXACT, tile),
    ("tile_3", "tile", {"rate": 3}, ALL, FLOAT, lambda i: tile(i, 3.0)),
    ("tile_pyramid", "tile", {"pyramid": 3}, ALL, EXACT, lambda i: tile(i, pyramid=3)),
    ("blur", "blur", {}, ALL, EXACT, lambda i: blur(i, 9.0)),
    ("blur_1", "blur", {"sigma": 1.3}, SOME, EXACT, lambda i: blur(i, 1.3)),
    ("color_grid", "color-grid", {"cell": 16}, ALL, FLOAT, lambda i: color_grid(i, 16)),
    ("color_grid_512", "color-grid", {"resolution": 512}, SOME, FLOAT, lambda i: color_grid(i, 64, 512)),
    ("recolor_luminance", "recolor-luminance", {"gamma": 0.7}, ALL, FLOAT, lambda i: recolor_luminance(i, 0.7)),
    ("recolor_luminance_webui", "recolor-luminance", {"compat": 1}, SOME, EXACT,
     lambda i: recolor_luminance(i, 1.0, "webui")),
    ("recolor_intensity", "recolor-intensity", {}, ALL, EXACT, recolor_intensity),
    ("pyracanny", "pyracanny", {}, ALL, FLOAT, pyracanny),
    ("pyracanny_20", "pyracanny", {"low": 20, "high": 60}, SOME, FLOAT, lambda i: pyracanny(i, 20, 60)),
    ("shuffle", "shuffle", {}, ALL[1:], FLOAT, shuffle),  # of one pixel the reference makes NaN
    ("shuffle_fine", "shuffle", {"seed": 4294967295, "field": 16}, SOME[1:], FLOAT,
     lambda i: shuffle(i, 4294967295, 16)),
]
RAW_CASES = [  # the same on the picture as it is
    ("normal", "normal", {}, GREYS, FLOAT, normal),
    ("normal_flat", "normal", {"background": 0.1, "flatness": 30}, GREYS, FLOAT, lambda i: normal(i, 0.1, 30)),
    ("segmentation", "segmentation", {}, GREYS, EXACT, segmentation),
    ("segmentation_1", "segmentation", {"first": 1}, GREYS, EXACT, lambda i: segmentation(i, 1)),
]
if cv2.__version__ < "5":  # 5 interpolates exactly, 4 on a grid of 1/32 pixel
    CASES = [("shuffle_opencv4", "shuffle", {"seed": 3, "interpolation": 1}, ALL[1:], EXACT, lambda i: shuffle(i, 3))]
    RAW_CASES = []


def people(random, canvas, body_points, parts):
    def draw(n):
        flat = np.stack([random.uniform(0, canvas[0], n), random.uniform(0, canvas[1], n),
                         random.uniform(0, 1, n).round()], axis=1)
        return [float(np.round(v, 3)) for v in flat.ravel()]
    person = {"pose_keypoints_2d": draw(body_points)}
    if parts:
        full = draw(21)
        full[2::3] = [1.0] * 21  # the reference cannot leave out keypoints of hands and faces
        person["hand_left_keypoints_2d"] = full
        person["hand_right_keypoints_2d"] = None
        face = draw(70)
        face[2::3] = [1.0] * 70
        person["face_keypoints_2d"] = face
    return person


def pose_cases():
    random = np.random.RandomState(5)
    return [("pose", (640, 480), (97, 61), [people(random, (640, 480), 18, True) for _ in range(2)]),
            ("pose_big", (200, 150), (200, 150), [people(random, (200, 150), 18, True)]),
            ("pose_25", (120, 160), (120, 160), [people(random, (120, 160), 25, False)])]


# --- files ----------------------------------------------------------------------------------------

def write_png(path, image):
    height, width, channels = image.shape
    colour = {1: 0, 2: 4, 3: 2, 4: 6}[channels]
    bits = image.dtype.itemsize * 8
    rows = b"".join(b"\0" + image[y].astype(image.dtype.newbyteorder(">")).tobytes() for y in range(height))

    def chunk(kind, data):
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))
    with open(path, "wb") as f:
        f.write(b"\x89PNG\r\n\x1a\n")
        f.write(chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0)))
        f.write(chunk(b"IDAT", zlib.compress(rows, 9)))
        f.write(chunk(b"IEND", b""))


def sheet(maps):
    """One under the other, from the left; grey if all of them are."""
    maps = [m if m.ndim == 3 else np.stack([m] * 3, axis=2) for m in maps]
    out = np.zeros((sum(m.shape[0] for m in maps), max(m.shape[1] for m in maps), 3), np.uint8)
    y = 0
    for m in maps:
        out[y:y + m.shape[0], :m.shape[1]] = m
        y += m.shape[0]
    return out[:, :, :1] if (out == out[:, :, :1]).all() else out


def main():
    folder = sys.argv[1]
    os.makedirs(folder, exist_ok=True)
    index = os.path.join(folder, "cases.json")
    cases = json.load(open(index))["cases"] if os.path.exists(index) else {}
    versions = f"OpenCV {cv2.__version__}, numpy {np.__version__}, controlnet_aux 0.0.10"
    for i in ALL:
        write_png(os.path.join(folder, f"picture{i:02}.png"), picture(i))
    for table, prepare in ((CASES, rgb8), (RAW_CASES, lambda image: image)):
        for name, kind, values, inputs, tolerance, reference in table:
            maps = [reference(prepare(picture(i))) for i in inputs]
            write_png(os.path.join(folder, name + ".png"), sheet(maps))
            cases[name] = {"kind": kind, "values": values, "inputs": [f"picture{i:02}.png" for i in inputs],
                           "tolerance": tolerance, "versions": versions}
    for name, canvas, size, persons in pose_cases():
        data = {"people": persons, "canvas_width": canvas[0], "canvas_height": canvas[1]}
        with open(os.path.join(folder, name + ".json"), "w") as f:
            json.dump(data, f, separators=(",", ":"))
        write_png(os.path.join(folder, name + ".png"), sheet([pose(persons, canvas, size)]))
        cases[name] = {"kind": "pose", "values": {}, "files": {"pose": name + ".json"}, "size": size,
                       "tolerance": EXACT, "versions": versions}
    with open(index, "w") as f:
        rows = ",\n".join(f"  {json.dumps(name)}: {json.dumps(case)}" for name, case in sorted(cases.items()))
        f.write('{"script": "tools/record_annotator_golden.py", "cases": {\n' + rows + "\n}}\n")


if __name__ == "__main__":
    main()
