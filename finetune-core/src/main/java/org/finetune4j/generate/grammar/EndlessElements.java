package org.finetune4j.generate.grammar;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Deque;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Set;

/** Takes away what can begin and never end, such as what contains itself always: an answer that chose it would be lost. */
final class EndlessElements {

    private final IdentityHashMap<Element, List<Element>> containing = new IdentityHashMap<>();

    /** Parts of a sequence that are not known to end. */
    private final IdentityHashMap<Element, Integer> open = new IdentityHashMap<>();

    private final Set<Element> ending = Collections.newSetFromMap(new IdentityHashMap<>());
    private final Deque<Element> found = new ArrayDeque<>();

    private EndlessElements() {}

    /** Takes it away below an element. Whether that itself can come to an end. */
    static boolean takeAway(Element whole) {
        EndlessElements elements = new EndlessElements();
        elements.collect(whole);
        elements.spread();
        elements.containing.keySet().forEach(elements::prune);
        return elements.ending.contains(whole);
    }

    private void collect(Element whole) {
        Deque<Element> next = new ArrayDeque<>(List.of(whole));
        containing.put(whole, new ArrayList<>());
        while (!next.isEmpty()) {
            Element element = next.pop();
            List<Element> parts = parts(element);
            if (element instanceof Element.Sequence) {
                open.put(element, parts.size());
            }
            if ((parts.isEmpty() && !(element instanceof Element.Choice))
                    || (element instanceof Element.Repeat repeat && repeat.mayEndAfter(0))) {
                found.add(element);
            }
            for (Element part : parts) {
                List<Element> others = containing.get(part);
                if (others == null) {
                    others = new ArrayList<>();
                    containing.put(part, others);
                    next.push(part);
                }
                others.add(element);
            }
        }
    }

    private static List<Element> parts(Element element) {
        if (element instanceof Element.Sequence sequence) {
            return sequence.parts();
        }
        if (element instanceof Element.Choice choice) {
            return choice.parts();
        }
        if (element instanceof Element.Repeat repeat) {
            return List.of(repeat.part());
        }
        return element instanceof Element.Reference reference ? List.of(reference.target()) : List.of();
    }

    private void spread() {
        while (!found.isEmpty()) {
            Element element = found.pop();
            if (!ending.add(element)) {
                continue;
            }
            for (Element around : containing.getOrDefault(element, List.of())) {
                if (!(around instanceof Element.Sequence) || open.merge(around, -1, Integer::sum) == 0) {
                    found.push(around);
                }
            }
        }
    }

    private void prune(Element element) {
        if (element instanceof Element.Choice choice) {
            choice.keep(ending::contains);
        } else if (element instanceof Element.Repeat repeat && !ending.contains(repeat.part())) {
            repeat.leaveOut();
        }
    }
}
