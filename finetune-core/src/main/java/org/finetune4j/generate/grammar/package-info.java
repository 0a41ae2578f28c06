/** What an answer has to look like: grammars over bytes, of JSON and of JSON by a schema, and the tokens that they allow. */
@NullMarked
package org.finetune4j.generate.grammar;

import org.jspecify.annotations.NullMarked;
