package org.finetune4j.rlhf.distill;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;
import org.finetune4j.UserErrorException;
import org.finetune4j.data.Sample;
import org.finetune4j.data.TrainingDataset;
import org.finetune4j.data.examples.ExampleDataset;
import org.finetune4j.data.examples.ExampleList;
import org.finetune4j.data.format.Conversation;
import org.finetune4j.data.format.Example;
import org.finetune4j.data.format.Instruction;
import org.finetune4j.data.format.PromptCompletion;
import org.finetune4j.data.format.PromptOnly;
import org.finetune4j.data.format.Turn;
import org.finetune4j.data.supervised.SupervisedOptions;
import org.finetune4j.data.supervised.SupervisedSamples;
import org.finetune4j.model.Tokenizer;
import org.finetune4j.train.gradient.TeacherDistribution.Likeliest;
import org.jspecify.annotations.Nullable;

/**
 * Prompts with the answers of a served teacher. Where its tokens are the student's, a sample brings how likely others were in their place;
 * other tokens are learned from its text alone.
 */
final class ServedSamples implements TrainingDataset {

    private final SupervisedSamples source;
    private final List<TeacherServer.Said> answers;
    private final TokenTexts texts;
    private final int k;

    private ServedSamples(SupervisedSamples source, List<TeacherServer.Said> answers, TokenTexts texts, int k) {
        this.source = source;
        this.answers = answers;
        this.texts = texts;
        this.k = k;
    }

    /** The messages of a record before its answer. */
    static List<Turn> prompt(Example example) {
        if (example instanceof PromptOnly prompt) {
            return prompt.turns();
        }
        List<Turn> turns = conversation(example).turns();
        int last = turns.size() - 1;
        while (!turns.get(last).isAssistant()) {
            last--;
        }
        if (last == 0) {
            throw new UserErrorException("the conversation begins with its answer: there is nothing to ask a teacher");
        }
        return turns.subList(0, last);
    }

    private static Conversation conversation(Example example) {
        if (example instanceof Conversation conversation) {
            return conversation;
        }
        if (example instanceof Instruction instruction) {
            return instruction.asConversation();
        }
        if (example instanceof PromptCompletion texts) {
            return texts.asConversation();
        }
        throw new UserErrorException("the record asks nothing that a teacher could answer");
    }

    private static Example answered(Example example, String answer) {
        if (example instanceof Instruction instruction) {
            return new Instruction(instruction.instruction(), instruction.input(), answer);
        }
        if (example instanceof PromptCompletion texts) {
            return new PromptCompletion(texts.prompt(), answer);
        }
        if (example instanceof PromptOnly prompt && prompt.isText()) {
            return new PromptCompletion(prompt.turns().get(0).content(), answer);
        }
        List<Turn> turns = new ArrayList<>(prompt(example));
        int asked = turns.size();
        turns.add(Turn.assistant(answer));
        return new Conversation(
                turns, asked, example instanceof Conversation conversation ? conversation.tools() : null);
    }

    /**
     * Asks a teacher about all records.
     *
     * @param server is asked
     * @param file keeps what it says, or null
     * @param k words a token, at least 1
     * @throws UserErrorException when it does not answer
     */
    static ServedSamples of(
            ExampleDataset examples,
            Tokenizer tokenizer,
            SupervisedOptions options,
            TeacherServer server,
            @Nullable Path file,
            int k) {
        List<List<Turn>> prompts = new ArrayList<>();
        for (int i = 0; i < examples.size(); i++) {
            try {
                prompts.add(prompt(examples.get(i)));
            } catch (UserErrorException e) {
                throw new UserErrorException(examples.location(i) + ": " + e.getMessage(), e);
            }
        }
        List<TeacherServer.Said> answers = ServedAnswers.of(server, prompts, file);
        List<Example> answered = new ArrayList<>();
        for (int i = 0; i < examples.size(); i++) {
            answered.add(answered(examples.get(i), answers.get(i).text()));
        }
        return new ServedSamples(
                SupervisedSamples.of(
                        new ExampleList("record with an answer of the teacher", answered), tokenizer, options),
                answers,
                new TokenTexts(tokenizer),
                k);
    }

    @Override
    public int size() {
        return source.size();
    }

    @Override
    public String location(int index) {
        return source.location(index);
    }

    @Override
    public Sample get(int index) {
        Sample sample = source.get(index);
        List<TeacherServer.Token> said = answers.get(source.recordIndex(index)).tokens();
        int tokens = sample.labelledTokens();
        float[] words = new float[tokens * k];
        float[] logprobs = new float[tokens * k];
        Arrays.fill(logprobs, (float) (2 * Likeliest.NONE));
        for (int i = 0; i < words.length; i++) {
            words[i] = i % k; // a place without a word still names one
        }
        int token = 0;
        for (int at = 1; at < sample.length(); at++) {
            if (sample.labels()[at] != Sample.IGNORE_INDEX) {
                if (token < said.size()) {
                    if (!texts.text(sample.labels()[at]).equals(said.get(token).text())) {
                        break; // once tokens differ, nobody knows which belong together
                    }
                    put(said.get(token).likeliest(), token, words, logprobs);
                }
                token++;
            }
        }
        return sample.with(StoredTeacher.WORDS, words).with(StoredTeacher.LOGPROBS, logprobs);
    }

    private void put(Map<String, Double> likeliest, int token, float[] words, float[] logprobs) {
        int next = 0;
        for (Map.Entry<String, Double> word : likeliest.entrySet()) {
            OptionalInt id = texts.token(word.getKey());
            if (id.isPresent() && next < k) {
                words[token * k + next] = id.getAsInt();
                logprobs[token * k + next] = word.getValue().floatValue();
                next++;
            }
        }
    }
}
