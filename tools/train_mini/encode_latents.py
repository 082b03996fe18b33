"""Composes pictures once and stores their latents and edge maps.

The U-Net sees each picture many times, so coding them beforehand halves the
cost of training.  Stored in <work>: latents.npy (float16, mean 0 and std 1),
edges.npy (one bit a pixel), captions.json, and latents.json with the
scaling_factor that export.py writes into the VAE's config.  The captioned
pictures come first; the last --free ones are of anything, without a caption,
for the ControlNet alone.
"""
import argparse
import json
import os
import time

import numpy as np
import torch

import common
import models
from data import SIZE, Composer, EmojiSet, all_captions
from train_vae import to_tensor


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--work", required=True)
    p.add_argument("--emoji", required=True)
    p.add_argument("--emoji-set", choices=("starter", "everyday", "all"), default="starter")
    p.add_argument("--limit", type=int, default=0, help="use only the first so many things")
    p.add_argument("--pictures", type=int, default=8000, help="captioned pictures")
    p.add_argument("--free", type=int, default=2000, help="pictures of anything, without a caption")
    p.add_argument("--two-share", type=float, default=0.12, help="share of pictures of two things")
    p.add_argument("--variety", type=float, default=1.0,
                   help="how much size, place, turn and mirroring vary; less is learnt sooner")
    p.add_argument("--batch", type=int, default=8)
    p.add_argument("--seed", type=int, default=2)
    p.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    p.add_argument("--threads", type=int, default=0)
    args = p.parse_args()
    common.setup(args)
    vae = models.new_vae().eval().to(args.device, memory_format=torch.channels_last)
    common.load_final(vae, args.work, "vae")
    emoji = EmojiSet(args.emoji, args.emoji_set, args.limit, everything=True)
    composer = Composer(emoji, args.seed, args.two_share, args.variety)

    total = args.pictures + args.free
    latents = np.zeros((total, 4, SIZE // 8, SIZE // 8), np.float16)
    edges = np.zeros((total, SIZE, SIZE // 8), np.uint8)
    captions, start = [], time.time()
    for i in range(0, total, args.batch):
        n = min(args.batch, total - i)
        pairs = [composer.captioned() if i + j < args.pictures else (composer.anything(), "") for j in range(n)]
        captions += [c for _, c in pairs]
        for j, (picture, _) in enumerate(pairs):
            edges[i + j] = np.packbits(composer.edges(picture) > 0, axis=1)
        x = torch.stack([to_tensor(picture) for picture, _ in pairs])
        with torch.no_grad(), common.autocast(args.device):
            z = vae.encode(x.to(args.device, memory_format=torch.channels_last)).latent_dist.mean.float().cpu()
        latents[i:i + n] = z.numpy()
        if i // args.batch % 100 == 0:
            print(f"{i + n} pictures, {time.time() - start:.0f} s", flush=True)
    # Also words that the drawn captions happen to lack.
    ids = models.tokenize(models.open_tokenizer(), captions + all_captions(emoji))
    tokens = ids.unique().tolist()
    # Every channel gets mean 0 and the same std, or the strongest would take
    # most of the U-Net's loss.  export.py folds this into the VAE's 1x1 convolutions.
    z = latents.astype(np.float32)
    mean, std, scale = z.mean((0, 2, 3)), z.std((0, 2, 3)), float(1 / z.std())
    z = (z - mean[:, None, None]) / std[:, None, None]
    np.save(os.path.join(args.work, "latents.npy"), z.astype(np.float16))
    np.save(os.path.join(args.work, "edges.npy"), edges)
    with open(os.path.join(args.work, "captions.json"), "w", encoding="utf-8") as f:
        json.dump(captions, f)
    with open(os.path.join(args.work, "latents.json"), "w", encoding="utf-8") as f:
        json.dump({"scaling_factor": scale, "mean": mean.tolist(), "std": std.tolist(), "pictures": args.pictures, "emoji_set": args.emoji_set,
                   "free": args.free, "limit": args.limit, "seed": args.seed,
                   "tokens": tokens}, f)
    print(f"scaling_factor {scale:.4f}; per channel mean {mean.round(2)} std {std.round(2)}")


if __name__ == "__main__":
    main()
