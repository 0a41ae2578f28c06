package org.finetune4j.data.format;

/** An example with something to answer to and an answer to learn. */
public sealed interface Supervised extends Example permits Conversation, Instruction, PromptCompletion {}
