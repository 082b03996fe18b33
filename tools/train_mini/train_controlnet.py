"""Trains the Canny ControlNet with the finished U-Net and text encoder frozen.

Captions are dropped often, so that the net learns to read the lines rather
than wait for the words to say what is there.
"""
import os

import numpy as np
import torch
import torch.nn.functional as F

import common
import models
from train_unet import Pairs, noised


def main():
    p = common.arguments(__doc__, steps=10000, batch=16, lr=5e-4)
    p.add_argument("--drop", type=float, default=0.3)
    p.add_argument("--ema", type=float, default=0.998)
    args = p.parse_args()
    common.setup(args)
    text, unet = models.new_text_encoder(), models.new_unet()
    common.load_final(unet, args.work, "unet", 0)
    common.load_text(text, args.work)
    text.to(args.device).requires_grad_(False).eval()
    unet.to(args.device).requires_grad_(False)
    net = models.new_controlnet(unet).to(args.device).requires_grad_(True)
    optimizer = torch.optim.AdamW(net.parameters(), lr=args.lr, betas=(0.9, 0.99),
                                  weight_decay=1e-3, fused=True)
    run = common.Run(args, "controlnet", [net], optimizer, common.Average([net], args.ema))
    scheduler = models.new_scheduler()
    pairs = Pairs(args.work, args.device, args.drop)
    edges = np.load(os.path.join(args.work, "edges.npy"), mmap_mode="r")
    for _ in run.steps():
        i, z, ids = pairs.batch(args.batch)
        lines = np.unpackbits(edges[np.asarray(i.cpu())], axis=2).astype(np.float32)
        lines = torch.from_numpy(lines)[:, None].expand(-1, 3, -1, -1).to(args.device)
        x, t, v = noised(scheduler, z)
        with common.autocast(args.device):
            words = text(ids).last_hidden_state
            down, mid = net(x, t, words, lines, return_dict=False)
            out = unet(x, t, words, down_block_additional_residuals=down,
                       mid_block_additional_residual=mid).sample
        loss = F.mse_loss(out.float(), v)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        run.average.update()
        run.losses.append(loss.item())


if __name__ == "__main__":
    main()
