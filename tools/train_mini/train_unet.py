"""Trains the U-Net and the text encoder together on the stored latents.

Plain v-prediction loss: weightings that favour little noise (min-SNR) would
spend a small budget on detail before shapes and colours are right.  The noise
levels of a batch are spread evenly, which makes the loss, and so the learning,
steadier than independent draws.
"""
import json
import os

import numpy as np
import torch
import torch.nn.functional as F

import common
import models


class Pairs:
    """Latents and token ids; batch() draws at random, some captions dropped."""

    def __init__(self, work, device, drop, id_map=None):
        self.latents = torch.from_numpy(np.load(os.path.join(work, "latents.npy"))).to(device)
        with open(os.path.join(work, "captions.json"), encoding="utf-8") as f:
            captions = json.load(f)
        tokenizer = models.open_tokenizer()
        ids = models.tokenize(tokenizer, captions + [""])
        if id_map is not None:
            ids = id_map[ids]
        self.ids, self.empty = ids[:-1].to(device), ids[-1].to(device)
        self.drop = drop
        self.order = torch.empty(0, dtype=torch.long, device=device)

    def indices(self, n):
        """Every picture once before any comes again."""
        while len(self.order) < n:
            more = torch.randperm(len(self.latents), device=self.latents.device)
            self.order = torch.cat([self.order, more])
        i, self.order = self.order[:n], self.order[n:]
        return i

    def batch(self, n):
        i = self.indices(n)
        ids = self.ids[i]
        ids[torch.rand(n, device=ids.device) < self.drop] = self.empty
        return i, self.latents[i].float(), ids


def noised(scheduler, z):
    """(noisy latents, timesteps, target v) with evenly spread timesteps."""
    n = len(z)
    t = ((torch.arange(n) + torch.rand(n)) / n * 1000).long().clamp(0, 999)
    t = t[torch.randperm(n)].to(z.device)
    noise = torch.randn_like(z)
    return scheduler.add_noise(z, noise, t), t, scheduler.get_velocity(z, noise, t)


def main():
    p = common.arguments(__doc__, steps=20000, batch=16, lr=1e-3)
    p.add_argument("--drop", type=float, default=0.1, help="share of captions left empty, for guidance")
    p.add_argument("--ema", type=float, default=0.999)
    p.add_argument("--compile", action="store_true")
    args = p.parse_args()
    common.setup(args)
    text, unet = models.new_text_encoder(), models.new_unet().to(args.device)
    id_map = models.shrink_vocabulary(text, common.load_meta(args.work)["tokens"])
    text.to(args.device)
    parameters = [*unet.parameters(), *text.parameters()]
    optimizer = torch.optim.AdamW(parameters, lr=args.lr, betas=(0.9, 0.99), weight_decay=1e-3, fused=True)
    average = common.Average([unet, text], args.ema)
    run = common.Run(args, "unet", [unet, text], optimizer, average)
    forward = torch.compile(unet) if args.compile else unet
    scheduler = models.new_scheduler()
    pairs = Pairs(args.work, args.device, args.drop, id_map)
    for _ in run.steps():
        _, z, ids = pairs.batch(args.batch)
        x, t, v = noised(scheduler, z)
        with common.autocast(args.device):
            words = text(ids).last_hidden_state
            out = forward(x, t, words).sample
        loss = F.mse_loss(out.float(), v)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        average.update()
        run.losses.append(loss.item())


if __name__ == "__main__":
    main()
