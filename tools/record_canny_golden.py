"""Records cv2.Canny's output for tests/annotators/canny_test.cpp.

    python3 tools/record_canny_golden.py tests/data/canny

Needs opencv-python and numpy. Recorded with opencv-python-headless 5.0.0 and numpy 2; each file's
"Software" text says which versions and which call made it.
"""
import os
import struct
import sys
import zlib

import cv2
import numpy as np

CASES = [(100, 200, False), (50, 150, True), (0, 0, False), (300.5, 80.25, False), (600, 1020, True)]


def picture():
    """Colour ramps, shapes, text and noise, 97x61 RGB."""
    y, x = np.mgrid[0:61, 0:97]
    rgb = np.stack([x * 2, y * 4, 255 - x - y], axis=2).astype(np.uint8)
    cv2.circle(rgb, (30, 30), 18, (220, 40, 60), -1, cv2.LINE_AA)
    cv2.rectangle(rgb, (55, 12), (88, 40), (30, 160, 90), 3)
    cv2.line(rgb, (2, 58), (94, 44), (250, 250, 250), 2, cv2.LINE_AA)
    cv2.putText(rgb, "edit", (20, 56), cv2.FONT_HERSHEY_SIMPLEX, 0.7, (10, 10, 10), 1, cv2.LINE_AA)
    noise = np.random.RandomState(7).randint(-12, 13, rgb.shape)
    return np.clip(rgb.astype(int) + noise, 0, 255).astype(np.uint8)


def write_png(path, image, note):
    def chunk(kind, data):
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    height, width = image.shape[:2]
    colour = 2 if image.ndim == 3 else 0
    rows = b"".join(b"\0" + image[y].tobytes() for y in range(height))
    with open(path, "wb") as f:
        f.write(b"\x89PNG\r\n\x1a\n")
        f.write(chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, colour, 0, 0, 0)))
        f.write(chunk(b"tEXt", b"Software\0" + note.encode("latin-1")))
        f.write(chunk(b"IDAT", zlib.compress(rows, 9)))
        f.write(chunk(b"IEND", b""))


def main():
    folder = sys.argv[1]
    os.makedirs(folder, exist_ok=True)
    versions = f"tools/record_canny_golden.py, OpenCV {cv2.__version__}, numpy {np.__version__}"
    rgb = picture()
    write_png(os.path.join(folder, "input.png"), rgb, versions)
    for low, high, l2 in CASES:
        call = f"cv2.Canny(rgb, {low}, {high}, L2gradient={l2})"
        name = f"{low}_{high}_{'l2' if l2 else 'l1'}.png"
        edges = cv2.Canny(rgb, low, high, L2gradient=l2)
        write_png(os.path.join(folder, name), edges, f"{call}; {versions}")


if __name__ == "__main__":
    main()
