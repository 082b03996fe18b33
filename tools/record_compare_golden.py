"""Records colour differences, SSIM, PSNR and rank correlations for tests/io/compare_test.cpp.

    python3 tools/record_compare_golden.py tests/data/compare

The 34 pairs are those published with G. Sharma, W. Wu, E. Dalal, The CIEDE2000 Color-Difference
Formula (2005), table 1; their differences are computed by scikit-image, an independent
implementation, and checked here against the published four decimals. SSIM and PSNR are
scikit-image's too (Gaussian windows, sigma 1.5, biased variances, the border of 5 pixels counted),
Lab and CIEDE2000 of pictures likewise; Spearman's correlation is SciPy's.
"""
import json
import os
import sys

import cv2
import numpy as np
import scipy
import skimage
from scipy.stats import spearmanr
from skimage.color import deltaE_ciede2000, rgb2lab
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

PAIRS = """
50.0000 2.6772 -79.7751 50.0000 0.0000 -82.7485 2.0425
50.0000 3.1571 -77.2803 50.0000 0.0000 -82.7485 2.8615
50.0000 2.8361 -74.0200 50.0000 0.0000 -82.7485 3.4412
50.0000 -1.3802 -84.2814 50.0000 0.0000 -82.7485 1.0000
50.0000 -1.1848 -84.8006 50.0000 0.0000 -82.7485 1.0000
50.0000 -0.9009 -85.5211 50.0000 0.0000 -82.7485 1.0000
50.0000 0.0000 0.0000 50.0000 -1.0000 2.0000 2.3669
50.0000 -1.0000 2.0000 50.0000 0.0000 0.0000 2.3669
50.0000 2.4900 -0.0010 50.0000 -2.4900 0.0009 7.1792
50.0000 2.4900 -0.0010 50.0000 -2.4900 0.0010 7.1792
50.0000 2.4900 -0.0010 50.0000 -2.4900 0.0011 7.2195
50.0000 2.4900 -0.0010 50.0000 -2.4900 0.0012 7.2195
50.0000 -0.0010 2.4900 50.0000 0.0009 -2.4900 4.8045
50.0000 -0.0010 2.4900 50.0000 0.0010 -2.4900 4.8045
50.0000 -0.0010 2.4900 50.0000 0.0011 -2.4900 4.7461
50.0000 2.5000 0.0000 50.0000 0.0000 -2.5000 4.3065
50.0000 2.5000 0.0000 73.0000 25.0000 -18.0000 27.1492
50.0000 2.5000 0.0000 61.0000 -5.0000 29.0000 22.8977
50.0000 2.5000 0.0000 56.0000 -27.0000 -3.0000 31.9030
50.0000 2.5000 0.0000 58.0000 24.0000 15.0000 19.4535
50.0000 2.5000 0.0000 50.0000 3.1736 0.5854 1.0000
50.0000 2.5000 0.0000 50.0000 3.2972 0.0000 1.0000
50.0000 2.5000 0.0000 50.0000 1.8634 0.5757 1.0000
50.0000 2.5000 0.0000 50.0000 3.2592 0.3350 1.0000
60.2574 -34.0099 36.2677 60.4626 -34.1751 39.4387 1.2644
63.0109 -31.0961 -5.8663 62.8187 -29.7946 -4.0864 1.2630
61.2901 3.7196 -5.3901 61.4292 2.2480 -4.9620 1.8731
35.0831 -44.1164 3.7933 35.0232 -40.0716 1.5901 1.8645
22.7233 20.0904 -46.6940 23.0331 14.9730 -42.5619 2.0373
36.4612 47.8580 18.3852 36.2715 50.5065 21.2231 1.4146
90.8027 -2.0831 1.4410 91.1528 -1.6435 0.0447 1.4441
90.9257 -0.5406 -0.9208 88.6381 -0.8985 -0.7239 1.5381
6.7747 -0.2908 -2.4247 5.8714 -0.0985 -2.2286 0.6377
2.0776 0.0795 -1.1350 0.9033 -0.0636 -0.5514 0.9082
"""


def pairs():
    rows = []
    for line in PAIRS.strip().splitlines():
        v = [float(x) for x in line.split()]
        computed = float(deltaE_ciede2000(v[:3], v[3:6]))
        assert abs(computed - v[6]) < 1e-4, line
        rows.append({"a": v[:3], "b": v[3:6], "published": v[6], "skimage": computed})
    return rows


def picture_pair(seed):
    random = np.random.RandomState(seed)
    h, w = [(24, 31), (40, 17), (33, 33)][seed]
    y, x = np.mgrid[0:h, 0:w]
    a = np.stack([x * 7, y * 6, 250 - x * 2 - y * 3], axis=2).clip(0, 255).astype(np.uint8)
    b = np.clip(a.astype(int) + random.randint(-20, 21, a.shape), 0, 255).astype(np.uint8)
    b[: h // 2] = a[: h // 2]
    return a, b


def measure(a, b):
    d = deltaE_ciede2000(rgb2lab(a), rgb2lab(b))
    _, ssim = structural_similarity(a, b, channel_axis=2, gaussian_weights=True, sigma=1.5,
                                    use_sample_covariance=False, data_range=255, full=True)
    ga, gb = (p[:, :, 0].astype(int) for p in (a, b))
    return {"psnr": float(peak_signal_noise_ratio(a, b)), "ssim": float(ssim.mean()),
            "ciede2000_mean": float(d.mean()), "ciede2000_max": float(d.max()),
            "spearman_of_red": float(spearmanr(ga.ravel(), gb.ravel())[0])}


def main():
    folder = sys.argv[1]
    os.makedirs(folder, exist_ok=True)
    cases = []
    for seed in range(3):
        a, b = picture_pair(seed)
        for name, image in (("a", a), ("b", b)):
            cv2.imwrite(os.path.join(folder, f"{name}{seed}.png"), image[:, :, ::-1])
        cases.append({"a": f"a{seed}.png", "b": f"b{seed}.png", **measure(a, b)})
    data = {"script": "tools/record_compare_golden.py",
            "versions": f"scikit-image {skimage.__version__}, SciPy {scipy.__version__}, numpy {np.__version__}",
            "sharma": pairs(), "pictures": cases}
    with open(os.path.join(folder, "expected.json"), "w") as f:
        json.dump(data, f, indent=1)
        f.write("\n")


if __name__ == "__main__":
    main()
