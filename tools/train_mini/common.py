"""What the three training scripts share: arguments, checkpoints, averaging.

Several processes (started by torchrun) train as loosely coupled copies: each
steps on its own pictures, and every few steps their weights are averaged.  On a
busy machine two single-threaded copies are several times faster than one with
two threads, which wait for each other at every layer.
"""
import argparse
import json
import math
import os
import time

import torch
import torch.distributed as dist


def arguments(doc, **defaults):
    """A parser with the options every trainer has; defaults differ per script."""
    p = argparse.ArgumentParser(description=doc, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    p.add_argument("--work", required=True, help="folder for latents, checkpoints and logs")
    p.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--steps", type=int, default=defaults.pop("steps"))
    p.add_argument("--batch", type=int, default=defaults.pop("batch"))
    p.add_argument("--lr", type=float, default=defaults.pop("lr"))
    p.add_argument("--minutes", type=float, default=0,
                   help="time budget: the learning rate falls so that training ends "
                        "here if --steps is not reached before; 0: no limit")
    p.add_argument("--save-minutes", type=float, default=4)
    p.add_argument("--threads", type=int, default=0)
    p.add_argument("--decay", type=float, default=0.4,
                   help="share of the training, at the end, in which the learning rate falls to 0; "
                        "with 0 a later training can go on where this one stopped")
    p.add_argument("--compile", action="store_true", help="torch.compile the large nets")
    p.add_argument("--sync", type=int, default=8, help="steps between averagings of the processes")
    return p


def rank():
    return int(os.environ.get("RANK", 0))


def setup(args):
    torch.manual_seed(args.seed)         # the same start in every process
    if int(os.environ.get("WORLD_SIZE", 1)) > 1:
        dist.init_process_group("nccl" if args.device.startswith("cuda") else "gloo")
        if args.device == "cuda":
            args.device = f"cuda:{os.environ['LOCAL_RANK']}"
            torch.cuda.set_device(args.device)
    if args.threads:
        torch.set_num_threads(args.threads)
    os.makedirs(args.work, exist_ok=True)


def autocast(device):
    """bfloat16 where it is fast: twice the speed here on AVX-512 bf16 too."""
    return torch.autocast("cuda" if device.startswith("cuda") else "cpu", torch.bfloat16)


def fast(net, args):
    """`net` as training calls it: compiled if asked for, with plain attention on a CPU,
    where PyTorch's fused one takes a quarter of a step, most of it going backwards."""
    if args.device == "cpu":
        from diffusers.models.attention_processor import AttnProcessor
        net.set_attn_processor(AttnProcessor())
    return torch.compile(net) if args.compile else net


def rate(step, progress, decay, warmup=100):
    """Learning-rate factor: linear warm-up, constant, then a straight fall to 0
    over the last `decay` of the training."""
    return min(1.0, (step + 1) / warmup, max(0.0, 1 - progress) / decay if decay else 1.0)


class Muon(torch.optim.Optimizer):
    """Orthogonalised momentum for matrices and convolutions, AdamW for the rest.

    Source: K. Jordan, "Muon: an optimizer for hidden layers in neural networks"
    (2024); the step is scaled to AdamW's RMS (J. Liu et al., arXiv:2502.16982),
    so that one learning rate serves both halves.  Embeddings, norms, biases and
    layers narrower than 8 go to AdamW.
    """

    def __init__(self, parameters, lr, embeddings=(), momentum=0.95, weight_decay=1e-3):
        embeddings = {id(p) for p in embeddings}
        matrix = lambda p: p.ndim >= 2 and min(p.shape[0], p[0].numel()) >= 8 and id(p) not in embeddings
        rest = [p for p in parameters if not matrix(p)]
        self.adam = torch.optim.AdamW(rest, lr=lr, betas=(0.9, 0.99), fused=True)
        super().__init__([{"params": [p for p in parameters if matrix(p)]}, {"params": rest}],
                         dict(lr=lr, momentum=momentum, weight_decay=weight_decay))

    @torch.no_grad()
    def step(self):
        group = self.param_groups[0]
        for p in group["params"]:
            if p.grad is None:
                continue
            state = self.state[p]
            if not state:
                state["momentum"] = torch.zeros_like(p)
            m = state["momentum"].lerp_(p.grad, 1 - group["momentum"])
            update = orthogonal(p.grad.lerp(m, group["momentum"]).flatten(1))
            p.mul_(1 - group["lr"] * group["weight_decay"])
            p.add_(update.view_as(p), alpha=-group["lr"] * 0.2 * max(update.shape) ** 0.5)
        self.adam.param_groups[0]["lr"] = self.param_groups[1]["lr"]
        self.adam.step()

    def state_dict(self):
        return {"matrices": super().state_dict(), "rest": self.adam.state_dict()}

    def load_state_dict(self, state):
        super().load_state_dict(state["matrices"])
        self.adam.load_state_dict(state["rest"])


def orthogonal(m, steps=5):
    """The nearest semi-orthogonal matrix, roughly: a quintic Newton-Schulz iteration."""
    x = m.bfloat16()
    wide = x.shape[0] <= x.shape[1]
    x = x if wide else x.mT
    x = x / (x.norm() + 1e-7)
    for _ in range(steps):
        g = x @ x.mT
        x = 3.4445 * x + (-4.7750 * g + 2.0315 * (g @ g)) @ x
    return (x if wide else x.mT).to(m.dtype)


class Average:
    """Exponential moving average of some modules' weights (what is exported)."""

    def __init__(self, modules, decay=0.999, every=4):
        self.decay, self.every = decay, every
        self.live = [p for m in modules for p in m.parameters()]
        self.kept = [p.detach().clone() for p in self.live]
        self.count = 0

    @torch.no_grad()
    def update(self):
        self.count += 1
        if self.count % self.every or rank():
            return
        # The ramp lets the average forget the random start quickly.
        d = min(self.decay, (1 + self.count) / (10 + self.count)) ** self.every
        torch._foreach_lerp_(self.kept, self.live, 1 - d)

    @torch.no_grad()
    def swap(self):
        """Exchanges live and averaged weights; call again to change back."""
        for a, b in zip(self.kept, self.live):
            t = a.clone()
            a.copy_(b)
            b.copy_(t)


class Run:
    """The loop's clockwork: learning rate, log lines, resumable checkpoints."""

    def __init__(self, args, name, modules, optimizer, average=None):
        self.args, self.modules, self.optimizer, self.average = args, modules, optimizer, average
        self.path = os.path.join(args.work, name + ".pt")
        self.log_path = os.path.join(args.work, name + ".log")
        self.step, self.losses, self.before = 0, [], 0.0
        if os.path.exists(self.path):
            state = torch.load(self.path, map_location=args.device)
            for m, s in zip(modules, state["live"]):
                m.load_state_dict(s)
            optimizer.load_state_dict(state["optimizer"])
            self.step, self.before = state["step"], state.get("seconds", 0.0)
            if average:
                average.count = state["step"]
                for a, b in zip(average.kept, state["kept"]):
                    a.copy_(b)
            self.log(f"resumed at step {self.step}")
        self.start = self.saved = time.time()
        self.first = self.step
        self.done = 0.0                  # progress, the same in every process
        torch.manual_seed(args.seed * 1000003 + self.step * 101 + rank())

    def log(self, line):
        if rank():
            return
        print(line, flush=True)
        with open(self.log_path, "a", encoding="utf-8") as f:
            f.write(line + "\n")

    def seconds(self):
        """Training time so far, over all resumptions."""
        return self.before + time.time() - self.start

    def progress(self):
        """0 to 1: how much of the steps, or of the minutes if given, is used up."""
        a = self.args
        return max(self.step / a.steps, self.seconds() / (60 * a.minutes) if a.minutes else 0)

    @torch.no_grad()
    def synchronise(self):
        """Averages weights over the processes and agrees on the progress."""
        self.done = self.progress()
        if not dist.is_initialized():
            return
        live = [p for group in self.optimizer.param_groups for p in group["params"]]
        clock = torch.tensor([self.done], device=live[0].device)
        flat = torch.cat([clock] + [p.reshape(-1) for p in live])
        dist.all_reduce(flat)
        flat /= dist.get_world_size()
        self.done = round(flat[0].item(), 6)
        for p, q in zip(live, flat[1:].split([p.numel() for p in live])):
            p.copy_(q.view_as(p))

    def save(self):
        if rank():
            return
        state = {"seconds": self.seconds(), "live": [m.state_dict() for m in self.modules],
                 "step": self.step, "optimizer": self.optimizer.state_dict()}
        if self.average:
            state["kept"] = self.average.kept
            self.average.swap()
        state["final"] = [{k: v.clone() for k, v in m.state_dict().items()} for m in self.modules]
        if self.average:
            self.average.swap()
            state["kept"] = self.average.kept
        torch.save(state, self.path + ".new")
        os.replace(self.path + ".new", self.path)
        self.saved = time.time()

    def steps(self):
        """Yields step numbers; saves on the way and at the end."""
        a = self.args
        while True:
            if (self.step - self.first) % a.sync == 0:
                self.synchronise()
                if self.done >= 1:
                    break
            for group in self.optimizer.param_groups:
                group["lr"] = a.lr * rate(self.step, self.done, a.decay)
            yield self.step
            self.step += 1
            if self.step % 100 == 0 and self.losses:
                speed = (self.step - self.first) / (time.time() - self.start)
                mean = sum(self.losses) / len(self.losses)
                self.log(f"step {self.step} loss {mean:.4f} {speed:.2f} steps/s")
                self.losses = []
            if time.time() - self.saved > 60 * a.save_minutes:
                self.save()
        self.save()


def load_final(module, work, name, index=0):
    """Loads the averaged weights that a trainer's checkpoint holds."""
    state = torch.load(os.path.join(work, name + ".pt"), map_location="cpu")
    module.load_state_dict(state["final"][index])
    return state["step"]


def parts(work, name):
    """How many modules a trainer's checkpoint holds."""
    return len(torch.load(os.path.join(work, name + ".pt"), map_location="cpu")["final"])


def load_meta(work):
    """What encode_latents.py noted: scaling_factor, tokens, emoji settings."""
    with open(os.path.join(work, "latents.json"), encoding="utf-8") as f:
        return json.load(f)


def load_text(text, work, name="unet", index=1):
    """load_final for a full-size text encoder: rows never trained become zero."""
    state = torch.load(os.path.join(work, name + ".pt"), map_location="cpu")["final"][index]
    for key, value in state.items():
        if key.endswith("token_embedding.weight"):
            full = torch.zeros(text.config.vocab_size, value.shape[1])
            full[load_meta(work)["tokens"]] = value
            state[key] = full
    text.load_state_dict(state)
