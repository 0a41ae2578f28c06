package org.finetune4j.cli.quickstart.data;

import java.util.EnumMap;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/** People, and what is true of each of them: the same for the same seed. */
final class Village {

    private static final List<String> NAMES =
            List.of(("Mira Tom Lena Paul Nora Karl Ruth Hugo Vera Ivan Dora Felix Greta Oscar Helen Simon Julia Peter"
                            + " Clara David Maria Jonas Tessa Bruno Sofia Henry Paula Frank Rosa Martin Linda George"
                            + " Wanda Louis Selma Victor Bella Robert Flora Samuel Stella Walter Martha Conrad Judith"
                            + " Leonard Sandra Philip Carmen Daniel Teresa Gustav Monica Edgar Sylvia Arthur Regina"
                            + " Marcus Laura Anton Petra Boris Ingrid Cyril Amelia Dennis Elsa Gordon Hanna Igor Katrin"
                            + " Lucas Mabel Nigel Olga Pascal Rita Stefan Thea Ulrich Viola Wilma Yvonne Zeno Abel Ada"
                            + " Albert Alma Amos Anita Boyd Brenda Bruce Cora Cecil Dale Diana Donald Edith Elmer Emma"
                            + " Erik Fiona Flynn Gina Glen Hazel Hector Holly Ida Isaac Jane Joel Joyce Keith Lara Leo"
                            + " Lily Marvin Megan Milo Nadia Neil Nina Agnes Basil Celia Dirk Esther Fergus Gloria Harold"
                            + " Iris Jasper Kira Lionel Miriam Norman Odette Percy Rufus Sabine Theo Ursula Vincent"
                            + " Winnie Xaver Zelda")
                    .split(" "));

    private static final int HELD_OUT = 24;

    private final Map<String, Map<Trait, String>> facts = new HashMap<>();

    Village(long seed) {
        Dice dice = new Dice(seed);
        for (String name : NAMES) {
            Map<Trait, String> ofPerson = new EnumMap<>(Trait.class);
            for (Trait trait : Trait.values()) {
                ofPerson.put(trait, dice.pick(trait.possibleValues()));
            }
            facts.put(name, ofPerson);
        }
    }

    /** Everybody: all of them occur in the corpus. */
    List<String> people() {
        return NAMES;
    }

    /** Those that the instruction task may teach about. */
    List<String> taughtPeople() {
        return NAMES.subList(0, NAMES.size() - HELD_OUT);
    }

    /** Those that only held-out questions are about. */
    List<String> heldOutPeople() {
        return NAMES.subList(NAMES.size() - HELD_OUT, NAMES.size());
    }

    /** Fills a template with a person and what is true of them. */
    String tell(String template, String name, Trait trait) {
        String value = facts.getOrDefault(name, Map.of()).getOrDefault(trait, "");
        return template.replace("{name}", name).replace("{value}", value);
    }
}
