"""Trains the Canny ControlNet, with the U-Net frozen or, by --unlock, going on.

The ControlNet starts as `dedit control init` makes it: a copy of the U-Net's
encoder whose zero convolutions add nothing.  --unlock is the choice that the
paper's code calls sd_locked=False, here for U-Net and text encoder alike: a
U-Net that is still learning learns shapes sooner when lines come with half of
the pictures.  The other half comes without, so that words alone keep working.
"""
import torch
import torch.nn.functional as F

import common
import models
from train_unet import Pairs, new_nets, noised


def main():
    p = common.arguments(__doc__, steps=10000, batch=16, lr=5e-4)
    p.add_argument("--drop", type=float, default=0.1)
    p.add_argument("--ema", type=float, default=0.999)
    p.add_argument("--unlock", action="store_true", help="train the U-Net and the text encoder too")
    args = p.parse_args()
    common.setup(args)
    text, unet, id_map = new_nets(args, args.work)
    net = models.new_controlnet(unet).to(args.device)
    trained = [net, unet, text] if args.unlock else [net]
    for frozen in () if args.unlock else (text, unet):
        frozen.requires_grad_(False)
    parameters = [q for m in trained for q in m.parameters()]
    optimizer = common.Muon(parameters, args.lr, embeddings=text.get_input_embeddings().parameters())
    run = common.Run(args, "controlnet", trained, optimizer, common.Average(trained, args.ema))
    guide, draw = common.fast(net, args), common.fast(unet, args)
    scheduler = models.new_scheduler()
    lined, plain = Pairs(args, id_map, captioned=False), Pairs(args, id_map)
    n = args.batch // 2 if args.unlock else args.batch
    for _ in run.steps():
        z, ids, lines = lined.batch(n, lines=True)
        if n < args.batch:
            z, ids = (torch.cat(pair) for pair in zip((z, ids), plain.batch(args.batch - n)))
        x, t, v = noised(scheduler, z)
        with common.autocast(args.device):
            words = text(ids).last_hidden_state
            down, mid = guide(x[:n], t[:n], words[:n], lines, return_dict=False)
            # Rows without lines get residuals of 0: no control.
            whole = lambda r: torch.cat([r, r.new_zeros(args.batch - n, *r.shape[1:])])
            out = draw(x, t, words, down_block_additional_residuals=[whole(r) for r in down],
                       mid_block_additional_residual=whole(mid)).sample
        each = F.mse_loss(out.float(), v, reduction="none").mean((1, 2, 3))
        loss = each.mean()
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        run.average.update()
        run.losses.append(each[:n].mean().item())
        if run.step % 100 == 99 and n < args.batch:
            run.log(f"  with lines {each[:n].mean().item():.4f}, without {each[n:].mean().item():.4f}")


if __name__ == "__main__":
    main()
