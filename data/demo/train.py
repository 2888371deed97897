#!/usr/bin/env python3
"""Train the demonstration model: a small PaLM-shaped, byte-level language model.

The idea.  A runtime wants one model that everybody may have: small enough to
ship, trained on text whose licence nobody has to argue about, and rebuilt from
nothing by one script on an ordinary machine.  So the text comes out of Debian
packages (the King James Bible and the six novels of Jane Austen, both long out
of copyright), a token is a byte (no tokenizer to ship), and the model has just
those parts that make PaLM what it is:

  * one norm a block, and attention and feed-forward side by side:
        h = rmsnorm(x);  x = x + attention(h) + ffn(h)
  * multiquery attention: many query heads, one key/value head;
  * SwiGLU:  (silu(h @ gate) * (h @ up)) @ down;
  * rotary positions over the whole head, neighbours (2i, 2i+1) paired;
  * one table for input and output, no bias anywhere, and the scale of a norm
    stored as its difference from one:  x / sqrt(mean(x^2) + eps) * (1 + s).

Tokens 0..255 are bytes; token 256, <eos>, stands between documents (a chapter
is a document) and so ends a text.  Nothing stands at the beginning of one.

The script runs from end to end: it reads the text, sets every 50th chapter
aside, trains on the rest, rounds the weights to bfloat16, measures those
rounded weights on the chapters set aside, and writes

    NAME.gguf             the model
    NAME_logits.npz       64 tokens set aside and the logits they must give
    NAME_heldout.npz      the chapters set aside, as one row of tokens
    NAME_report.json      what was measured
    NAME_samples.txt      some continuations
    NAME.ckpt             to resume from, rewritten as training goes on

It needs the Debian packages bible-kjv, bible-kjv-text and r-cran-janeaustenr
(of the last only its data file, R itself is not used), and the Python packages
torch, numpy and gguf.

    python3 train.py --out build                 # the whole thing
    python3 train.py --out build --steps 0       # only the format: random weights
"""

import argparse
import json
import math
import os
import re
import struct
import subprocess
import time
import zlib
from pathlib import Path

import gguf
import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

# The shape of the model.
EOS = 256
VOCAB = 257
WIDTH = 256        # E
FFN = 1024         # F
LAYERS = 4
HEADS = 8          # H, query heads; there is one key/value head
HEAD = 32          # Q, width of a head
EPS = 1e-6
ROPE_BASE = 10000.0
CONTEXT = 1024     # longest row trained on and stated in the file

PROMPTS = ("In the beginning", "And it came to pass",
           "It is a truth universally acknowledged")


# ---------------------------------------------------------------- the text

def bible_chapters():
    """The chapters of the King James Bible, one verse a line, unnumbered."""
    text = subprocess.run(
        ["bible", "-l", "1000000", "Genesis1:1-Revelation22:21"],
        check=True, capture_output=True, text=True).stdout
    chapters = []
    for line in text.splitlines():
        verse = re.fullmatch(r"  \d+ (.*)", line)
        if verse:
            chapters[-1] += verse[1].strip() + "\n"
        elif line:                                   # "Genesis 1", "1 John 3"
            chapters.append(line.strip() + "\n\n")
    if len(chapters) != 1189:
        raise SystemExit(f"the Bible has 1189 chapters, found {len(chapters)}")
    return chapters


def r_string_vectors(path):
    """Every string vector in a lazy-load database of R.

    The file is a row of entries, each a length and a zlib stream; in it is the
    XDR form of R's serialization: a header of 23 bytes, then for a vector of
    strings its type (16), its length, and each string as type, length, bytes.
    """
    raw = Path(path).read_bytes()
    while raw:
        stream = zlib.decompressobj()
        data = stream.decompress(raw[4:])
        raw = stream.unused_data
        kind, count = struct.unpack_from(">ii", data, 23)
        if not data.startswith(b"X\n") or kind & 255 != 16:
            raise SystemExit(f"{path}: not a vector of strings")
        at, lines = 31, []
        for _ in range(count):
            size, = struct.unpack_from(">i", data, at + 4)
            lines.append(data[at + 8:at + 8 + size].decode("utf-8"))
            at += 8 + size
        yield lines


def austen_chapters(path):
    """The chapters of the novels, one paragraph a line."""
    heading = re.compile(r"chapter [ivxlc\d]+\.?", re.I)
    furniture = re.compile(
        r"(volume|vol\.) [iv\d]+\.?|(end of .*|finis|the end)\.?", re.I)
    chapters, novels = [], 0
    for lines in r_string_vectors(path):
        title = lines[0].title().replace(" And ", " and ")
        number, paragraph, novels = 0, [], novels + 1
        for line in lines + [""]:
            line = line.strip()
            if line == "A NOTE ON THE TEXT":
                break
            if heading.fullmatch(line):
                number += 1
                chapters.append(f"{title} {number}\n\n")
            elif furniture.fullmatch(line) or number == 0:
                continue
            elif line:
                paragraph.append(line.replace("_", ""))
            elif paragraph:
                chapters[-1] += re.sub(" +", " ", " ".join(paragraph)) + "\n"
                paragraph = []
    if novels != 6 or len(chapters) != 269:
        raise SystemExit(f"six novels have 269 chapters, found {len(chapters)}")
    return chapters


def read_text(austen):
    """Chapters to train on and chapters set aside (every 50th), as bytes."""
    chapters = [c.encode("utf-8") for c in bible_chapters() + austen_chapters(austen)]
    aside = chapters[24::50]
    return [c for i, c in enumerate(chapters) if i % 50 != 24], aside


def as_tokens(chapters):
    """<eos> chapter <eos> chapter ... <eos>"""
    row = [np.array([EOS], np.int64)]
    for c in chapters:
        row += [np.frombuffer(c, np.uint8).astype(np.int64), row[0]]
    return torch.from_numpy(np.concatenate(row))


class Rows:
    """Rows of training text: each epoch cuts the text anew, from another start,
    and deals the pieces in another order.  Which rows come next depends on the
    seed and the count of tokens dealt alone, so a resumed run goes on alike."""

    PIECE = CONTEXT + 1

    def __init__(self, text, seed):
        self.text, self.seed, self.epoch = text, seed, -1
        self.pieces = (len(text) - self.PIECE) // CONTEXT

    def piece(self, index):
        epoch, place = divmod(index, self.pieces)
        if epoch != self.epoch:
            g = torch.Generator().manual_seed(self.seed * 1000 + epoch)
            self.start = int(torch.randint(CONTEXT, (1,), generator=g))
            self.order = torch.randperm(self.pieces, generator=g).tolist()
            self.epoch = epoch
        at = self.start + self.order[place] * CONTEXT
        return self.text[at:at + self.PIECE]

    def batch(self, step, tokens, length):
        """Inputs and targets of one step: `tokens` in rows of `length`."""
        count = tokens // CONTEXT
        pieces = torch.stack([self.piece(step * count + i) for i in range(count)])
        return (pieces[:, :-1].reshape(-1, length), pieces[:, 1:].reshape(-1, length))


# --------------------------------------------------------------- the model

def rmsnorm(x, s):
    return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + EPS) * (1 + s)


def rotations(length):
    """The rotary factors as complex numbers: [position, 1, pair]."""
    speed = ROPE_BASE ** (-torch.arange(0, HEAD, 2, dtype=torch.float64) / HEAD)
    angle = torch.arange(length, dtype=torch.float64)[:, None] * speed
    return torch.polar(torch.ones_like(angle), angle).to(torch.complex64)[:, None]


def attention(q, k, v, block=128):
    """Causal multiquery attention: q [B,T,H,Q], k and v [B,T,Q].

    All heads share one key/value head, so heads and positions of a block of
    queries make one matrix, and a block looks only at the keys up to its own
    end.  On a CPU that is more than twice as fast as PyTorch's own kernel.
    """
    B, T, H, Q = q.shape
    q = q * Q ** -0.5
    out = []
    for a in range(0, T, block):
        z = min(a + block, T)
        future = torch.full((z - a, z - a), -torch.inf, dtype=q.dtype).triu(1)
        score = q[:, a:z].reshape(B, -1, Q) @ k[:, :z].transpose(1, 2)
        score = score.view(B, z - a, H, z) + F.pad(future, (a, 0))[:, None]
        weight = F.softmax(score, -1).view(B, -1, z)
        out.append((weight @ v[:, :z]).view(B, z - a, H, Q))
    return torch.cat(out, 1)


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm = nn.Parameter(torch.zeros(WIDTH))
        self.qkv = nn.Linear(WIDTH, (HEADS + 2) * HEAD, bias=False)
        self.output = nn.Linear(HEADS * HEAD, WIDTH, bias=False)
        self.gate_up = nn.Linear(WIDTH, 2 * FFN, bias=False)
        self.down = nn.Linear(FFN, WIDTH, bias=False)
        for layer, shrink in ((self.qkv, 1), (self.gate_up, 1),
                              (self.output, 2 * LAYERS), (self.down, 2 * LAYERS)):
            nn.init.normal_(layer.weight, std=(layer.in_features * shrink) ** -0.5)

    def forward(self, x, rotation):
        B, T, _ = x.shape
        h = rmsnorm(x, self.norm)
        heads = self.qkv(h).view(B, T, HEADS + 2, HEAD)
        kind = heads.dtype
        qk = torch.view_as_complex(
            heads[:, :, :-1].float().reshape(B, T, HEADS + 1, HEAD // 2, 2))
        qk = torch.view_as_real(qk * rotation).flatten(-2).to(kind)
        with torch.autocast("cpu", enabled=False):
            mixed = attention(qk[:, :, :HEADS], qk[:, :, HEADS], heads[:, :, -1])
        gate, up = self.gate_up(h).chunk(2, -1)
        return x + self.output(mixed.reshape(B, T, -1)) + self.down(F.silu(gate) * up)


class Palm(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Parameter(0.05 * torch.randn(VOCAB, WIDTH))
        self.blocks = nn.ModuleList(Block() for _ in range(LAYERS))
        self.norm = nn.Parameter(torch.zeros(WIDTH))

    def forward(self, tokens):
        x = self.embed[tokens]
        rotation = rotations(tokens.shape[1])
        for block in self.blocks:
            x = block(x, rotation)
        return rmsnorm(x, self.norm) @ self.embed.T


# ---------------------------------------------------------------- training

def train(model, rows, args, checkpoint):
    """AdamW, warm-up, then a cosine to zero at --steps or at --minutes,
    whichever is nearer; three steps of four have rows of half the context,
    which are cheaper, the fourth whole ones, so that the far positions are
    learnt as well."""
    matrices = [p for p in model.parameters() if p.ndim == 2]
    scales = [p for p in model.parameters() if p.ndim == 1]
    optimizer = torch.optim.AdamW(
        [{"params": matrices, "weight_decay": 0.1},
         {"params": scales, "weight_decay": 0.0}],
        lr=args.lr, betas=(0.9, 0.98), fused=True)
    step, before, progress = 0, 0.0, 0.0
    if checkpoint.exists():
        state = torch.load(checkpoint)
        model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        step, before = state["step"], state["seconds"]
        print(f"resuming at step {step}", flush=True)
    begin, saved, losses = time.time(), time.time(), []

    def save():
        partial = checkpoint.with_suffix(".part")
        torch.save({"model": model.state_dict(), "optimizer": optimizer.state_dict(),
                    "step": step, "seconds": before + time.time() - begin}, partial)
        os.replace(partial, checkpoint)

    while True:
        seconds = before + time.time() - begin
        # Time may run short of the plan, and then the learning rate hurries;
        # it never turns back.
        progress = max(progress, step / max(args.steps, 1), seconds / (60 * args.minutes))
        if progress >= 1:
            break
        rate = args.lr * 0.5 * (1 + math.cos(math.pi * progress))
        rate *= min(1.0, (step + 1) / args.warmup)
        for group in optimizer.param_groups:
            group["lr"] = rate
        x, y = rows.batch(step, args.batch, CONTEXT if step % 4 == 3 else CONTEXT // 2)
        with torch.autocast("cpu", torch.bfloat16, enabled=not args.float32):
            logits = model(x)
        loss = F.cross_entropy(logits.float().flatten(0, 1), y.flatten())
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        step += 1
        losses.append(loss.detach())
        if step % 100 == 0:
            mean = float(torch.stack(losses).mean()) / math.log(2)
            losses = []
            seconds = before + time.time() - begin
            print(f"step {step}  {mean:.4f} bit/token  rate {rate:.2e}  "
                  f"{step * args.batch / seconds:.0f} token/s  {seconds / 60:.1f} min",
                  flush=True)
        if time.time() - saved > 180:
            save()
            saved = time.time()
    save()
    return step, before + time.time() - begin


# -------------------------------------------------------------- measuring

@torch.no_grad()
def heldout_loss(model, chapters, context):
    """Nats a byte: every byte of a chapter and the <eos> that ends it are
    predicted from the <eos> before it and what stands between, looking back
    over at least half a context; the sum is shared out over the bytes."""
    half, windows = context // 2, []
    for c in chapters:
        row = as_tokens([c])
        done = 0                                     # targets counted so far
        while done < len(row) - 1:
            a = max(0, done - half)
            z = min(a + context, len(row) - 1)
            windows.append((row[a:z], row[a + 1:z + 1], done - a))
            done = z
    windows.sort(key=lambda w: len(w[0]))
    total = 0.0
    for i in range(0, len(windows), 8):
        part = windows[i:i + 8]
        longest = len(part[-1][0])
        x = torch.full((len(part), longest), EOS)
        y = torch.full((len(part), longest), -100)
        for r, (inputs, targets, skip) in enumerate(part):
            x[r, :len(inputs)] = inputs
            y[r, skip:len(inputs)] = targets[skip:]
        total += float(F.cross_entropy(model(x).flatten(0, 1), y.flatten(), reduction="sum"))
    return total / sum(map(len, chapters))


@torch.no_grad()
def continuation(model, prompt, temperature, length=200, seed=1):
    generator = torch.Generator().manual_seed(seed)
    row = list(prompt.encode())
    for _ in range(length):
        logits = model(torch.tensor([row]))[0, -1]
        if temperature == 0:
            token = int(logits.argmax())
        else:
            token = int(torch.multinomial(F.softmax(logits / temperature, -1), 1,
                                          generator=generator))
        if token == EOS:
            return bytes(row).decode("utf-8", "replace") + "<eos>"
        row.append(token)
    return bytes(row).decode("utf-8", "replace")


# ------------------------------------------------------------ the GGUF file

def round_to_bfloat16(model):
    """Round all weights, the scales too, in place; they stay float32."""
    with torch.no_grad():
        for p in model.parameters():
            p.copy_(p.bfloat16().float())


def tensor_set():
    """What a file holds, in order: name -> shape (norms F32, the rest BF16)."""
    shapes = {"token_embd.weight": (VOCAB, WIDTH)}
    for n in range(LAYERS):
        shapes |= {
            f"blk.{n}.attn_norm.weight": (WIDTH,),
            f"blk.{n}.attn_q.weight": (HEADS * HEAD, WIDTH),
            f"blk.{n}.attn_k.weight": (HEAD, WIDTH),
            f"blk.{n}.attn_v.weight": (HEAD, WIDTH),
            f"blk.{n}.attn_output.weight": (WIDTH, HEADS * HEAD),
            f"blk.{n}.ffn_gate.weight": (FFN, WIDTH),
            f"blk.{n}.ffn_up.weight": (FFN, WIDTH),
            f"blk.{n}.ffn_down.weight": (WIDTH, FFN),
        }
    return shapes | {"output_norm.weight": (WIDTH,)}


def named_tensors(model):
    """The model's weights under the names of the file."""
    tensors = {"token_embd.weight": model.embed, "output_norm.weight": model.norm}
    for n, block in enumerate(model.blocks):
        q, k, v = block.qkv.weight.split([HEADS * HEAD, HEAD, HEAD])
        gate, up = block.gate_up.weight.chunk(2)
        tensors |= {
            f"blk.{n}.attn_norm.weight": block.norm,
            f"blk.{n}.attn_q.weight": q,
            f"blk.{n}.attn_k.weight": k,
            f"blk.{n}.attn_v.weight": v,
            f"blk.{n}.attn_output.weight": block.output.weight,
            f"blk.{n}.ffn_gate.weight": gate,
            f"blk.{n}.ffn_up.weight": up,
            f"blk.{n}.ffn_down.weight": block.down.weight,
        }
    return {name: t.detach().contiguous() for name, t in tensors.items()}


def write_gguf(path, tensors, context):
    """Write a set of tensors; refuse any but exactly the right one."""
    expected = tensor_set()
    if tensors.keys() != expected.keys():
        odd = sorted(tensors.keys() ^ expected.keys())
        raise ValueError(f"missing or unknown tensors: {', '.join(odd)}")
    for name, shape in expected.items():
        t = tensors[name]
        if tuple(t.shape) != shape:
            raise ValueError(f"{name}: shape {tuple(t.shape)}, not {shape}")
        if not torch.isfinite(t).all():
            raise ValueError(f"{name}: not finite everywhere")
        if not torch.equal(t, t.bfloat16().float()):
            raise ValueError(f"{name}: not rounded to bfloat16")

    w = gguf.GGUFWriter(path, "palm")
    w.add_name("tsrun demo")
    w.add_vocab_size(VOCAB)
    w.add_context_length(context)
    w.add_embedding_length(WIDTH)
    w.add_block_count(LAYERS)
    w.add_feed_forward_length(FFN)
    w.add_head_count(HEADS)
    w.add_head_count_kv(1)
    w.add_key_length(HEAD)
    w.add_value_length(HEAD)
    w.add_layer_norm_rms_eps(EPS)
    w.add_rope_freq_base(ROPE_BASE)
    w.add_rope_dimension_count(HEAD)
    w.add_tokenizer_model("bytes")
    w.add_eos_token_id(EOS)
    w.add_add_bos_token(False)
    for name, shape in expected.items():
        if len(shape) == 1:
            w.add_tensor(name, tensors[name].float().numpy())
        else:
            data = tensors[name].bfloat16().view(torch.int16).numpy().view(np.uint8)
            w.add_tensor(name, data, raw_dtype=gguf.GGMLQuantizationType.BF16)
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()

    # Read it back: the file is worth what a reader finds in it.
    found = {t.name: t for t in gguf.GGUFReader(path).tensors}
    if found.keys() != expected.keys():
        raise ValueError(f"{path}: other tensors than were written")
    for name, shape in expected.items():
        t = found[name]
        back = gguf.dequantize(t.data, t.tensor_type).reshape(shape)
        if (tuple(int(n) for n in reversed(t.shape)) != shape
                or not np.array_equal(back, tensors[name].numpy())):
            raise ValueError(f"{path}: {name} is not what was written")


# ------------------------------------------------------------------- main

def main():
    parser = argparse.ArgumentParser(
        description="Train, measure and export the demonstration model.")
    parser.add_argument("--out", default="build", help="folder for what is written")
    parser.add_argument("--name", default="demo", help="how its files' names begin")
    parser.add_argument("--austen", help="Rdata.rdb of r-cran-janeaustenr",
                        default="/usr/lib/R/site-library/janeaustenr/data/Rdata.rdb")
    parser.add_argument("--steps", type=int, default=6500, help="0: random weights")
    parser.add_argument("--minutes", type=float, default=1e9,
                        help="end the schedule by then, whatever the steps")
    parser.add_argument("--batch", type=int, default=4096, help="tokens a step")
    parser.add_argument("--lr", type=float, default=2e-3)
    parser.add_argument("--warmup", type=int, default=200, help="steps")
    parser.add_argument("--float32", action="store_true", help="no bfloat16 in training")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    out = Path(args.out)
    out.mkdir(parents=True, exist_ok=True)

    def file(end):
        return out / (args.name + end)

    chapters, aside = read_text(args.austen)
    text, heldout = as_tokens(chapters), as_tokens(aside)
    model = Palm()
    report = {"parameters": sum(p.numel() for p in model.parameters()),
              "training_bytes": sum(map(len, chapters)),
              "heldout_bytes": sum(map(len, aside)), "heldout_chapters": len(aside)}
    print(report, flush=True)

    if args.steps > 0:
        steps, seconds = train(model, Rows(text, args.seed), args, file(".ckpt"))
        report |= {"steps": steps, "tokens": steps * args.batch,
                   "minutes": round(seconds / 60, 1),
                   "epochs": round(steps * args.batch / len(text), 2)}
    model.eval()
    unrounded = heldout_loss(model, aside, CONTEXT // 2)
    round_to_bfloat16(model)

    # The longer context is stated only if it serves at least as well.
    losses = {c: heldout_loss(model, aside, c) for c in (CONTEXT // 2, CONTEXT)}
    context = CONTEXT if losses[CONTEXT] <= losses[CONTEXT // 2] else CONTEXT // 2
    report["context_length"] = context
    report["heldout_bits_per_byte_before_rounding"] = round(unrounded / math.log(2), 4)
    for c, loss in losses.items():
        report[f"heldout_bits_per_byte_{c}"] = round(loss / math.log(2), 4)
        report[f"heldout_perplexity_per_byte_{c}"] = round(math.exp(loss), 4)

    write_gguf(file(".gguf"), named_tensors(model), context)
    passage = torch.from_numpy(np.frombuffer(aside[0][:64], np.uint8).astype(np.int64))
    with torch.no_grad():
        logits = model(passage[None])[0].numpy().astype(np.float32)
    np.savez(file("_logits.npz"), tokens=passage.numpy().astype(np.int32), logits=logits)
    np.savez_compressed(file("_heldout.npz"), tokens=heldout.numpy().astype(np.int16))
    file("_report.json").write_text(json.dumps(report, indent=1) + "\n")
    with open(file("_samples.txt"), "w", encoding="utf-8") as f:
        for prompt in PROMPTS:
            for temperature in (0, 0.8):
                f.write(f"=== {prompt!r}, temperature {temperature}\n"
                        f"{continuation(model, prompt, temperature)}\n\n")
    print(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
