package org.finetune4j.cli.quickstart;

import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.finetune4j.cli.quickstart.data.CorpusGenerator;
import org.finetune4j.cli.quickstart.tokenizer.BytePairTrainer;
import org.finetune4j.data.TextDataset;
import org.finetune4j.data.TextOptions;
import org.finetune4j.data.supervised.PromptTemplate;
import org.finetune4j.data.supervised.StringTemplate;
import org.finetune4j.data.supervised.SupervisedOptions;
import org.finetune4j.model.CausalLM;
import org.finetune4j.model.ModelConfig;
import org.finetune4j.model.Tokenizer;
import org.finetune4j.peft.lora.Lora;
import org.finetune4j.tensor.Device;
import org.finetune4j.train.FineTuner;
import org.finetune4j.train.TrainingResult;
import org.finetune4j.train.arguments.TrainingArguments;
import org.finetune4j.train.arguments.TrainingArgumentsBuilder;
import org.finetune4j.train.optimizer.LearningRateSchedule;
import org.finetune4j.train.report.ProgressListener;

/** Everything that was decided about the quick start's model and its task, in one place. */
final class QuickstartRecipe {

    /** Questions that the score is measured on. */
    static final int HELD_OUT_RECORDS = 120;

    /** Longer than any answer. */
    static final int MAX_ANSWER_TOKENS = 14;

    static final long TASK_SEED = 3;

    /** Tokens of a sample at most. */
    static final int BLOCK = 128;

    /** A short prompt: the model has never seen more than a few sentences. */
    static final String TEMPLATE = "### Instruction:\n{instruction}\n\n### Response:\n";

    static final int BATCH = 32;
    static final int EVALUATION_BATCH = 40;
    static final int WARMUP_STEPS = 10;

    private static final long CORPUS_SEED = 2;
    private static final int DOCUMENTS = 100_000;
    private static final int TOKENIZER_DOCUMENTS = 4_000;
    private static final int VOCABULARY = 1_024;

    private static final String END_OF_TEXT = "<|endoftext|>";
    private static final String PADDING = "<|pad|>";

    private static final String CONFIG = """
            {
              "architectures": ["LlamaForCausalLM"],
              "model_type": "llama",
              "vocab_size": %s,
              "hidden_size": 192,
              "intermediate_size": 512,
              "num_hidden_layers": 4,
              "num_attention_heads": 6,
              "num_key_value_heads": 2,
              "max_position_embeddings": 512,
              "rms_norm_eps": 1e-06,
              "rope_theta": 10000.0,
              "hidden_act": "silu",
              "initializer_range": 0.02,
              "tie_word_embeddings": true,
              "bos_token_id": 0,
              "eos_token_id": 0,
              "pad_token_id": 1,
              "torch_dtype": "float32"
            }
            """;

    private QuickstartRecipe() {}

    static PromptTemplate template() {
        return StringTemplate.of(TEMPLATE);
    }

    static SupervisedOptions tokenization() {
        return SupervisedOptions.builder()
                .maxLength(BLOCK)
                .promptTemplate(template())
                .build();
    }

    /**
     * The method of the quick start itself. Attention finds what the model has read about somebody; feed-forward layers that
     * train as well learn the taught answers by heart instead.
     */
    static Lora lora() {
        return Lora.builder()
                .rank(32)
                .alpha(64)
                .dropout(0.3)
                .targetModules("q_proj", "k_proj", "v_proj", "o_proj")
                .build();
    }

    /** The run of the quick start itself. */
    static TrainingArgumentsBuilder fineTuning() {
        return TrainingArguments.builder()
                .epochs(7)
                .perDeviceTrainBatchSize(BATCH)
                .perDeviceEvalBatchSize(EVALUATION_BATCH)
                .learningRate(3e-3)
                .schedule(LearningRateSchedule.COSINE)
                .warmupSteps(WARMUP_STEPS);
    }

    /**
     * Makes the embedded model from nothing: tokenizer, random weights, pre-training on the generated corpus.
     *
     * @param directory where the model directory is written
     */
    static void pretrain(Path directory) {
        writeTokenizer(directory);
        ModelConfig config = ModelConfig.parse(CONFIG.formatted(VOCABULARY), "the quick start's configuration");
        Tokenizer tokenizer = Tokenizer.load(directory);
        try (CausalLM model = CausalLM.initialize(config, tokenizer, Device.best(), CORPUS_SEED);
                TrainingResult result = FineTuner.of(model)
                        .dataset(corpus(tokenizer))
                        .arguments(pretraining())
                        .listener(ProgressListener.console())
                        .train()) {
            result.save(directory);
        }
    }

    private static TrainingArguments pretraining() {
        return TrainingArguments.builder()
                .maxSteps(1500)
                .perDeviceTrainBatchSize(32)
                .learningRate(2e-3)
                .schedule(LearningRateSchedule.COSINE)
                .warmupSteps(50)
                .weightDecay(0.05)
                .adam(0.9, 0.95, 1e-8)
                .seed(CORPUS_SEED)
                .build();
    }

    private static TextDataset corpus(Tokenizer tokenizer) {
        List<String> documents =
                CorpusGenerator.documents(CORPUS_SEED).limit(DOCUMENTS).toList();
        return TextDataset.of(
                documents, tokenizer, TextOptions.builder().blockSize(BLOCK).build());
    }

    private static void writeTokenizer(Path directory) {
        Stream<String> prompts = Stream.generate(() -> "### Instruction:\nWhat is the\n\n### Response:\n")
                .limit(50);
        Stream<String> documents = CorpusGenerator.documents(CORPUS_SEED).limit(TOKENIZER_DOCUMENTS);
        BytePairTrainer.train(Stream.concat(documents, prompts), VOCABULARY, List.of(END_OF_TEXT, PADDING))
                .save(directory, END_OF_TEXT, PADDING, BLOCK);
    }
}
