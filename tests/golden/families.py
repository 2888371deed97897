"""How transformers and GGUF name, order and describe the tensors of each family, as make_golden.py needs it.

A model's weights are a dict by tsrun's paths (rows are output channels, q and k in Hugging Face's row order). From
them `transformers_model` makes the model itself, `gguf_tensors` what llama.cpp's convert_hf_to_gguf.py would write.
"""
import gguf
import torch
import transformers

# ---- fused and transposed tensors


def by_heads(c, q, k, v):
    """Each key/value head: its query heads, its key, its value."""
    group = c["H"] // c["K"] * c["Q"]
    parts = []
    for j in range(c["K"]):
        parts += [q[j * group:(j + 1) * group], k[j * c["Q"]:(j + 1) * c["Q"]], v[j * c["Q"]:(j + 1) * c["Q"]]]
    return torch.cat(parts)


def stacked(c, *parts):
    return torch.cat(parts)


QKV = ("attn_q", "attn_k", "attn_v")
QKV_BIAS = ("attn_q_bias", "attn_k_bias", "attn_v_bias")
GATE_IN = ("ffn_gate", "ffn_in")


# ---- names: tsrun's name in a layer (or path outside of them), or a tuple of fused ones, to the family's

def with_biases(names):
    """Adds the bias of each name that ends in .weight."""
    out = dict(names)
    for ours, theirs in names.items():
        bias = tuple(f"{one}_bias" for one in ours) if isinstance(ours, tuple) else f"{ours}_bias"
        out[bias] = theirs.replace(".weight", ".bias")
    return out


LLAMA = with_biases({
    "/embed": "model.embed_tokens.weight", "/unembed": "lm_head.weight", "/final_norm": "model.norm.weight",
    "attn_norm": "model.layers.#.input_layernorm.weight", "ffn_norm": "model.layers.#.post_attention_layernorm.weight",
    "attn_q": "model.layers.#.self_attn.q_proj.weight", "attn_k": "model.layers.#.self_attn.k_proj.weight",
    "attn_v": "model.layers.#.self_attn.v_proj.weight", "attn_o": "model.layers.#.self_attn.o_proj.weight",
    "attn_q_norm": "model.layers.#.self_attn.q_norm.weight", "attn_k_norm": "model.layers.#.self_attn.k_norm.weight",
    "ffn_gate": "model.layers.#.mlp.gate_proj.weight", "ffn_in": "model.layers.#.mlp.up_proj.weight",
    "ffn_out": "model.layers.#.mlp.down_proj.weight"})
POST_NORMS = {"attn_post_norm": "model.layers.#.post_attention_layernorm.weight",
              "ffn_norm": "model.layers.#.pre_feedforward_layernorm.weight",
              "ffn_post_norm": "model.layers.#.post_feedforward_layernorm.weight"}
PHI3 = LLAMA | {QKV: "model.layers.#.self_attn.qkv_proj.weight", GATE_IN: "model.layers.#.mlp.gate_up_proj.weight"}
STARCODER2 = with_biases(LLAMA | {"ffn_in": "model.layers.#.mlp.c_fc.weight",
                                  "ffn_out": "model.layers.#.mlp.c_proj.weight"})
GPT_NEOX = with_biases({
    "/embed": "gpt_neox.embed_in.weight", "/unembed": "lm_head.weight",
    "/final_norm": "gpt_neox.final_layer_norm.weight", "attn_norm": "gpt_neox.layers.#.input_layernorm.weight",
    "ffn_norm": "gpt_neox.layers.#.post_attention_layernorm.weight",
    QKV: "gpt_neox.layers.#.attention.query_key_value.weight", "attn_o": "gpt_neox.layers.#.attention.dense.weight",
    "ffn_in": "gpt_neox.layers.#.mlp.dense_h_to_4h.weight", "ffn_out": "gpt_neox.layers.#.mlp.dense_4h_to_h.weight"})
GPT2 = with_biases({
    "/embed": "transformer.wte.weight", "/pos_embed": "transformer.wpe.weight", "/unembed": "lm_head.weight",
    "/final_norm": "transformer.ln_f.weight", "attn_norm": "transformer.h.#.ln_1.weight",
    "ffn_norm": "transformer.h.#.ln_2.weight", QKV: "transformer.h.#.attn.c_attn.weight",
    "attn_o": "transformer.h.#.attn.c_proj.weight", "ffn_in": "transformer.h.#.mlp.c_fc.weight",
    "ffn_out": "transformer.h.#.mlp.c_proj.weight"})
FALCON = with_biases({
    "/embed": "transformer.word_embeddings.weight", "/unembed": "lm_head.weight",
    "/final_norm": "transformer.ln_f.weight", "attn_norm": "transformer.h.#.input_layernorm.weight",
    QKV: "transformer.h.#.self_attention.query_key_value.weight",
    "attn_o": "transformer.h.#.self_attention.dense.weight", "ffn_in": "transformer.h.#.mlp.dense_h_to_4h.weight",
    "ffn_out": "transformer.h.#.mlp.dense_4h_to_h.weight"})
FALCON40 = with_biases(FALCON | {"attn_norm": "transformer.h.#.ln_attn.weight",
                                 "ffn_norm": "transformer.h.#.ln_mlp.weight"})

GGUF_NAMES = with_biases({
    "/embed": "token_embd.weight", "/pos_embed": "position_embd.weight", "/unembed": "output.weight",
    "/final_norm": "output_norm.weight", "attn_norm": "blk.#.attn_norm.weight", "ffn_norm": "blk.#.ffn_norm.weight",
    "attn_q": "blk.#.attn_q.weight", "attn_k": "blk.#.attn_k.weight", "attn_v": "blk.#.attn_v.weight",
    "attn_o": "blk.#.attn_output.weight", "attn_q_norm": "blk.#.attn_q_norm.weight",
    "attn_k_norm": "blk.#.attn_k_norm.weight", "attn_post_norm": "blk.#.post_attention_norm.weight",
    "ffn_post_norm": "blk.#.post_ffw_norm.weight", "ffn_gate": "blk.#.ffn_gate.weight",
    "ffn_in": "blk.#.ffn_up.weight", "ffn_out": "blk.#.ffn_down.weight"})
GGUF_QKV = with_biases(GGUF_NAMES | {QKV: "blk.#.attn_qkv.weight"})


def collect(c, weights, names, fuse):
    """The weights under another format's names; `fuse` joins q, k and v."""
    out = {}
    fused = {part: ours for ours in names if isinstance(ours, tuple) for part in ours}
    for path, tensor in weights.items():
        _, *layer, name = path.split("/")
        prefix = path[:-len(name)]
        ours = fused.get(name, name if layer else path)
        theirs = names[ours].replace("#", layer[1] if layer else "")
        if isinstance(ours, tuple) and theirs not in out:
            parts = [weights[prefix + part] for part in ours]
            out[theirs] = (stacked if ours == GATE_IN else fuse)(c, *parts)
        elif not isinstance(ours, tuple):
            out[theirs] = tensor
    return out


# ---- transformers

def rope_parameters(c):
    rope = {"rope_theta": c["rope_base"], "rope_type": "default"}
    if c["rope_scaling"] != "none":
        rope |= {"rope_type": c["rope_scaling"], "factor": c["rope_factor"]}
    if c["rope_scaling"] in ("llama3", "yarn"):
        rope["original_max_position_embeddings"] = c["rope_original_context"]
    if c["rope_scaling"] == "llama3":
        rope |= {"low_freq_factor": c["rope_low_freq_factor"], "high_freq_factor": c["rope_high_freq_factor"]}
    if c["rope_scaling"] == "yarn":
        rope |= {"beta_fast": c["rope_beta_fast"], "beta_slow": c["rope_beta_slow"],
                 "attention_factor": c["rope_attention_factor"]}
    if c["rope_dims"] < c["Q"]:
        rope["partial_rotary_factor"] = c["rope_dims"] / c["Q"]
    return rope


def llama_config(c):
    return dict(vocab_size=c["V"], hidden_size=c["E"], intermediate_size=c["F"], num_hidden_layers=c["layers"],
                num_attention_heads=c["H"], num_key_value_heads=c["K"], head_dim=c["Q"], rms_norm_eps=c["norm_epsilon"],
                max_position_embeddings=c["context"], rope_parameters=rope_parameters(c), tie_word_embeddings=c["tied"],
                attention_bias=c["qkv_bias"], mlp_bias=c["ffn_bias"], bos_token_id=None, eos_token_id=None,
                pad_token_id=None)


def without(config, *keys):
    return {key: value for key, value in config.items() if key not in keys}


def layer_types(c):
    full = c["full_every"]
    return ["full_attention" if full and (i + 1) % full == 0 else "sliding_attention" for i in range(c["layers"])]


def gemma3_config(c):
    return without(llama_config(c), "rope_parameters", "mlp_bias") | dict(
        sliding_window=c["window"], layer_types=layer_types(c), query_pre_attn_scalar=c["Q"],
        rope_parameters={"full_attention": rope_parameters(c),
                         "sliding_attention": {"rope_type": "default", "rope_theta": c["rope_local_base"]}})


def gpt2_config(c):
    return dict(vocab_size=c["V"], n_embd=c["E"], n_inner=c["F"], n_layer=c["layers"], n_head=c["H"],
                n_positions=c["context"], layer_norm_epsilon=c["norm_epsilon"], tie_word_embeddings=c["tied"],
                bos_token_id=None, eos_token_id=None)


def falcon_config(c):
    return without(llama_config(c), "intermediate_size", "head_dim", "num_key_value_heads", "rms_norm_eps") | dict(
        ffn_hidden_size=c["F"], layer_norm_epsilon=c["norm_epsilon"], new_decoder_architecture=c["two_norms"],
        num_kv_heads=c["K"], bias=c["ffn_bias"])


# By the name of the architecture in GGUF: what transformers calls it, its names, and what its config says beyond.
FAMILIES = {
    "llama": ("Llama", "ForCausalLM", LLAMA, llama_config),
    "mistral": ("Mistral", "ForCausalLM", LLAMA, lambda c: llama_config(c) | dict(sliding_window=c["window"])),
    "command-r": ("Cohere", "ForCausalLM", LLAMA, lambda c: without(llama_config(c), "head_dim", "rms_norm_eps") | dict(
        layer_norm_eps=c["norm_epsilon"], logit_scale=c["logit_scale"], use_qk_norm=False)),
    "qwen2": ("Qwen2", "ForCausalLM", LLAMA, lambda c: without(llama_config(c), "head_dim")),
    "qwen3": ("Qwen3", "ForCausalLM", LLAMA, llama_config),
    "gemma3": ("Gemma3", "ForCausalLM", LLAMA | POST_NORMS, gemma3_config),
    "phi3": ("Phi3", "ForCausalLM", PHI3,
             lambda c: without(llama_config(c), "head_dim") | dict(sliding_window=c["window"])),
    "gptneox": ("GPTNeoX", "ForCausalLM", GPT_NEOX, lambda c: llama_config(c) | dict(
        layer_norm_eps=c["norm_epsilon"], hidden_act=c["activation"], use_parallel_residual=c["block"] == "parallel")),
    "gpt2": ("GPT2", "LMHeadModel", GPT2, gpt2_config),
    "starcoder": ("GPTBigCode", "ForCausalLM", GPT2, lambda c: gpt2_config(c) | dict(multi_query=c["K"] == 1)),
    "falcon": ("Falcon", "ForCausalLM", FALCON, falcon_config),
    "falcon40": ("Falcon", "ForCausalLM", FALCON40, falcon_config),
    "olmo2": ("Olmo2", "ForCausalLM", LLAMA | POST_NORMS, llama_config),
    "smollm3": ("SmolLM3", "ForCausalLM", LLAMA,
                lambda c: llama_config(c) | dict(no_rope_layer_interval=c["nope_every"])),
    "starcoder2": ("Starcoder2", "ForCausalLM", STARCODER2, lambda c: llama_config(c) | dict(
        norm_epsilon=c["norm_epsilon"], sliding_window=c["window"] or None)),
}


def family_of(c):
    return FAMILIES["falcon40" if c["architecture"] == "falcon" and c["two_norms"] else c["architecture"]]


def transformers_model(c, weights):
    name, suffix, names, config_of = family_of(c)
    config = getattr(transformers, name + ("TextConfig" if name == "Gemma3" else "Config"))(**config_of(c))
    config._attn_implementation = "eager"
    model = getattr(transformers, name + suffix)(config)
    state = collect(c, weights, names, stacked if c["architecture"] in ("gpt2", "phi3") else by_heads)
    if c["architecture"] == "gpt2":  # Conv1D
        state = {name: t.T if ".c_" in name and name.endswith("weight") else t for name, t in state.items()}
    if c["tied"]:
        state["lm_head.weight"] = weights["/embed"]
    model.load_state_dict(state, strict=True)
    return model.float().eval()


# ---- GGUF

def neighbours(t, heads):
    """Rows (or bias elements) of each head from the order first halves, second halves of the pairs to pair by pair."""
    return t.reshape(heads, 2, t.shape[0] // heads // 2, *t.shape[1:]).transpose(1, 2).reshape(t.shape)


def gguf_tensors(c, weights):
    architecture = c["architecture"]
    out = dict(weights)
    for path in weights:
        if architecture in ("llama", "smollm3") and "/attn_q" in path:
            out[path] = neighbours(weights[path], c["H"])
        if architecture in ("llama", "smollm3") and "/attn_k" in path:
            out[path] = neighbours(weights[path], c["K"])
        if architecture == "gemma3" and path.endswith("norm"):
            out[path] = weights[path].float() + 1
    names = dict(GGUF_NAMES)
    if architecture in ("gptneox", "gpt2", "starcoder", "falcon", "phi3"):
        names = dict(GGUF_QKV)
    if architecture == "phi3":
        names[GATE_IN] = "blk.#.ffn_up.weight"
    if architecture == "falcon" and c["two_norms"]:
        names |= with_biases({"attn_norm": "blk.#.attn_norm_2.weight", "ffn_norm": "blk.#.attn_norm.weight"})
    return collect(c, out, names, stacked)


def add_gguf_keys(c, out):
    """What is written beyond the sizes."""
    architecture = c["architecture"]
    if c["Q"] != c["E"] // c["H"] or architecture in ("palm", "qwen3", "gemma3"):
        out.add_key_length(c["Q"])
        out.add_value_length(c["Q"])
    (out.add_layer_norm_rms_eps if c["norm"] == "rms" else out.add_layer_norm_eps)(c["norm_epsilon"])
    if c["positions"] == "rotary":
        out.add_rope_freq_base(c["rope_base"])
        out.add_rope_dimension_count(c["rope_dims"])
    if c["rope_scaling"] in ("linear", "yarn"):
        out.add_rope_scaling_type(gguf.RopeScalingType(c["rope_scaling"]))
        out.add_rope_scaling_factor(c["rope_factor"])
    if c["rope_scaling"] == "yarn":
        out.add_rope_scaling_orig_ctx_len(c["rope_original_context"])
        out.add_rope_scaling_yarn_beta_fast(c["rope_beta_fast"])
        out.add_rope_scaling_yarn_beta_slow(c["rope_beta_slow"])
    if architecture == "command-r" or c["logit_scale"] != 1:
        out.add_logit_scale(c["logit_scale"])
    if c["embed_scale"] != 1 and architecture != "gemma3":
        out.add_embedding_scale(c["embed_scale"])
    if c["window"]:
        out.add_sliding_window(c["window"])
    if architecture == "gptneox":
        out.add_parallel_residual(c["block"] == "parallel")
    if architecture == "falcon":
        out.add_tensor_data_layout("jploski")
    if architecture == "phi3":
        out.add_rope_scaling_orig_ctx_len(c["context"])
