#!/usr/bin/env python3
"""Makes the golden models: tiny random models with the logits that an independent implementation computes for them.

    python3 make_golden.py [FOLDER [NAME..]]          needs torch, transformers, gguf, numpy; takes a minute

For each model NAME the folder (by default this script's own) gets

    NAME.gguf     the model, laid out as llama.cpp's convert_hf_to_gguf.py would (for `llama`: rows of q and k permuted
                  for adjacent rotary pairs, Llama 3's rotary scaling as rope_freqs.weight)
    NAME/         for models that say a dtype: the same weights as transformers writes them, in that type
    NAME.logits   token ids and reference logits. Little-endian, no padding:
                    char magic[8] = "tsgold1\\0", u32 vocabulary, u32 sequences,
                    per sequence: u32 length, i32 ids[length], f32 logits[length][vocabulary]
    NAME.flips    what the logits would be if one fact of the model were another:
                    char magic[8] = "tsflip1\\0", u32 vocabulary, u32 flips,
                    per flip: char label[48] zero-padded ("fact=value", or two of them with a space between),
                              f32 logits[vocabulary]
                  The logits are those after the last id of the last sequence of NAME.logits.

The reference of the llama and cohere models is transformers (f32, eager attention). `plain_logits` below is a second
description of the mathematics in plain PyTorch. It is held against transformers here, is the reference of the PaLM
models, which transformers does not have, and computes the flips.

The weights are scaled so that each flip moves some logit by far more than a test's tolerance: attention scores spread
by about 2, so that rotary facts matter; the residual stream is near 0.03, so that a norm epsilon of 1e-5 matters;
norm scales are not near 1. The script prints the margins and fails if one of them is below 3e-4 of the logits'
standard deviation.
"""
import math
import struct
import sys
from pathlib import Path

import gguf
import numpy as np
import torch

from families import add_gguf_keys, gguf_tensors, transformers_model

LENGTHS = (5, 17, 40)  # of the sequences; llama_bias has a longer last one, which its slow rotary pairs need
AGREE = 1e-5    # of the logits' standard deviation: plain_logits against transformers
MARGIN = 3e-4   # of the same: what every flip must move (the two kinds of gelu differ by no more than 1e-3)

# The facts of a model, with the names and values of tsrun's ModelConfig; a model below gives those that differ.
DEFAULTS = dict(
    norm="rms", norm_epsilon=1e-5, norm_offset=0.0, norm_bias=False, block="serial", activation="silu", gated=True,
    qkv_bias=False, attn_out_bias=False, ffn_bias=False, tied=False, embed_scale=1.0, logit_scale=1.0,
    rope_base=10000.0, rope_pairing="half", rope_scaling="none", rope_factor=1.0, rope_low_freq_factor=1.0,
    rope_high_freq_factor=4.0, rope_original_context=0, norm_place="before", two_norms=False, qk_norm="none",
    attn_scale=0.0, window=0, full_every=0, positions="rotary", nope_every=0, rope_local_base=0.0, rope_beta_fast=32.0,
    rope_beta_slow=1.0, rope_attention_factor=1.0, context=512, lengths=LENGTHS, dtype=None)

GPT = dict(norm="layer", norm_bias=True, gated=False, qkv_bias=True, attn_out_bias=True, ffn_bias=True)

# Sizes of which most do not divide over 2, 3, 4, 6 or 8 ranks. The last sequence of a model is longer than its window
# and than its context before scaling: what goes wrong only beyond them is seen.
MODELS = {
    "llama_gqa": dict(architecture="llama", layers=2, E=72, F=46, H=9, K=3, Q=8, V=131),
    "llama_bias": dict(architecture="llama", layers=2, E=52, F=58, H=4, K=2, Q=16, V=101, qkv_bias=True,
                       attn_out_bias=True, ffn_bias=True, tied=True, rope_base=500000.0, rope_scaling="llama3",
                       rope_factor=8.0, rope_original_context=64, context=16384, lengths=(5, 17, 96)),
    "cohere_mqa": dict(architecture="command-r", layers=2, E=50, F=58, H=5, K=1, Q=10, V=127, norm="layer",
                       block="parallel", tied=True, logit_scale=0.25, rope_pairing="adjacent"),
    "cohere_linear": dict(architecture="command-r", layers=2, E=36, F=46, H=6, K=3, Q=6, V=67, norm="layer",
                          block="parallel", tied=True, rope_pairing="adjacent", rope_scaling="linear",
                          rope_factor=4.0, context=128),
    "palm": dict(architecture="palm", layers=2, E=54, F=62, H=6, K=1, Q=8, V=113, norm_offset=1.0, block="parallel",
                 tied=True, rope_pairing="adjacent"),
    "palm_scaled": dict(architecture="palm", layers=2, E=30, F=46, H=3, K=1, Q=10, V=61, norm_offset=1.0,
                        block="parallel", embed_scale=2.5, logit_scale=0.3, rope_dims=6, rope_pairing="adjacent"),
    # Those below are in both formats.
    "llama": dict(architecture="llama", layers=2, E=32, F=44, H=4, K=2, Q=8, V=61, tied=True, rope_scaling="llama3",
                  rope_factor=4.0, rope_original_context=32, rope_base=500.0, dtype="bfloat16"),
    "cohere": dict(architecture="command-r", layers=2, E=32, F=44, H=4, K=2, Q=8, V=61, norm="layer", block="parallel",
                   tied=True, logit_scale=0.25, rope_pairing="adjacent", dtype="float16"),
    "mistral": dict(architecture="mistral", layers=2, E=32, F=44, H=4, K=2, Q=10, V=61, window=11, dtype="float32"),
    "qwen2": dict(architecture="qwen2", layers=2, E=32, F=44, H=4, K=2, Q=8, V=61, qkv_bias=True, rope_scaling="yarn",
                  rope_factor=4.0, rope_base=500.0, rope_original_context=12, rope_beta_fast=1.5, rope_beta_slow=0.1,
                  rope_attention_factor=1 + 0.1 * math.log(4), dtype="bfloat16"),
    "qwen3": dict(architecture="qwen3", layers=2, E=32, F=44, H=4, K=2, Q=10, V=61, qk_norm="head", tied=True,
                  dtype="float16"),
    "gemma3": dict(architecture="gemma3", layers=6, E=24, F=36, H=2, K=1, Q=8, V=61, norm_offset=1.0,
                   norm_place="around", activation="gelu_tanh", tied=True, qk_norm="head", embed_scale=math.sqrt(24),
                   window=9, full_every=6, rope_base=1e6, rope_local_base=1e4, rope_scaling="linear", rope_factor=4.0,
                   context=128, dtype="bfloat16"),
    "phi3": dict(architecture="phi3", layers=2, E=32, F=44, H=4, K=2, Q=8, V=61, window=13, rope_dims=6,
                 dtype="bfloat16"),
    "gptneox": GPT | dict(architecture="gptneox", layers=2, E=32, F=44, H=4, K=4, Q=8, V=61, block="parallel",
                          two_norms=True, activation="gelu", rope_dims=4, dtype="float16"),
    "gptneox_serial": GPT | dict(architecture="gptneox", layers=2, E=32, F=44, H=4, K=4, Q=8, V=61, activation="gelu",
                                 rope_dims=4, dtype="float16"),
    "gpt2": GPT | dict(architecture="gpt2", layers=2, E=32, F=44, H=4, K=4, Q=8, V=61, activation="gelu_tanh",
                       positions="learned", rope_dims=0, context=40, tied=True, dtype="float32"),
    "starcoder": GPT | dict(architecture="starcoder", layers=2, E=32, F=44, H=4, K=1, Q=8, V=61,
                            activation="gelu_tanh", positions="learned", rope_dims=0, context=48, tied=True,
                            dtype="float16"),
    "falcon": dict(architecture="falcon", layers=2, E=32, F=44, H=4, K=1, Q=8, V=61, norm="layer", norm_bias=True,
                   gated=False, activation="gelu", block="parallel", tied=True, dtype="bfloat16"),
    "falcon40": dict(architecture="falcon", layers=2, E=32, F=44, H=4, K=2, Q=8, V=61, norm="layer", norm_bias=True,
                     gated=False, activation="gelu", block="parallel", two_norms=True, tied=True, dtype="bfloat16"),
    "olmo2": dict(architecture="olmo2", layers=2, E=32, F=44, H=4, K=2, Q=8, V=61, norm_place="after", qk_norm="all",
                  dtype="float16"),
    "smollm3": dict(architecture="smollm3", layers=5, E=24, F=36, H=4, K=2, Q=6, V=61, nope_every=4, tied=True,
                    dtype="bfloat16"),
    "starcoder2": GPT | dict(architecture="starcoder2", layers=2, E=32, F=44, H=4, K=2, Q=8, V=61,
                             activation="gelu_tanh", tied=True, dtype="float16"),
}


# ---- weights: by tsrun's path, rows of output channels, q and k in Hugging Face's row order

def make_weights(c, rng):
    E, F, heads, kv = c["E"], c["F"], c["H"] * c["Q"], c["K"] * c["Q"]
    stream = 0.03 / c["embed_scale"]  # what the embedding adds to the residual stream

    def normal(deviation, *shape):
        return torch.from_numpy((rng.standard_normal(shape) * deviation).astype(np.float32))

    def norm_scale(width=E, size=1.0):
        return normal(0.2 * size, width) + (size - c["norm_offset"])

    def norm(path, present=True, **size):
        if present:
            w[path] = norm_scale(**size)
            if c["norm_bias"]:
                w[path + "_bias"] = normal(0.1, E)

    w = {"/embed": normal(stream, c["V"], E)}
    if c["positions"] == "learned":
        w["/pos_embed"] = normal(stream, c["context"], E)
    for i in range(c["layers"]):
        matrices = {  # name: (rows, columns, deviation of a weight, deviation of a bias, whether it has one)
            "attn_q": (heads, E, math.sqrt(2 / E), 0.3, c["qkv_bias"]),
            "attn_k": (kv, E, math.sqrt(2 / E), 0.3, c["qkv_bias"]),
            "attn_v": (kv, E, math.sqrt(1 / E), 0.3, c["qkv_bias"]),
            "attn_o": (E, heads, 0.04 / math.sqrt(heads), 0.01, c["attn_out_bias"]),
            "ffn_gate": (F, E, 1.5 / math.sqrt(E), 0.3, c["ffn_bias"]),
            "ffn_in": (F, E, 1.0 / math.sqrt(E), 0.3, c["ffn_bias"]),
            "ffn_out": (E, F, 0.03 / math.sqrt(F), 0.01, c["ffn_bias"]),
        }
        if not c["gated"]:  # large enough to tell one gelu from the other
            del matrices["ffn_gate"]
            matrices["ffn_in"] = (F, E, 2.0 / math.sqrt(E), 0.3, c["ffn_bias"])
            matrices["ffn_out"] = (E, F, 0.1 / math.sqrt(F), 0.01, c["ffn_bias"])
        for name, (rows, columns, deviation, bias, has_bias) in matrices.items():
            w[f"/layers/{i}/{name}"] = normal(deviation, rows, columns)
            if has_bias:
                w[f"/layers/{i}/{name}_bias"] = normal(bias, rows)
        before, after = c["norm_place"] != "after", c["norm_place"] != "before"
        norm(f"/layers/{i}/attn_norm", before)
        norm(f"/layers/{i}/ffn_norm", before and (c["block"] == "serial" or c["two_norms"]))
        norm(f"/layers/{i}/attn_post_norm", after, size=0.04)
        norm(f"/layers/{i}/ffn_post_norm", after, size=0.04)
        if c["qk_norm"] != "none":
            whole = c["qk_norm"] == "all"
            w[f"/layers/{i}/attn_q_norm"] = norm_scale(heads if whole else c["Q"], math.sqrt(2))
            w[f"/layers/{i}/attn_k_norm"] = norm_scale(kv if whole else c["Q"], math.sqrt(2))
    norm("/final_norm")
    if not c["tied"]:
        w["/unembed"] = normal(1 / math.sqrt(E), c["V"], E)
    if c["dtype"]:  # what the files can hold
        w = {path: t.to(getattr(torch, c["dtype"])).float() for path, t in w.items()}
    return w


# ---- the mathematics once more, in plain PyTorch

def rotary_frequencies(c, local=False):
    R = c["rope_dims"]
    out = []
    own_base = local and c["rope_local_base"]
    for i in range(R // 2):
        frequency = (c["rope_local_base"] if own_base else c["rope_base"]) ** (-2 * i / R)
        if c["rope_scaling"] == "linear" and not own_base:
            frequency /= c["rope_factor"]
        if c["rope_scaling"] == "llama3" and not own_base:
            frequency /= llama3_divisor(c, frequency)
        if c["rope_scaling"] == "yarn" and not own_base:
            frequency *= yarn_multiplier(c, i)
        out.append(frequency)
    return torch.tensor(out, dtype=torch.float64)


def context_before_scaling(c):  # linear scaling has no use for it and does not name it
    return c["context"] / c["rope_factor"] if c["rope_scaling"] == "linear" else c["rope_original_context"]


def yarn_multiplier(c, i):
    def pair_of(turns):
        context = c["rope_original_context"]
        return c["rope_dims"] * math.log(context / (turns * 2 * math.pi)) / (2 * math.log(c["rope_base"]))

    low = max(math.floor(pair_of(c["rope_beta_fast"])), 0)
    high = min(math.ceil(pair_of(c["rope_beta_slow"])), c["rope_dims"] - 1)
    ramp = min(max((i - low) / (high - low or 0.001), 0), 1)
    return ramp / c["rope_factor"] + 1 - ramp


def llama3_divisor(c, frequency):
    wavelength = 2 * math.pi / frequency
    if wavelength < c["rope_original_context"] / c["rope_high_freq_factor"]:
        return 1.0
    if wavelength > c["rope_original_context"] / c["rope_low_freq_factor"]:
        return c["rope_factor"]
    smooth = ((c["rope_original_context"] / wavelength - c["rope_low_freq_factor"])
              / (c["rope_high_freq_factor"] - c["rope_low_freq_factor"]))
    return 1 / ((1 - smooth) / c["rope_factor"] + smooth)


def rotate(c, x, local=False):  # [positions, heads, Q]
    R = c["rope_dims"]
    angle = torch.arange(x.shape[0], dtype=torch.float64)[:, None] * rotary_frequencies(c, local)
    stretch = c["rope_attention_factor"] if c["rope_scaling"] == "yarn" else 1.0
    turn = torch.polar(torch.full_like(angle, stretch), angle)[:, None, :]
    head, rest = x[..., :R], x[..., R:]
    if c["rope_pairing"] == "adjacent":
        pairs = torch.complex(head[..., 0::2].contiguous(), head[..., 1::2].contiguous()) * turn
        head = torch.stack([pairs.real, pairs.imag], -1).flatten(-2)
    else:
        pairs = torch.complex(head[..., :R // 2].contiguous(), head[..., R // 2:].contiguous()) * turn
        head = torch.cat([pairs.real, pairs.imag], -1)
    return torch.cat([head, rest], -1)


ACTIVATIONS = {
    "silu": torch.nn.functional.silu,
    "gelu": torch.nn.functional.gelu,
    "gelu_tanh": lambda x: torch.nn.functional.gelu(x, approximate="tanh"),
    "relu": torch.relu,
}


def plain_logits(c, weights, ids):
    """[len(ids), V] in f64."""
    w = {path: t.double() for path, t in weights.items()}

    def linear(path, x, biased):
        return x @ w[path].T + (w[path + "_bias"] if biased else 0)

    def rms_norm(path, x):
        return x / torch.sqrt((x * x).mean(-1, keepdim=True) + c["norm_epsilon"]) * (w[path] + c["norm_offset"])

    def norm(path, x):
        if c["norm"] == "layer":
            x = x - x.mean(-1, keepdim=True)
        return rms_norm(path, x) + (w[path + "_bias"] if c["norm_bias"] else 0)

    def placed(i, path, x, heads):  # normed and turned
        if c["qk_norm"] == "all":
            x = rms_norm(path, x)
        x = x.view(x.shape[0], heads, c["Q"])
        if c["qk_norm"] == "head":
            x = rms_norm(path, x)
        rotated = c["positions"] == "rotary" and not (c["nope_every"] and (i + 1) % c["nope_every"] == 0)
        return rotate(c, x, is_local(i)) if rotated else x

    def is_local(i):
        return c["window"] > 0 and not (c["full_every"] and (i + 1) % c["full_every"] == 0)

    def attention(i, x):
        layer, T, H, K, Q = f"/layers/{i}/", x.shape[0], c["H"], c["K"], c["Q"]
        q = placed(i, layer + "attn_q_norm", linear(layer + "attn_q", x, c["qkv_bias"]), H)
        k = placed(i, layer + "attn_k_norm", linear(layer + "attn_k", x, c["qkv_bias"]), K).repeat_interleave(H // K, 1)
        v = linear(layer + "attn_v", x, c["qkv_bias"]).view(T, K, Q).repeat_interleave(H // K, 1)
        scores = torch.einsum("thq,shq->hts", q, k) * (c["attn_scale"] or 1 / math.sqrt(Q))
        age = torch.arange(T)[:, None] - torch.arange(T)
        scores = scores.masked_fill((age < 0) | (is_local(i) & (age >= c["window"])), -math.inf)
        out = torch.einsum("hts,shq->thq", scores.softmax(-1), v).reshape(T, H * Q)
        return linear(layer + "attn_o", out, c["attn_out_bias"])

    def feed_forward(layer, x):
        hidden = linear(layer + "ffn_in", x, c["ffn_bias"])
        act = ACTIVATIONS[c["activation"]]
        hidden = act(linear(layer + "ffn_gate", x, c["ffn_bias"])) * hidden if c["gated"] else act(hidden)
        return linear(layer + "ffn_out", hidden, c["ffn_bias"])

    def before(path, x):
        return x if c["norm_place"] == "after" else norm(path, x)

    def after(path, x):
        return x if c["norm_place"] == "before" else rms_norm(path, x)

    x = w["/embed"][ids] * c["embed_scale"]
    if c["positions"] == "learned":
        x = x + w["/pos_embed"][:len(ids)]
    for i in range(c["layers"]):
        layer = f"/layers/{i}/"
        normed = before(layer + "attn_norm", x)
        attended = after(layer + "attn_post_norm", attention(i, normed))
        if c["block"] == "parallel":
            read = before(layer + "ffn_norm", x) if c["two_norms"] else normed
        else:
            x, attended = x + attended, 0
            read = before(layer + "ffn_norm", x)
        x = x + attended + after(layer + "ffn_post_norm", feed_forward(layer, read))
    return norm("/final_norm", x) @ w["/embed" if c["tied"] else "/unembed"].T * c["logit_scale"]


# ---- the reference: transformers

def reference(c, weights, sequences, folder):
    plain = [plain_logits(c, weights, ids) for ids in sequences]
    if c["architecture"] == "palm":
        return [logits.float() for logits in plain]
    model = transformers_model(c, weights)
    out = [model(torch.tensor([ids])).logits[0] for ids in sequences]
    if c["dtype"]:
        save_folder(c, model, folder)
    deviation = torch.cat(out).std().item()
    worst = max((a.double() - b).abs().max().item() for a, b in zip(out, plain)) / deviation
    print(f"  plain_logits against transformers: {worst:.1e} of the standard deviation {deviation:.3f}")
    assert worst < AGREE, worst
    return out


# ---- the flips: one fact at a time

def flips_of(c):
    other = {"norm": ["rms", "layer"], "norm_epsilon": [1e-4, 1e-6], "norm_offset": [0.0, 1.0], "norm_bias": [True],
             "block": ["serial", "parallel"] * (not c["two_norms"]),
             "activation": ["silu", "gelu", "gelu_tanh", "relu"], "gated": [True, False],
             "tied": [True, False], "embed_scale": [1.0, 2.0], "logit_scale": [1.0, 0.5],
             "rope_dims": [c["rope_dims"] - 2] + [c["Q"]] * (c["rope_dims"] < c["Q"]),
             "rope_base": [10000.0, 100000.0, 500000.0], "rope_pairing": ["half", "adjacent"]}
    if c["positions"] == "learned":
        for fact in ("rope_dims", "rope_base", "rope_pairing"):
            del other[fact]
    other |= later_flips(c)
    other |= {bias: [False] for bias in ("qkv_bias", "attn_out_bias", "ffn_bias") if c[bias]}
    if c["rope_scaling"] != "none":
        other |= {"rope_scaling": ["none"], "rope_factor": [c["rope_factor"] * 2]}
    if c["rope_scaling"] == "llama3":
        other |= {"rope_low_freq_factor": [1.5], "rope_high_freq_factor": [3.0], "rope_original_context": [4096]}
    for fact, values in other.items():
        for value in values:
            if value != c[fact]:
                yield {fact: value}
    if c["rope_scaling"] != "linear" and c["positions"] == "rotary":
        yield {"rope_scaling": "linear", "rope_factor": 3.0}


def later_flips(c):
    """Of the facts that only some families have, in those families."""
    other = {}
    if c["norm_place"] != "before":
        other["norm_place"] = ["before", "after", "around"]
    if c["two_norms"]:
        other["two_norms"] = [False]
    if c["qk_norm"] != "none":
        other |= {"qk_norm": ["none"], "attn_scale": [0.5]}
    if c["window"]:
        other |= {"window": [0, c["window"] - 1, c["window"] + 1],
                  "full_every": [n for n in (0, 2, 3) if n <= c["layers"]]}
    if c["architecture"] == "qwen2":
        other |= {"positions": ["learned"], "window": [20]}
    if c["nope_every"]:
        other["nope_every"] = [0, 2, 3]
    if c["rope_local_base"]:
        other["rope_local_base"] = [0.0, 1000.0]
    if c["rope_scaling"] == "yarn":
        other |= {"rope_beta_fast": [0.3], "rope_beta_slow": [0.5], "rope_attention_factor": [1.0],
                  "rope_original_context": [64]}
    return other


def stand_ins(c, weights):
    """A flip may ask for tensors that the model lacks; they are made of those it has, in the test as here."""
    w = dict(weights)
    for i in range(c["layers"]):
        layer = f"/layers/{i}/"
        w.setdefault(layer + "attn_norm", w.get(layer + "attn_post_norm"))
        for name in ("ffn_norm", "attn_post_norm", "ffn_post_norm"):
            w.setdefault(layer + name, w[layer + "attn_norm"])
        w.setdefault(layer + "ffn_gate", w[layer + "ffn_in"].flip(0))
        if c["ffn_bias"]:
            w.setdefault(layer + "ffn_gate_bias", w[layer + "ffn_in_bias"].flip(0))
    for path in [p for p in w if p.endswith("_norm")]:
        w.setdefault(path + "_bias", w[path] * 0.125)
    w.setdefault("/unembed", w["/embed"].flip(0))
    w.setdefault("/pos_embed", w["/embed"].flip(0))
    return w


def word(value):
    return str(value).lower() if isinstance(value, bool) else f"{value:g}" if isinstance(value, float) else str(value)


def make_flips(c, weights, ids, golden):
    deviation = golden.std().item()
    out = []
    for flip in flips_of(c):
        logits = plain_logits(c | flip, stand_ins(c, weights), ids)
        moved = (logits - golden).abs().max().item() / deviation
        label, before = (" ".join(f"{f}={word(facts[f])}" for f in flip) for facts in (flip, c))
        print(f"  {label:<36} was {before:<36} moves {moved:.4f} of the standard deviation")
        assert moved > MARGIN, (label, moved)
        out.append((label, logits[-1].float()))
    return out


# ---- files

def save_folder(c, model, folder):
    """Only what a model is made of: no generation settings."""
    model.to(getattr(torch, c["dtype"])).save_pretrained(folder)
    (folder / "generation_config.json").unlink(missing_ok=True)


GGUF_TYPES = {"float16": gguf.GGMLQuantizationType.F16, "bfloat16": gguf.GGMLQuantizationType.BF16}


def add_gguf_tensor(c, out, name, t):
    """Matrices in the model's type, vectors in F32, as llama.cpp's converter does."""
    if c["dtype"] in GGUF_TYPES and t.ndim > 1:
        t = t.to(getattr(torch, c["dtype"]))
        out.add_tensor(name, t.contiguous().view(torch.uint8).numpy(), raw_dtype=GGUF_TYPES[c["dtype"]])
    else:
        out.add_tensor(name, t.contiguous().numpy())


def write_gguf(c, weights, path):
    out = gguf.GGUFWriter(path, c["architecture"])
    out.add_name(path.stem)
    out.add_vocab_size(c["V"])
    out.add_context_length(c["context"])
    out.add_embedding_length(c["E"])
    out.add_block_count(c["layers"])
    out.add_feed_forward_length(c["F"])
    out.add_head_count(c["H"])
    out.add_head_count_kv(c["K"])
    add_gguf_keys(c, out)
    if not c["dtype"]:
        out.add_file_type(gguf.LlamaFileType.ALL_F32)
    if c["rope_scaling"] == "llama3":
        out.add_rope_scaling_orig_ctx_len(c["rope_original_context"])  # a file without it means Llama 3's own, 8192
        frequencies = rotary_frequencies(c | {"rope_scaling": "none"}).tolist()
        out.add_tensor("rope_freqs.weight", np.array([llama3_divisor(c, f) for f in frequencies], dtype=np.float32))
    for name, t in gguf_tensors(c, weights).items():
        add_gguf_tensor(c, out, name, t)
    out.write_header_to_file()
    out.write_kv_data_to_file()
    out.write_tensors_to_file()
    out.close()


def write_logits(path, V, sequences, logits):
    with open(path, "wb") as out:
        out.write(struct.pack("<8sII", b"tsgold1", V, len(sequences)))
        for ids, rows in zip(sequences, logits):
            out.write(struct.pack("<I", len(ids)))
            out.write(np.array(ids, dtype="<i4").tobytes())
            out.write(rows.numpy().astype("<f4").tobytes())


def write_flips(path, V, flips):
    with open(path, "wb") as out:
        out.write(struct.pack("<8sII", b"tsflip1", V, len(flips)))
        for label, row in flips:
            assert len(label) < 48
            out.write(struct.pack("<48s", label.encode()))
            out.write(row.numpy().astype("<f4").tobytes())


def main():
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parent)
    wanted = sys.argv[2:] or MODELS
    torch.set_num_threads(1)
    for seed, (name, facts) in enumerate(MODELS.items()):
        if name not in wanted:
            continue
        c = DEFAULTS | {"rope_dims": facts["Q"]} | facts
        print(f"{name}: {facts}")
        assert c["lengths"][-1] > max(c["window"], context_before_scaling(c))
        rng = np.random.default_rng(seed)
        weights = make_weights(c, rng)
        sequences = [rng.integers(0, c["V"], n).tolist() for n in c["lengths"]]
        with torch.no_grad():
            logits = reference(c, weights, sequences, folder / name)
            flips = make_flips(c, weights, sequences[-1], logits[-1])
        if c["architecture"] != "mistral":  # GGUF has no name of its own for it, nor Llama's a window
            write_gguf(c, weights, folder / f"{name}.gguf")
        write_logits(folder / f"{name}.logits", c["V"], sequences, logits)
        write_flips(folder / f"{name}.flips", c["V"], flips)


if __name__ == "__main__":
    main()
