#!/usr/bin/env python3
"""Makes the golden models: tiny random models with the logits that an independent implementation computes for them.

    python3 make_golden.py [FOLDER]          needs torch, transformers, gguf, numpy; takes seconds

For each model NAME the folder (by default this script's own) gets

    NAME.gguf     the model, F32, laid out as llama.cpp's convert_hf_to_gguf.py would (for `llama`: rows of q and k
                  permuted for adjacent rotary pairs, Llama 3's rotary scaling as rope_freqs.weight)
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
norm scales are not near 1. The script prints the margins and fails if one of them is below 1e-3 of the logits'
standard deviation.
"""
import math
import struct
import sys
from pathlib import Path

import gguf
import numpy as np
import torch
from transformers import CohereConfig, CohereForCausalLM, LlamaConfig, LlamaForCausalLM

LENGTHS = (5, 17, 40)  # of the sequences; llama_bias has a longer last one, which its slow rotary pairs need
AGREE = 1e-5    # of the logits' standard deviation: plain_logits against transformers
MARGIN = 1e-3   # of the same: what every flip must move

# The facts of a model, with the names and values of tsrun's ModelConfig; a model below gives those that differ.
DEFAULTS = dict(
    norm="rms", norm_epsilon=1e-5, norm_offset=0.0, norm_bias=False, block="serial", activation="silu", gated=True,
    qkv_bias=False, attn_out_bias=False, ffn_bias=False, tied=False, embed_scale=1.0, logit_scale=1.0,
    rope_base=10000.0, rope_pairing="half", rope_scaling="none", rope_factor=1.0, rope_low_freq_factor=1.0,
    rope_high_freq_factor=4.0, rope_original_context=0, context=512, lengths=LENGTHS)

# Sizes of which most do not divide over 2, 3, 4, 6 or 8 ranks.
MODELS = {
    "llama_gqa": dict(architecture="llama", layers=2, E=72, F=46, H=9, K=3, Q=8, V=131),
    "llama_bias": dict(architecture="llama", layers=2, E=52, F=58, H=4, K=2, Q=16, V=101, qkv_bias=True,
                       attn_out_bias=True, ffn_bias=True, tied=True, rope_base=500000.0, rope_scaling="llama3",
                       rope_factor=8.0, rope_original_context=8192, context=16384, lengths=(5, 17, 96)),
    "cohere_mqa": dict(architecture="command-r", layers=2, E=50, F=58, H=5, K=1, Q=10, V=127, norm="layer",
                       block="parallel", tied=True, logit_scale=0.25, rope_pairing="adjacent"),
    "cohere_linear": dict(architecture="command-r", layers=2, E=36, F=46, H=6, K=3, Q=6, V=67, norm="layer",
                          block="parallel", tied=True, rope_pairing="adjacent", rope_scaling="linear",
                          rope_factor=4.0),
    "palm": dict(architecture="palm", layers=2, E=54, F=62, H=6, K=1, Q=8, V=113, norm_offset=1.0, block="parallel",
                 tied=True, rope_pairing="adjacent"),
    "palm_scaled": dict(architecture="palm", layers=2, E=30, F=46, H=3, K=1, Q=10, V=61, norm_offset=1.0,
                        block="parallel", embed_scale=2.5, logit_scale=0.3, rope_dims=6, rope_pairing="adjacent"),
}


# ---- weights: by tsrun's path, rows of output channels, q and k in Hugging Face's row order

def make_weights(c, rng):
    E, F, heads, kv = c["E"], c["F"], c["H"] * c["Q"], c["K"] * c["Q"]
    stream = 0.03 / c["embed_scale"]  # what the embedding adds to the residual stream

    def normal(deviation, *shape):
        return torch.from_numpy((rng.standard_normal(shape) * deviation).astype(np.float32))

    def norm_scale():
        return normal(0.2, E) + (1 - c["norm_offset"])

    w = {"/embed": normal(stream, c["V"], E)}
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
        for name, (rows, columns, deviation, bias, has_bias) in matrices.items():
            w[f"/layers/{i}/{name}"] = normal(deviation, rows, columns)
            if has_bias:
                w[f"/layers/{i}/{name}_bias"] = normal(bias, rows)
        w[f"/layers/{i}/attn_norm"] = norm_scale()
        if c["block"] == "serial":
            w[f"/layers/{i}/ffn_norm"] = norm_scale()
    w["/final_norm"] = norm_scale()
    if not c["tied"]:
        w["/unembed"] = normal(1 / math.sqrt(E), c["V"], E)
    return w


# ---- the mathematics once more, in plain PyTorch

def rotary_frequencies(c):
    R = c["rope_dims"]
    out = []
    for i in range(R // 2):
        frequency = c["rope_base"] ** (-2 * i / R)
        if c["rope_scaling"] == "linear":
            frequency /= c["rope_factor"]
        if c["rope_scaling"] == "llama3":
            frequency /= llama3_divisor(c, frequency)
        out.append(frequency)
    return torch.tensor(out, dtype=torch.float64)


def llama3_divisor(c, frequency):
    wavelength = 2 * math.pi / frequency
    if wavelength < c["rope_original_context"] / c["rope_high_freq_factor"]:
        return 1.0
    if wavelength > c["rope_original_context"] / c["rope_low_freq_factor"]:
        return c["rope_factor"]
    smooth = ((c["rope_original_context"] / wavelength - c["rope_low_freq_factor"])
              / (c["rope_high_freq_factor"] - c["rope_low_freq_factor"]))
    return 1 / ((1 - smooth) / c["rope_factor"] + smooth)


def rotate(c, x):  # [positions, heads, Q]
    R = c["rope_dims"]
    angle = torch.arange(x.shape[0], dtype=torch.float64)[:, None] * rotary_frequencies(c)
    turn = torch.polar(torch.ones_like(angle), angle)[:, None, :]
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

    def norm(path, x):
        if c["norm"] == "layer":
            x = x - x.mean(-1, keepdim=True)
        x = x / torch.sqrt((x * x).mean(-1, keepdim=True) + c["norm_epsilon"])
        return x * (w[path] + c["norm_offset"]) + (w[path + "_bias"] if c["norm_bias"] else 0)

    def attention(layer, x):
        T, H, K, Q = x.shape[0], c["H"], c["K"], c["Q"]
        q = rotate(c, linear(layer + "attn_q", x, c["qkv_bias"]).view(T, H, Q))
        k = rotate(c, linear(layer + "attn_k", x, c["qkv_bias"]).view(T, K, Q)).repeat_interleave(H // K, 1)
        v = linear(layer + "attn_v", x, c["qkv_bias"]).view(T, K, Q).repeat_interleave(H // K, 1)
        scores = torch.einsum("thq,shq->hts", q, k) / math.sqrt(Q)
        scores = scores.masked_fill(torch.ones(T, T, dtype=torch.bool).triu(1), -math.inf)
        out = torch.einsum("hts,shq->thq", scores.softmax(-1), v).reshape(T, H * Q)
        return linear(layer + "attn_o", out, c["attn_out_bias"])

    def feed_forward(layer, x):
        hidden = linear(layer + "ffn_in", x, c["ffn_bias"])
        act = ACTIVATIONS[c["activation"]]
        hidden = act(linear(layer + "ffn_gate", x, c["ffn_bias"])) * hidden if c["gated"] else act(hidden)
        return linear(layer + "ffn_out", hidden, c["ffn_bias"])

    x = w["/embed"][ids] * c["embed_scale"]
    for i in range(c["layers"]):
        layer = f"/layers/{i}/"
        normed = norm(layer + "attn_norm", x)
        if c["block"] == "parallel":
            x = x + attention(layer, normed) + feed_forward(layer, normed)
        else:
            x = x + attention(layer, normed)
            x = x + feed_forward(layer, norm(layer + "ffn_norm", x))
    return norm("/final_norm", x) @ w["/embed" if c["tied"] else "/unembed"].T * c["logit_scale"]


# ---- the reference: transformers

HF_LAYER_NAMES = {"attn_q": "self_attn.q_proj", "attn_k": "self_attn.k_proj", "attn_v": "self_attn.v_proj",
                  "attn_o": "self_attn.o_proj", "ffn_gate": "mlp.gate_proj", "ffn_in": "mlp.up_proj",
                  "ffn_out": "mlp.down_proj", "attn_norm": "input_layernorm", "ffn_norm": "post_attention_layernorm"}
HF_NAMES = {"/embed": "model.embed_tokens.weight", "/final_norm": "model.norm.weight", "/unembed": "lm_head.weight"}


def hf_name(path):
    if path in HF_NAMES:
        return HF_NAMES[path]
    _, _, layer, name = path.split("/")
    stem = name.removesuffix("_bias")
    return f"model.layers.{layer}.{HF_LAYER_NAMES[stem]}." + ("weight" if stem == name else "bias")


def transformers_model(c, weights):
    rope = {"none": {"rope_type": "default"},
            "linear": {"rope_type": "linear", "factor": c["rope_factor"]},
            "llama3": {"rope_type": "llama3", "factor": c["rope_factor"],
                       "low_freq_factor": c["rope_low_freq_factor"], "high_freq_factor": c["rope_high_freq_factor"],
                       "original_max_position_embeddings": c["rope_original_context"]}}[c["rope_scaling"]]
    common = dict(vocab_size=c["V"], hidden_size=c["E"], intermediate_size=c["F"], num_hidden_layers=c["layers"],
                  num_attention_heads=c["H"], num_key_value_heads=c["K"], max_position_embeddings=c["context"],
                  rope_parameters=rope | {"rope_theta": c["rope_base"]}, tie_word_embeddings=c["tied"],
                  attention_bias=c["qkv_bias"], bos_token_id=None, eos_token_id=None, pad_token_id=None,
                  attn_implementation="eager")
    if c["architecture"] == "llama":
        model = LlamaForCausalLM(LlamaConfig(**common, head_dim=c["Q"], rms_norm_eps=c["norm_epsilon"],
                                             mlp_bias=c["ffn_bias"]))
    else:
        model = CohereForCausalLM(CohereConfig(**common, layer_norm_eps=c["norm_epsilon"],
                                               logit_scale=c["logit_scale"], use_qk_norm=False))
    state = {hf_name(path): t for path, t in weights.items()}
    if c["tied"]:
        state["lm_head.weight"] = weights["/embed"]
    model.load_state_dict(state, strict=True)
    return model.float().eval()


def reference(c, weights, sequences):
    plain = [plain_logits(c, weights, ids) for ids in sequences]
    if c["architecture"] == "palm":
        return [logits.float() for logits in plain]
    model = transformers_model(c, weights)
    out = [model(torch.tensor([ids])).logits[0] for ids in sequences]
    deviation = torch.cat(out).std().item()
    worst = max((a.double() - b).abs().max().item() for a, b in zip(out, plain)) / deviation
    print(f"  plain_logits against transformers: {worst:.1e} of the standard deviation {deviation:.3f}")
    assert worst < AGREE, worst
    return out


# ---- the flips: one fact at a time

def flips_of(c):
    other = {"norm": ["rms", "layer"], "norm_epsilon": [1e-4, 1e-6], "norm_offset": [0.0, 1.0], "norm_bias": [True],
             "block": ["serial", "parallel"], "activation": ["gelu", "gelu_tanh", "relu"], "gated": [False],
             "tied": [True, False], "embed_scale": [1.0, 2.0], "logit_scale": [1.0, 0.5],
             "rope_dims": [c["rope_dims"] - 2] + [c["Q"]] * (c["rope_dims"] < c["Q"]),
             "rope_base": [10000.0, 100000.0, 500000.0], "rope_pairing": ["half", "adjacent"]}
    other |= {bias: [False] for bias in ("qkv_bias", "attn_out_bias", "ffn_bias") if c[bias]}
    if c["rope_scaling"] != "none":
        other |= {"rope_scaling": ["none"], "rope_factor": [c["rope_factor"] * 2]}
    if c["rope_scaling"] == "llama3":
        other |= {"rope_low_freq_factor": [1.5], "rope_high_freq_factor": [3.0], "rope_original_context": [4096]}
    for fact, values in other.items():
        for value in values:
            if value != c[fact]:
                yield {fact: value}
    if c["rope_scaling"] != "linear":
        yield {"rope_scaling": "linear", "rope_factor": 3.0}


def stand_ins(c, weights):
    """A flip may ask for tensors that the model lacks; they are made of those it has, in the test as here."""
    w = dict(weights)
    for i in range(c["layers"]):
        w.setdefault(f"/layers/{i}/ffn_norm", w[f"/layers/{i}/attn_norm"])
    for path in [p for p in w if p.endswith("_norm")]:
        w.setdefault(path + "_bias", w[path] * 0.125)
    w.setdefault("/unembed", w["/embed"].flip(0))
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

GGUF_LAYER_NAMES = {"attn_o": "attn_output", "ffn_in": "ffn_up", "ffn_out": "ffn_down"}
GGUF_NAMES = {"/embed": "token_embd.weight", "/final_norm": "output_norm.weight", "/unembed": "output.weight"}


def gguf_name(path):
    if path in GGUF_NAMES:
        return GGUF_NAMES[path]
    _, _, layer, name = path.split("/")
    stem = name.removesuffix("_bias")
    return f"blk.{layer}.{GGUF_LAYER_NAMES.get(stem, stem)}." + ("weight" if stem == name else "bias")


def neighbours(t, heads):
    """Rows (or bias elements) of each head from the order first halves, second halves of the pairs to pair by pair."""
    return t.reshape(heads, 2, t.shape[0] // heads // 2, *t.shape[1:]).transpose(1, 2).reshape(t.shape)


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
    if c["Q"] != c["E"] // c["H"] or c["architecture"] == "palm":
        out.add_key_length(c["Q"])
        out.add_value_length(c["Q"])
    (out.add_layer_norm_rms_eps if c["norm"] == "rms" else out.add_layer_norm_eps)(c["norm_epsilon"])
    out.add_rope_freq_base(c["rope_base"])
    out.add_rope_dimension_count(c["rope_dims"])
    if c["rope_scaling"] == "linear":
        out.add_rope_scaling_type(gguf.RopeScalingType.LINEAR)
        out.add_rope_scaling_factor(c["rope_factor"])
    if c["architecture"] == "command-r" or c["logit_scale"] != 1:
        out.add_logit_scale(c["logit_scale"])
    if c["embed_scale"] != 1:
        out.add_embedding_scale(c["embed_scale"])
    out.add_file_type(gguf.LlamaFileType.ALL_F32)
    if c["rope_scaling"] == "llama3":
        frequencies = rotary_frequencies(c | {"rope_scaling": "none"}).tolist()
        out.add_tensor("rope_freqs.weight", np.array([llama3_divisor(c, f) for f in frequencies], dtype=np.float32))
    for name, t in weights.items():
        if c["architecture"] == "llama" and "/attn_q" in name:
            t = neighbours(t, c["H"])
        if c["architecture"] == "llama" and "/attn_k" in name:
            t = neighbours(t, c["K"])
        out.add_tensor(gguf_name(name), t.contiguous().numpy())
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
    torch.set_num_threads(1)
    for seed, (name, facts) in enumerate(MODELS.items()):
        c = DEFAULTS | {"rope_dims": facts["Q"]} | facts
        print(f"{name}: {facts}")
        rng = np.random.default_rng(seed)
        weights = make_weights(c, rng)
        sequences = [rng.integers(0, c["V"], n).tolist() for n in c["lengths"]]
        with torch.no_grad():
            logits = reference(c, weights, sequences)
            flips = make_flips(c, weights, sequences[-1], logits[-1])
        write_gguf(c, weights, folder / f"{name}.gguf")
        write_logits(folder / f"{name}.logits", c["V"], sequences, logits)
        write_flips(folder / f"{name}.flips", c["V"], flips)


if __name__ == "__main__":
    main()
