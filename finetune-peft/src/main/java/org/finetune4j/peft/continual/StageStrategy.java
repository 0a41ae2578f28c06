package org.finetune4j.peft.continual;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.finetune4j.UserErrorException;
import org.finetune4j.model.CausalLM;
import org.finetune4j.peft.AdapterWeights;
import org.finetune4j.peft.lora.Lora;
import org.finetune4j.peft.lora.LoraConfig;
import org.finetune4j.strategy.Adapter;
import org.finetune4j.strategy.AttachedStrategy;
import org.finetune4j.strategy.DeltaKind;
import org.finetune4j.strategy.FineTuningStrategy;

/**
 * The method of one task of several: it starts from the adapter that the task before left, and is held near to what earlier
 * tasks need.
 */
final class StageStrategy implements FineTuningStrategy {

    static final String FISHER = "fisher.safetensors";

    private final FineTuningStrategy first;
    private final ContinualMethod method;
    private final List<Path> earlier;

    /**
     * @param first the method of the first task
     * @param method how forgetting is kept away
     * @param earlier the adapters that the tasks before left, in their order
     * @throws UserErrorException when the two do not go together
     */
    StageStrategy(FineTuningStrategy first, ContinualMethod method, List<Path> earlier) {
        this.first = first;
        this.method = method;
        this.earlier = List.copyOf(earlier);
        if (method instanceof ContinualMethod.OLora) {
            plain(first);
        }
    }

    @Override
    public String method() {
        return first.method();
    }

    @Override
    public DeltaKind deltaKind() {
        return first.deltaKind();
    }

    @Override
    public Map<String, Object> settings() {
        return ofStage().settings();
    }

    @Override
    public double defaultLearningRate() {
        return first.defaultLearningRate();
    }

    @Override
    public AttachedStrategy attach(CausalLM model) {
        AttachedStrategy attached = ofStage().attach(model);
        try {
            if (!(attached instanceof Adapter adapter)) {
                throw new UserErrorException("tasks in a row are learned by an adapter, and method " + method()
                        + " makes none: choose lora");
            }
            if (earlier.isEmpty()) {
                if (method instanceof ContinualMethod.OLora) {
                    OrthogonalSubspaces.requireMatrices(Anchor.trained(adapter));
                }
                return adapter;
            }
            return new GuidedAdapter(adapter, penalties(adapter));
        } catch (RuntimeException | Error e) {
            attached.close();
            throw e;
        }
    }

    private FineTuningStrategy ofStage() {
        if (!(method instanceof ContinualMethod.OLora) || earlier.isEmpty()) {
            return first;
        }
        LoraConfig one = plain(first);
        int tasks = earlier.size() + 1;
        return one.toBuilder()
                .rank(one.rank() * tasks)
                .alpha(one.loraAlpha() * tasks)
                .build();
    }

    /** LoRA whose rank can be divided among tasks. */
    private static LoraConfig plain(FineTuningStrategy strategy) {
        if (!(strategy instanceof Lora lora)) {
            throw new UserErrorException("olora gives every task a LoRA of its own, and the method is "
                    + strategy.method() + ": choose lora");
        }
        LoraConfig config = lora.config();
        boolean plain = !config.useDora()
                && !config.useRslora()
                && config.rankPattern().isEmpty()
                && config.alphaPattern().isEmpty()
                && config.targetParameters().isEmpty()
                && !config.frozenA();
        if (!plain) {
            throw new UserErrorException(
                    "olora divides one rank among the tasks: leave use_dora, use_rslora, rank_pattern, alpha_pattern,"
                            + " target_parameters and lora_fa out");
        }
        return config;
    }

    private List<ParameterPenalty> penalties(Adapter adapter) {
        Path last = earlier.get(earlier.size() - 1);
        List<ParameterPenalty> penalties = new ArrayList<>();
        if (method instanceof ContinualMethod.OLora olora) {
            int frozen = plain(first).rank() * earlier.size();
            penalties.add(OrthogonalSubspaces.on(
                    adapter, Anchor.read(weights(last), adapter, frozen), frozen, olora.lambda()));
            return penalties;
        }
        adapter.restore(last);
        if (method instanceof ContinualMethod.L2 l2) {
            penalties.add(new QuadraticPenalty(l2.lambda(), adapter, Anchor.read(weights(last), adapter, 0), null));
        }
        if (method instanceof ContinualMethod.Ewc ewc) {
            for (Path task : earlier) {
                penalties.add(new QuadraticPenalty(
                        ewc.lambda(),
                        adapter,
                        Anchor.read(weights(task), adapter, 0),
                        Anchor.read(task.resolve(FISHER), adapter, 0)));
            }
        }
        return penalties;
    }

    private static Path weights(Path adapter) {
        return adapter.resolve(AdapterWeights.NAME);
    }
}
