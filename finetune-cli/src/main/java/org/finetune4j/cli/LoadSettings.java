package org.finetune4j.cli;

import java.util.Objects;
import org.finetune4j.Settings;
import org.finetune4j.UserErrorException;
import org.finetune4j.model.AddedTokens;
import org.finetune4j.model.CausalLM;
import org.finetune4j.model.DecoderModel;
import org.finetune4j.model.LoadBalancing;
import org.finetune4j.model.LoadOptions;
import org.finetune4j.quant.Quantization;
import org.finetune4j.strategy.FineTuningStrategy;
import org.finetune4j.strategy.FullFineTuning;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Device;
import org.finetune4j.tensor.MatrixProducts;
import org.finetune4j.tensor.Torch;
import org.jspecify.annotations.Nullable;

/**
 * How a configuration wants its model loaded. Reading it needs no libtorch, so that a misspelt key is told at once; which
 * devices there are is asked in {@link #options()}.
 */
final class LoadSettings {

    private static final String ROUTER_BALANCE = "router_aux_loss_coef";
    private static final String ROUTER_Z = "router_z_loss_coef";

    private final Settings settings;
    private final String device;
    private final int threads;
    private final @Nullable DType dtype;
    private final @Nullable DType gpuDType;
    private final boolean bf16;
    private final @Nullable Quantization quantization;
    private final AddedTokens addedTokens;
    private final @Nullable Double routerBalance;
    private final @Nullable Double routerZ;

    /**
     * Reads the keys.
     *
     * @throws UserErrorException for the first value that cannot be used
     */
    LoadSettings(Settings settings, FineTuningStrategy strategy) {
        this.settings = settings;
        this.device = settings.text("device").orElse("auto");
        Device.checkName(device);
        this.threads = settings.integer("threads", 0, 0, 1024);
        this.dtype = dtype(settings, "dtype");
        this.bf16 = settings.flag("bf16", false);
        this.quantization = Quantization.of(settings).orElse(null);
        this.gpuDType = dtype(settings, "bnb_4bit_compute_dtype");
        this.addedTokens = addedTokens(settings, strategy);
        this.routerBalance = coefficient(settings, ROUTER_BALANCE);
        this.routerZ = coefficient(settings, ROUTER_Z);
    }

    private static @Nullable Double coefficient(Settings settings, String key) {
        double value = settings.number(key, 0, 0, 1e3);
        return settings.value(key).isEmpty() ? null : Double.valueOf(value);
    }

    private static @Nullable DType dtype(Settings settings, String key) {
        return settings.text(key)
                .flatMap(name -> DType.parseChoice(settings.origin() + ": '" + key + "'", name))
                .orElse(null);
    }

    /** An adapter does not hold the new rows and would not fit the base model, so only full models grow in training. */
    private static AddedTokens addedTokens(Settings settings, FineTuningStrategy strategy) {
        AddedTokens added = new AddedTokens(settings.texts("add_tokens"), settings.texts("add_special_tokens"));
        if (!added.isEmpty() && !(strategy instanceof FullFineTuning)) {
            throw new UserErrorException(
                    settings.origin() + ": 'add_tokens' and 'add_special_tokens' need method: full;"
                            + " for an adapter write the larger base model first: ./finetune add-tokens --model "
                            + settings.requiredText("model_name_or_path") + " --output DIR");
        }
        return added;
    }

    /**
     * What the model is loaded with on this machine; the number of threads is set as well.
     *
     * @throws UserErrorException when the machine has no such device, or cannot calculate there in the type asked for
     */
    LoadOptions options() {
        Device found = Device.parse(device);
        if (threads > 0) {
            Torch.setThreads(threads);
        }
        Quantization.checkComputeDType(settings, found);
        // A GPU calculates in the type that the rest of the model is stored in.
        DType stored = dtype == null && found.type() == Device.Type.CUDA ? gpuDType : dtype;
        DType computed = bf16 && found.type() == Device.Type.CUDA ? DType.BFLOAT16 : null;
        DType products = bf16 && computed == null && MatrixProducts.isBfloat16Faster() ? DType.BFLOAT16 : null;
        if (bf16 && computed == null && products == null) {
            System.err.println(
                    "note: bf16: this processor has no fast units for it; it calculates in float32, which is more exact"
                            + " and faster here");
        }
        return new LoadOptions(found, stored)
                .withComputeDType(computed)
                .withProductDType(products)
                .withCompression(quantization == null ? null : quantization.compression())
                .withAddedTokens(addedTokens);
    }

    /** Lets trainings of a loaded model have the losses of routers that the configuration asks for, where it asks for any. */
    void applyTo(CausalLM model) {
        if (routerBalance == null && routerZ == null) {
            return;
        }
        DecoderModel network = model.network();
        LoadBalancing configured = network.loadBalancing();
        double configuredBalance = configured == null || !configured.inLoss() ? 0 : configured.coefficient();
        boolean routers = network.useRouterLosses(
                Objects.requireNonNullElse(routerBalance, configuredBalance), Objects.requireNonNullElse(routerZ, 0.0));
        if (!routers) {
            System.err.println("note: " + (routerBalance == null ? ROUTER_Z : ROUTER_BALANCE)
                    + " changes nothing: this model has no routers");
        }
    }
}
