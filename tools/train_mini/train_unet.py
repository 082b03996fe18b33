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
    """Latents, edge maps and token ids, drawn at random, mirrored half the time.

    Mirrored latents decode to mirrored pictures: train_vae.py sees to that.
    """

    def __init__(self, args, id_map=None, captioned=True):
        load = lambda name: np.load(os.path.join(args.work, name), mmap_mode="r")
        count = common.load_meta(args.work)["pictures"]
        self.device, self.drop, self.edges = args.device, args.drop, load("edges.npy")
        self.latents = torch.from_numpy(np.array(load("latents.npy"))).to(args.device)
        self.count = count if captioned else len(self.latents)
        with open(os.path.join(args.work, "captions.json"), encoding="utf-8") as f:
            captions = json.load(f)
        ids = models.tokenize(models.open_tokenizer(), captions + [""])
        if id_map is not None:
            ids = id_map[ids]
        self.ids, self.empty = ids[:-1].to(args.device), ids[-1].to(args.device)
        self.order = torch.empty(0, dtype=torch.long)

    def indices(self, n):
        """Every picture once before any comes again."""
        while len(self.order) < n:
            self.order = torch.cat([self.order, torch.randperm(self.count)])
        i, self.order = self.order[:n], self.order[n:]
        return i

    def batch(self, n, lines=False):
        """(latents, token ids, edge maps or None), some captions dropped."""
        i = self.indices(n)
        z, ids = self.latents[i].float(), self.ids[i]
        ids[torch.rand(n, device=ids.device) < self.drop] = self.empty
        flip = (torch.rand(n) < 0.5)[:, None, None, None].to(self.device)
        z = torch.where(flip, z.flip(-1), z)
        if not lines:
            return z, ids, None
        maps = np.unpackbits(self.edges[i.numpy()], axis=2).astype(np.float32)
        maps = torch.from_numpy(maps)[:, None].expand(-1, 3, -1, -1).to(self.device)
        return z, ids, torch.where(flip, maps.flip(-1), maps)


def noised(scheduler, z):
    """(noisy latents, timesteps, target v) with evenly spread timesteps."""
    n = len(z)
    t = ((torch.arange(n) + torch.rand(n)) / n * 1000).long().clamp(0, 999)
    t = t[torch.randperm(n)].to(z.device)
    noise = torch.randn_like(z)
    return scheduler.add_noise(z, noise, t), t, scheduler.get_velocity(z, noise, t)


def new_nets(args, source):
    """(text encoder with the used rows only, U-Net, map from full ids), as trained in `source`."""
    text, unet = models.new_text_encoder(), models.new_unet()
    if source:
        common.load_final(unet, source, "unet", 0)
        common.load_text(text, source)
        rows = text.get_input_embeddings().weight.data
        untrained = rows.abs().sum(1) == 0
        rows[untrained] = 0.02 * torch.randn_like(rows[untrained])
    id_map = models.shrink_vocabulary(text, common.load_meta(args.work)["tokens"])
    return text.to(args.device), unet.to(args.device), id_map


def main():
    p = common.arguments(__doc__, steps=20000, batch=16, lr=1e-3)
    p.add_argument("--drop", type=float, default=0.1, help="share of captions left empty, for guidance")
    p.add_argument("--ema", type=float, default=0.999)
    p.add_argument("--init", default="", help="work folder of an earlier training to start from")
    args = p.parse_args()
    common.setup(args)
    text, unet, id_map = new_nets(args, args.init)
    parameters = [*unet.parameters(), *text.parameters()]
    optimizer = common.Muon(parameters, args.lr, embeddings=text.get_input_embeddings().parameters())
    average = common.Average([unet, text], args.ema)
    run = common.Run(args, "unet", [unet, text], optimizer, average)
    forward = common.fast(unet, args)
    scheduler = models.new_scheduler()
    pairs = Pairs(args, id_map)
    for _ in run.steps():
        z, ids, _ = pairs.batch(args.batch)
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
