package org.finetune4j.model.chat;

/**
 * A template as the renderer reads it.
 *
 * @param source in the renderer's own terms
 * @param constants what the source refers to
 */
record NormalizedTemplate(String source, TemplateConstants constants) {}
