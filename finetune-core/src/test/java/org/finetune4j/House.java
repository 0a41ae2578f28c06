package org.finetune4j;

import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.classes;

import com.tngtech.archunit.core.domain.Dependency;
import com.tngtech.archunit.core.domain.JavaClass;
import com.tngtech.archunit.lang.ArchCondition;
import com.tngtech.archunit.lang.ArchRule;
import com.tngtech.archunit.lang.ConditionEvents;
import com.tngtech.archunit.lang.SimpleConditionEvent;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * The table of CONTRIBUTING.md, "The house": which room may use which. A room may use what those may use that it may use; all may use
 * the root package and what stands beside it in the table.
 */
public final class House {

    private static final String ROOT = "org.finetune4j";
    private static final Pattern ROW = Pattern.compile("\\| (.+?) \\|.*\\|([^|]*)\\|");
    private static final Pattern NAME = Pattern.compile("`(?:finetune-)?(\\w+)`");
    private static final String CORE = "core";

    private final Map<String, Set<String>> mayUse;

    private House(Map<String, Set<String>> mayUse) {
        this.mayUse = mayUse;
    }

    private static House asWritten() {
        Map<String, Set<String>> rooms = new LinkedHashMap<>();
        Set<String> common = new LinkedHashSet<>();
        Set<String> core = new LinkedHashSet<>();
        for (String line : section("## The house")) {
            Matcher row = ROW.matcher(line);
            if (!row.matches() || !row.group(1).contains("`")) {
                continue;
            }
            List<String> names = names(row.group(1));
            Set<String> uses = new LinkedHashSet<>(List.of(row.group(2).strip().split(", *")));
            if (row.group(1).startsWith("root package")) {
                common.addAll(names);
            }
            if (!row.group(1).contains("finetune-")) {
                core.addAll(names);
            }
            names.forEach(name -> rooms.put(name, uses));
        }
        Map<String, Set<String>> closed = new LinkedHashMap<>();
        for (String room : rooms.keySet()) {
            Set<String> reached = new LinkedHashSet<>();
            Deque<String> open = new ArrayDeque<>(rooms.getOrDefault(room, Set.of()));
            while (!open.isEmpty()) {
                String next = open.pop();
                if (next.equals("everything")) {
                    open.addAll(rooms.keySet());
                } else if (next.startsWith(CORE) || next.endsWith("the core")) {
                    open.addAll(core);
                } else if (!next.isEmpty() && reached.add(next)) {
                    if (!rooms.containsKey(next)) {
                        throw new IllegalStateException("CONTRIBUTING.md: no room is called " + next);
                    }
                    open.addAll(rooms.getOrDefault(next, Set.of()));
                }
            }
            reached.addAll(common);
            closed.put(room, reached);
        }
        return new House(closed);
    }

    private static List<String> section(String title) {
        try {
            List<String> lines = Files.readAllLines(Path.of("..", "CONTRIBUTING.md"));
            int start = lines.indexOf(title) + 1;
            List<String> section = new ArrayList<>();
            for (String line : lines.subList(start, lines.size())) {
                if (line.startsWith("## ")) {
                    break;
                }
                section.add(line);
            }
            return section;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static List<String> names(String cell) {
        List<String> names = new ArrayList<>();
        Matcher name = NAME.matcher(cell);
        while (name.find()) {
            names.add(name.group(1));
        }
        return names;
    }

    /** {@return that every class uses no more than its room may} */
    public static ArchRule rule() {
        return classes().that().resideInAPackage(ROOT + "..").should(new UseNoMoreThanTheirRoomMay());
    }

    private void check(JavaClass javaClass, ConditionEvents events) {
        String room = room(javaClass);
        if (room != null && !mayUse.containsKey(room)) {
            events.add(SimpleConditionEvent.violated(
                    javaClass, javaClass.getName() + ": CONTRIBUTING.md has no room '" + room + "'"));
            return;
        }
        Set<String> allowed = room == null ? Set.of() : mayUse.getOrDefault(room, Set.of());
        for (Dependency dependency : javaClass.getDirectDependenciesFromSelf()) {
            String target = room(dependency.getTargetClass());
            if (target != null && !target.equals(room) && !allowed.contains(target)) {
                events.add(SimpleConditionEvent.violated(javaClass, dependency.getDescription()));
            }
        }
    }

    /** Reads the table when it is checked: rules are made while tests are looked for, which may be in another directory. */
    private static final class UseNoMoreThanTheirRoomMay extends ArchCondition<JavaClass> {

        private @Nullable House house;

        UseNoMoreThanTheirRoomMay() {
            super("use no more than their room may, see CONTRIBUTING.md");
        }

        @Override
        public void check(JavaClass javaClass, ConditionEvents events) {
            if (house == null) {
                house = asWritten();
            }
            house.check(javaClass, events);
        }
    }

    /** The part of the package's name that says the room, or null for the root package and what is not ours. */
    private static @Nullable String room(JavaClass javaClass) {
        String name = javaClass.getPackageName();
        if (!name.startsWith(ROOT + ".")) {
            return null;
        }
        return name.substring(ROOT.length() + 1).split("\\.")[0];
    }
}
