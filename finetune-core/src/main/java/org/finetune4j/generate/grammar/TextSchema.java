package org.finetune4j.generate.grammar;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.finetune4j.Reasons;
import org.finetune4j.generate.grammar.Element.Repeat;
import org.finetune4j.regex.CharacterAutomaton;
import org.finetune4j.regex.PatternException;

/** Strings of a schema: {@code minLength}, {@code maxLength}, {@code pattern}, {@code format}. Bounded for a schema as a whole. */
final class TextSchema {

    /** About a second. */
    private static final long MOST_STEPS = 5_000_000;

    private final Map<String, CharacterAutomaton> automata = new HashMap<>();
    private final Map<List<Object>, Element> machines = new HashMap<>();
    private long steps = MOST_STEPS;
    private long places = TextMachine.MOST_PLACES;

    /** @param any what is read where nothing is asked for */
    Element read(JsonNode schema, Element any, String path) {
        int[] bounds = SchemaKeywords.bounds(schema, "minLength", "maxLength", path);
        CharacterAutomaton automaton = CharacterAutomaton.ANY;
        int most = bounds[1];
        if (schema.has("pattern")) {
            automaton = automaton(text(schema, "pattern", path), "pattern", path);
        }
        if (schema.has("format")) {
            String format = text(schema, "format", path);
            String pattern = TextFormats.pattern(format);
            if (pattern != null) {
                automaton = both(automaton, automaton(pattern, "format", path), path);
                most = Math.min(most, TextFormats.longest(format));
            }
        }
        if (automaton == CharacterAutomaton.ANY && bounds[0] == 0 && most == Repeat.ANY) {
            return any;
        }
        List<Object> key = List.of(automaton, bounds[0], most);
        Element known = machines.get(key);
        if (known == null) {
            known = machine(automaton, bounds[0], most, path);
            machines.put(key, known);
        }
        return known;
    }

    private TextMachine machine(CharacterAutomaton automaton, int least, int most, String path) {
        places -= TextMachine.places(automaton, least, most);
        if (places < 0) {
            throw SchemaKeywords.wrong(
                    path, "a 'pattern' beside so large a 'minLength' or 'maxLength' is not implemented");
        }
        try {
            return new TextMachine(automaton, least, most);
        } catch (GrammarException e) {
            throw SchemaKeywords.wrong(path, "no text has the 'pattern', 'format', 'minLength' and 'maxLength'");
        }
    }

    private static String text(JsonNode schema, String key, String path) {
        JsonNode value = schema.path(key);
        if (!value.isTextual()) {
            throw SchemaKeywords.wrong(
                    path, "'" + key + "' is " + Reasons.excerpt(value.toString()) + ", expected a string");
        }
        return value.textValue();
    }

    private CharacterAutomaton automaton(String pattern, String key, String path) {
        CharacterAutomaton known = automata.get(pattern);
        if (known == null) {
            try {
                known = CharacterAutomaton.of(pattern, steps);
            } catch (PatternException e) {
                throw SchemaKeywords.wrong(
                        path,
                        "'" + key + "' is " + Reasons.excerpt(pattern) + ", which is not implemented: "
                                + e.getMessage());
            }
            steps -= known.steps();
            automata.put(pattern, known);
        }
        return known;
    }

    private CharacterAutomaton both(CharacterAutomaton one, CharacterAutomaton two, String path) {
        if (one == CharacterAutomaton.ANY) {
            return two;
        }
        try {
            return one.and(two);
        } catch (PatternException e) {
            throw SchemaKeywords.wrong(path, "'pattern' beside 'format' is not implemented: " + e.getMessage());
        }
    }
}
