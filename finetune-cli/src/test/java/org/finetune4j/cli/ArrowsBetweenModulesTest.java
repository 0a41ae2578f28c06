package org.finetune4j.cli;

import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;

import com.tngtech.archunit.core.importer.ImportOption.DoNotIncludeTests;
import com.tngtech.archunit.junit.AnalyzeClasses;
import com.tngtech.archunit.junit.ArchTest;
import com.tngtech.archunit.lang.ArchRule;

/** Methods do not know the command line, and the command line does not know the native bindings. */
@AnalyzeClasses(packages = "org.finetune4j", importOptions = DoNotIncludeTests.class)
class ArrowsBetweenModulesTest {

    @ArchTest
    static final ArchRule methodsDoNotKnowTheCommandLine = noClasses()
            .that()
            .resideInAPackage("org.finetune4j.peft..")
            .should()
            .dependOnClassesThat()
            .resideInAnyPackage("org.finetune4j.cli..", "org.finetune4j.quant..");

    @ArchTest
    static final ArchRule quantisationKnowsTheCoreOnly = noClasses()
            .that()
            .resideInAPackage("org.finetune4j.quant..")
            .should()
            .dependOnClassesThat()
            .resideInAnyPackage("org.finetune4j.cli..", "org.finetune4j.peft..");

    @ArchTest
    static final ArchRule theCoreKnowsNeither = noClasses()
            .that()
            .resideOutsideOfPackages("org.finetune4j.peft..", "org.finetune4j.quant..", "org.finetune4j.cli..")
            .should()
            .dependOnClassesThat()
            .resideInAnyPackage("org.finetune4j.peft..", "org.finetune4j.quant..", "org.finetune4j.cli..");

    @ArchTest
    static final ArchRule nativeBindingsStayInTensor = noClasses()
            .that()
            .resideOutsideOfPackage("org.finetune4j.tensor")
            .should()
            .dependOnClassesThat()
            .resideInAnyPackage("org.bytedeco..", "ai.djl.ndarray..", "ai.djl.engine..", "ai.djl.pytorch..");
}
