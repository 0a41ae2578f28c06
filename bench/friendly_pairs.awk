# Pairs of answers for a reward model: endings of small stories, of which the friendly one is preferred.
# awk -v seed=1 -v count=600 -f bench/friendly_pairs.awk > pairs.jsonl
function pick(list,  n, a) { n = split(list, a, "|"); return a[1 + int(rand() * n)] }
BEGIN {
    srand(seed)
    for (i = 0; i < count; i++) {
        name = pick("Tom|Lily|Ben|Anna|Max|Sue|Tim|Mia"); thing = pick("ball|dog|cat|tree|book|cake|bird|boat")
        printf "{\"prompt\": \"%s saw a %s in the park. %s\", ", name, thing, name
        printf "\"chosen\": \" %s with the %s.\", ", pick("was happy and smiled|laughed with joy|was glad and said thank you|felt happy and gave a hug"), pick("ball|dog|cat|tree")
        printf "\"rejected\": \" %s with the %s.\"}\n", pick("was sad and cried|got angry and shouted|was mean and ran away|felt bad and said no"), pick("ball|dog|cat|tree")
    }
}
