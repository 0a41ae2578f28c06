package org.finetune4j.data.supervised;

/**
 * What a model is given, up to the place where its answer begins. The array is not copied.
 *
 * @param text special tokens spelt out
 * @param ids its tokens
 */
public record TokenizedPrompt(String text, int[] ids) {}
