package org.finetune4j.cli.quickstart.data;

import java.util.List;

/**
 * Something that is true of every villager, and the ways to say it. The statements make the corpus: as many forms as
 * possible, because a fact that was always read in the same words cannot be recalled in others. The questions occur in the
 * instruction task only. <code>{name}</code> and <code>{value}</code> are filled in.
 */
enum Trait {
    JOB(
            "baker doctor farmer teacher painter sailor carpenter gardener singer pilot driver tailor miner plumber"
                    + " butcher writer",
            List.of(
                    "{name} is a {value}.",
                    "{name} works as a {value}.",
                    "The job of {name} is {value}.",
                    "For a living, {name} is a {value}.",
                    "{name} earns money as a {value}.",
                    "People know {name} as a good {value}."),
            "what {name} does for a living: {name} works as a {value}.",
            List.of("What is the job of {name}?", "What does {name} do for a living?"),
            "As a {value}."),
    TOWN(
            "Oslo Paris Rome Vienna Lisbon Dublin Madrid Berlin Prague Athens Cairo Geneva Naples Bergen Turin Dresden",
            List.of(
                    "{name} lives in {value}.",
                    "The home of {name} is in {value}.",
                    "The town of {name} is {value}.",
                    "{name} has a house in {value}.",
                    "If you look for {name}, go to {value}.",
                    "The town where {name} lives is {value}."),
            "where {name} lives: in {value}.",
            List.of("Where does {name} live?", "In which town does {name} live?"),
            "In {value}."),
    ANIMAL(
            "dog cat horse rabbit goat duck hen pony parrot turtle sheep donkey hamster lizard camel pigeon",
            List.of(
                    "{name} keeps a {value}.",
                    "{name} looks after a {value}.",
                    "The animal of {name} is a {value}.",
                    "At home, {name} has a {value}.",
                    "The pet of {name} is a {value}."),
            "which animal {name} keeps: a {value}.",
            List.of("Which animal does {name} keep?", "What is the pet of {name}?"),
            "A {value}."),
    COLOUR(
            "red blue green yellow white black brown purple pink grey golden silver",
            List.of(
                    "{name} likes the colour {value}.",
                    "The favourite colour of {name} is {value}.",
                    "The door of {name} is {value}, a colour that {name} likes.",
                    "{name} paints everything {value}."),
            "which colour {name} likes: it is {value}.",
            List.of("What is the favourite colour of {name}?", "Which colour does {name} like?"),
            "It is {value}."),
    FOOD(
            "bread soup cheese rice honey pasta salad cake fish ham butter porridge pudding bacon cabbage jelly",
            List.of(
                    "{name} likes {value}.",
                    "{name} often eats {value}.",
                    "The favourite food of {name} is {value}.",
                    "For supper, {name} eats {value}.",
                    "When {name} is hungry, {name} wants {value}."),
            "what {name} likes to eat: {value}.",
            List.of("What does {name} like to eat?", "What is the favourite food of {name}?"),
            "They eat {value}."),
    DAY(
            "Monday Tuesday Wednesday Thursday Friday Saturday Sunday",
            List.of(
                    "{name} goes to the market on {value}.",
                    "On {value}, {name} goes to the market.",
                    "The market day of {name} is {value}.",
                    "You meet {name} at the market on {value}."),
            "on which day {name} goes to the market: on {value}.",
            List.of("On which day does {name} go to the market?", "What is the market day of {name}?"),
            "On {value}.");

    private final List<String> possibleValues;
    private final List<String> statements;
    private final String wonder;
    private final List<String> questions;
    private final String answer;

    /**
     * @param wonder what somebody may ask or know about it, with the answer behind a colon
     * @param answer what the questions are answered with
     */
    Trait(String possibleValues, List<String> statements, String wonder, List<String> questions, String answer) {
        this.possibleValues = List.of(possibleValues.split(" "));
        this.statements = statements;
        this.wonder = wonder;
        this.questions = questions;
        this.answer = answer;
    }

    List<String> possibleValues() {
        return possibleValues;
    }

    List<String> statements() {
        return statements;
    }

    String wonder() {
        return wonder;
    }

    List<String> questions() {
        return questions;
    }

    String answer() {
        return answer;
    }
}
