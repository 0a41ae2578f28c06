package org.finetune4j.cli;

import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.IntStream;
import org.finetune4j.Settings;
import org.finetune4j.UserErrorException;
import org.finetune4j.data.TrainingDataset;
import org.finetune4j.data.examples.ExampleDataset;
import org.finetune4j.data.format.Example;
import org.finetune4j.data.format.Instruction;
import org.finetune4j.data.format.LabelledText;
import org.finetune4j.data.format.PromptCompletion;
import org.finetune4j.data.mixture.TaskSplit;
import org.finetune4j.data.supervised.PromptTemplate;
import org.finetune4j.model.CausalLM;
import org.finetune4j.model.WeightCompression;
import org.finetune4j.quant.Quantization;
import org.finetune4j.train.evaluation.ChoiceQuestion;
import org.finetune4j.train.stage.SupervisedFineTuning;
import org.jspecify.annotations.Nullable;

/**
 * What a model is measured on: files in any format that training reads, or what a training's configuration holds out.
 *
 * @param keys what the configuration, or the command line, says
 * @param settings what that says of data
 * @param heldOut whether it is what the configuration holds out, or what it would train on
 */
record EvalData(Settings keys, DataSettings settings, boolean heldOut) {

    /** More different answers than this are no classes. */
    private static final int MOST_CHOICES = 200;

    /** @param keys more keys of a configuration, such as {@code dataset_format=messages} */
    static EvalData ofFiles(List<String> files, Map<String, Object> settings, List<String> keys) {
        Map<String, Object> values = new LinkedHashMap<>(settings);
        values.put("train_file", files);
        Settings all = TrainingConfig.with("eval", values, keys);
        DataSettings data = DataSettings.of(all);
        all.refuseUnknown();
        return new EvalData(all, data, false);
    }

    static EvalData ofConfiguration(Path file, List<String> keys) {
        Settings all = TrainingConfig.read(file, keys);
        boolean isOneTraining = !all.has("stages")
                && !all.has("tasks")
                && !all.text("method").orElse("").equals(AutoSettings.NAME);
        if (!keys.isEmpty() && isOneTraining) {
            TrainingSettings.of(
                    new Settings(all.origin(), all.asMap(), all.written())); // refuses keys that nobody knows
        }
        return new EvalData(all, DataSettings.of(all), true);
    }

    /** The samples, with their examples where they come from records. */
    TrainingData.Part load(CausalLM model) {
        TrainingData data = settings.load(model);
        data.notes().forEach(note -> System.err.println("data: " + note));
        return required(heldOut ? data.evaluation() : data.train());
    }

    /** @throws UserErrorException when there is nothing to measure on */
    static TrainingData.Part required(TrainingData.@Nullable Part part) {
        if (part == null) {
            throw new UserErrorException("the configuration holds nothing out to measure on: set eval_file,"
                    + " eval_dataset, eval_fraction, eval_tasks or eval_task_fraction");
        }
        return part;
    }

    /** Whether a model is measured as a language model is: by the cross entropy of its samples, and by what it writes. */
    boolean isOfLanguage() {
        return settings.stage() instanceof SupervisedFineTuning;
    }

    /**
     * A training that holds this data out.
     *
     * @param model where it lies
     * @param batchSize samples that go through the model together; null for what the configuration says
     * @param output where such a training would write
     */
    TrainingSettings training(Path model, @Nullable Integer batchSize, Path output) {
        Map<String, @Nullable Object> values = new LinkedHashMap<>();
        values.putAll(keys.asMap());
        Object student = values.put("model_name_or_path", model.toString());
        boolean isTaught = "distill".equals(values.get("stage"));
        if (isTaught && student != null && values.keySet().stream().noneMatch(key -> key.startsWith("teacher_"))) {
            // A student without a teacher had its own beginning as one, which the trained model is not any more.
            values.put("teacher_model_name_or_path", student);
        }
        values.put("output_dir", output.toString());
        if (batchSize != null) {
            values.put("per_device_eval_batch_size", batchSize);
        }
        if (!heldOut) {
            values.put("eval_file", values.get("train_file"));
            values.put("method", "full"); // nothing trains, and this one asks for nothing
        }
        return TrainingSettings.read(new Settings(keys.origin(), values, keys.written()));
    }

    /** What a configuration does with the weights of the base that its adapter trains on; null for nothing. */
    @Nullable
    WeightCompression compression() {
        return heldOut ? Quantization.of(keys).map(Quantization::compression).orElse(null) : null;
    }

    /** The samples of each task, by its name. */
    Map<String, TrainingDataset> byTask(TrainingData.Part part, CausalLM model) {
        ExampleDataset examples = part.examples();
        if (examples == null) {
            throw new UserErrorException("plain text has no tasks: leave out --by-task");
        }
        Map<String, TrainingDataset> tasks = new TreeMap<>();
        for (String name : TaskSplit.tasks(examples)) {
            int[] own = IntStream.range(0, examples.size())
                    .filter(i -> examples.task(i).equals(name))
                    .toArray();
            tasks.put(name, settings.samples(examples.select(own), model));
        }
        return tasks;
    }

    /**
     * Questions whose choices are all the answers that occur: a classification.
     *
     * @throws UserErrorException when records have no answer, or too many different ones
     */
    List<ChoiceQuestion> classification(CausalLM model) {
        ExampleDataset examples = load(model).examples();
        if (examples == null) {
            throw new UserErrorException("plain text has no choices: leave out --multiple-choice");
        }
        List<PromptCompletion> texts = IntStream.range(0, examples.size())
                .mapToObj(i -> text(examples.get(i), examples.location(i), model))
                .toList();
        List<String> choices = texts.stream()
                .map(PromptCompletion::completion)
                .distinct()
                .sorted()
                .toList();
        if (choices.size() < 2 || choices.size() > MOST_CHOICES) {
            throw new UserErrorException("the records have " + choices.size() + " different answers, expected 2 to "
                    + MOST_CHOICES + " classes, or records with 'choices'");
        }
        return texts.stream()
                .map(text -> new ChoiceQuestion(text.prompt(), choices, choices.indexOf(text.completion())))
                .toList();
    }

    private PromptCompletion text(Example example, String location, CausalLM model) {
        if (example instanceof PromptCompletion text) {
            return text;
        }
        @Nullable PromptTemplate template = settings.promptTemplate(model);
        if (example instanceof Instruction instruction && template != null) {
            return new PromptCompletion(template.prompt(instruction), template.completion(instruction));
        }
        throw new UserErrorException(location + ": "
                + (example instanceof LabelledText ? "the record is a text with a class" : "the record has no choices")
                + "; give templates that put it into words, such as"
                + " templates='[{inputs: \"{text}\\nLabel:\", targets: \" {label}\"}]'");
    }
}
