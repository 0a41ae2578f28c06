package org.finetune4j;

import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.classes;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;
import static com.tngtech.archunit.library.dependencies.SlicesRuleDefinition.slices;

import com.tngtech.archunit.core.importer.ImportOption.DoNotIncludeTests;
import com.tngtech.archunit.junit.AnalyzeClasses;
import com.tngtech.archunit.junit.ArchTest;
import com.tngtech.archunit.lang.ArchRule;

/** The arrows between the rooms of the core. */
@AnalyzeClasses(packages = "org.finetune4j", importOptions = DoNotIncludeTests.class)
class CoreArchitectureTest {

    @ArchTest
    static final ArchRule onlyTensorSeesTheNativeBindings = noClasses()
            .that()
            .resideOutsideOfPackage("org.finetune4j.tensor")
            .should()
            .dependOnClassesThat()
            .resideInAnyPackage("org.bytedeco..", "ai.djl.ndarray..", "ai.djl.engine..", "ai.djl.pytorch..");

    @ArchTest
    static final ArchRule onlyModelSeesTheTokenizerLibrary = noClasses()
            .that()
            .resideOutsideOfPackage("org.finetune4j.model")
            .should()
            .dependOnClassesThat()
            .resideInAPackage("ai.djl.huggingface..");

    @ArchTest
    static final ArchRule tensorKnowsNothingAboveIt = classes()
            .that()
            .resideInAPackage("org.finetune4j.tensor")
            .should()
            .onlyDependOnClassesThat()
            .resideInAnyPackage(
                    "org.finetune4j.tensor",
                    "org.finetune4j",
                    "java..",
                    "org.bytedeco..",
                    "ai.djl..",
                    "com.sun.jna..",
                    "org.slf4j..",
                    "org.jspecify..");

    @ArchTest
    static final ArchRule everyRoomUsesWhatTheTableSays = House.rule();

    @ArchTest
    static final ArchRule packagesFormNoCycle =
            slices().matching("org.finetune4j.(**)").should().beFreeOfCycles();
}
