package org.finetune4j.dist.deepspeed;

import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import org.finetune4j.InputFiles;
import org.finetune4j.Json;
import org.finetune4j.UserErrorException;
import org.jspecify.annotations.Nullable;

/**
 * DeepSpeed's own JSON as the keys of a training's configuration. What is {@code "auto"} the configuration decides; what cannot be
 * done here is refused with its key; sizes of buckets are DeepSpeed's way to be fast and change no result, so they are read and
 * nothing more: a bucket here is a layer.
 */
public final class DeepSpeedFile {

    private static final List<String> OPTIMIZER_PARAMETERS =
            List.of("lr", "betas", "eps", "weight_decay", "momentum", "nesterov");

    private final String file;
    private final Map<String, Object> values = new LinkedHashMap<>();
    private final Map<String, String> places = new LinkedHashMap<>();

    private DeepSpeedFile(String file) {
        this.file = file;
    }

    /**
     * Reads a file.
     *
     * @param file the JSON
     * @return what it says
     * @throws UserErrorException when it cannot be read, or asks for something that there is not; the message has the key
     */
    public static DeepSpeedFile read(Path file) {
        return of(file.toString(), Json.toMap(InputFiles.jsonObject(file)));
    }

    /**
     * Reads what is written in a configuration itself, in the place of a file's name.
     *
     * @param origin what messages call it
     * @param values what it says
     * @return what it says
     * @throws UserErrorException when it asks for something that there is not; the message has the key
     */
    public static DeepSpeedFile of(String origin, Map<String, ?> values) {
        DeepSpeedFile read = new DeepSpeedFile(origin);
        read.top(new Section(origin, "", values));
        return read;
    }

    /** {@return the values by the keys of a training's configuration} */
    public Map<String, Object> values() {
        return values;
    }

    /** {@return what messages call it} */
    public String origin() {
        return file;
    }

    /**
     * {@return where in the file something stands}
     *
     * @param key of {@link #values}
     */
    public String place(String key) {
        return places.getOrDefault(key, key);
    }

    private void put(String key, Section section, String name, @Nullable Object value) {
        if (value != null) {
            values.put(key, value);
            places.put(key, section.place(name));
        }
    }

    private void putGiven(String key, Section section, String name) {
        put(key, section, name, section.settings().value(name).orElse(null));
    }

    private void top(Section top) {
        batches(top);
        if (top.has("gradient_clipping")) {
            put("max_grad_norm", top, "gradient_clipping", top.settings().number("gradient_clipping", 0, 0, 1e30));
        }
        types(top);
        zero(top.section("zero_optimization"));
        optimizer(top.section("optimizer"));
        scheduler(top.section("scheduler"));
        parallel(top);
        top.ignore(
                "steps_per_print",
                "wall_clock_breakdown",
                "dump_state",
                "zero_allow_untested_optimizer",
                "zero_force_ds_cpu_optimizer",
                "aio",
                "checkpoint",
                "seed",
                "disable_allgather",
                "communication_data_type",
                "train_steps");
        top.require("prescale_gradients", false, "gradients are added up as they are");
        top.require("gradient_predivide_factor", 1, "gradients are added up as they are");
        top.require("sparse_gradients", false, "gradients of embeddings are dense");
        top.refuse("amp", "there is no loss scaling: use bf16");
        top.refuse(
                "activation_checkpointing",
                "gradient_checkpointing and activation_offloading in the configuration do this");
        for (String key : List.of("tensorboard", "wandb", "csv_monitor", "comet", "comms_logger", "flops_profiler")) {
            top.refuse(key, "report_to in the configuration says what is written");
        }
        top.refuse("autotuning", "./finetune plan proposes a layout");
        top.refuse("elasticity", "--max-restarts of ./finetune launch goes on with the hosts that are left");
        for (String key : List.of(
                "sparse_attention",
                "data_efficiency",
                "curriculum_learning",
                "progressive_layer_drop",
                "compression_training",
                "quantize_training",
                "eigenvalue",
                "hybrid_engine",
                "data_types")) {
            top.refuse(key, "it is not built here");
        }
        top.finish();
    }

    /**
     * An update has as many samples on any number of devices: {@code train_batch_size}, or what one device reads in all its
     * micro-batches where that is not given.
     */
    private void batches(Section top) {
        int micro = top.settings().integer("train_micro_batch_size_per_gpu", 0, 1, 1 << 16);
        int accumulation = top.settings().integer("gradient_accumulation_steps", 0, 1, 1 << 20);
        int all = top.settings().integer("train_batch_size", 0, 1, 1 << 28);
        if (all > 0 && micro == 0) {
            micro = accumulation == 0 ? all : all / accumulation;
        }
        if (all > 0 && (micro == 0 || all % micro != 0 || (accumulation > 0 && all / micro % accumulation != 0))) {
            throw new UserErrorException(file + ": 'train_batch_size' is " + all
                    + ", which is no multiple of train_micro_batch_size_per_gpu times gradient_accumulation_steps");
        }
        put("per_device_train_batch_size", top, "train_micro_batch_size_per_gpu", micro > 0 ? micro : null);
        if (all > 0) {
            put("gradient_accumulation_steps", top, "train_batch_size", all / micro);
        } else {
            put(
                    "gradient_accumulation_steps",
                    top,
                    "gradient_accumulation_steps",
                    accumulation > 0 ? accumulation : null);
        }
    }

    private void types(Section top) {
        Section bf16 = top.section(top.has("bfloat16") ? "bfloat16" : "bf16");
        if (bf16.has("enabled")) {
            put("bf16", bf16, "enabled", bf16.settings().flag("enabled", false));
        }
        bf16.ignore("immediate_grad_update", "check_grad_overflow");
        bf16.finish();
        Section fp16 = top.section("fp16");
        fp16.require("enabled", false, "there is no loss scaling, which float16 needs: use bf16");
        fp16.ignore(
                "loss_scale",
                "initial_scale_power",
                "loss_scale_window",
                "hysteresis",
                "consecutive_hysteresis",
                "min_loss_scale",
                "auto_cast",
                "fp16_master_weights_and_grads",
                "opt_level");
        fp16.finish();
    }

    private void zero(Section zero) {
        if (zero.has("stage")) {
            put("zero_stage", zero, "stage", zero.settings().integer("stage", 0, 0, 3));
        }
        offload("offload_optimizer", zero);
        offload("offload_param", zero);
        for (String bucket : List.of(
                "reduce_bucket_size",
                "allgather_bucket_size",
                "stage3_prefetch_bucket_size",
                "stage3_param_persistence_threshold",
                "stage3_model_persistence_threshold",
                "stage3_max_live_parameters",
                "stage3_max_reuse_distance",
                "sub_group_size")) {
            zero.settings().number(bucket, 0, 0, 1e18);
        }
        zero.ignore(
                "overlap_comm",
                "contiguous_gradients",
                "reduce_scatter",
                "allgather_partitions",
                "round_robin_gradients",
                "ignore_unused_parameters",
                "use_multi_rank_bucket_allreduce",
                "memory_efficient_linear",
                "stage3_gather_16bit_weights_on_model_save",
                "stage3_gather_fp16_weights_on_model_save",
                "load_from_fp32_weights",
                "elastic_checkpoint",
                "log_trace_cache_warnings",
                "stage3_module_granularity_threshold",
                "stage3_use_all_reduce_for_fetch_params",
                "pipeline_loading_checkpoint",
                "override_module_apply");
        zero.require("cpu_offload", false, "it was renamed: 'offload_optimizer': {'device': 'cpu'}");
        zero.require("cpu_offload_params", false, "it was renamed: 'offload_param': {'device': 'cpu'}");
        zero.require("zero_hpz_partition_size", 1, "parameters are shared over all devices of the data axis");
        zero.require("mics_shard_size", -1, "parameters are shared over all devices of the data axis");
        for (String key : List.of(
                "zero_quantized_weights",
                "zero_quantized_nontrainable_weights",
                "zero_quantized_gradients",
                "zeropp_loco_param",
                "mics_hierarchical_params_gather",
                "param_persistence_threshold",
                "legacy_stage1")) {
            zero.refuse(key, "it is not built here");
        }
        zero.finish();
    }

    /** {@code none}, {@code cpu}, or the directory of {@code nvme_path}. */
    private void offload(String key, Section zero) {
        Section offload = zero.section(key);
        Optional<String> device = offload.settings().text("device");
        Optional<String> path = offload.settings().text("nvme_path");
        if (device.isPresent()) {
            String where = offload.oneOf("device", Map.of("none", "none", "cpu", "cpu", "nvme", "nvme"), "none");
            if (where.equals("nvme") && path.isEmpty()) {
                throw new UserErrorException(
                        file + ": '" + offload.place("nvme_path") + "' is missing, which device nvme needs");
            }
            put(key, offload, "device", where.equals("nvme") ? path.orElseThrow() : where);
        }
        offload.ignore(
                "buffer_count",
                "buffer_size",
                "pin_memory",
                "pipeline",
                "pipeline_read",
                "pipeline_write",
                "fast_init",
                "max_in_cpu");
        offload.require("ratio", 1, "all of it is offloaded, or nothing");
        offload.finish();
    }

    private void optimizer(Section optimizer) {
        Section parameters = optimizer.section("params");
        boolean decoupled = parameters.settings().flag("adam_w_mode", true);
        if (optimizer.has("type")) {
            put("optim", optimizer, "type", optimizer.oneOf("type", optimizers(decoupled), "adamw"));
        }
        putGiven("learning_rate", parameters, "lr");
        putGiven("adam_epsilon", parameters, "eps");
        putGiven("weight_decay", parameters, "weight_decay");
        putGiven("momentum", parameters, "momentum");
        Object betas = parameters.settings().value("betas").orElse(null);
        if (betas instanceof List<?> list && list.size() == 2) {
            put("adam_beta1", parameters, "betas", number(parameters, list.get(0)));
            put("adam_beta2", parameters, "betas", number(parameters, list.get(1)));
        } else if (betas != null) {
            throw parameters.settings().invalid("betas", "two numbers, such as [0.9, 0.999]");
        }
        parameters.ignore("torch_adam", "fused", "fp32_optimizer_states");
        parameters.require("nesterov", false, "optim_args in the configuration says this: {nesterov: true}");
        parameters.require("amsgrad", false, "it is not built here");
        parameters.require("bias_correction", true, "Adam here corrects its averages");
        OPTIMIZER_PARAMETERS.forEach(parameters::ignore);
        parameters.finish();
        optimizer.require("legacy_fusion", false, "it is not built here");
        optimizer.finish();
    }

    private static @Nullable Object number(Section parameters, @Nullable Object value) {
        if ("auto".equals(value)) {
            return null;
        }
        if (!(value instanceof Number)) {
            throw parameters.settings().invalid("betas", "two numbers, such as [0.9, 0.999]");
        }
        return value;
    }

    /** Whether a value, which may be written as a text, is this number. */
    private static boolean isNumber(Object value, double number) {
        try {
            return Double.parseDouble(String.valueOf(value)) == number;
        } catch (NumberFormatException e) {
            return false;
        }
    }

    private static Map<String, String> optimizers(boolean decoupled) {
        Map<String, String> names = new LinkedHashMap<>();
        names.put("AdamW", "adamw");
        names.put("Adam", decoupled ? "adamw" : "adam");
        names.put("FusedAdam", decoupled ? "adamw" : "adam");
        names.put("DeepSpeedCPUAdam", decoupled ? "adamw" : "adam");
        names.put("Lion", "lion");
        names.put("Adagrad", "adagrad");
        names.put("SGD", "sgd");
        names.put("RMSprop", "rmsprop");
        names.put("Adafactor", "adafactor");
        names.put("Muon", "muon");
        Map<String, String> all = new LinkedHashMap<>(names);
        names.forEach((name, own) -> all.put(name.toLowerCase(Locale.ROOT), own));
        return all;
    }

    private void scheduler(Section scheduler) {
        Section parameters = scheduler.section("params");
        if (scheduler.has("type")) {
            put(
                    "lr_scheduler_type",
                    scheduler,
                    "type",
                    scheduler.oneOf(
                            "type",
                            Map.of(
                                    "WarmupLR",
                                    "constant_with_warmup",
                                    "WarmupDecayLR",
                                    "linear",
                                    "WarmupCosineLR",
                                    "cosine"),
                            "linear"));
        }
        putGiven("warmup_steps", parameters, "warmup_num_steps");
        if (parameters.has("warmup_max_lr")) {
            double rate = parameters.settings().number("warmup_max_lr", 0);
            Object optimizers = values.get("learning_rate");
            if (optimizers != null && !isNumber(optimizers, rate)) {
                throw new UserErrorException(file + ": '" + parameters.place("warmup_max_lr") + "' is " + rate
                        + ", and '" + place("learning_rate") + "' is " + optimizers + ": give one of them");
            }
            put("learning_rate", parameters, "warmup_max_lr", rate);
        }
        if (parameters.has("total_num_steps")) {
            put(
                    "max_steps",
                    parameters,
                    "total_num_steps",
                    parameters.settings().integer("total_num_steps", 0, 1));
        }
        parameters.require("warmup_type", "linear", "a warm-up rises evenly here: \"linear\"");
        requireZero(parameters, "warmup_min_lr", "a warm-up begins at 0 here");
        requireZero(parameters, "warmup_min_ratio", "a warm-up begins at 0 here");
        requireZero(
                parameters, "cos_min_ratio", "lr_scheduler_type: cosine_with_min_lr in the configuration does this");
        parameters.ignore("last_batch_iteration");
        parameters.finish();
        scheduler.finish();
    }

    private static void requireZero(Section section, String key, String reason) {
        section.settings().number(key, 0);
        section.require(key, 0, reason);
    }

    private void parallel(Section top) {
        Section tensor = top.section("tensor_parallel");
        if (tensor.has("autotp_size")) {
            put("tensor_parallel_size", tensor, "autotp_size", tensor.settings().integer("autotp_size", 1, 1));
        }
        tensor.finish();
        Section pipeline = top.section("pipeline");
        if (pipeline.has("stages")) {
            put(
                    "pipeline_parallel_size",
                    pipeline,
                    "stages",
                    pipeline.settings().integer("stages", 1, 1));
        }
        pipeline.ignore(
                "partition", "seed_layers", "activation_checkpoint_interval", "pipe_partitioned", "grad_partitioned");
        pipeline.finish();
    }
}
