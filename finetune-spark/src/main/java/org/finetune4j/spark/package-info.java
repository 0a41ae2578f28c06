/** Training on the executors of a Spark application. */
@org.jspecify.annotations.NullMarked
package org.finetune4j.spark;
