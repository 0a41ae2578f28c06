/** Models of this process for LangChain4j. */
@org.jspecify.annotations.NullMarked
package org.finetune4j.langchain4j;
