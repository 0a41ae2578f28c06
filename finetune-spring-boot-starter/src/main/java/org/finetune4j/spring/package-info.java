/** Sets up a model, its chat models and the service from a Spring Boot application's properties. */
@org.jspecify.annotations.NullMarked
package org.finetune4j.spring;
