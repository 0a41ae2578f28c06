package org.finetune4j.rlhf.reward;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.finetune4j.data.Batch;
import org.finetune4j.data.Collator;
import org.finetune4j.data.Sample;
import org.finetune4j.data.TokenizedExample;
import org.finetune4j.model.CausalLM;
import org.finetune4j.model.LoadOptions;
import org.finetune4j.model.safetensors.SafetensorsFile;
import org.finetune4j.rlhf.pair.TokenizedPair;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Device;
import org.finetune4j.tensor.TensorScope;
import org.jspecify.annotations.Nullable;

/** Three pairs of answers, a small reward model, and what TRL makes of them. */
final class RewardGolden {

    static final int PAIRS = 3;

    private static final Path ROOT = Path.of("src/test/resources/goldens/pref");

    private RewardGolden() {}

    static CausalLM model() {
        return CausalLM.load(ROOT.resolve("reward"), new LoadOptions(Device.CPU, null));
    }

    static float[] numbers(String name) {
        try (SafetensorsFile file = SafetensorsFile.open(ROOT.resolve("reward").resolve("golden.safetensors"));
                TensorScope scope = TensorScope.open()) {
            return file.tensor(name).toFloatArray();
        }
    }

    /** The answers with their prompts, without padding. */
    static List<TokenizedPair> pairs() {
        try (SafetensorsFile file = SafetensorsFile.open(ROOT.resolve("batch.safetensors"));
                TensorScope scope = TensorScope.open()) {
            float[] ids = file.tensor("input_ids").to(DType.FLOAT32).toFloatArray();
            float[] mask = file.tensor("attention_mask").to(DType.FLOAT32).toFloatArray();
            float[] answers = file.tensor("completion_mask").to(DType.FLOAT32).toFloatArray();
            int width = ids.length / (2 * PAIRS);
            List<TokenizedExample> rows = new ArrayList<>();
            for (int row = 0; row < 2 * PAIRS; row++) {
                int from = row * width;
                int length = 0;
                while (length < width && mask[from + length] == 1) {
                    length++;
                }
                int[] own = new int[length];
                boolean[] trained = new boolean[length];
                for (int i = 0; i < length; i++) {
                    own[i] = (int) ids[from + i];
                    trained[i] = answers[from + i] == 1;
                }
                rows.add(new TokenizedExample(own, trained, 0));
            }
            List<TokenizedPair> pairs = new ArrayList<>();
            for (int pair = 0; pair < PAIRS; pair++) {
                pairs.add(new TokenizedPair(rows.get(pair), rows.get(pair + PAIRS)));
            }
            return pairs;
        }
    }

    /** Both answers of a pair in one row, which share the beginning. */
    static Batch sharing(CausalLM model, float @Nullable [] margins) {
        List<Sample> samples = new ArrayList<>();
        for (TokenizedPair pair : pairs()) {
            Sample sample = BradleyTerry.sample(pair, model.network().pooling(), pair.common());
            samples.add(margins == null ? sample : sample.with(BradleyTerry.MARGIN, margins[samples.size()]));
        }
        return new Collator(0, 1).collate(samples);
    }

    /** Every answer in a row of its own. */
    static Batch apart(CausalLM model, float @Nullable [] margins) {
        List<Sample> samples = new ArrayList<>();
        int index = 0;
        for (TokenizedPair pair : pairs()) {
            for (TokenizedExample answer : List.of(pair.chosen(), pair.rejected())) {
                int[] ids = answer.ids();
                int[] labels = new int[ids.length];
                Arrays.fill(labels, Sample.IGNORE_INDEX);
                boolean chosen = answer == pair.chosen();
                Sample sample = new Sample(ids, labels).with(BradleyTerry.ENDS, ids.length - 1);
                float[] own = margins == null || !chosen ? new float[0] : new float[] {margins[index]};
                samples.add(margins == null ? sample : sample.with(BradleyTerry.MARGIN, own));
            }
            index++;
        }
        return new Collator(0, 1).collate(samples);
    }
}
