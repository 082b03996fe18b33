"""Trains the autoencoder on pictures of anything.

Three choices make it learn fast on little compute.  The latents get noise of a
fixed strength instead of a predicted one (a predicted variance with a KL term
hardly learnt at this scale).  Three of the four channels are pulled towards the
picture at latent size: left to itself the net coded lightness and outlines, and
could not tell a green thing from a brown one for thousands of steps.  And a third of the batches decode a flipped, turned or
halved latent against the equally changed picture: the latent space becomes
smooth and spatially faithful, which the small U-Net learns much faster.
"""
import os

import numpy as np
import torch
import torch.nn.functional as F
from torch.utils.data import DataLoader, IterableDataset

import common
import models
from data import SIZE, Composer, EmojiSet


class Crops(IterableDataset):
    """Endless random crops, two from each composed picture."""

    def __init__(self, emoji, seed, crop):
        self.emoji, self.seed, self.crop = emoji, seed, crop

    def __iter__(self):
        info = torch.utils.data.get_worker_info()
        composer = Composer(self.emoji, (*self.seed, info.id if info else 0), variety=2)
        while True:
            # Half are what the U-Net will draw, half are what users may bring.
            picture = composer.captioned()[0] if composer.rng.random() < 0.5 else composer.anything()
            for _ in range(2 if self.crop < SIZE else 1):
                y, x = composer.rng.integers(0, SIZE - self.crop + 1, 2)
                yield to_tensor(picture[y:y + self.crop, x:x + self.crop])


def to_tensor(picture):
    return torch.from_numpy(np.array(picture)).permute(2, 0, 1).float() / 127.5 - 1


def same_change(x, z):
    """One random spatial change made to pictures and latents alike."""
    r = torch.rand(()).item()
    if r < 0.15:
        return F.avg_pool2d(x, 2), F.avg_pool2d(z, 2)
    if r < 0.3:
        k, flip = int(torch.randint(4, ())), bool(torch.rand(()) < 0.5)
        f = lambda t: torch.rot90(t.flip(-1) if flip else t, k, (2, 3))
        return f(x), f(z)
    return x, z


def small_picture(x):
    """The picture at latent size, as lightness and two colour differences."""
    r, g, b = F.avg_pool2d(x, 8).unbind(1)
    y = 0.3 * r + 0.59 * g + 0.11 * b
    return 1.6 * torch.stack([y, b - y, r - y], 1)


def loss_of(out, x):
    """L1 + L2, L1 of differences for edges, and L1 of 8x8 means for colours."""
    dx = lambda t: t[..., 1:] - t[..., :-1]
    dy = lambda t: t[..., 1:, :] - t[..., :-1, :]
    edges = F.l1_loss(dx(out), dx(x)) + F.l1_loss(dy(out), dy(x))
    mean = lambda t: F.avg_pool2d(t, 8)
    return F.l1_loss(out, x) + F.mse_loss(out, x) + edges + 2 * F.l1_loss(mean(out), mean(x))


@torch.no_grad()
def psnr(vae, composer, device, n=64, captioned=True):
    """Mean PSNR in dB of whole pictures, coded and decoded in float32."""
    total = 0.0
    for _ in range(n):
        picture = composer.captioned()[0] if captioned else composer.anything()
        x = to_tensor(picture)[None].to(device)
        y = vae.decode(vae.encode(x).latent_dist.mean).sample.clamp(-1, 1)
        total += -10 * torch.log10(F.mse_loss(y, x) / 4).item()
    return total / n


def main():
    p = common.arguments(__doc__, steps=4000, batch=8, lr=1e-3)
    p.add_argument("--emoji", required=True, help="folder with captions.json and the pictures")
    p.add_argument("--crop", type=int, default=128)
    p.add_argument("--whole-share", type=float, default=0.15,
                   help="share of steps, at the end, that use whole pictures in quarter batches")
    p.add_argument("--guide", type=float, default=0.5,
                   help="pull of three latent channels towards the small picture")
    p.add_argument("--workers", type=int, default=1)
    p.add_argument("--init", default="", help="checkpoint to start from (fine-tuning)")
    p.add_argument("--decoder-only", action="store_true",
                   help="keep the encoder, so latents already trained on stay valid")
    args = p.parse_args()
    common.setup(args)
    emoji = EmojiSet(args.emoji, "all", everything=True)
    vae = models.new_vae().to(args.device)
    if args.init:
        vae.load_state_dict(torch.load(args.init, map_location=args.device)["final"][0])
    if args.decoder_only:
        vae.encoder.requires_grad_(False)
        vae.quant_conv.requires_grad_(False)
    optimizer = common.Muon([q for q in vae.parameters() if q.requires_grad], args.lr)
    average = common.Average([vae], 0.998)
    run = common.Run(args, "vae_decoder" if args.decoder_only else "vae", [vae], optimizer, average)
    batches, crop = None, 0
    for step in run.steps():
        whole = run.progress() >= 1 - args.whole_share
        wanted = SIZE if whole else args.crop
        if wanted != crop:
            crop, batch = wanted, max(2, args.batch // 4) if whole else args.batch
            loader = DataLoader(Crops(emoji, (args.seed, step, common.rank()), crop), batch, num_workers=args.workers)
            batches = iter(loader)
        x = next(batches).to(args.device)
        with common.autocast(args.device):
            with torch.set_grad_enabled(not args.decoder_only):
                z = vae.encode(x).latent_dist.mean
            if args.decoder_only:
                target, w = x, z
            else:
                target, w = same_change(x, z)
            y = vae.decode(w + models.LATENT_NOISE * torch.randn_like(w)).sample
        loss = loss_of(y.float(), target)
        guide = F.mse_loss(z[:, :3].float(), small_picture(x))
        # The pull towards 0 keeps the latents at a std near 1, or the noise
        # would soon mean nothing.
        total = loss + args.guide * guide + 0.004 * z.float().square().mean()
        optimizer.zero_grad()
        total.backward()
        torch.nn.utils.clip_grad_norm_(vae.parameters(), 1.0)
        optimizer.step()
        average.update()
        run.losses.append(loss.item())
        if step % 100 == 99:
            run.log(f"  latent std {z.float().std().item():.3f}, guide {guide.item():.3f}")
    if common.rank():
        return
    average.swap()
    vae.eval()
    for kind in (True, False):
        db = psnr(vae, Composer(emoji, 12345), args.device, captioned=kind)
        run.log(f"PSNR {db:.2f} dB on {'captioned' if kind else 'any'} pictures")


if __name__ == "__main__":
    main()
