#!/usr/bin/env python3
"""Records what transformers computes with a tiny model of a family, as the architecture tests read it.

  ENV/bin/python bench/architecture_goldens.py [--only NAME ...] [--output DIR]

ENV has torch and transformers. For every row of CASES a model is made, its numbers are drawn anew (nothing is at its neutral start) until
greedy decoding and routers choose clearly, and DIR/NAME gets its files, config.v4.json as transformers 4 spelled it (below arch), and
golden.safetensors: a batch, logits, loss, every gradient, hidden states, a left-padded batch, sequences packed in one row, greedy
continuations, what a mixture's routers say. The model is read from those very files, so missing keys mean what they mean there.
Rows that are there already are left alone.
"""
import argparse, json, os, pathlib

ROOT = pathlib.Path(__file__).resolve().parent.parent
GOLDENS = ROOT / "finetune-core/src/test/resources/goldens"
WHOLE = dict(vocab_size=199, hidden_size=32, intermediate_size=40, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
             max_position_embeddings=64, bos_token_id=1, eos_token_id=2, pad_token_id=0, tie_word_embeddings=False)
SMALL = dict(WHOLE, vocab_size=31, hidden_size=16, intermediate_size=20, num_attention_heads=2, num_key_value_heads=1, max_position_embeddings=32)
ENCODER = dict(vocab_size=31, hidden_size=16, intermediate_size=20, num_hidden_layers=2, num_attention_heads=2, max_position_embeddings=32,
               bos_token_id=0, pad_token_id=1, eos_token_id=2)
ENCODERS = ("Roberta", "XLMRoberta", "Camembert", "Electra", "DistilBert", "ModernBert")
FALCON = dict(vocab_size=61, hidden_size=48, num_hidden_layers=2, num_attention_heads=4, max_position_embeddings=64, bos_token_id=1, eos_token_id=2, pad_token_id=0)
BIGCODE = dict(vocab_size=61, n_embd=32, n_layer=2, n_head=4, n_positions=64, bos_token_id=1, eos_token_id=2, pad_token_id=0)
LABELS = dict(num_labels=3)

# folder, the class's family in transformers, settings beside those of its size, keys that the file then lacks and, in some, what it has besides
CASES = [
    ("arch/smollm3", "SmolLM3", dict(num_hidden_layers=3, no_rope_layer_interval=2, tie_word_embeddings=True), []),
    ("variants/smollm3-missing-keys", "SmolLM3", dict(num_hidden_layers=5, num_key_value_heads=None, num_attention_heads=4),
     ["no_rope_layers", "no_rope_layer_interval", "layer_types", "rope_parameters", "rms_norm_eps", "hidden_act", "tie_word_embeddings", "num_key_value_heads"]),
    ("variants/smollm3-windows", "SmolLM3", dict(num_hidden_layers=3, no_rope_layers=[0, 1, 0], use_sliding_window=True, sliding_window=4,
                                                 attention_bias=True, mlp_bias=True, tie_word_embeddings=True), []),
    ("variants/smollm3-seqcls", "SmolLM3", dict(no_rope_layers=[1, 0], **LABELS), []),
    ("arch/granite", "Granite", dict(embedding_multiplier=2.5, logits_scaling=3.0, residual_multiplier=0.4, attention_multiplier=0.3, tie_word_embeddings=True), []),
    ("variants/granite-missing-keys", "Granite", dict(attention_multiplier=1.0),
     ["embedding_multiplier", "logits_scaling", "residual_multiplier", "attention_multiplier", "rope_parameters", "rms_norm_eps", "tie_word_embeddings"]),
    ("variants/granite-seqcls", "Granite", dict(embedding_multiplier=2.0, logits_scaling=4.0, residual_multiplier=0.5, attention_multiplier=0.4,
                                                attention_bias=True, mlp_bias=True, **LABELS), []),
    ("arch/olmo3", "Olmo3", dict(sliding_window=5, layer_types=["sliding_attention", "full_attention"], rope_parameters=dict(
        sliding_attention=dict(rope_type="default", rope_theta=500000.0),
        full_attention=dict(rope_type="yarn", rope_theta=500000.0, factor=4.0, original_max_position_embeddings=16, attention_factor=1.2, beta_fast=32.0, beta_slow=1.0))), []),
    ("variants/olmo3-missing-keys", "Olmo3", dict(num_hidden_layers=4), ["layer_types", "sliding_window", "rope_parameters", "rms_norm_eps"]),
    ("variants/olmo3-seqcls", "Olmo3", dict(sliding_window=4, attention_bias=True, **LABELS), []),
    ("arch/qwen2_moe", "Qwen2Moe", dict(moe_intermediate_size=16, shared_expert_intermediate_size=20, num_experts=6, num_experts_per_tok=2), []),
    ("variants/qwen2-moe-mixed-layers", "Qwen2Moe", dict(num_hidden_layers=4, moe_intermediate_size=10, shared_expert_intermediate_size=14, num_experts=4,
                                                         num_experts_per_tok=2, norm_topk_prob=True, qkv_bias=False, mlp_only_layers=[1], decoder_sparse_step=2,
                                                         use_sliding_window=True, sliding_window=4, max_window_layers=2), ["layer_types"]),
    ("variants/qwen2-moe-missing-keys", "Qwen2Moe", dict(moe_intermediate_size=10, shared_expert_intermediate_size=14, num_experts=4, num_experts_per_tok=4),
     ["norm_topk_prob", "qkv_bias", "decoder_sparse_step", "mlp_only_layers", "layer_types", "max_window_layers", "use_sliding_window", "router_aux_loss_coef",
      "rms_norm_eps", "rope_parameters", "num_experts_per_tok", "tie_word_embeddings", "sliding_window"]),
    ("variants/qwen2-moe-seqcls", "Qwen2Moe", dict(moe_intermediate_size=10, shared_expert_intermediate_size=14, num_experts=4, num_experts_per_tok=2, **LABELS), []),
    ("arch/starcoder2", "Starcoder2", dict(sliding_window=5, tie_word_embeddings=True), []),
    ("variants/starcoder2-missing-keys", "Starcoder2", dict(num_key_value_heads=2, num_attention_heads=4),
     ["num_key_value_heads", "norm_epsilon", "hidden_act", "sliding_window", "use_bias", "rope_parameters", "tie_word_embeddings"]),
    ("variants/starcoder2-seqcls", "Starcoder2", dict(use_bias=False, hidden_act="gelu", **LABELS), []),
    ("arch/cohere", "Cohere", dict(logit_scale=0.5, tie_word_embeddings=True), []),
    ("variants/cohere-normalised-heads", "Cohere", dict(use_qk_norm=True, attention_bias=True, num_attention_heads=4, num_key_value_heads=2),
     ["logit_scale", "layer_norm_eps", "rope_parameters", "tie_word_embeddings"]),
    ("variants/cohere-seqcls", "Cohere", dict(use_qk_norm=True, **LABELS), []),
    ("arch/cohere2", "Cohere2", dict(logit_scale=0.5, sliding_window=5, num_hidden_layers=3, layer_types=["sliding_attention", "full_attention", "sliding_attention"],
                                     tie_word_embeddings=True), []),
    ("variants/cohere2-missing-keys", "Cohere2", dict(num_hidden_layers=4, attention_bias=True), ["layer_types", "sliding_window", "logit_scale", "layer_norm_eps", "rope_parameters", "tie_word_embeddings", "head_dim"]),
    ("variants/cohere2-seqcls", "Cohere2", dict(sliding_window=4, num_hidden_layers=2, **LABELS), []),
    ("arch/glm4", "Glm4", dict(head_dim=12, eos_token_id=2), []),
    ("variants/glm4-missing-keys", "Glm4", dict(num_attention_heads=4, num_key_value_heads=2, head_dim=128, eos_token_id=2, hidden_size=8),
     ["num_key_value_heads", "head_dim", "rms_norm_eps", "rope_parameters", "attention_bias", "hidden_act"]),
    ("variants/glm4-seqcls", "Glm4", dict(head_dim=8, attention_bias=False, **LABELS), []),
    ("arch/glm", "Glm", dict(head_dim=8, intermediate_size=41, rope_parameters=dict(rope_type="default", rope_theta=1000.0, partial_rotary_factor=0.25), eos_token_id=2, attention_bias=False), []),
    ("arch/phi", "Phi", dict(num_key_value_heads=4), []),
    ("variants/phi-normalised-heads", "Phi", dict(qk_layernorm=True, num_attention_heads=2, num_key_value_heads=1), ["rope_parameters", "layer_norm_eps", "hidden_act", "tie_word_embeddings"]),
    ("variants/phi-seqcls", "Phi", dict(rope_parameters=dict(rope_type="default", rope_theta=10000.0, partial_rotary_factor=0.25), hidden_size=32, num_attention_heads=4, num_key_value_heads=4, **LABELS), []),
    ("arch/olmoe", "Olmoe", dict(intermediate_size=16, num_experts=6, num_experts_per_tok=2), []),
    ("variants/olmoe-missing-keys", "Olmoe", dict(intermediate_size=10, num_experts=8, num_experts_per_tok=8, num_attention_heads=4, num_key_value_heads=2, attention_bias=True),
     ["rms_norm_eps", "norm_topk_prob", "rope_parameters", "router_aux_loss_coef", "num_experts_per_tok", "tie_word_embeddings"]),
    ("variants/olmoe-seqcls", "Olmoe", dict(intermediate_size=10, num_experts=4, num_experts_per_tok=2, norm_topk_prob=True, **LABELS), []),
    ("arch/gpt_oss", "GptOss", dict(intermediate_size=16, num_local_experts=6, num_experts_per_tok=2, head_dim=12, sliding_window=5, num_hidden_layers=3, rope_parameters=dict(
        rope_type="yarn", rope_theta=1000.0, factor=4.0, beta_fast=32.0, beta_slow=1.0, truncate=False, original_max_position_embeddings=16)), []),
    ("variants/gpt-oss-missing-keys", "GptOss", dict(intermediate_size=10, num_local_experts=5, num_experts_per_tok=4, head_dim=64, num_attention_heads=8, num_key_value_heads=8, hidden_size=12),
     ["rope_parameters", "head_dim", "num_key_value_heads", "num_experts_per_tok", "sliding_window", "layer_types", "rms_norm_eps", "attention_bias", "router_aux_loss_coef", "hidden_act",
      "tie_word_embeddings"]),
    ("variants/gpt-oss-no-windows", "GptOss", dict(intermediate_size=10, num_local_experts=4, num_experts_per_tok=1, head_dim=8, num_attention_heads=4, num_key_value_heads=2, attention_bias=False,
                                                   layer_types=["full_attention"] * 2, tie_word_embeddings=True, rope_parameters=dict(rope_type="default", rope_theta=500.0)), []),
    ("variants/gpt-oss-mxfp4", "GptOss", dict(mxfp4=True, intermediate_size=32, num_local_experts=4, num_experts_per_tok=2, head_dim=8, hidden_size=32, sliding_window=4), []),
    ("variants/gpt-oss-seqcls", "GptOss", dict(intermediate_size=10, num_local_experts=4, num_experts_per_tok=2, head_dim=8, sliding_window=4, **LABELS), []),
    ("arch/ministral3", "Ministral3", dict(head_dim=8, rope_parameters=dict(rope_type="yarn", rope_theta=10000.0, factor=4.0, original_max_position_embeddings=5, max_position_embeddings=64,
                                           beta_fast=32.0, beta_slow=1.0, mscale=1.0, mscale_all_dim=1.0, llama_4_scaling_beta=0.4)), []),
    ("variants/ministral3-missing-keys", "Ministral3", dict(head_dim=128, hidden_size=8, num_attention_heads=8, num_key_value_heads=8, max_position_embeddings=40),
     ["rope_parameters", "rms_norm_eps", "head_dim", "num_key_value_heads", "sliding_window", "tie_word_embeddings", "pad_token_id", "hidden_act"]),
    ("variants/ministral3-window", "Ministral3", dict(head_dim=12, sliding_window=4, tie_word_embeddings=True, rope_parameters=dict(
        rope_type="default", rope_theta=100.0, original_max_position_embeddings=3, llama_4_scaling_beta=0.7)), []),
    ("variants/ministral3-seqcls", "Ministral3", dict(head_dim=8, rope_parameters=dict(type="yarn", rope_theta=1000.0, factor=2.0, original_max_position_embeddings=4, llama_4_scaling_beta=0.3), **LABELS), []),
    ("arch/seed_oss", "SeedOss", dict(head_dim=12, attention_dropout=0.0, residual_dropout=0.0), []),
    ("variants/seed-oss-missing-keys", "SeedOss", dict(head_dim=128, hidden_size=8, num_attention_heads=8, num_key_value_heads=8, pad_token_id=1, bos_token_id=0),
     ["head_dim", "num_key_value_heads", "attention_bias", "attention_out_bias", "mlp_bias", "rms_norm_eps", "rope_parameters", "residual_dropout", "attention_dropout", "pad_token_id"]),
    ("variants/seed-oss-seqcls", "SeedOss", dict(head_dim=8, attention_bias=False, attention_out_bias=True, mlp_bias=True, **LABELS), []),
    ("arch/ernie4_5", "Ernie4_5", dict(head_dim=12, tie_word_embeddings=True), []),
    ("variants/ernie4-5-missing-keys", "Ernie4_5", dict(head_dim=128, hidden_size=8, num_attention_heads=4, num_key_value_heads=2),
     ["head_dim", "num_key_value_heads", "use_bias", "rms_norm_eps", "rope_parameters", "tie_word_embeddings", "hidden_act", "pad_token_id"]),
    ("variants/ernie4-5-seqcls", "Ernie4_5", dict(head_dim=8, use_bias=True, **LABELS), []),
    ("arch/hunyuan_v1_dense", "HunYuanDenseV1", dict(head_dim=12, tie_word_embeddings=True, rope_parameters=dict(
        rope_type="dynamic", rope_theta=10000.0, alpha=100.0, beta_fast=32, beta_slow=1, factor=1.0, mscale=1.0, mscale_all_dim=1.0)), []),
    ("variants/hunyuan-missing-keys", "HunYuanDenseV1", dict(head_dim=8, num_attention_heads=2, num_key_value_heads=2, attention_bias=True),
     ["rope_parameters", "rms_norm_eps", "num_key_value_heads", "tie_word_embeddings", "hidden_act", "pad_token_id"]),
    ("variants/hunyuan-yarn", "HunYuanDenseV1", dict(head_dim=8, rope_parameters=dict(rope_type="yarn", rope_theta=1000.0, factor=4.0, original_max_position_embeddings=8)), []),
    ("variants/hunyuan-seqcls", "HunYuanDenseV1", dict(head_dim=8, **LABELS), []),
    ("arch/exaone4", "Exaone4", dict(num_hidden_layers=3, sliding_window=5, layer_types=["sliding_attention", "full_attention", "sliding_attention"]), []),
    ("variants/exaone4-missing-keys", "Exaone4", dict(num_hidden_layers=4, num_attention_heads=32, num_key_value_heads=32, hidden_size=64),
     ["layer_types", "sliding_window", "sliding_window_pattern", "num_key_value_heads", "rms_norm_eps", "rope_parameters", "tie_word_embeddings"]),
    ("variants/exaone4-without-windows", "Exaone4", dict(sliding_window=None, layer_types=["full_attention", "full_attention"], tie_word_embeddings=True), []),
    ("variants/exaone4-seqcls", "Exaone4", dict(num_hidden_layers=4, sliding_window=4, sliding_window_pattern=2, **LABELS), ["layer_types"]),
    ("arch/arcee", "Arcee", dict(rope_parameters=dict(rope_type="yarn", rope_theta=10000.0, factor=4.0, original_max_position_embeddings=16)), []),
    ("variants/arcee-missing-keys", "Arcee", dict(attention_bias=True, mlp_bias=True, num_key_value_heads=2),
     ["hidden_act", "rms_norm_eps", "rope_parameters", "num_key_value_heads", "tie_word_embeddings", "head_dim"]),
    ("variants/arcee-seqcls", "Arcee", dict(head_dim=12, hidden_act="silu", **LABELS), []),
    ("arch/apertus", "Apertus", dict(rope_parameters=dict(rope_type="llama3", rope_theta=10000.0, factor=8.0, original_max_position_embeddings=16, low_freq_factor=1.0, high_freq_factor=4.0)), []),
    ("variants/apertus-missing-keys", "Apertus", dict(attention_bias=True, num_key_value_heads=2),
     ["hidden_act", "rms_norm_eps", "rope_parameters", "num_key_value_heads", "tie_word_embeddings", "pad_token_id"]),
    ("variants/apertus-silu", "Apertus", dict(hidden_act="silu", tie_word_embeddings=True, rope_parameters=dict(rope_type="default", rope_theta=1000.0), mlp_bias=False), []),
    ("variants/apertus-seqcls", "Apertus", dict(LABELS), []),
    ("arch/nemotron", "Nemotron", dict(attention_bias=True, mlp_bias=True), []),
    ("variants/nemotron-missing-keys", "Nemotron", dict(head_dim=8), ["norm_eps", "hidden_act", "rope_parameters", "partial_rotary_factor", "head_dim", "tie_word_embeddings", "attention_bias", "mlp_bias"]),
    ("variants/nemotron-seqcls", "Nemotron", dict(head_dim=12, rope_parameters=dict(rope_type="default", rope_theta=1000.0, partial_rotary_factor=1.0), **LABELS), []),
    ("arch/helium", "Helium", dict(head_dim=8), []),
    ("variants/helium-biased", "Helium", dict(head_dim=8, attention_bias=True, mlp_bias=True, tie_word_embeddings=True), ["rms_norm_eps", "rope_parameters", "pad_token_id"]),
    ("variants/helium-seqcls", "Helium", dict(head_dim=8, **LABELS), []),
    ("arch/glm4_moe", "Glm4Moe", dict(num_hidden_layers=3, moe_intermediate_size=16, n_routed_experts=8, num_experts_per_tok=2, n_group=4, topk_group=2, n_shared_experts=2,
                                      routed_scaling_factor=1.5, use_qk_norm=True, attention_bias=True, num_mtp_layers=0), []),
    ("variants/glm4-moe-missing-keys", "Glm4Moe", dict(num_attention_heads=8, num_key_value_heads=8, hidden_size=32, moe_intermediate_size=10, n_routed_experts=10, num_experts_per_tok=8, num_mtp_layers=0),
     ["num_key_value_heads", "first_k_dense_replace", "n_group", "topk_group", "n_shared_experts", "num_experts_per_tok", "norm_topk_prob", "routed_scaling_factor", "use_qk_norm",
      "rope_parameters", "rms_norm_eps", "attention_bias", "tie_word_embeddings"]),
    ("variants/glm4-moe-seqcls", "Glm4Moe", dict(moe_intermediate_size=10, n_routed_experts=4, num_experts_per_tok=2, first_k_dense_replace=0, norm_topk_prob=False, num_mtp_layers=0, **LABELS), []),
    ("arch/falcon", "Falcon", dict(FALCON, vocab_size=199, num_attention_heads=8, new_decoder_architecture=True, num_kv_heads=4), []),
    ("variants/falcon-7b-shape", "Falcon", dict(FALCON, num_hidden_layers=3), ["num_kv_heads", "multi_query", "parallel_attn", "new_decoder_architecture", "alibi", "bias", "activation", "ffn_hidden_size",
                                                                           "layer_norm_epsilon", "rope_parameters", "tie_word_embeddings", "hidden_dropout", "attention_dropout", "num_ln_in_parallel_attn"]),
    ("variants/falcon-11b-shape", "Falcon", dict(FALCON, num_attention_heads=6, new_decoder_architecture=True, num_kv_heads=3, num_ln_in_parallel_attn=1, bias=True, ffn_hidden_size=24, activation="relu2",
                                                 tie_word_embeddings=False, rope_parameters=dict(rope_type="linear", rope_theta=1000.0, factor=2.0)), []),
    ("variants/falcon-in-turn", "Falcon", dict(FALCON, multi_query=False, parallel_attn=False, bias=True), []),
    ("variants/falcon-seqcls", "Falcon", dict(FALCON, new_decoder_architecture=True, num_kv_heads=2, **LABELS), []),
    ("arch/gpt_bigcode", "GPTBigCode", dict(BIGCODE, vocab_size=199, attn_pdrop=0.0, embd_pdrop=0.0, resid_pdrop=0.0), []),
    ("variants/gpt-bigcode-missing-keys", "GPTBigCode", dict(BIGCODE, n_head=2), ["multi_query", "n_inner", "activation_function", "layer_norm_epsilon", "tie_word_embeddings", "scale_attn_weights",
                                                                             "attn_pdrop", "embd_pdrop", "resid_pdrop", "add_cross_attention"]),
    ("variants/gpt-bigcode-heads", "GPTBigCode", dict(BIGCODE, multi_query=False, n_inner=20, scale_attn_weights=False, activation_function="relu", tie_word_embeddings=False, layer_norm_epsilon=1e-3), []),
    ("variants/gpt-bigcode-seqcls", "GPTBigCode", dict(BIGCODE, **LABELS), []),
    ("arch/olmo", "Olmo", dict(clip_qkv=0.8), []),
    ("variants/olmo-missing-keys", "Olmo", dict(attention_bias=True, num_key_value_heads=2), ["clip_qkv", "rope_parameters", "num_key_value_heads", "tie_word_embeddings", "hidden_act"]),
    ("variants/olmo-seqcls", "Olmo", dict(clip_qkv=1.2, **LABELS), []),
    ("variants/olmoe-clipped", "Olmoe", dict(intermediate_size=10, num_experts=4, num_experts_per_tok=2, clip_qkv=0.9), []),
    ("arch/stablelm", "StableLm", dict(use_qkv_bias=True), []),
    ("variants/stablelm-parallel", "StableLm", dict(use_parallel_residual=True, num_attention_heads=4, num_key_value_heads=2, hidden_size=32),
     ["rope_parameters", "layer_norm_eps", "use_qkv_bias"]),
    ("variants/stablelm-normalised-heads", "StableLm", dict(qk_layernorm=True, use_parallel_residual=True, hidden_size=32, num_attention_heads=4, num_key_value_heads=2), []),
    ("variants/roberta-seqcls", "Roberta", dict(ENCODER, type_vocab_size=1, layer_norm_eps=1e-5, **LABELS), []),
    ("variants/roberta-missing-keys", "Roberta", dict(ENCODER, hidden_act="gelu_new", max_position_embeddings=512, **LABELS),
     ["layer_norm_eps", "type_vocab_size", "hidden_dropout_prob", "attention_probs_dropout_prob", "classifier_dropout", "pad_token_id", "max_position_embeddings"]),
    ("variants/xlm-roberta-seqcls", "XLMRoberta", dict(ENCODER, type_vocab_size=1, **LABELS), []),
    ("variants/camembert-seqcls", "Camembert", dict(ENCODER, type_vocab_size=1, pad_token_id=3, **LABELS), []),
    ("variants/electra-seqcls", "Electra", dict(ENCODER, embedding_size=12, pad_token_id=0, **LABELS), []),
    ("variants/electra-missing-keys", "Electra", dict(ENCODER, embedding_size=128, pad_token_id=0, **LABELS), ["embedding_size", "type_vocab_size", "hidden_act", "layer_norm_eps", "pad_token_id"]),
    ("variants/distilbert-seqcls", "DistilBert", dict(vocab_size=31, dim=16, hidden_dim=20, n_layers=3, n_heads=2, max_position_embeddings=32, pad_token_id=0,
                                                      sinusoidal_pos_embds=False, **LABELS), ["activation"]),
    ("variants/modernbert-seqcls", "ModernBert", dict(ENCODER, num_hidden_layers=4, local_attention=4, **LABELS), []),
    ("variants/modernbert-mean", "ModernBert", dict(ENCODER, num_hidden_layers=3, local_attention=7, layer_types=["sliding_attention", "full_attention", "sliding_attention"],
                                                    classifier_pooling="mean", norm_bias=True, attention_bias=True, mlp_bias=True, classifier_bias=True, hidden_activation="silu",
                                                    classifier_activation="gelu_new", rope_parameters=dict(full_attention=dict(rope_type="linear", factor=2.0, rope_theta=500.0),
                                                                                                           sliding_attention=dict(rope_type="default", rope_theta=20.0)), **LABELS), []),
    ("variants/modernbert-missing-keys", "ModernBert", dict(ENCODER, num_hidden_layers=4, max_position_embeddings=8192, **LABELS),
     ["norm_eps", "norm_bias", "attention_bias", "mlp_bias", "classifier_bias", "hidden_activation", "classifier_activation", "classifier_pooling", "local_attention", "layer_types",
      "rope_parameters", "max_position_embeddings", "attention_dropout", "mlp_dropout", "embedding_dropout", "classifier_dropout"]),
    # as the hub has it
    ("variants/modernbert-transformers-4", "ModernBert", dict(ENCODER, num_hidden_layers=3, local_attention=2, classifier_pooling="mean", **LABELS), ["rope_parameters", "layer_types"],
     dict(global_rope_theta=700.0, local_rope_theta=30.0, global_attn_every_n_layers=2, layer_norm_eps=1e-05, position_embedding_type="absolute", gradient_checkpointing=False,
          reference_compile=True, repad_logits_with_grad=False)),
    ("variants/stablelm-seqcls", "StableLm", dict(use_parallel_residual=True, hidden_size=32, **LABELS), []),
]


def small(torch, random, vocabulary, padding, length):
    ids = torch.randint(max(3, padding + 1), vocabulary, (2, length), generator=random)
    mask = torch.ones_like(ids)
    mask[1, length - 5:] = 0
    ids[1, length - 5:] = padding
    labels = ids.clone()
    labels[:, :3] = -100
    labels[mask == 0] = -100
    return ids, mask, labels


def draw(torch, model, seed):
    """Numbers of the size that keeps a stream of hidden states near one, norms near one, biases of a fifth."""
    random = torch.Generator().manual_seed(seed)
    clamps = model.config.model_type == "gpt_oss"
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            noise = torch.randn(parameter.shape, generator=random)
            if "norm" in name.lower() or ".ln_" in name:
                parameter.copy_((name.endswith("weight") * 1.0) + 0.2 * noise)
            elif name.endswith("bias"):
                parameter.copy_(0.2 * noise)
            elif name.endswith("sinks"):
                parameter.copy_(noise)
            elif clamps and name.endswith("gate_up_proj"):
                parameter.copy_(noise * 4 * parameter.shape[-2] ** -0.5)  # some reach the limit
            else:
                parameter.copy_(noise * (0.7 if "embed" in name or ".wpe." in name or ".wte." in name else 1.4 * parameter.shape[-1] ** -0.5))


def corrected(torch, model, seed):
    """Numbers of the routers' corrections, which are no parameters."""
    random = torch.Generator().manual_seed(seed)
    for name, buffer in model.named_buffers():
        if name.endswith("e_score_correction_bias"):
            buffer.copy_(0.2 * torch.randn(buffer.shape, generator=random))


def pack(torch, target):
    """Puts random MXFP4 in the place of experts' weights, and what transformers unpacks it to beside it."""
    from safetensors.torch import load_file, save_file
    from transformers.integrations.mxfp4 import convert_moe_packed_tensors

    random = torch.Generator().manual_seed(5)
    tensors = load_file(target / "model.safetensors")
    unpacked = {}
    for name in [name for name in tensors if name.endswith(("gate_up_proj", "down_proj"))]:
        experts, inner, out = tensors.pop(name).shape
        blocks = torch.randint(0, 256, (experts, out, inner // 32, 16), generator=random).to(torch.uint8)
        scales = torch.randint(122, 126, (experts, out, inner // 32), generator=random).to(torch.uint8)
        tensors[name + "_blocks"], tensors[name + "_scales"] = blocks, scales
        unpacked[name] = convert_moe_packed_tensors(blocks, scales)
    save_file(tensors, target / "model.safetensors", {"format": "pt"})
    scales = torch.arange(253).to(torch.uint8).reshape(1, 253, 1)
    blocks = (torch.arange(253 * 16) % 256).to(torch.uint8).reshape(1, 253, 1, 16)
    unpacked.update(every_blocks=blocks, every_scales=scales, every=convert_moe_packed_tensors(blocks, scales))
    save_file(unpacked, target / "unpacked.safetensors")


def classifier(transformers, family):
    """The class of transformers, or the one it would be: some families have none."""
    import importlib
    from transformers.modeling_layers import GenericForSequenceClassification

    name = family + "ForSequenceClassification"
    if hasattr(transformers, name):
        return getattr(transformers, name)
    module = importlib.import_module(getattr(transformers, family + "ForCausalLM").__module__)
    return type(name, (GenericForSequenceClassification, getattr(module, family + "PreTrainedModel")), {})


def as_transformers_4(config):
    """config.json as transformers 4.57 spells it."""
    old = dict(config, torch_dtype=config["dtype"], transformers_version="4.57.6")
    del old["dtype"]
    rope = old.pop("rope_parameters", None)
    if rope is not None and "full_attention" in rope:  # one kind's alone is scaled
        rope = rope["full_attention"]
    if rope is not None:
        old["rope_theta"] = rope["rope_theta"]
        if "partial_rotary_factor" in rope:
            old["partial_rotary_factor"] = rope["partial_rotary_factor"]
        scaling = {key: value for key, value in rope.items() if key not in ("rope_theta", "partial_rotary_factor")}
        old["rope_scaling"] = None if scaling["rope_type"] == "default" else scaling
    return old


def write(torch, transformers, target, family, settings, without, besides, seed):
    classifies = "num_labels" in settings
    settings = dict(settings)
    packed = settings.pop("mxfp4", False)
    size = {} if family in ENCODERS + ("Falcon", "GPTBigCode") else WHOLE if target.parent.name == "arch" else SMALL
    config = getattr(transformers, family + "Config")(**dict(size, **settings))
    kind = classifier(transformers, family) if classifies else getattr(transformers, family + "ForCausalLM")
    model = kind(config)
    draw(torch, model, seed)
    corrected(torch, model, seed)
    model.save_pretrained(target)
    file = target / "config.json"
    written = json.loads(file.read_text())
    written["dtype"] = "float32"
    if packed:
        written["quantization_config"] = dict(quant_method="mxfp4", modules_to_not_convert=["model.layers.*.self_attn", "model.layers.*.mlp.router", "model.embed_tokens", "lm_head"])
        pack(torch, target)
    for key in without:
        written.pop(key, None)
    written.update(besides)
    file.write_text(json.dumps(written, indent=2, sort_keys=True) + "\n")
    if target.parent.name == "arch":
        (target / "config.v4.json").write_text(json.dumps(as_transformers_4(written), indent=2, sort_keys=True) + "\n")
    return kind


def read(torch, kind, target, dtype):
    import transformers

    packed = json.loads((target / "config.json").read_text()).get("quantization_config")
    extra = dict(quantization_config=transformers.Mxfp4Config(dequantize=True)) if packed else {}
    model = kind.from_pretrained(target, dtype=dtype, attn_implementation="eager", experts_implementation="eager", **extra).to(dtype)
    model.config.use_cache = False
    return model.eval()


def gradients(torch, model):
    """By the names of the file: a fused tensor of experts is theirs one by one, gate before up; gpt-oss's by the names that they have here."""
    found = {}
    for name, parameter in model.named_parameters():
        gradient = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
        if model.config.model_type == "gpt_oss" and ".experts." in name:
            start, kind = (name[:-5], "bias") if name.endswith("_bias") else (name, "weight")
            for expert, own in enumerate(gradient):
                found[f"{start.replace('experts.', f'experts.{expert}.')}.{kind}"] = own
        elif name.endswith("experts.gate_up_proj"):
            for expert, own in enumerate(gradient):
                gate, up = own.chunk(2, 0)
                at = name.replace("gate_up_proj", str(expert))
                found[at + ".gate_proj.weight"], found[at + ".up_proj.weight"] = gate, up
        elif name.endswith("experts.down_proj"):
            for expert, own in enumerate(gradient):
                found[name.replace("down_proj", f"{expert}.down_proj.weight")] = own
        else:
            found[name] = gradient
    return found


def watch_choices(torch, model):
    """How clearly routers with corrected scores choose, in every pass from now on: the groups, and the experts within them."""
    gaps = []

    def watch(router, inputs, output):
        scores = output[0].sigmoid() + router.e_score_correction_bias
        groups = scores.view(len(scores), router.num_group, -1)
        best = groups.topk(2, -1).values.sum(-1).sort(-1, descending=True)
        allowed = torch.zeros_like(best.values).scatter(1, best.indices[:, : router.topk_group], 1.0)
        left = groups.masked_fill(allowed[..., None] == 0, float("-inf")).flatten(1).sort(-1, descending=True).values
        for values, count in ((best.values, router.topk_group), (left, router.top_k)):
            if count < values.shape[1]:
                gaps.append((values[:, count - 1] - values[:, count]).min().item())

    for module in model.modules():
        if hasattr(module, "e_score_correction_bias"):
            module.register_forward_hook(watch)
    return gaps


def run(torch, model, classifies, length):
    """Everything that is recorded but generation, and how clearly routers chose."""
    random = torch.Generator().manual_seed(3)
    ids, mask, labels = small(torch, random, model.config.vocab_size, model.config.pad_token_id, length)
    routed = hasattr(model.config, "router_aux_loss_coef")
    gaps = watch_choices(torch, model)
    extra = dict(output_router_logits=True) if routed and not classifies else {}
    if classifies:
        labels = torch.tensor([2, 0])
    out = model(input_ids=ids, attention_mask=mask, labels=labels, output_hidden_states=True, **extra)
    loss = out.loss
    tensors = dict(input_ids=ids, attention_mask=mask, labels=labels, logits=out.logits)
    gap = 1.0
    if extra:
        tensors["aux_loss"] = out.aux_loss.reshape(1)
        tensors["loss_with_aux"] = loss.reshape(1)
        loss = loss - model.config.router_aux_loss_coef * out.aux_loss
        numbers = [i for i, layer in enumerate(model.model.layers) if (hasattr(layer.mlp, "gate") or hasattr(layer.mlp, "router")) and hasattr(layer.mlp, "experts")]
        for number, scores in zip(numbers, out.router_logits):
            tensors[f"router_logits.{number}"] = scores
            best = scores.softmax(-1)[mask.flatten() == 1].sort(-1, descending=True).values
            chosen = model.config.num_experts_per_tok
            gap = min(gap, (best[:, chosen - 1 : chosen + 1].diff(dim=-1).abs().min().item()) if chosen < best.shape[1] else gap)
    gap = min([gap] + gaps)
    tensors["loss"] = loss.reshape(1)
    tensors.update({f"hidden_states.{i}": state for i, state in enumerate(out.hidden_states)})
    model.zero_grad()
    loss.backward()
    tensors.update({"grad." + name: gradient for name, gradient in gradients(torch, model).items()})
    if not classifies:
        count = length - 5
        left = dict(input_ids=ids.clone(), attention_mask=mask.clone(), labels=labels.clone())
        for value in left.values():
            value[1] = value[1].roll(length - count)
        left["labels"][1, : length - count] = -100
        left["position_ids"] = (left["attention_mask"].cumsum(-1) - 1).clamp(min=0)
        with torch.no_grad():
            padded = model(**left)
            if model.config.model_type != "falcon":  # whose packed sequences see each other in transformers
                rest = torch.arange(length)
                packed = torch.cat([rest[: length // 2], rest[: length - length // 2]])[None]
                if model.config.model_type == "gpt_oss":  # whose masks do not look at positions: each sequence by itself
                    parts = ids[:1].split([length // 2, length - length // 2], 1)
                    tensors["packed.logits"] = torch.cat([model(input_ids=part).logits for part in parts], 1)
                else:
                    tensors["packed.logits"] = model(input_ids=ids[:1], position_ids=packed).logits
                tensors.update({"packed.input_ids": ids[:1], "packed.position_ids": packed})
        tensors.update({"left." + name: value for name, value in left.items()})
        tensors.update({"left.logits": padded.logits, "left.loss": padded.loss.reshape(1)})
    return tensors, gap


def generate(torch, model, tensors):
    """Greedy continuations with the margin of the closest choice, none of them the end."""
    margin = float("inf")
    found = {}
    batch = dict(input_ids=tensors["left.input_ids"], attention_mask=tensors["left.attention_mask"])
    for prefix, inputs in [("gen.", dict(input_ids=tensors["input_ids"][:1])), ("gen_batch.", batch)]:
        new = 10
        out = model.generate(**inputs, max_new_tokens=new, do_sample=False, use_cache=True, output_logits=True, return_dict_in_generate=True)
        best = torch.stack(out.logits).topk(2, -1).values
        ends = (out.sequences[:, -new:] == model.config.eos_token_id).any() or len(out.logits) < new
        margin = min(margin, 0 if ends else (best[..., 0] - best[..., 1]).min().item())
        found.update({prefix + key: value for key, value in inputs.items()})
        found[prefix + "output_ids"] = out.sequences
    return found, margin


def record(folder, family, settings, without, output, besides={}):
    import torch, transformers
    from safetensors.torch import save_file

    target = output / folder
    classifies = "num_labels" in settings
    length = 16 if target.parent.name == "arch" else 11
    for seed in range(1, 200):
        kind = write(torch, transformers, target, family, settings, without, besides, seed)
        model = read(torch, kind, target, torch.float32)
        tensors, gap = run(torch, model, classifies, length)
        generated, margin = ({}, 1.0) if classifies else generate(torch, model, tensors)
        if margin > 0.02 and gap > 0.005:
            break
    else:
        raise SystemExit(f"{folder}: no seed chooses clearly enough")
    found = {name[5:]: value.abs().max().item() for name, value in tensors.items() if name.startswith("grad.")}
    zeros = [name for name, largest in found.items() if largest < 1e-6 * max(found.values())]  # but for rounding
    tensors.update(generated)
    save_file({key: value.detach().clone().contiguous() for key, value in tensors.items()}, target / "golden.safetensors")
    made = dict(torch=torch.__version__, transformers=transformers.__version__, attn="eager")
    facts = dict(arch=model.config.model_type, loss=tensors["loss"].item(), zero_grads=zeros, gen_min_margin=margin, made_with=made)
    (target / "golden.json").write_text(json.dumps(facts, indent=1) + "\n")
    print(f"{folder}: loss {tensors['loss'].item():.6f}, seed {seed}, margin {margin:.3f}, gap {gap:.4f}, zero gradients {zeros}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="*")
    parser.add_argument("--output", type=pathlib.Path, default=GOLDENS)
    arguments = parser.parse_args()
    os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")
    for folder, family, settings, without, *besides in CASES:
        wanted = arguments.only is None or folder.split("/")[1] in arguments.only
        if wanted and not (arguments.output / folder / "golden.safetensors").exists():
            record(folder, family, settings, without, arguments.output, *besides)


if __name__ == "__main__":
    main()
